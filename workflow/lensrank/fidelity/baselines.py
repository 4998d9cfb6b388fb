"""Rows about shortcuts: what a classifier gets from things that must carry no label, and from global features alone."""

import math
from collections.abc import Iterator

import numpy as np
import pandas as pd
from sklearn.ensemble import ExtraTreesClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import QuantileTransformer

from lensrank.fidelity import real
from lensrank.fidelity.images import Survey
from lensrank.fidelity.measure import CORNER
from lensrank.fidelity.rows import Row, bootstrap, interval_row
from lensrank.metrics import auroc, auroc_error

SECTION = "shortcuts"
FOLDS = 5
FEW = 16
QUANTILES = 100

SIGMAS = 3
"""Standard errors that an AUROC may lie above 1/2: with six such rows, a false alarm in 120 sets."""

SMALL, MOST_SMALL, BITES = 0.35, 10000, 0.02
"""Arcseconds below which halos repeat most often; images looked through for them; AUROC that twins are worth."""

STRONGEST = 0.809
"""AUROC that the challenge's best entry without a network reached on the space-based set, from features that it had
chosen: Manchester SVM (Metcalf et al. 2019, A&A 625, A119, table 3). Global features alone must stay below it."""


def shortcut_rows(survey: Survey) -> Iterator[Row]:
    """AUROC of a logistic regression, out of fold, on what should say little or nothing; folds part no halo."""
    images, labels = survey.images, survey.images["is_lens"].to_numpy()
    draws = bootstrap(images[["total", "is_lens"]].to_numpy(np.float64), FEW, _few_auroc)
    draws = draws[~np.isnan(draws)]
    yield interval_row(SECTION, "total flux alone", "AUROC", draws, real.TOTAL_AUROC, FEW, real.SIXTEEN)
    yield _weak(labels, _out_of_fold(survey, survey.arrays["features"]))
    for name, table in (
        ("corner pixels", survey.arrays["corners"]),
        ("position", images[["ra", "dec"]].to_numpy()),
        ("header", _header_values(survey)),
        ("order of IDs", _orders(np.arange(len(images)))),
        ("order, time and size of files", _files(images)),
        ("noise realisation", _noise_features(survey)),
    ):
        yield chance_row(name, labels, _out_of_fold(survey, table))
    yield _repeated_noise(survey)
    yield from twin_rows(survey)


def twin_rows(survey: Survey) -> Iterator[Row]:
    """What a split gains that parts images of one halo: the reason for a grouped one. No row where too few are small.

    Small halos come back most often. A forest of their radial profiles, which tell one halo's galaxy from another's,
    ranks images whose twins it has seen better than others.
    """
    images = survey.images
    chosen = ((images["radius"] < SMALL) & (np.arange(len(images)) < MOST_SMALL)).to_numpy()
    labels, halos = images.loc[chosen, "is_lens"].to_numpy(), images.loc[chosen, "area"].to_numpy()
    counts = [len(np.unique(halos)), int(labels.sum()), int((~labels).sum())]
    if min(counts) < 10 * FOLDS:
        return
    profile = survey.arrays["profile"][chosen]
    forest = ExtraTreesClassifier(200, random_state=0, n_jobs=-1)
    apart, together = (
        auroc(cross_val_predict(forest, profile, labels, cv=folds, method="predict_proba")[:, 1], labels)
        for folds in (
            KFold(FOLDS, shuffle=True, random_state=0),
            list(GroupKFold(FOLDS).split(profile, groups=halos)),
        )
    )
    error = math.hypot(*(auroc_error(area, counts[1], counts[2]) for area in (apart, together)))
    gain, nan = apart - together, float("nan")
    name = f"random folds over folds that part no halo, θ_E < {SMALL:g}″"
    rule = f"at least {BITES} and 2 errors"
    source = "repeated halos: a random split leaks"
    yield Row(
        SECTION,
        name,
        "AUROC gained",
        gain,
        gain - 2 * error,
        gain + 2 * error,
        nan,
        0,
        rule,
        gain >= max(BITES, 2 * error),
        source,
    )


def _few_auroc(few: np.ndarray) -> float:
    scores, labels = few[:, 0], few[:, 1].astype(bool)
    return auroc(scores, labels) if labels.any() and not labels.all() else float("nan")


def _out_of_fold(survey: Survey, table: np.ndarray) -> np.ndarray:
    """(n,) probability of each image from a regression that has seen neither it nor its halo."""
    table = table[:, np.ptp(table, axis=0) > 0] if table.size else table
    labels, halos = survey.images["is_lens"].to_numpy(), survey.images["area"].to_numpy()
    if not table.shape[1]:
        return np.full(len(labels), 0.5)
    # Ranks of the features: fluxes have tails that would rule a regression on their values.
    ranks = QuantileTransformer(
        n_quantiles=min(QUANTILES, len(labels) // 2), output_distribution="normal", subsample=None
    )
    model = make_pipeline(ranks, LogisticRegression(max_iter=2000))
    folds = GroupKFold(min(FOLDS, len(np.unique(halos))))
    return cross_val_predict(model, table, labels, groups=halos, cv=folds, method="predict_proba")[:, 1]


def _interval(area: float, labels: np.ndarray, reach: float) -> tuple[float, float]:
    error = auroc_error(area, int(labels.sum()), int((~labels).sum()))
    return area - reach * error, area + reach * error


def _weak(labels: np.ndarray, scores: np.ndarray) -> Row:
    area = auroc(scores, labels)
    low, high = _interval(area, labels, 2)
    source = "Manchester SVM (Metcalf et al. 2019)"
    nan = float("nan")
    rule = f"at most {STRONGEST}"
    return Row(SECTION, "13 global features", "AUROC", area, low, high, nan, 0, rule, area <= STRONGEST, source)


def chance_row(name: str, labels: np.ndarray, scores: np.ndarray) -> Row:
    """What carries no label must not rank lenses better than chance does.

    Args:
        name: of what the scores were made from.
        labels: (n,) bool, True for a lens.
        scores: (n,) float of images that the classifier had not seen.
    """
    area = auroc(scores, labels)
    low, high = _interval(area, labels, SIGMAS)
    rule = f"at most {SIGMAS} standard errors above 0.5"
    # A regression that found something ranks images it has not seen better than chance. Worse than chance is what folds
    # of unequal shares of lenses give to one that found nothing: it expects more lenses where there are fewer.
    return Row(SECTION, name, "AUROC", area, low, high, 0.5, 0, rule, low <= 0.5, "carries no label")


def _header_values(survey: Survey) -> np.ndarray:
    """(n, k): number of each distinct header, position left out, and what numbers differ between headers."""
    distinct, number = np.unique(survey.cards, return_inverse=True)
    if len(distinct) == 1:
        return np.zeros((len(survey.cards), 1))
    values = pd.DataFrame([_numbers(text) for text in distinct]).fillna(0.0).to_numpy(np.float64)
    return np.column_stack([number, values[number]])


def _numbers(text: str) -> dict[str, float]:
    """Cards of a header whose value is a number."""
    result = {}
    for card in text.splitlines():
        keyword, _, value = card.partition("=")
        try:
            result[keyword.strip()] = float(value.split("/")[0])
        except ValueError:
            continue
    return result


def _orders(rank: np.ndarray) -> np.ndarray:
    """(n, 4): a rank, and its remainders by which images are often dealt out."""
    return np.column_stack([rank, rank % 2, rank % 3, rank % 10]).astype(np.float64)


def _files(images: pd.DataFrame) -> np.ndarray:
    times = images["time"].rank(method="first").to_numpy()
    return np.column_stack([_orders(images["order"].to_numpy()), times, images["size"].to_numpy()]).astype(np.float64)


def _noise_features(survey: Survey) -> np.ndarray:
    """(n, 6): correlations of the blank pixels' noise; the spread and the last bits of the corners' pixels."""
    corners = survey.arrays["corners"]
    blocks = corners.reshape(len(corners), 4, CORNER**2)
    # The median of four corners is blind to a galaxy or an arc in one of them, as the label's own light would be.
    spread = np.median(blocks.std(axis=2), axis=1)
    last = (corners.astype(np.float32).view(np.uint32) & 0xFF).mean(axis=1)
    return np.column_stack([survey.arrays["autocorrelation"], spread, last])


def _repeated_noise(survey: Survey) -> Row:
    distinct = len(np.unique(survey.arrays["corners"], axis=0))
    share = 1 - distinct / len(survey.images)
    nan = float("nan")
    return Row(
        SECTION, "images with another's noise", "share", share, nan, nan, 0.0, 0, "none", share == 0, "corner pixels"
    )
