"""Networks: a whole model takes raw pixels and gives the probability of a lens.

```
raw pixels ─▶ Normalise ─▶ network (one file each) ─▶ sigmoid ─▶ probability
```

Keras is imported when a model is built or loaded, not before: reading `models.recipes` stays quick.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from lensrank.config.settings import Model
from lensrank.errors import ModelError
from lensrank.models.recipes import NETWORKS

if TYPE_CHECKING:
    import keras

    from lensrank.normalise import Normalisation


def build_network(name: str, settings: Model, shape: Sequence[int], bands: int) -> "keras.Model":
    """Build a network without its front: normalised pixels in, logit out.

    Args:
        name: a name out of `NETWORKS`.
        settings: the model's section of the configuration.
        shape: (height, width) in pixels.
        bands: number of channels.

    Returns:
        Model of (n, height, width, bands) to (n, 1) float32, in the data type policy that is in force.

    Raises:
        ModelError: there is no such network, or it cannot take images of this shape.
    """
    from lensrank.models import applications, lastro, tiny

    own = {"lastro": lastro.build, "tiny": tiny.build}
    if name not in NETWORKS:
        raise ModelError(f"network {name!r} is not registered. There are: {', '.join(NETWORKS)}.")
    if name in own:
        return own[name](settings, (shape[0], shape[1], bands))
    return applications.build(name, settings, (shape[0], shape[1], bands))


def build(
    name: str,
    settings: Model,
    shape: Sequence[int],
    bands: int,
    normalisation: "Normalisation",
    masked: float | None = None,
) -> "keras.Model":
    """Build a whole model: raw pixels in, probability out, nothing to be done outside it.

    Args:
        name: a name out of `NETWORKS`.
        settings: the model's section of the configuration.
        shape: (height, width) in pixels.
        bands: number of channels.
        normalisation: constants of Z = (X - mean) / std per band.
        masked: pixels of exactly this value are background; None: no value is.

    Returns:
        Model of (n, height, width, bands) float32 to (n, 1) float32. Its layers `normalise` and `network` are what
        training shares with it.

    Raises:
        ModelError: as `build_network`.
    """
    import keras

    from lensrank.models.layers import Normalise

    network = build_network(name, settings, shape, bands)
    inputs = keras.Input((shape[0], shape[1], bands), dtype="float32", name="pixels")
    normalise = Normalise(normalisation.mean, normalisation.std, masked, name="normalise")
    logit = network(normalise(inputs))
    probability = keras.layers.Activation("sigmoid", dtype="float32", name="probability")(logit)
    return keras.Model(inputs, probability, name=f"lensrank_{name}")


def load(path: str | Path, shape: Sequence[int] | None = None) -> "keras.Model":
    """Load a whole model, in any process and under any backend of Keras.

    Nothing in the file is executed: layers come from Keras and from `models.layers` only.

    Args:
        path: a `.keras` file.
        shape: (height, width, bands) of the images it is wanted for, or None to take any.

    Returns:
        Model of (n, height, width, bands) to (n, 1), not compiled.

    Raises:
        ModelError: the file is not there, is no such model, or is for images of another shape.
    """
    import keras

    from lensrank.models import layers  # noqa: F401  (registers lensrank's layers with Keras)

    if not Path(path).is_file():
        raise ModelError(f"{path}: there is no such model file. Train the model, or correct its path.")
    try:
        model = keras.saving.load_model(path, compile=False)
    except Exception as error:  # Keras raises whatever a damaged zip, HDF5 or JSON part makes it raise
        raise ModelError(f"{path}: not a .keras model that can be loaded: {error}") from error
    taken, given = model.input_shape, model.output_shape
    if not (isinstance(taken, tuple) and len(taken) == 4 and given == (None, 1)):
        raise ModelError(
            f"{path}: takes {taken} and gives {given}. A model takes images (n, height, width, band) of raw pixels and "
            "gives one probability each (n, 1)."
        )
    if shape is not None and any(has not in (None, wanted) for has, wanted in zip(taken[1:], shape, strict=True)):
        raise ModelError(
            f"{path}: is for images of {' x '.join(map(str, taken[1:]))} (height x width x bands), but these are "
            f"{' x '.join(map(str, shape))}. Correct cutout.shape or bands, or use a model that was trained on such."
        )
    return model
