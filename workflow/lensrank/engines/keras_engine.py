"""Scoring with Keras, under any of its backends and on any device: one compiled function, one shape, no retracing."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import keras


class KerasEngine:
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

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Score (m, height, width, band) float32; gives (m,) float32."""
        scores = np.empty(len(pixels), dtype=np.float32)
        for start in range(0, len(pixels), self.batch_size):
            batch = pixels[start : start + self.batch_size]
            # `predict` sets up a data pipeline at each call, and leaks; `predict_on_batch` is the compiled step alone.
            probability = self.model.predict_on_batch(padded(batch, self.batch_size))
            scores[start : start + len(batch)] = np.ravel(probability)[: len(batch)]
        return scores


def padded(pixels: np.ndarray, n: int) -> np.ndarray:
    """Give `pixels` with images of zeros after them, so that there are n."""
    if len(pixels) == n:
        return pixels
    full = np.zeros((n, *pixels.shape[1:]), dtype=pixels.dtype)
    full[: len(pixels)] = pixels
    return full


def in_float32(model: "keras.Model") -> "keras.Model":
    """Make all layers compute in float32: a model that was trained in mixed precision keeps that when it is saved."""
    for layer in model._flatten_layers():
        layer.dtype_policy = "float32"
    return model
