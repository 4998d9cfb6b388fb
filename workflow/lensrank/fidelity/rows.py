"""A row of the comparison: a figure of the simulated set, its interval, the real figure, and whether they agree."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lensrank.fidelity.images import Survey
from lensrank.fidelity.real import SAMPLES, Sample

DRAWS = 1000
"""Bootstrap draws of an interval of 95 %."""

Statistic = Callable[[np.ndarray], float | np.floating]

MATCHED = 50
"""Simulated images that a single real image is compared with: same label, nearest Einstein radius."""


@dataclass(frozen=True)
class Row:
    """One comparison.

    Attributes:
        section: group of rows.
        name, unit: of the quantity.
        simulated: its value in the simulated set; of few images, the median over draws of as many.
        low, high: 95 % interval of what as many simulated images show as the real figure was taken from.
        real: the real figure, NaN where there is none.
        images: how many real images it was taken from, 0 where there is none.
        rule: what makes the row pass, in words.
        passed: whether it does.
        source: of the real figure, or of the rule.
    """

    section: str
    name: str
    unit: str
    simulated: float
    low: float
    high: float
    real: float
    images: int
    rule: str
    passed: bool
    source: str


def interval_row(section: str, name: str, unit: str, draws: np.ndarray, real: float, images: int, source: str) -> Row:
    """A real figure of few images must lie in the interval of what as many simulated ones show.

    Args:
        section, name, unit, source: as in `Row`.
        draws: (k,) float, the quantity in each draw of `images` simulated images.
        real: the real figure.
        images: how many real images it was taken from.
    """
    low, middle, high = (float(value) for value in np.percentile(draws, (2.5, 50, 97.5)))
    rule = "real within the interval"
    return Row(section, name, unit, middle, low, high, real, images, rule, low <= real <= high, source)


def tolerance_row(
    section: str, name: str, unit: str, simulated: float, draws: np.ndarray, real: float, images: int, source: str,
    relative: float | None = None, absolute: float | None = None,
) -> Row:  # fmt: skip
    """A figure of many simulated images must be near the real figure of many.

    Args:
        section, name, unit, source: as in `Row`.
        simulated: the figure of the whole set.
        draws: (k,) float, the same in bootstrap draws of the set.
        real, images: as in `Row`.
        relative, absolute: the greatest difference that passes; one of the two.
    """
    low, high = (float(value) for value in np.percentile(draws, (2.5, 97.5)))
    if relative is not None:
        rule, passed = f"within {relative:.0%}", abs(simulated / real - 1) <= relative
    else:
        rule, passed = f"within {absolute}", abs(simulated - real) <= float(absolute or 0)
    return Row(section, name, unit, simulated, low, high, real, images, rule, bool(passed), source)


def bounds_row(
    section: str, name: str, unit: str, simulated: float, draws: np.ndarray, bounds: tuple[float, float], source: str
) -> Row:
    """A figure must lie between two bounds, where no real number is known but what it must be like."""
    low, high = (float(value) for value in np.percentile(draws, (2.5, 97.5)))
    rule = f"{bounds[0]:g} to {bounds[1]:g}"
    passed = bounds[0] <= simulated <= bounds[1]
    return Row(section, name, unit, simulated, low, high, float("nan"), 0, rule, passed, source)


def bootstrap(values: np.ndarray, size: int, statistic: Statistic, draws: int = DRAWS) -> np.ndarray:
    """A statistic of random choices among images, with repetition.

    Args:
        values: (n, ...) of each image.
        size: images per choice.
        statistic: takes (size, ...) values, gives a number.
        draws: choices.

    Returns:
        (draws,) float64; the same for the same arguments.
    """
    random = np.random.default_rng([len(values), size])
    chosen = (values[random.integers(len(values), size=size)] for _ in range(draws))
    return np.array([statistic(few) for few in chosen], dtype=np.float64)


def matched(survey: Survey, sample: Sample) -> np.ndarray:
    """Indices of the simulated images that are most like a real one: its label, the nearest Einstein radii."""
    images = survey.images
    alike = np.flatnonzero(images["is_lens"] == sample.is_lens)
    distance = np.abs(np.log(images["radius"].to_numpy()[alike] / sample.radius))
    return alike[np.argsort(distance, kind="stable")[:MATCHED]]


def matched_draws(survey: Survey, values: np.ndarray, statistic: Statistic) -> np.ndarray:
    """A statistic of choices of one simulated image for each of the real `SAMPLES`, (DRAWS,) float64."""
    random = np.random.default_rng(len(survey.images))
    # One column for each of the real images.
    columns = [values[random.choice(matched(survey, sample), DRAWS)] for sample in SAMPLES]
    return np.array([statistic(few) for few in np.stack(columns, axis=1)], dtype=np.float64)
