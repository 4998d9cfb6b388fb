"""True-positive and true-negative rate of a model against the threshold on its score."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from lensrank.evaluate import sound
from lensrank.figures.recipe import recipe, set_name
from lensrank.figures.style import BLUE, GREY, VERMILLION, drawing, plain, unit_axes
from lensrank.metrics import rates
from lensrank.scored import Scored

GRID = np.linspace(0, 1, 501)


def draw_thresholds(scored: Sequence[Scored], threshold: float, data: str, output: Path) -> None:
    """Draw the rates of one model on one set, for every sound seed and in the mean.

    Args:
        scored: its trainings.
        threshold: the one of the confusion matrix, marked.
        data: what the images are, such as "simulated".
        output: path without a suffix.
    """
    first, kept = scored[0], sound(scored)
    title = f"Rates of {plain(first.model)}, {set_name(first.dataset)}"
    with drawing(output, title, recipe(scored, data)) as figure:
        axes = figure.subplots()
        unit_axes(axes, "threshold t on the score", "rate")
        axes.axvline(threshold, color=GREY, linestyle=(0, (4, 3)), linewidth=1.5, label=f"threshold t = {threshold:g}")
        if not kept:
            axes.text(0.25, 0.5, "every seed collapsed", ha="center")
            return
        marks = np.append(GRID, threshold)
        both = np.array([rates(one.scores, one.labels, marks) for one in kept])
        for number, (name, colour) in enumerate(
            (("lenses found (TPR)", BLUE), ("non-lenses refused (TNR)", VERMILLION))
        ):
            values, mean = both[:, number], both[:, number].mean(axis=0)
            if len(kept) > 1:
                axes.plot(GRID, values[:, :-1].T, color=colour, linewidth=0.7, alpha=0.6)
                spread = values.std(axis=0, ddof=1)
                low, high = np.clip(mean - spread, 0, 1)[:-1], np.clip(mean + spread, 0, 1)[:-1]
                axes.fill_between(GRID, low, high, color=colour, alpha=0.15, linewidth=0)
            axes.plot(GRID, mean[:-1], color=colour, linewidth=2.8, label=f"{name}: {mean[-1]:.1%} at t")
            axes.plot(threshold, mean[-1], "o", color=colour, markersize=8)
        if len(kept) > 1:
            axes.plot([], [], color=GREY, linewidth=0.7, label=f"each of {len(kept)} seeds; band: standard deviation")
        figure.legend(loc="outside lower center", ncols=2)
