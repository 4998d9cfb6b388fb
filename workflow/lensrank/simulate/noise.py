"""Noise of the detector, white or as resampling leaves it. Takes a standard deviation, gives pixels."""

import math

import numpy as np


def draw_noise(rng: np.random.Generator, shape: tuple[int, ...], sigma: float, correlation: float = 0.0) -> np.ndarray:
    """Draw Gaussian noise.

    Args:
        rng: source of the draw.
        shape: (band, height, width).
        sigma: standard deviation of a pixel, in the pixels' unit.
        correlation: of neighbours in a row or a column, in [0, 0.7).

    Returns:
        float32 array of `shape`.
    """
    if correlation == 0:
        return rng.normal(0, sigma, shape).astype(np.float32)
    band, height, width = shape
    noise = rng.normal(0, sigma, (band, height + 2, width + 2))
    # The weights (a, 1, a) give white noise the correlation 2a / (1 + 2a^2) at a step of one pixel.
    side = (1 - math.sqrt(1 - 2 * correlation**2)) / (2 * correlation)
    norm = math.sqrt(1 + 2 * side**2)
    noise = (noise[:, 1:-1] + side * (noise[:, :-2] + noise[:, 2:])) / norm
    noise = (noise[..., 1:-1] + side * (noise[..., :-2] + noise[..., 2:])) / norm
    return noise.astype(np.float32)
