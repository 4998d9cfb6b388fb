"""Measurements on one image: noise, peaks, profile, companions, border. Takes pixels, gives numbers in sigma."""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from scipy.ndimage import gaussian_filter, maximum_filter

SIGMA = 7.75e-13
"""Noise of a pixel in the unit of the challenge's images: median of 16 real ones (space-based training set)."""

RINGS = (0.0, 1.0, 2.6, 6.0, 11.0, 20.0, 40.0)
"""Pixels: edges of the rings around the middle in which the profile is taken."""

LAGS = ((0, 1), (1, 0), (1, 1), (1, -1))
"""Shifts (rows, columns) at which the noise is compared with itself."""

SMOOTHING = 1.0
"""Pixels: standard deviation of the Gaussian that peaks are looked for with; close to the telescope's own."""

AWAY = 10.0
"""Pixels from the middle beyond which a peak is a companion, or an arc, and not the lens."""

SIGNIFICANT = 10.0
"""Standard deviations of the smoothed noise above which a peak counts."""

BORDER = 3
"""Pixels: width of the frame's border."""

BLANK, BLANK_SMOOTHING = 0.5, 3.0
"""Pixels around which the image, smoothed by a Gaussian of so many pixels, stays below so many sigma are blank."""

CORNER = 3
"""Pixels: side of the squares in the four corners."""

PERCENTILES = (1, 5, 25, 50, 75, 95, 99, 99.9)


class Measured(NamedTuple):
    """What the pixels of one image say; brightness in sigma of a pixel's noise, peaks in sigma of the smoothed noise.

    Attributes:
        noise: robust standard deviation of a pixel, in the image's unit.
        autocorrelation: (4,) of the blank pixels' noise, at each of `LAGS`.
        total: sum of all pixels.
        peak: the brightest pixel.
        peak_central: whether that is the pixel in the middle.
        profile: (6,) median brightness in each of the `RINGS`.
        companions: number of peaks `AWAY` from the middle.
        brightest: the brightest of them, 0 where there is none.
        border: the brightest smoothed pixel of the border.
        features: (13,) global features for a weak classifier.
        corners: (36,) pixels of the four corners.
    """

    noise: float
    autocorrelation: np.ndarray
    total: float
    peak: float
    peak_central: bool
    profile: np.ndarray
    companions: int
    brightest: float
    border: float
    features: np.ndarray
    corners: np.ndarray


def measure(pixels: np.ndarray) -> Measured:
    """Measure one image.

    Args:
        pixels: (height, width) float, in the challenge's unit.
    """
    image = pixels.astype(np.float64) / SIGMA
    middle = (image.shape[0] // 2, image.shape[1] // 2)
    distance = np.hypot(*(np.indices(image.shape) - np.reshape(middle, (2, 1, 1))))
    # An average with weights w has the noise of a pixel times the root of the sum of w²: 1 / (2 sqrt(pi) s) here.
    smooth = gaussian_filter(image, SMOOTHING) * 2 * np.sqrt(np.pi) * SMOOTHING
    peaks = _peaks(smooth, distance)
    rings = pairwise(RINGS)
    return Measured(
        noise=noise_of(image) * SIGMA,
        autocorrelation=_autocorrelation(image),
        total=float(image.sum()),
        peak=float(image.max()),
        peak_central=np.unravel_index(image.argmax(), image.shape) == middle,
        profile=np.array([np.median(image[(distance >= low) & (distance < high)]) for low, high in rings]),
        companions=len(peaks),
        brightest=float(peaks.max(initial=0.0)),
        border=float(_border(smooth).max()),
        features=_features(image, distance),
        corners=_corners(image),
    )


def noise_of(image: np.ndarray) -> float:
    """Robust standard deviation of a pixel: that of the differences between neighbours in a row, from their median."""
    return float(np.nanmedian(np.abs(np.diff(image, axis=1))) / 0.674490 / np.sqrt(2))


def _border(image: np.ndarray) -> np.ndarray:
    inside = np.zeros(image.shape, dtype=bool)
    inside[BORDER:-BORDER, BORDER:-BORDER] = True
    return image[~inside]


def _peaks(smooth: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Brightness of the local maxima away from the middle and from the very edge."""
    found = (smooth == maximum_filter(smooth, 5)) & (smooth > SIGNIFICANT) & (distance > AWAY)
    found[[0, -1], :] = found[:, [0, -1]] = False
    return smooth[found]


def _autocorrelation(image: np.ndarray) -> np.ndarray:
    """Correlation of blank pixels with their neighbours at each of `LAGS`, over the pairs that are blank both."""
    # A wide filter chooses the pixels, so that the choice leaves their correlation alone.
    blank = maximum_filter(gaussian_filter(image, BLANK_SMOOTHING), 7) < BLANK
    if not blank.any():
        return np.zeros(len(LAGS))
    values = np.where(blank, image - np.median(image[blank]), 0.0)
    result = []
    for lag in LAGS:
        here, there = _neighbours(blank, lag)
        both, (one, other) = here & there, _neighbours(values, lag)
        result.append(np.sum((one * other)[both]) / max(np.sum((one**2)[both]), np.finfo(float).tiny))
    return np.array(result)


def _neighbours(image: np.ndarray, lag: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Two views of an image whose equal indices are `lag` apart."""
    here = tuple(slice(max(-step, 0), size - max(step, 0)) for step, size in zip(lag, image.shape, strict=True))
    there = tuple(slice(max(step, 0), size - max(-step, 0)) for step, size in zip(lag, image.shape, strict=True))
    return image[here], image[there]


def _features(image: np.ndarray, distance: np.ndarray) -> np.ndarray:
    """Mean, standard deviation, brightest pixel, light within 5 and 15 pixels of the middle, and eight percentiles."""
    numbers = [image.mean(), image.std(), image.max(), image[distance < 5].sum(), image[distance < 15].sum()]
    return np.array([*numbers, *np.percentile(image, PERCENTILES)])


def _corners(image: np.ndarray) -> np.ndarray:
    low, high = slice(CORNER), slice(-CORNER, None)
    return np.concatenate([image[rows, columns].ravel() for rows in (low, high) for columns in (low, high)])
