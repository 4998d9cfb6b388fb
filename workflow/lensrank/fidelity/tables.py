"""Rows about the truth table: what lies behind the lenses, how it goes with the Einstein radius, halos that repeat."""

from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise

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
    narrow = list(pairwise(real.RADIUS_BINS))
    for column, medians in (("lensed_pixels", real.PIXELS_BY_RADIUS), ("lensed_flux", real.FLUX_BY_RADIUS)):
        for inside, count, figure in zip(narrow, real.BIN_LENSES, medians, strict=True):
            yield from _in_bin(lenses, column, inside, count, {50: figure})
    wide = list(pairwise(real.WIDE_BINS))
    for column, spreads in (("lensed_pixels", real.PIXELS_SPREAD), ("lensed_flux", real.FLUX_SPREAD)):
        for inside, count, spread in zip(wide, real.WIDE_BIN_LENSES, spreads, strict=True):
            yield from _in_bin(lenses, column, inside, count, dict(zip(real.SPREAD, spread, strict=True)))
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


def _in_bin(
    lenses: pd.DataFrame, column: str, edges: tuple[float, float], count: int, figures: Mapping[int, float]
) -> Iterator[Row]:
    """Percentiles of a column among the lenses in a bin of the Einstein radius."""
    values = lenses.loc[lenses["radius"].between(*edges, inclusive="right"), column].to_numpy(np.float64)
    if not len(values):
        return
    draws = np.array([bootstrap(values, len(values), _percentile(q), draws=200) for q in figures])
    for (percent, figure), spread in zip(figures.items(), draws, strict=True):
        what = NAMES[column] if percent == 50 else f"{percent} % of {NAMES[column]}"
        name = f"{what}, θ_E {edges[0]:g} to {edges[1]:g}″"
        found = float(np.percentile(values, percent))
        yield tolerance_row(SECTION, name, UNITS[column], found, spread, figure, count, real.TABLE, relative=WITHIN)


def _percentile(percent: float) -> Callable[[np.ndarray], float]:
    return lambda values: float(np.percentile(values, percent))


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
