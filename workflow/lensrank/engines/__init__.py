"""What runs a trained network: Keras on any device, or OpenVINO on a CPU. Raw pixels in, probabilities out.

Importing this module loads neither; `make_engine` loads the one that it is asked for.
"""

import importlib.util
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from lensrank.errors import ConfigError, ModelError
from lensrank.files import file_digest

EngineName = Literal["keras", "openvino"]
Precision = Literal["float32", "bfloat16"]


class Engine(ABC):
    """A trained network, ready to score raw pixels."""

    device: str
    """What it computes on, for the record."""

    @abstractmethod
    def stream(self, blocks: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Score one block after another, without a pause between two; none may be changed before the end.

        Args:
            blocks: (m, height, width, band) float32 raw pixels, for any m.

        Returns:
            (m,) float32 probabilities for each block.
        """

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Score one block; gives (m,) float32 probabilities."""
        return self.stream([pixels])[0]


def resolve_engine(wanted: Literal["auto", "keras", "openvino"], precision: Precision, gpus: int) -> EngineName:
    """Decide which engine a run scores with, once for all of its jobs.

    Args:
        wanted: the configuration's `scoring.engine`.
        precision: the configuration's `scoring.precision`.
        gpus: GPUs that each scoring job is given.

    Returns:
        "openvino" for auto where jobs have no GPU and OpenVINO can be had, else "keras".

    Raises:
        ConfigError: the engine is not installed, or has not got the precision.
    """
    engine: EngineName
    if wanted == "auto":
        other_backend = os.environ.get("KERAS_BACKEND", "tensorflow") != "tensorflow"
        engine = "keras" if gpus or other_backend or _missing_for_openvino() else "openvino"
    else:
        engine = wanted
    if engine == "openvino" and (missing := _missing_for_openvino()):
        raise ConfigError(
            f"scoring.engine: openvino needs {' and '.join(missing)}, not installed here. Install it, or set keras."
        )
    if engine == "keras" and precision == "bfloat16":
        raise ConfigError(
            f"scoring.precision: bfloat16 is for scoring.engine openvino, on CPUs. scoring.engine {wanted} is keras "
            "here: set scoring.precision to float32, or scoring.engine to openvino."
        )
    return engine


def _missing_for_openvino() -> list[str]:
    """Packages without which OpenVINO cannot score; a network is converted by way of TensorFlow."""
    return [name for name in ("openvino", "tensorflow") if importlib.util.find_spec(name) is None]


def make_engine(
    model: Path,
    shape: Sequence[int],
    name: EngineName,
    precision: Precision,
    batch_size: int,
    threads: int | None = None,
    cache: Path | None = None,
) -> Engine:
    """Load a trained network into an engine.

    Args:
        model: a whole model, `.keras`: raw pixels in, probability out.
        shape: (height, width, bands) of the images.
        name: the engine.
        precision: of the arithmetic.
        batch_size: images at a time for Keras; OpenVINO uses a small size of its own.
        threads: of the engine, or None for as many as the process may use.
        cache: folder that keeps converted networks, or None to keep none.

    Raises:
        ConfigError: the engine cannot compute in this precision, or not on this machine.
        ModelError: the model cannot be loaded or converted, or is for images of another shape.
    """
    threads = threads or _usable_cpus()
    if name == "openvino":
        from lensrank.engines import openvino_engine

        return openvino_engine.OpenvinoEngine(model, shape, precision, threads, cache)
    resolve_engine(name, precision, gpus=0)
    from lensrank.engines import keras_engine

    return keras_engine.KerasEngine(model, shape, batch_size, threads)


def prepare(models: Sequence[Path], name: EngineName, cache: Path) -> None:
    """Do at once what `make_engine` would do for one network after another.

    Args:
        models: whole models, `.keras`.
        name: the engine.
        cache: folder that keeps converted networks.

    Raises:
        ModelError: a model cannot be loaded or converted.
    """
    if name == "openvino":
        from lensrank.engines import openvino_engine

        openvino_engine.convert(models, cache)


def model_digest(path: Path) -> str:
    """Digest of a trained model's file.

    Raises:
        ModelError: it is not there.
    """
    if not path.is_file():
        raise ModelError(f"{path}: there is no such model file. Train the model, or correct its path.")
    return file_digest(path)


def padded(pixels: np.ndarray, n: int) -> np.ndarray:
    """Give `pixels` with images of zeros after them, so that there are n."""
    if len(pixels) == n:
        return pixels
    full = np.zeros((n, *pixels.shape[1:]), dtype=pixels.dtype)
    full[: len(pixels)] = pixels
    return full


def _usable_cpus() -> int:
    """Cores that this process may use, which a cluster's scheduler limits; all, where the system does not say."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
