"""The layers that are lensrank's own. Each is registered with Keras, so that a saved model loads in any process."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

LARGEST = 1e4
"""Normalised pixels are kept within ± this. The brightest of the challenge's images reaches 70; a finite pixel far
beyond is no galaxy, and left as it is would turn into infinities, and a score into NaN."""


@keras.saving.register_keras_serializable("lensrank")
class Normalise(keras.layers.Layer):
    """Raw pixels to network input: Z = (X - mean) / std per band, and 0 where there is no measurement.

    NaN, infinite and masked pixels become 0, the mean of the training images. Everything is in float32 under any
    data type policy: raw pixels are about 1e-12, which float16 cannot hold, and bfloat16 would round each to 0.4 %.
    (`keras.layers.Normalization` takes any standard deviation below 1e-7 for 1e-7.)

    Args:
        mean: per band, in the pixels' unit.
        std: per band, in the pixels' unit.
        masked: pixels of exactly this value are masked; None: no value is.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], masked: float | None = None, **kwargs: Any) -> None:
        super().__init__(**{**kwargs, "dtype": "float32"})
        self.mean = [float(value) for value in mean]
        self.std = [float(value) for value in std]
        self.masked = masked

    def call(self, inputs: Any) -> Any:
        """Normalise (n, height, width, band) float32."""
        mean = ops.convert_to_tensor(self.mean, "float32")
        scale = ops.convert_to_tensor([1 / value for value in self.std], "float32")
        usable = ops.isfinite(inputs)
        if self.masked is not None:
            usable = ops.logical_and(usable, inputs != ops.convert_to_tensor(self.masked, "float32"))
        normalised = ops.clip((inputs - mean) * scale, -LARGEST, LARGEST)
        return ops.where(usable, normalised, ops.zeros_like(normalised))

    def compute_output_shape(self, input_shape: Sequence[int | None]) -> Sequence[int | None]:
        """Give the shape of the input."""
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Give what a saved model needs to make the layer again."""
        return {**super().get_config(), "mean": self.mean, "std": self.std, "masked": self.masked}


@keras.saving.register_keras_serializable("lensrank")
def centred_relu(x: Any) -> Any:
    """Rectifier with mean 0 and variance 1 for normally distributed input (Schaefer et al. 2018, arXiv 1705.07132).

    1/sqrt(2 pi) = 0.39894 is the mean of max(0, x), and 1/sqrt(1/2 - 1/(2 pi)) = 1.71286 scales its variance to 1.
    """
    return (ops.relu(x) - 0.3989422804014327) * 1.712858550449663


@keras.saving.register_keras_serializable("lensrank")
class SettlingBatchNormalization(keras.layers.BatchNormalization):
    """Batch normalisation by constants that settle, the same in training and in inference.

    Each batch of training moves the mean and the variance by a share that falls as 0.6^(batches / 1000), so that they
    are those of the first batch, then averages, and stay what they are after some ten thousand batches. No gradient
    goes through them. With moments of the batch, as usual, a network with dropout is another one in training than in
    inference. (The challenge's winner, `layers_normal.py` and `arch_baseline.py` of mariogeiger/lensfinder-euclid.)
    """

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the variables: those of batch normalisation, and the number of batches."""
        super().build(input_shape)
        self.batches = _batch_counter(self)

    def call(self, inputs: Any, training: bool | None = None, mask: Any = None) -> Any:
        """Normalise (n, ..., channel)."""
        if training and self.trainable:
            self._settle(ops.stop_gradient(ops.cast(inputs, "float32")))
        return super().call(inputs, training=False, mask=mask)

    def _settle(self, inputs: Any) -> None:
        share = ops.power(0.6, self.batches / 1000)
        found = ops.moments(inputs, axes=list(range(len(inputs.shape) - 1)))
        for constant, value in zip((self.moving_mean, self.moving_variance), found, strict=True):
            constant.assign(constant + share * (value - constant))
        self.batches.assign(self.batches + 1)


@keras.saving.register_keras_serializable("lensrank")
class RisingDropout(keras.layers.Dropout):
    """Dropout whose rate rises from 0 to `rate`, half of the way in every 2,000 batches of training.

    (The challenge's winner, `arch_baseline.py` of mariogeiger/lensfinder-euclid.)
    """

    def build(self, input_shape: Sequence[int | None]) -> None:
        """Make the variable: the number of batches."""
        super().build(input_shape)
        self.batches = _batch_counter(self)

    def call(self, inputs: Any, training: bool | None = False) -> Any:
        """Drop values of inputs of any shape, and scale the others up, in training."""
        if not training:
            return inputs
        keep = 1 - self.rate * (1 - ops.power(0.5, self.batches / 2000))
        kept = keras.random.uniform(ops.shape(inputs), dtype="float32", seed=self.seed_generator) < keep
        self.batches.assign(self.batches + 1)
        return ops.where(kept, inputs / ops.cast(keep, inputs.dtype), ops.zeros_like(inputs))


def _batch_counter(layer: keras.layers.Layer) -> Any:
    """A variable of a layer for the batches it was trained on: float32, which counts them exactly to 16 million."""
    return layer.add_weight(
        shape=(), initializer="zeros", dtype="float32", trainable=False, autocast=False, name="batches"
    )
