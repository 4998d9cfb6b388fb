"""Rows about pixels: mean, spread, percentiles, and the noise."""

from collections.abc import Iterator

import numpy as np

from lensrank.fidelity import real
from lensrank.fidelity.images import Survey
from lensrank.fidelity.measure import LAGS
from lensrank.fidelity.rows import Row, bootstrap, interval_row, matched_draws, tolerance_row

SECTION = "pixels"
FEW = 16
PERCENTILE_DRAWS = 200
WITHIN = 0.2
NOISE_WITHIN = 0.03
"""The real median comes from another robust estimator, which light in the images moves by another percent or two."""


def pixel_rows(survey: Survey) -> Iterator[Row]:
    """Compare the pixels of a simulated set with those of the real one."""
    n, moments = len(survey.images), survey.images[["mean", "square"]].to_numpy()
    for name, statistic, figure, few in (
        ("mean", _mean, real.MEAN, real.MEAN_16),
        ("standard deviation", _deviation, real.DEVIATION, real.DEVIATION_16),
    ):
        everything, draws = statistic(moments), bootstrap(moments, n, statistic)
        yield tolerance_row(
            SECTION, f"{name} of all pixels", "", everything, draws, figure, real.IMAGES, real.WINNER, relative=WITHIN
        )
        draws = bootstrap(moments, FEW, statistic)
        yield interval_row(SECTION, f"{name}, few images", "", draws, few, FEW, real.SIXTEEN)
    yield from _percentiles(survey)
    yield from _noise(survey)


def _mean(moments: np.ndarray) -> float:
    return float(moments[:, 0].mean())


def _deviation(moments: np.ndarray) -> float:
    mean, square = moments.mean(axis=0)
    return float(np.sqrt(square - mean**2))


def _percentiles(survey: Survey) -> Iterator[Row]:
    pixels, marks = survey.pixels, list(real.PERCENTILES)
    random = np.random.default_rng(0)
    chosen = [random.integers(len(pixels), size=FEW) for _ in range(PERCENTILE_DRAWS)]
    draws = np.array([np.percentile(pixels[few].astype(np.float64), marks) for few in chosen])
    for mark, values in zip(marks, draws.T, strict=True):
        figure = real.PERCENTILES[mark] * 1e-12
        yield interval_row(SECTION, f"percentile {mark:g}", "", values, figure, FEW, real.SIXTEEN)


def _noise(survey: Survey) -> Iterator[Row]:
    noise = survey.images["noise"].to_numpy()
    draws = bootstrap(noise, FEW, np.median)
    middle = float(np.median(noise))
    yield tolerance_row(
        SECTION, "noise, median image", "", middle, draws, real.NOISE, FEW, real.SIXTEEN, relative=NOISE_WITHIN
    )
    draws = matched_draws(survey, noise, np.mean)
    figure = float(np.mean([sample.noise for sample in real.SAMPLES]))
    yield interval_row(SECTION, "noise, mean of few images", "", draws, figure, len(real.SAMPLES), real.FOUR)
    for number, (rows, columns) in enumerate(LAGS):
        draws = matched_draws(survey, survey.arrays["autocorrelation"][:, number], np.mean)
        figure = float(np.mean([sample.autocorrelation[number] for sample in real.SAMPLES]))
        name = f"noise, correlation at {rows}, {columns} px"
        yield interval_row(SECTION, name, "", draws, figure, len(real.SAMPLES), real.FOUR)
