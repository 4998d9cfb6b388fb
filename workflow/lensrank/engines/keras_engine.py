"""Scoring with Keras, under any of its backends and on any device: one compiled function, one shape, no retracing."""

import os
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lensrank.engines import Engine, padded

if TYPE_CHECKING:
    import keras


class KerasEngine(Engine):
    """A network in float32, whatever the precision it was trained in.

    Args:
        model: a whole model, `.keras`.
        shape: (height, width, bands) of the images.
        batch_size: images per call of the compiled function; the last ones are padded.
        threads: of the arithmetic. Without effect where the process has used Keras before.

    Raises:
        ModelError: the model cannot be loaded, or is for images of another shape.
    """

    def __init__(self, model: Path, shape: Sequence[int], batch_size: int, threads: int) -> None:
        for variable in ("TF_NUM_INTRAOP_THREADS", "OMP_NUM_THREADS"):
            os.environ.setdefault(variable, str(threads))
        from lensrank import devices
        from lensrank.models import load

        self.batch_size = batch_size
        self.model = in_float32(load(model, shape))
        self.device = next(iter(devices.gpus()), devices.cpu_name())

    def stream(self, blocks: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Score blocks of (m, height, width, band) float32; gives (m,) float32 for each."""
        sizes: list[int] = []
        scores = [np.empty(0, np.float32), *map(self._score, _batches(blocks, self.batch_size, sizes))]
        return np.split(np.concatenate(scores), np.cumsum(sizes))[:-1]

    def _score(self, batch: np.ndarray) -> np.ndarray:
        # `predict` sets up a data pipeline at each call, and leaks; `predict_on_batch` is the compiled step alone.
        probability = self.model.predict_on_batch(padded(batch, self.batch_size))
        return np.ravel(probability)[: len(batch)].astype(np.float32)


def _batches(blocks: Iterable[np.ndarray], n: int, sizes: list[int]) -> Iterator[np.ndarray]:
    """The blocks' images n at a time, the last ones perhaps fewer; notes the size of each block in `sizes`."""
    rest: np.ndarray | None = None
    for block in blocks:
        sizes.append(len(block))
        images = block if rest is None else np.concatenate([rest, block])
        whole = len(images) - len(images) % n
        yield from (images[start : start + n] for start in range(0, whole, n))
        rest = images[whole:] if whole < len(images) else None
    if rest is not None:
        yield rest


def in_float32(model: "keras.Model") -> "keras.Model":
    """Make all layers compute in float32: a model that was trained in mixed precision keeps that when it is saved."""
    for layer in model._flatten_layers():
        layer.dtype_policy = "float32"
    return model
