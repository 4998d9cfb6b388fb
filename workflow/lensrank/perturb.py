"""Changes of an image that a ranking of lenses must not care about. Takes pixels, gives pixels; no header, no label."""

from collections.abc import Iterator, Sequence
from itertools import count, product

import numpy as np

from lensrank.errors import DataError
from lensrank.fidelity.measure import noise_of

SHIFT = 5
"""Pixels."""
NOISE_DRAWS = 5

AS_THEY_ARE = "as they are"


def perturbations(images: np.ndarray, ids: Sequence[str], seed: int = 0) -> Iterator[tuple[str, np.ndarray]]:
    """Give some images unchanged, and under each change.

    - Total flux, over all pixels and bands, made equal: all images multiplied to that of the faintest, to the mean, to
      that of the brightest; and dimmed to that of the faintest with as much noise added as dimming took.
    - The symmetries of the square; those that keep the shape where the images are no squares.
    - Shifts by `SHIFT` pixels in each of 8 directions. What comes in over the border is background: the image's median,
      and noise of its own sigma.
    - Noise of the image's own sigma added, in several draws.

    Args:
        images: (n, height, width, band) float32; NaN where there is no measurement.
        ids: (n,) of the images, for an error to name.
        seed: of the noise; all is the same for the same images and seed.

    Yields:
        What was done, and (n, height, width, band) float32.

    Raises:
        DataError: the total flux of an image is not positive, so that no factor makes it equal to others.
    """
    yield AS_THEY_ARE, images
    sigma = np.array([[noise_of(image[..., band]) for band in range(image.shape[-1])] for image in images])
    noises = (
        np.random.default_rng([seed, number]).standard_normal(images.shape, np.float32)
        * sigma[:, None, None, :].astype(np.float32)
        for number in count()
    )
    yield from _equal_fluxes(images, ids, noises)
    yield from _symmetries(images)
    background = np.nanmedian(images, axis=(1, 2), keepdims=True)
    for down, right in DIRECTIONS:
        yield f"shifted by {down:+d}, {right:+d} px", shifted(images, down, right, background + next(noises))
    for number in range(NOISE_DRAWS):
        yield f"noise added, draw {number + 1}", images + next(noises)


DIRECTIONS = [step for step in product((-SHIFT, 0, SHIFT), repeat=2) if step != (0, 0)]


def _equal_fluxes(
    images: np.ndarray, ids: Sequence[str], noises: Iterator[np.ndarray]
) -> Iterator[tuple[str, np.ndarray]]:
    totals = np.nansum(images, axis=(1, 2, 3), keepdims=True, dtype=np.float64)
    without = np.flatnonzero(totals <= 0)
    if len(without):
        raise DataError(
            f"image {ids[without[0]]}: its total flux is {totals.ravel()[without[0]]:.3g}, which no factor makes equal "
            "to that of the others. Leave it out."
        )
    for name, total in (("faintest", totals.min()), ("mean", totals.mean()), ("brightest", totals.max())):
        yield f"total flux of the {name}", images * (total / totals).astype(np.float32)
    factors = (totals.min() / totals).astype(np.float32)
    yield "total flux of the faintest, same noise", images * factors + next(noises) * np.sqrt(1 - factors**2)


def _symmetries(images: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    square = images.shape[1] == images.shape[2]
    for mirrored, turns in product((False, True), range(4)):
        if (mirrored or turns) and (square or turns % 2 == 0):
            flipped = images[:, :, ::-1] if mirrored else images
            name = " ".join([*(["mirrored"] if mirrored else []), *([f"turned by {90 * turns}°"] if turns else [])])
            yield name, np.ascontiguousarray(np.rot90(flipped, turns, axes=(1, 2)))


def shifted(images: np.ndarray, down: int, right: int, border: np.ndarray) -> np.ndarray:
    """Move images; what leaves is lost, and what comes in over the border is taken from other images.

    Args:
        images: (n, height, width, band).
        down, right: pixels, may be negative.
        border: (n, height, width, band), seen where nothing was moved to.
    """
    result = border.astype(images.dtype)
    steps = list(zip((down, right), images.shape[1:3], strict=True))
    into = [slice(max(step, 0), size + min(step, 0)) for step, size in steps]
    out = [slice(max(-step, 0), size + min(-step, 0)) for step, size in steps]
    result[:, *into] = images[:, *out]
    return result
