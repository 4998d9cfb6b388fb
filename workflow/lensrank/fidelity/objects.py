"""Rows about what is seen: brightest pixels, radial profiles, companions, light at the border."""

from collections.abc import Iterator
from itertools import pairwise

import numpy as np

from lensrank.fidelity import real
from lensrank.fidelity.images import Survey
from lensrank.fidelity.measure import RINGS, SIGNIFICANT
from lensrank.fidelity.rows import DRAWS, Row, bootstrap, bounds_row, interval_row, matched, matched_draws

SECTION = "objects"
FEW = 16
LARGE, GROUP, SMALL = 4.0, 2.0, 0.5
"""Arcseconds: Einstein radii above which arcs leave the frame and galaxies have companions, and below which few do."""


def object_rows(survey: Survey) -> Iterator[Row]:
    """Compare what is seen in simulated images with what is in real ones."""
    yield from _peaks(survey)
    yield from _profile(survey)
    yield from _surroundings(survey)
    yield from _companions(survey)
    yield from _arcs(survey)


def _peaks(survey: Survey) -> Iterator[Row]:
    peak = survey.images["peak"].to_numpy()
    for name, statistic, figure in (
        ("brightest pixel, median image", np.median, real.PEAK),
        ("brightest pixel, least image", np.min, real.PEAK_RANGE[0]),
        ("brightest pixel, greatest image", np.max, real.PEAK_RANGE[1]),
    ):
        draws = bootstrap(peak, FEW, statistic)
        yield interval_row(SECTION, name, "sigma", draws, figure, FEW, real.SIXTEEN)
    central = survey.images["peak_central"].to_numpy()
    draws = bootstrap(central, FEW, np.mean)
    name, figure = "brightest pixel is the middle one", real.CENTRAL_PEAKS / FEW
    yield interval_row(SECTION, name, "share", draws, figure, FEW, real.SIXTEEN)


def _profile(survey: Survey) -> Iterator[Row]:
    for number, (inner, outer) in enumerate(pairwise(RINGS)):
        draws = matched_draws(survey, survey.arrays["profile"][:, number], np.median)
        figure = float(np.median([sample.profile[number] for sample in real.SAMPLES]))
        name = f"profile, {inner:g} to {outer:g} px from the middle"
        yield interval_row(SECTION, name, "sigma", draws, figure, len(real.SAMPLES), real.FOUR)


def _surroundings(survey: Survey) -> Iterator[Row]:
    """Where each real image stands among the simulated ones that are most like it, in the mean over the real ones.

    Four images against one another's likes say more together: one quantity wrong by a factor of two moves all four.
    """
    likes = [survey.images.iloc[matched(survey, sample)] for sample in real.SAMPLES]
    random = np.random.default_rng(0)
    draws = random.random((DRAWS, len(real.SAMPLES))).mean(axis=1)
    for name, column in (
        ("peaks beyond 1″", "companions"),
        ("brightest of them", "brightest"),
        ("brightest at the border", "border"),
    ):
        places = [
            _place(alike[column].to_numpy(np.float64), float(getattr(sample, column)))
            for alike, sample in zip(likes, real.SAMPLES, strict=True)
        ]
        each = ", ".join(f"{place:.2f}" for place in places)
        low, high = (float(value) for value in np.percentile(draws, (2.5, 97.5)))
        mean = float(np.mean(places))
        yield Row(
            SECTION,
            f"{name}: share of like images below the real one ({each})",
            "mean of four",
            0.5,
            low,
            high,
            mean,
            len(real.SAMPLES),
            "real within the interval",
            low <= mean <= high,
            real.FOUR,
        )


def _place(values: np.ndarray, figure: float) -> float:
    """Share of values below a figure; those equal to it count half."""
    return float(np.mean(values < figure) + np.mean(values == figure) / 2)


def _companions(survey: Survey) -> Iterator[Row]:
    """What 16 real images showed by eye: a few companions of groups, hardly any of small halos."""
    images = survey.images[~survey.images["is_lens"]]
    for name, chosen, bounds in (
        (f"companions, θ_E > {GROUP:g}″", images["radius"] > GROUP, (2, 6)),
        (f"companions, θ_E < {SMALL:g}″", images["radius"] < SMALL, (0.3, 2)),
    ):
        numbers = images.loc[chosen, "companions"].to_numpy(np.float64)
        if len(numbers):
            draws = bootstrap(numbers, len(numbers), np.mean)
            yield bounds_row(SECTION, name, "", float(numbers.mean()), draws, bounds, real.SIXTEEN + ", by eye")


def _arcs(survey: Survey) -> Iterator[Row]:
    images = survey.images[survey.images["radius"] > LARGE]
    lit = (images["border"] > SIGNIFICANT).to_numpy(np.float64)
    lens = images["is_lens"].to_numpy()
    if lens.any() and not lens.all():
        draws = bootstrap(lit[lens], int(lens.sum()), np.mean)
        name = f"lenses with light at the border beyond that of non-lenses, θ_E > {LARGE:g}″"
        other = float(lit[~lens].mean())
        excess = float(lit[lens].mean()) - other
        yield bounds_row(
            SECTION, name, "share", excess, draws - other, (0.05, 1), "arcs of the largest leave the frame"
        )
