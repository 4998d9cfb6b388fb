"""The network that won the challenge's space-based ranking (Schaefer et al. 2018, arXiv 1705.07132).

How it is normalised and regularised in training is told by its authors' program, mariogeiger/lensfinder-euclid.
"""

from typing import Any

import keras
from keras import layers

from lensrank.config.settings import Model
from lensrank.errors import ModelError
from lensrank.models.layers import RisingDropout, SettlingBatchNormalization, centred_relu

DROPOUT = 0.5
"""What the rate rises to."""

SMALLEST = 69
"""Pixels a side of which the last convolution gets one: 69 - 5 = 2 x 32; 32 - 4 = 2 x 14; 14 - 4 = 2 x 5; 5 - 4 = 1."""


def build(settings: Model, shape: tuple[int, int, int]) -> keras.Model:
    """Build the network: 5,673,921 trainable weights for 101 x 101 pixels in one band.

    The fixed scale and shift that the authors put after each pooling is left to the batch normalisation behind it.

    Args:
        settings: not used; the network has no options.
        shape: (height, width, bands).

    Returns:
        Model of normalised pixels (n, height, width, bands) to logits (n, 1) float32.

    Raises:
        ModelError: the images are too small for its four valid blocks.
    """
    del settings
    if min(shape[:2]) < SMALLEST:
        raise ModelError(
            f"network lastro takes images from {SMALLEST} x {SMALLEST} pixels, cutout.shape is "
            f"{shape[0]} x {shape[1]}. Use another network, or larger cutouts."
        )
    x = inputs = keras.Input(shape)
    for filters, first in ((16, 4), (32, 3), (64, 3)):
        x = _convolution(filters, first)(x)
        x = _convolution(filters, 3)(x)
        x = layers.MaxPooling2D(2)(x)
        x = SettlingBatchNormalization()(x)
    x = RisingDropout(DROPOUT)(x)
    x = RisingDropout(DROPOUT)(_convolution(128, 3)(x))
    x = SettlingBatchNormalization()(_convolution(128, 3)(x))
    x = layers.Flatten()(RisingDropout(DROPOUT)(x))
    x = RisingDropout(DROPOUT)(_dense(1024)(x))
    x = RisingDropout(DROPOUT)(_dense(1024)(x))
    x = SettlingBatchNormalization()(_dense(1024)(x))
    logit = _dense(1, activation=None, dtype="float32")(x)
    return keras.Model(inputs, logit, name="network")


def _initializer() -> keras.initializers.Initializer:
    return keras.initializers.VarianceScaling(1.0, mode="fan_in", distribution="untruncated_normal")


def _convolution(filters: int, size: int) -> keras.layers.Layer:
    return layers.Conv2D(filters, size, activation=centred_relu, kernel_initializer=_initializer())


def _dense(units: int, activation: Any = centred_relu, dtype: str | None = None) -> keras.layers.Layer:
    return layers.Dense(units, activation=activation, kernel_initializer=_initializer(), dtype=dtype)
