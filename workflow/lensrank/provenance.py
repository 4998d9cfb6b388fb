"""Where a result comes from: versions, machine, recipe, and what the process took. No Keras is needed to ask."""

import platform
import resource
import sys
from importlib import metadata
from typing import Any

from lensrank.config.settings import Augmentation, Model

PACKAGES = (
    "lensrank",
    "astropy",
    "h5py",
    "jax",
    "jaxlib",
    "keras",
    "numpy",
    "openvino",
    "pandas",
    "scikit-learn",
    "scipy",
    "snakemake",
    "tensorflow",
    "torch",
)


def versions() -> dict[str, str]:
    """Version of Python and of each package that results depend on, as far as it is installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine() -> dict[str, str]:
    """Name, system and processor type of this machine."""
    return {"host": platform.node(), "platform": platform.platform(), "machine": platform.machine()}


def training_recipe(record: dict[str, Any]) -> str:
    """How a network was trained, in a line that stands beside its figures of merit.

    Args:
        record: content of the training's provenance.json.
    """
    model = Model.model_validate(record["settings"]["model"])
    parts = [
        record["network"],
        f"{record['images']['train']} training images",
        f"{record['epochs']} epochs",
        f"{'balanced ' if model.balanced_batches else ''}batches of {model.batch_size}",
        f"learning rate {model.learning_rate:g}",
        f"augmentation {_augmentation_text(model.augmentation)}",
    ]
    parts += [f"weights from {model.weights.name}"] if model.weights else []
    parts += [f"resized to {model.image_size} pixels"] if model.image_size else []
    return ", ".join(parts)


def _augmentation_text(augmentation: Augmentation) -> str:
    active = [f"{name} {value}" for name, value in augmentation if value not in (None, False, True, 0.0)]
    named = [name for name, value in augmentation if value is True]
    return " ".join(named + active).replace("(", "").replace(")", "").replace(", ", " to ") or "none"


def peak_memory() -> int:
    """Most memory this process has held so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
