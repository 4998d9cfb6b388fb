"""Figures of merit of a ranking. Takes scores and labels, gives AUROC and its error, TPR0 and TPR10, confusion, rates.

A threshold cannot part equal scores, so ties are taken whole everywhere; AUROC counts a tied pair as one half.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.optimize import brentq

Z95 = 1.959963984540054
"""Quantile of the standard normal distribution that leaves 95 % between minus and plus this."""


class Roc(NamedTuple):
    """Counts above each threshold, from none to all; arrays of one length.

    Attributes:
        threshold: (k,) float64, falling, infinity first.
        fp: (k,) int64, non-lenses with a score of at least the threshold.
        tp: (k,) int64, lenses with a score of at least the threshold.
    """

    threshold: np.ndarray
    fp: np.ndarray
    tp: np.ndarray

    @property
    def fpr(self) -> np.ndarray:
        """(k,) float64, share of the non-lenses."""
        return self.fp / self.fp[-1]

    @property
    def tpr(self) -> np.ndarray:
        """(k,) float64, share of the lenses."""
        return self.tp / self.tp[-1]


class Confusion(NamedTuple):
    """Images by truth and verdict at a threshold."""

    tn: int
    fp: int
    fn: int
    tp: int


def roc(scores: np.ndarray, labels: np.ndarray) -> Roc:
    """Count lenses and non-lenses above every score.

    Args:
        scores: (n,) float, higher is more lens-like.
        labels: (n,) bool, True for a lens.

    Raises:
        ValueError: `labels` holds no lens, or no non-lens; or a score is NaN.
    """
    scores, labels = np.asarray(scores, dtype=np.float64), np.asarray(labels, dtype=bool)
    if labels.all() or not labels.any():
        raise ValueError(f"both lenses and non-lenses are needed. Received: {labels.sum()} lenses of {len(labels)}")
    if np.isnan(scores).any():
        raise ValueError(f"scores must be numbers. Received: {np.isnan(scores).sum()} NaN of {len(scores)}")
    order = np.argsort(-scores, kind="stable")
    falling = scores[order]
    last = np.append(np.flatnonzero(falling[1:] != falling[:-1]), len(falling) - 1)
    tp = np.cumsum(labels[order])[last]
    return Roc(np.append(np.inf, falling[last]), np.append(0, last + 1 - tp), np.append(0, tp))


def auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    """Area under the ROC: the share of (lens, non-lens) pairs in the right order, a tie counting one half.

    Args:
        scores: (n,) float, higher is more lens-like.
        labels: (n,) bool, True for a lens.

    Returns:
        float in [0, 1].

    Raises:
        ValueError: as `roc`.
    """
    curve = roc(scores, labels)
    # Twice the number of pairs in order is a whole number, so that nothing is rounded before the division.
    twice = int(np.sum(np.diff(curve.fp) * (curve.tp[1:] + curve.tp[:-1])))
    return twice / (2 * int(curve.fp[-1]) * int(curve.tp[-1]))


def auroc_error(area: float, n_lens: int, n_nonlens: int) -> float:
    """Standard error of an AUROC from the finite number of images (Hanley & McNeil 1982, Radiology 143, 29, eq. 2).

    It does not hold the spread between trainings, which is another quantity.

    Args:
        area: AUROC in [0, 1].
        n_lens: lenses.
        n_nonlens: non-lenses.
    """
    q1 = area / (2 - area)
    q2 = 2 * area**2 / (1 + area)
    variance = area * (1 - area) + (n_lens - 1) * (q1 - area**2) + (n_nonlens - 1) * (q2 - area**2)
    return math.sqrt(max(variance, 0.0) / (n_lens * n_nonlens))


def auroc_interval(area: float, n_lens: int, n_nonlens: int) -> tuple[float, float]:
    """95 % interval of an AUROC: the areas that lie within 1.96 of their own standard errors of it.

    A score interval, as Wilson's of a share (for this area: Newcombe 2006, Statistics in Medicine 25, 559): it stays in
    [0, 1], and narrow near its ends. An area of 0 or 1 has the interval of a share of which all of the smaller class
    were right, or wrong (Clopper & Pearson 1934, Biometrika 26, 404); no other area reaches less far towards 1/2.

    Args:
        area: AUROC in [0, 1].
        n_lens: lenses.
        n_nonlens: non-lenses.

    Returns:
        Lower and upper end.
    """
    reach = 1 - 0.025 ** (1 / min(n_lens, n_nonlens))
    if area in (0, 1):
        return (0.0, reach) if area == 0 else (1 - reach, 1.0)

    def beyond(end: float) -> float:
        return abs(area - end) - Z95 * auroc_error(end, n_lens, n_nonlens)

    low, high = brentq(beyond, 0.0, area), brentq(beyond, area, 1.0)
    return min(low, 1 - reach), max(high, reach)


def tpr_at(scores: np.ndarray, labels: np.ndarray, false_positives: int) -> float:
    """True-positive rate at the last threshold that admits at most `false_positives` non-lenses.

    The challenge's TPR0 and TPR10 (Metcalf et al. 2019, A&A 625, A119, section 5: "less than ten"; the organisers'
    ranking counts "10 or fewer").

    Args:
        scores: (n,) float, higher is more lens-like. Ties are taken whole: a threshold cannot part them.
        labels: (n,) bool, True for a lens.
        false_positives: non-lenses admitted.

    Returns:
        float in [0, 1].

    Raises:
        ValueError: as `roc`.
    """
    curve = roc(scores, labels)
    return float(curve.tpr[np.searchsorted(curve.fp, false_positives, side="right") - 1])


def confusion(scores: np.ndarray, labels: np.ndarray, threshold: float) -> Confusion:
    """Count images by truth and verdict; a score of at least `threshold` is a lens.

    Args:
        scores: (n,) float.
        labels: (n,) bool, True for a lens.
        threshold: in the unit of the scores.
    """
    verdict, labels = np.asarray(scores) >= threshold, np.asarray(labels, dtype=bool)
    return Confusion(
        tn=int(np.sum(~verdict & ~labels)),
        fp=int(np.sum(verdict & ~labels)),
        fn=int(np.sum(~verdict & labels)),
        tp=int(np.sum(verdict & labels)),
    )


def rates(scores: np.ndarray, labels: np.ndarray, thresholds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """True-positive and true-negative rate at each threshold; a score of at least the threshold is a lens.

    Args:
        scores: (n,) float.
        labels: (n,) bool, True for a lens.
        thresholds: (t,) float.

    Returns:
        (t,) float64 true-positive rates and (t,) float64 true-negative rates.
    """
    labels = np.asarray(labels, dtype=bool)
    lens, nonlens = np.sort(np.asarray(scores)[labels]), np.sort(np.asarray(scores)[~labels])
    below_lens = np.searchsorted(lens, thresholds, side="left")
    below_nonlens = np.searchsorted(nonlens, thresholds, side="left")
    return 1 - below_lens / len(lens), below_nonlens / len(nonlens)


def tpr_on(grid: np.ndarray, curve: Roc) -> np.ndarray:
    """True-positive rate of a ROC at given false-positive rates, linear between its points.

    Args:
        grid: (g,) float, rising, false-positive rates in [0, 1].
        curve: from `roc`.

    Returns:
        (g,) float64; where the ROC is vertical, its upper end.
    """
    upper = np.flatnonzero(np.append(np.diff(curve.fp) > 0, True))
    return np.interp(grid, curve.fpr[upper], curve.tpr[upper])
