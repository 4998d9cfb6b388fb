"""A network of 1,361 weights and up that learns small images within seconds: to try a workflow, not to find lenses."""

import keras
from keras import layers

from lensrank.config.settings import Model


def build(settings: Model, shape: tuple[int, int, int]) -> keras.Model:
    """Build the network, for images of any shape.

    Args:
        settings: not used; the network has no options.
        shape: (height, width, bands).

    Returns:
        Model of normalised pixels (n, height, width, bands) to logits (n, 1) float32.
    """
    del settings
    x = inputs = keras.Input(shape)
    for filters in (8, 16):
        x = layers.Conv2D(filters, 3, strides=2, padding="same", activation="relu")(x)
        x = layers.BatchNormalization(momentum=0.9)(x)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(1, dtype="float32")(x), name="network")
