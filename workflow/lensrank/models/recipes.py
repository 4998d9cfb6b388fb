"""Which networks there are, and how each of lensrank's own is trained where the configuration does not say.

Data only: the configuration is checked against it without loading Keras.
"""

from typing import Any

from lensrank.errors import ConfigError

RECIPES: dict[str, dict[str, Any]] = {
    # Schaefer et al. 2018 (arXiv 1705.07132): Adam at 1e-4, batches of 15 lenses and 15 non-lenses, the 8 symmetries
    # of the square, brightness and offset.
    "lastro": {
        "batch_size": 30,
        "learning_rate": 1e-4,
        "balanced_batches": True,
        "augmentation": {
            "flip": False,
            "symmetries": True,
            "rotation_degrees": 0.0,
            "zoom": None,
            "brightness": [0.8, 1.2],
            "offset": [-0.1, 0.1],
        },
    },
    # The report's protocol is the configuration's own defaults.
    "efficientnetb0": {},
    # A few hundred weights, to try a workflow on small images within seconds.
    "tiny": {
        "batch_size": 16,
        "learning_rate": 1e-2,
        "augmentation": {"flip": False, "symmetries": True, "rotation_degrees": 0.0, "zoom": None},
    },
}
"""Training keys and `augmentation` that differ from the configuration's defaults, by network."""

APPLICATIONS: tuple[str, ...] = (
    "ConvNeXtBase",
    "ConvNeXtLarge",
    "ConvNeXtSmall",
    "ConvNeXtTiny",
    "ConvNeXtXLarge",
    "DenseNet121",
    "DenseNet169",
    "DenseNet201",
    "EfficientNetB0",
    "EfficientNetB1",
    "EfficientNetB2",
    "EfficientNetB3",
    "EfficientNetB4",
    "EfficientNetB5",
    "EfficientNetB6",
    "EfficientNetB7",
    "EfficientNetV2B0",
    "EfficientNetV2B1",
    "EfficientNetV2B2",
    "EfficientNetV2B3",
    "EfficientNetV2L",
    "EfficientNetV2M",
    "EfficientNetV2S",
    "InceptionResNetV2",
    "InceptionV3",
    "MobileNet",
    "MobileNetV2",
    "MobileNetV3Large",
    "MobileNetV3Small",
    "NASNetLarge",
    "NASNetMobile",
    "ResNet101",
    "ResNet101V2",
    "ResNet152",
    "ResNet152V2",
    "ResNet50",
    "ResNet50V2",
    "VGG16",
    "VGG19",
    "Xception",
)
"""Functions of `keras.applications` that build a network; a configuration names them in lower case."""

NETWORKS: tuple[str, ...] = tuple(sorted({*RECIPES, *(name.lower() for name in APPLICATIONS)}))
"""Every name that `network` of a model may have."""


def recipe(network: str) -> dict[str, Any]:
    """Training keys and `augmentation` in which a network differs from the configuration's defaults.

    Args:
        network: a name out of `NETWORKS`.

    Raises:
        ConfigError: there is no such network.
    """
    if network not in NETWORKS:
        raise ConfigError(f"network {network!r} is not registered. There are: {', '.join(NETWORKS)}.")
    return RECIPES.get(network, {})
