"""ROC of every seed of a model, their mean and spread, and the diagonal of a random ranking."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from matplotlib.ticker import FixedLocator, NullLocator

from lensrank.evaluate import sound
from lensrank.figures.recipe import recipe, set_name
from lensrank.figures.style import BLUE, GREY, drawing, plain, unit_axes
from lensrank.metrics import auroc, auroc_error, roc, tpr_on
from lensrank.scored import Scored

GRID = np.unique(np.concatenate([np.linspace(0, 1, 501), np.logspace(-5, 0, 501)]))
"""False-positive rates at which the mean is taken, dense at both scales."""


def draw_roc(scored: Sequence[Scored], data: str, output: Path) -> None:
    """Draw the ROC of one model on one set.

    The mean is vertical: the mean true-positive rate at each false-positive rate. Collapsed seeds are dashed and in no
    mean.

    Args:
        scored: its trainings.
        data: what the images are, such as "simulated".
        output: path without a suffix.
    """
    first, kept = scored[0], sound(scored)
    with drawing(output, f"ROC of {plain(first.model)}, {set_name(first.dataset)}", recipe(scored, data)) as figure:
        axes = figure.subplots()
        unit_axes(axes, "false-positive rate", "true-positive rate")
        _curves(axes, scored, kept)
        axes.text(0.27, 0.24, "random ranking", color=GREY, fontsize=12)
        handles, labels = axes.get_legend_handles_labels()
        axes.legend(handles[::-1], labels[::-1], loc="lower right", borderaxespad=0.6)
        axes.add_patch(Rectangle((0.48, 0.335), 0.52, 0.4, facecolor="white", zorder=3))
        inset = axes.inset_axes((0.56, 0.415, 0.42, 0.26), zorder=4)
        _curves(inset, scored, kept)
        _low_rates(inset, first.n_nonlens)


def _curves(axes: Axes, scored: Sequence[Scored], kept: Sequence[Scored]) -> None:
    axes.plot(GRID, GRID, color=GREY, linestyle=(0, (4, 3)), linewidth=1.5)
    for one in scored:
        if one.collapsed and np.isfinite(one.scores).all():
            curve = roc(one.scores, one.labels)
            axes.plot(
                curve.fpr, curve.tpr, color=GREY, linewidth=1, linestyle=":", label=f"seed {one.seed} (collapsed)"
            )
    if not kept:
        axes.text(0.3, 0.7, "every seed collapsed", ha="center")
        return
    curves = [roc(one.scores, one.labels) for one in kept]
    if len(kept) > 1:
        for number, curve in enumerate(curves):
            label = f"each of {len(kept)} seeds" if number == 0 else None
            axes.plot(curve.fpr, curve.tpr, color=BLUE, linewidth=0.7, alpha=0.6, label=label)
    heights = np.array([tpr_on(GRID, curve) for curve in curves])
    mean = heights.mean(axis=0)
    areas = np.array([auroc(one.scores, one.labels) for one in kept])
    error = auroc_error(float(areas.mean()), kept[0].n_lens, kept[0].n_nonlens)
    if len(kept) > 1:
        spread = heights.std(axis=0, ddof=1)
        low, high = np.clip(mean - spread, 0, 1), np.clip(mean + spread, 0, 1)
        axes.fill_between(GRID, low, high, color=BLUE, alpha=0.2, linewidth=0, label="standard deviation over seeds")
        label = f"mean, AUROC {areas.mean():.3f} ± {areas.std(ddof=1):.3f}\n(sampling error {error:.3f})"
    else:
        label = f"seed {kept[0].seed}, AUROC {areas[0]:.3f}\n(sampling error {error:.3f})"
    axes.plot(GRID, mean, color=BLUE, linewidth=2.8, label=label)


def _low_rates(axes: Axes, n_nonlens: int) -> None:
    """Where a survey works: few false positives. From one false positive on; below, a ROC says nothing."""
    first = 1 / n_nonlens
    decades = [10.0**power for power in range(-5, 1)]
    axes.set(xscale="log", xlim=(first, 1), ylim=(0, 1.02))
    axes.xaxis.set_major_locator(FixedLocator([decade for decade in decades if decade >= first * 0.99]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    axes.yaxis.set_major_locator(FixedLocator([0, 0.5, 1]))
    axes.tick_params(labelsize=11)
    axes.set_title("the same, from one false positive on", fontsize=11, loc="left", pad=4)
