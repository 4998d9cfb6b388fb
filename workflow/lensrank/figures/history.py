"""AUROC on training and validation images against the epoch, for every seed of a model."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.ticker import MaxNLocator

from lensrank.figures.recipe import seeds_text
from lensrank.figures.style import BLUE, GREY, VERMILLION, drawing, plain
from lensrank.history import Epoch, read_history
from lensrank.scored import SELECTION, TrainingRecord, read_record
from lensrank.split import HOLDOUT, TRAIN, VALIDATION

JUDGES = {
    "holdout": "hold-out images (they also chose the epoch)",
    "validation": "validation images (they chose the epoch)",
    "last": "images set aside (the last epoch is kept)",
}


class Training(NamedTuple):
    """One training: its seed, its epochs, and what its record says."""

    seed: int
    epochs: list[Epoch]
    record: TrainingRecord


def read_training(seed: int, folder: Path) -> Training:
    """Read history.csv and provenance.json of a training."""
    return Training(seed, read_history(folder / "history.csv"), read_record(folder))


def draw_history(model: str, trainings: Sequence[Training], data: str, output: Path) -> None:
    """Draw AUROC against epoch; the kept epoch of each seed is marked.

    Args:
        model: its name.
        trainings: its trainings.
        data: what the images are, such as "simulated".
        output: path without a suffix.
    """
    selection = trainings[0].record.selection
    with drawing(output, f"Training of {plain(model)}", _subtitle(trainings, data)) as figure:
        axes = figure.subplots()
        axes.set(xlabel="epoch", ylabel="AUROC")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        curves = (("auroc", BLUE, "training images, as augmented"), ("val_auroc", VERMILLION, JUDGES[selection]))
        for name, colour, label in curves:
            axes.plot([], [], color=colour, linewidth=2.8, label=label)
            for one in trainings:
                sound = not one.record.collapsed
                pen: dict[str, Any] = {"linestyle": "-" if sound else ":", "color": colour if sound else GREY}
                values = [getattr(epoch, name) for epoch in one.epochs]
                axes.plot([epoch.epoch for epoch in one.epochs], values, linewidth=1.4, alpha=0.8, **pen)
        mark: dict[str, Any] = {
            "marker": "o",
            "linestyle": "",
            "color": VERMILLION,
            "markeredgecolor": "black",
            "markersize": 8,
        }
        for one in trainings:
            if one.record.collapsed:
                continue
            kept = one.epochs[one.record.best_epoch - 1]
            axes.plot(kept.epoch, kept.val_auroc, **mark)
        axes.plot([], [], label="kept epoch of each seed", **mark)
        axes.set_ylim(top=1.005)
        figure.legend(loc="outside lower center", ncols=2)


def _subtitle(trainings: Sequence[Training], data: str) -> str:
    record = trainings[0].record
    kind = f" ({plain(data)})" if data else ""
    judges = record.images[VALIDATION] or record.images[HOLDOUT]
    text = (
        f"trained on {record.images[TRAIN]:,} images, judged on {judges:,}{kind}\n"
        f"{SELECTION[record.selection]} · {seeds_text([one.seed for one in trainings])}"
    )
    collapsed = [one.seed for one in trainings if one.record.collapsed]
    return f"{text}\ndotted, collapsed: {seeds_text(collapsed)}" if collapsed else text
