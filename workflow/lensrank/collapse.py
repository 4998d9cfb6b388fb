"""Trainings that came to nothing: takes losses and hold-out scores, gives the reason in words, or none."""

import math
from collections.abc import Sequence

import numpy as np

from lensrank.history import Epoch
from lensrank.metrics import auroc

STANDARD_ERRORS = 2.0
"""An AUROC within so many standard errors of 0.5, or below it, is no better than chance."""


def reason(history: Sequence[Epoch], kept: int, labels: np.ndarray, scores: np.ndarray) -> str | None:
    """Say why a training counts as collapsed.

    Args:
        history: its epochs.
        kept: number of the epoch that was kept.
        labels: (n,) 0 or 1, of the images held out.
        scores: (n,) of the same, NaN where the network gave none.

    Returns:
        What was found, or None where nothing is wrong.
    """
    if not np.isfinite(scores).all():
        return f"{int((~np.isfinite(scores)).sum())} of {len(scores)} hold-out scores are not a number"
    if not math.isfinite(history[-1].loss):
        return f"the loss was not a number in epoch {history[-1].epoch}; the weights are those of epoch {kept}"
    if np.ptp(scores) == 0:
        return f"all {len(scores)} hold-out scores are {scores[0]:g}"
    area, error = auroc(scores, labels == 1), chance_error(labels)
    if area <= 0.5 + STANDARD_ERRORS * error:
        return (
            f"the AUROC of {area:.4f} on {len(scores)} hold-out images is no better than chance "
            f"(0.5 with a standard error of {error:.4f})"
        )
    return None


def chance_error(labels: np.ndarray) -> float:
    """Standard error of the AUROC of random scores: that of the Mann-Whitney statistic under its null hypothesis.

    Args:
        labels: (n,) 0 or 1, some of both.
    """
    lenses, others = int(np.sum(labels == 1)), int(np.sum(labels == 0))
    return math.sqrt((lenses + others + 1) / (12 * lenses * others))
