"""Confusion matrix of a model on one set: mean and standard deviation over its seeds."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.colors import LinearSegmentedColormap

from lensrank.evaluate import sound
from lensrank.figures.recipe import recipe, set_name
from lensrank.figures.style import BLUE, drawing, plain
from lensrank.metrics import confusion
from lensrank.scored import Scored

SHADES = LinearSegmentedColormap.from_list("white to blue", ["#FFFFFF", BLUE])


def draw_confusion(scored: Sequence[Scored], threshold: float, data: str, output: Path) -> None:
    """Draw the confusion matrix; colours are shares of the images of one kind, that is of one row.

    Args:
        scored: trainings of one model on one set; collapsed ones are left out.
        threshold: score from which an image counts as a lens.
        data: what the images are, such as "simulated".
        output: path without a suffix.
    """
    first, kept = scored[0], sound(scored)
    title = f"Confusion of {plain(first.model)} at t = {threshold:g}, {set_name(first.dataset)}"
    with drawing(output, title, recipe(scored, data)) as figure:
        axes = figure.subplots()
        axes.grid(visible=False)
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0)
        axes.set(xticks=(0, 1), yticks=(0, 1), xticklabels=("non-lens", "lens"), yticklabels=("non-lens", "lens"))
        axes.set(xlabel=f"verdict (lens: score at least {threshold:g})", ylabel="truth")
        if not kept:
            axes.text(0.5, 0.5, "every seed collapsed", ha="center")
            return
        counts = np.array([confusion(one.scores, one.labels, threshold) for one in kept], dtype=float)
        counts = counts.reshape(len(kept), 2, 2)  # tn fp / fn tp
        mean = counts.mean(axis=0)
        shares = counts / counts.sum(axis=2, keepdims=True)
        share = shares.mean(axis=0)
        image = axes.imshow(share, cmap=SHADES, vmin=0, vmax=1, aspect="auto")
        for (row, column), value in np.ndenumerate(mean):
            colour = "white" if share[row, column] > 0.7 else "black"
            spread = f" ± {counts[:, row, column].std(ddof=1):,.1f}" if len(kept) > 1 else ""
            number = f"{value:,.1f}" if len(kept) > 1 else f"{value:,.0f}"
            axes.text(column, row - 0.06, number + spread, ha="center", va="center", color=colour, fontsize=22)
            name = (("TNR", "FPR"), ("FNR", "TPR"))[row][column]
            text = f"{name} {share[row, column]:.1%}"
            text += f" ± {shares[:, row, column].std(ddof=1):.1%}" if len(kept) > 1 else ""
            axes.text(column, row + 0.16, text, ha="center", va="center", color=colour, fontsize=16)
        bar = figure.colorbar(image, ax=axes, ticks=(0, 0.5, 1), label="share of the row", aspect=30)
        bar.outline.set_visible(False)
