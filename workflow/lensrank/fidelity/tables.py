"""Rows about the truth table: what lies behind the lenses, how it goes with the Einstein radius, halos that repeat."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from lensrank.fidelity import real
from lensrank.fidelity.images import Survey
from lensrank.fidelity.rows import Row, bootstrap, interval_row, tolerance_row

SECTION = "truth table"
WITHIN = 0.15
CORRELATION_WITHIN = 0.05
NAMES = {"radius": "θ_E", "lensed_pixels": "lensed pixels", "lensed_flux": "lensed flux"}
UNITS = {"radius": "″", "lensed_pixels": "", "lensed_flux": "sigma"}


def table_rows(survey: Survey) -> Iterator[Row]:
    """Compare the truth table of a simulated set with the real one."""
    lenses = survey.images[survey.images["is_lens"]]
    for column, figures in (
        ("radius", real.RADIUS),
        ("lensed_pixels", real.LENSED_PIXELS),
        ("lensed_flux", real.LENSED_FLUX),
    ):
        yield from _deciles(lenses, column, figures)
    for (one, other), figure in real.CORRELATIONS.items():
        yield _correlation(lenses, one, other, figure)
    yield from _pixels_by_radius(lenses)
    yield from _invisible(lenses)
    yield _twins(survey.images)


def _deciles(lenses: pd.DataFrame, column: str, figures: tuple[float, ...]) -> Iterator[Row]:
    values = lenses[column].to_numpy(np.float64)
    random = np.random.default_rng(0)
    draws = np.array([np.percentile(random.choice(values, len(values)), real.DECILES) for _ in range(300)])
    found = np.percentile(values, real.DECILES)
    for decile, simulated, spread, figure in zip(real.DECILES, found, draws.T, figures, strict=True):
        name = f"{NAMES[column]}, {decile} %"
        yield tolerance_row(
            SECTION, name, UNITS[column], float(simulated), spread, figure, real.IMAGES, real.TABLE, relative=WITHIN
        )


def _correlation(lenses: pd.DataFrame, one: str, other: str, figure: float) -> Row:
    values = lenses[[one, other]].to_numpy(np.float64)
    draws = bootstrap(values, len(values), _spearman, draws=200)
    name = f"Spearman, {NAMES[one]} and {NAMES[other]}"
    return tolerance_row(
        SECTION, name, "", _spearman(values), draws, figure, real.IMAGES, real.TABLE, absolute=CORRELATION_WITHIN
    )


def _spearman(values: np.ndarray) -> float:
    return float(spearmanr(values[:, 0], values[:, 1]).statistic)


def _pixels_by_radius(lenses: pd.DataFrame) -> Iterator[Row]:
    for low, high, count, figure in zip(
        real.RADIUS_BINS, real.RADIUS_BINS[1:], real.BIN_LENSES, real.PIXELS_BY_RADIUS, strict=False
    ):
        values = lenses.loc[lenses["radius"].between(low, high, inclusive="right"), "lensed_pixels"].to_numpy()
        if len(values):
            draws = bootstrap(values, len(values), np.median)
            name = f"lensed pixels, θ_E {low:g} to {high:g}″"
            yield tolerance_row(
                SECTION, name, "", float(np.median(values)), draws, figure, count, real.TABLE, relative=WITHIN
            )


def _invisible(lenses: pd.DataFrame) -> Iterator[Row]:
    """A share's interval is that of a sample as small as the smaller one of the two."""
    bins = [(real.INVISIBLE_BINS[0], real.INVISIBLE_BINS[-1], sum(real.INVISIBLE_LENSES), real.INVISIBLE)]
    bins += zip(
        real.INVISIBLE_BINS, real.INVISIBLE_BINS[1:], real.INVISIBLE_LENSES, real.INVISIBLE_BY_RADIUS, strict=False
    )
    for low, high, count, figure in bins:
        inside = lenses["radius"].between(low, high, inclusive="right")
        unseen = (lenses.loc[inside, "lensed_pixels"] == 0).to_numpy()
        if len(unseen):
            size = min(len(unseen), count)
            draws = bootstrap(unseen, size, np.mean)
            name = f"invisible lenses, θ_E {low:g} to {high:g}″"
            yield interval_row(SECTION, name, "share", draws, figure, count, real.TABLE)


def _twins(images: pd.DataFrame) -> Row:
    """Pairs of images of one halo, whatever the number of images; the draws leave out halves, not repeat images."""
    areas = images["area"].to_numpy()
    random = np.random.default_rng(0)
    halves = [random.permutation(areas)[: len(areas) // 2] for _ in range(200)]
    draws = np.array([_twins_among(half) for half in halves])
    name = f"images of the same halo among {real.IMAGES:,}"
    return tolerance_row(
        SECTION, name, "", _twins_among(areas), draws, real.TWINS, real.IMAGES, real.TABLE, relative=WITHIN
    )


def _twins_among(areas: np.ndarray) -> float:
    counts = np.unique(areas, return_counts=True)[1]
    n = len(areas)
    return float(np.sum(counts * (counts - 1)) / n / (n - 1) * (real.IMAGES - 1))
