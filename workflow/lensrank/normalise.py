"""The constants of Z = (X - mean) / std: takes the training images, gives a mean and a standard deviation per band."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from lensrank.errors import TrainingError

IMAGES_AT_A_TIME = 256


@dataclass(frozen=True)
class Normalisation:
    """Constants of Z = (X - mean) / std.

    Attributes:
        mean: per band, in the pixels' unit.
        std: per band, in the pixels' unit.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]


def measure(images: np.ndarray, masked: float | None) -> Normalisation:
    """Mean and standard deviation per band of all pixels that were measured.

    Args:
        images: (n, height, width, band) float32. NaN and infinite pixels are passed over.
        masked: pixels of exactly this value are passed over; None: no value is.

    Raises:
        TrainingError: a band has no pixel, or all its pixels have one value.
    """
    bands = images.shape[-1]
    count = np.zeros(bands)
    total = np.zeros(bands)
    for values, usable in _chunks(images, masked):
        count += usable.sum(axis=0)
        total += values.sum(axis=0, where=usable)
    if not count.all():
        raise TrainingError(f"band {int(np.argmin(count)) + 1} of {bands}: no pixel of the training images is usable.")
    mean = total / count
    squares = np.zeros(bands)
    for values, usable in _chunks(images, masked):
        squares += np.square(values - mean).sum(axis=0, where=usable)
    std = np.sqrt(squares / count)
    if not std.all():
        raise TrainingError(
            f"band {int(np.argmin(std)) + 1} of {bands}: all pixels of the training images have the value "
            f"{mean[np.argmin(std)]:g}; there is nothing to learn. Look at the images that were ingested."
        )
    return Normalisation(tuple(mean.tolist()), tuple(std.tolist()))


def _chunks(images: np.ndarray, masked: float | None) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Give (pixels, band) float64 values and which of them are usable, a few images at a time."""
    for start in range(0, len(images), IMAGES_AT_A_TIME):
        values = images[start : start + IMAGES_AT_A_TIME].reshape(-1, images.shape[-1])
        usable = np.isfinite(values)
        if masked is not None:
            usable &= values != np.float32(masked)
        yield values.astype(np.float64), usable
