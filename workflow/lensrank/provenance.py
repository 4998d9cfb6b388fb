"""Where a result comes from: versions, machine, and what the process took. No Keras is needed to ask."""

import platform
import resource
import sys
from importlib import metadata

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


def peak_memory() -> int:
    """Most memory this process has held so far, in bytes."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024
