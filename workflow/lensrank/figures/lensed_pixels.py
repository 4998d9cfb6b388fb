"""AUROC of a model against the lensed pixels: how well lenses are ranked by how much of them can be seen."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from lensrank.evaluate import ensemble, sound
from lensrank.figures.recipe import recipe, set_name
from lensrank.figures.style import BLUE, GREY, drawing, plain
from lensrank.metrics import auroc, auroc_interval
from lensrank.scored import Scored
from lensrank.visibility import Bin, bins, invisible


def draw_lensed_pixels(scored: Sequence[Scored], data: str, output: Path) -> None:
    """Draw the AUROC of the lenses of each bin of lensed pixels among all non-lenses, for one model on one set.

    Args:
        scored: its trainings; collapsed ones are left out.
        data: what the images are, such as "simulated".
        output: path without a suffix.
    """
    first, kept = scored[0], sound(scored)
    parts = bins(first)
    title = f"AUROC by lensed pixels: {plain(first.model)}, {set_name(first.dataset)}"
    with drawing(output, title, recipe(scored, data)) as figure:
        axes = figure.subplots()
        axes.set(xlabel="lensed pixels, and number of lenses", ylabel="AUROC among all non-lenses")
        axes.set(xlim=(-0.5, max(len(parts), 1) - 0.5), ylim=(0.4, 1.005))
        axes.axhline(0.5, color=GREY, linestyle=(0, (4, 3)), linewidth=1.5, label="random ranking")
        if not parts or not kept:
            axes.set_xticks([])
            why = "every seed collapsed" if parts else "the truth table counts no lensed pixels"
            axes.text(0, 0.7, why, ha="center")
            return
        axes.grid(visible=False, axis="x")
        axes.set_xticks(range(len(parts)), [f"{part.name}\n{_lenses(first, part):,}" for part in parts], fontsize=12)
        _points(axes, kept, parts)
        figure.legend(loc="outside lower center", ncols=2)


def _points(axes: Axes, kept: Sequence[Scored], parts: Sequence[Bin]) -> None:
    """A point with its interval per bin, for the mean score of the seeds; a line for each of several seeds."""
    whole = ensemble(kept)
    areas = np.array([_area(whole, part) for part in parts])
    lows, highs = np.transpose(
        [auroc_interval(area, _lenses(whole, part), whole.n_nonlens) for area, part in zip(areas, parts, strict=True)]
    )
    axes.set_ylim(bottom=min(0.4, lows.min() - 0.02))
    name = "mean score of the seeds" if len(kept) > 1 else f"seed {kept[0].seed}"
    axes.errorbar(
        range(len(parts)),
        areas,
        (areas - lows, highs - areas),
        color=BLUE,
        marker="o",
        markersize=9,
        linewidth=2.8,
        elinewidth=1.8,
        capsize=5,
        label=f"{name}, 95 % interval",
    )
    for number, one in enumerate(kept if len(kept) > 1 else ()):
        label = f"each of {len(kept)} seeds" if number == 0 else None
        axes.plot([_area(one, part) for part in parts], color=BLUE, linewidth=0.7, alpha=0.6, label=label)
    ceiling = invisible(whole)[1]
    text = f"all lenses: {auroc(whole.scores, whole.labels):.3f}\nceiling of a perfect ranking: {ceiling:.3f}"
    box = {"facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    # To the right lenses are seen best, and the points lie high.
    axes.text(0.98, 0.24, text, transform=axes.transAxes, ha="right", bbox=box)


def _area(one: Scored, part: Bin) -> float:
    return auroc(one.scores[part.chosen], one.labels[part.chosen])


def _lenses(one: Scored, part: Bin) -> int:
    return int(one.labels[part.chosen].sum())
