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


def pixel_rows(survey: Survey) -> Iterator[Row]:
    """Compare the pixels of a simulated set with those of the real one."""
    n = len(survey.images)
    mean, square = survey.images["mean"].to_numpy(), survey.images["square"].to_numpy()

    def average(chosen: np.ndarray) -> float:
        return float(mean[chosen].mean())

    def deviation(chosen: np.ndarray) -> float:
        return float(np.sqrt(square[chosen].mean() - mean[chosen].mean() ** 2))

    for name, statistic, figure, few in (
        ("mean", average, real.MEAN, real.MEAN_16),
        ("standard deviation", deviation, real.DEVIATION, real.DEVIATION_16),
    ):
        everything, draws = statistic(np.arange(n)), bootstrap(n, n, statistic)
        yield tolerance_row(
            SECTION, f"{name} of all pixels", "", everything, draws, figure, real.IMAGES, real.WINNER, relative=WITHIN
        )
        draws = bootstrap(n, FEW, statistic)
        yield interval_row(SECTION, f"{name}, few images", "", draws, few, FEW, real.SIXTEEN)
    yield from _percentiles(survey)
    yield from _noise(survey)


def _percentiles(survey: Survey) -> Iterator[Row]:
    pixels, marks = survey.pixels, list(real.PERCENTILES)
    random = np.random.default_rng(0)
    chosen = [random.integers(len(pixels), size=FEW) for _ in range(PERCENTILE_DRAWS)]
    draws = np.array([np.percentile(pixels[few].astype(np.float64), marks) for few in chosen])
    for mark, values in zip(marks, draws.T, strict=True):
        figure = real.PERCENTILES[mark] * 1e-12
        yield interval_row(SECTION, f"percentile {mark:g}", "", values, figure, FEW, real.SIXTEEN)


def _noise(survey: Survey) -> Iterator[Row]:
    n, noise = len(survey.images), survey.images["noise"].to_numpy()
    for name, statistic, figure in (
        ("noise, median image", np.median, real.NOISE),
        ("noise, least image", np.min, real.NOISE_RANGE[0]),
        ("noise, greatest image", np.max, real.NOISE_RANGE[1]),
    ):
        draws = bootstrap(n, FEW, lambda few, statistic=statistic: float(statistic(noise[few])))  # type: ignore[misc]
        yield interval_row(SECTION, name, "", draws, figure, FEW, real.SIXTEEN)
    for number, (rows, columns) in enumerate(LAGS):
        values = survey.arrays["autocorrelation"][:, number]
        draws = matched_draws(survey, lambda few, values=values: float(np.mean(values[few])))  # type: ignore[misc]
        figure = float(np.mean([sample.autocorrelation[number] for sample in real.SAMPLES]))
        name = f"noise, correlation at {rows}, {columns} px"
        yield interval_row(SECTION, name, "", draws, figure, len(real.SAMPLES), real.FOUR)
