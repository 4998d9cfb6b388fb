"""How well lenses are ranked by how much of them can be seen. Takes labelled scores and lensed pixels.

Lensed pixels are those in which the lensed source alone outshines the noise. A lens without one cannot be told from a
non-lens, so a share u of such lenses keeps even a perfect ranking at an AUROC of 1 - u/2: half of their pairs with
non-lenses come in the wrong order.
"""

import math
from collections.abc import Sequence
from itertools import zip_longest
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from lensrank.metrics import auroc, auroc_error, auroc_interval
from lensrank.scored import Scored

EDGES = (0, 1, 50, 100, 200, 400, 800, 1600)
"""Lensed pixels at which each bin begins; the last one has no end. Nine lenses of ten in the challenge's training set
have more than 47, one of ten more than 1192."""


class Bin(NamedTuple):
    """Lenses of about the same visibility, among all non-lenses.

    Attributes:
        first, last: lensed pixels, both in the bin; None for the last bin, which has no end.
        chosen: (n,) bool, the images: these lenses and every non-lens.
    """

    first: int
    last: int | None
    chosen: np.ndarray

    @property
    def name(self) -> str:
        """The bin as a figure names it."""
        if self.last is None:
            return f"≥ {self.first}"
        return f"{self.first}" if self.first == self.last else f"{self.first}–{self.last}"


def invisible(scored: Scored) -> tuple[int | None, float]:
    """Lenses without a lensed pixel, and the AUROC that they leave to a perfect ranking.

    Returns:
        Their number, and 1 - u/2 for their share u of the lenses whose lensed pixels are known; None and NaN where no
        lens's are.
    """
    pixels = np.array([]) if scored.lensed_pixels is None else scored.lensed_pixels[scored.labels]
    known = pixels[~np.isnan(pixels)]
    if not len(known):
        return None, math.nan
    unseen = int(np.sum(known == 0))
    return unseen, 1 - unseen / len(known) / 2


def bins(scored: Scored) -> list[Bin]:
    """The bins of `EDGES` that hold a lens; none where the lensed pixels are not known."""
    if scored.lensed_pixels is None:
        return []
    found = []
    for first, end in zip_longest(EDGES, EDGES[1:]):
        inside = (scored.lensed_pixels >= first) & (scored.lensed_pixels < (end or math.inf))
        lenses = scored.labels & inside
        if lenses.any():
            found.append(Bin(first, end and end - 1, lenses | ~scored.labels))
    return found


COLUMNS = (
    *("model", "dataset", "lensed_pixels_min", "lensed_pixels_max", "n_lens", "n_nonlens", "n_seeds"),
    *("auroc_mean", "auroc_std", "auroc_sampling_error", "ensemble_auroc", "ensemble_low", "ensemble_high", "origin"),
)
"""Of `visibility_rows`."""


def visibility_rows(model: str, kept: Sequence[Scored], whole: Scored) -> list[dict[str, Any]]:
    """AUROC of the lenses of each bin among all non-lenses.

    Args:
        model: name in the table.
        kept: the sound trainings of one model on one set.
        whole: their ensemble.

    Returns:
        One row per bin: mean and standard deviation over the trainings, and the ensemble with its 95 % interval.
    """
    rows = []
    for part in bins(whole):
        labels = whole.labels[part.chosen]
        counts = int(labels.sum()), int((~labels).sum())
        areas = pd.Series([auroc(one.scores[part.chosen], labels) for one in kept])
        together = auroc(whole.scores[part.chosen], labels)
        low, high = auroc_interval(together, *counts)
        values = {
            "model": model,
            "dataset": whole.dataset,
            "lensed_pixels_min": part.first,
            "lensed_pixels_max": part.last,
            "n_lens": counts[0],
            "n_nonlens": counts[1],
            "n_seeds": len(kept),
            "auroc_mean": areas.mean(),
            "auroc_std": areas.std(ddof=1),
            "auroc_sampling_error": auroc_error(float(areas.mean()), *counts),
            "ensemble_auroc": together,
            "ensemble_low": low,
            "ensemble_high": high,
            "origin": whole.origin,
        }
        rows.append(values)
    return rows
