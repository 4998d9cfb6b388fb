"""Networks of `keras.applications` by their name in lower case, made to take normalised pixels of any bands."""

import warnings
from pathlib import Path

import keras
from keras import layers

from lensrank.config.settings import Model
from lensrank.errors import ModelError
from lensrank.models.recipes import APPLICATIONS

_WITH_PREPROCESSING_SWITCH = ("ConvNeXt", "EfficientNetV2", "MobileNetV3")


def build(name: str, settings: Model, shape: tuple[int, int, int]) -> keras.Model:
    """Build a network without its top, with global average pooling, dropout and one dense unit in its place.

    One band is repeated into three and three bands go in as they are. Other numbers have an input of their own, or,
    where ImageNet weights are loaded, a learned 1 x 1 convolution to three.

    Args:
        name: a function of `keras.applications` in lower case.
        settings: `weights`, `image_size` and `dropout` are used.
        shape: (height, width, bands).

    Returns:
        Model of normalised pixels (n, height, width, bands) to logits (n, 1) float32.

    Raises:
        ModelError: the network cannot take such images, or the weights are not its own.
    """
    inputs = keras.Input(shape)
    x = _three_channels(inputs, shape[2], settings)
    height, width = shape[:2]
    if settings.image_size is not None:
        height = width = settings.image_size
        x = layers.Resizing(height, width, interpolation="bilinear", dtype="float32")(x)
    x = _backbone(name, settings, (height, width, x.shape[-1]))(x)
    if len(x.shape) == 4:
        x = layers.GlobalAveragePooling2D()(x)
    x = layers.Dropout(settings.dropout)(x)
    return keras.Model(inputs, layers.Dense(1, dtype="float32")(x), name="network")


def _three_channels(x: keras.KerasTensor, bands: int, settings: Model) -> keras.KerasTensor:
    if bands == 1:
        return layers.Concatenate()([x, x, x])
    if bands == 3 or settings.weights is None:
        return x
    return layers.Conv2D(3, 1, name="bands_to_three")(x)


def _backbone(name: str, settings: Model, shape: tuple[int, int, int]) -> keras.Model:
    function = {known.lower(): known for known in APPLICATIONS}[name]
    options = {"include_preprocessing": False} if function.startswith(_WITH_PREPROCESSING_SWITCH) else {}
    try:
        with warnings.catch_warnings():
            # Four or more bands are meant, not a slip.
            warnings.filterwarnings("ignore", "This model usually expects 1 or 3 input channels", UserWarning)
            model = getattr(keras.applications, function)(include_top=False, weights=None, input_shape=shape, **options)
    except ValueError as error:
        raise ModelError(
            f"network {name} cannot take images of {' x '.join(map(str, shape))} (height x width x channels): {error} "
            "Set image_size to let the model resize them, or use another network."
        ) from error
    if settings.weights is not None:
        _load_weights(model, name, settings.weights)
    return _without_preprocessing(model)


def _load_weights(model: keras.Model, name: str, weights: Path) -> None:
    if not weights.is_file():
        raise ModelError(f"weights: {weights}: there is no such file. Correct it, or leave it out.")
    try:
        model.load_weights(weights)
    except Exception as error:  # Keras raises whatever a damaged or foreign HDF5 file makes it raise
        raise ModelError(f"weights: {weights}: not the weights of {name} without its top ('notop'): {error}") from error


def _without_preprocessing(model: keras.Model) -> keras.Model:
    # EfficientNetB0 to B7 begin with a division by 255 and an ImageNet normalisation that cannot be switched off;
    # pixels that are normalised already would reach the first convolution with a standard deviation of 0.004.
    normalised = [layer.output for layer in model.layers if isinstance(layer, layers.Normalization)]
    return keras.Model(normalised[0] if normalised else model.input, model.output, name="backbone")
