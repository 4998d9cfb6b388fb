"""How a training went, epoch by epoch: takes one row each, says which epoch is best and whether to stop."""

import csv
import math
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import Literal

import pandas as pd
from tensorboard.summary import Writer

from lensrank.files import replacing, writing


@dataclass(frozen=True)
class Epoch:
    """One row of history.csv.

    Attributes:
        epoch: from 1.
        loss: binary cross-entropy of the training images as they were shown (augmented, with dropout), its mean over
            the epoch.
        auroc: of the same scores, over the epoch (`keras.metrics.AUC`, trapezia between 200 thresholds).
        val_loss: binary cross-entropy of the images that choose the epoch, at its end.
        val_auroc: of the same, exact.
        learning_rate: the optimizer's.
        seconds: wall time, the validation included.
        images_per_second: training images by the wall time of training alone.
    """

    epoch: int
    loss: float
    auroc: float
    val_loss: float
    val_auroc: float
    learning_rate: float
    seconds: float
    images_per_second: float


COLUMNS = tuple(field.name for field in fields(Epoch))


def write_history(path: str | Path, history: Sequence[Epoch]) -> None:
    """Write history.csv, one line per epoch."""
    with replacing(path) as temporary, temporary.open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows(astuple(epoch) for epoch in history)


def read_history(path: str | Path) -> list[Epoch]:
    """Read history.csv."""
    rows = pd.read_csv(path).to_dict("records")
    return [Epoch(**{str(name): value for name, value in row.items()}) for row in rows]


def best_epoch(history: Sequence[Epoch], by: Literal["auroc", "loss", "last"]) -> int:
    """Number of the epoch whose weights are kept.

    Args:
        history: at least one epoch.
        by: auroc: the highest validation AUROC, and of equal ones the lowest loss; loss: the lowest validation loss;
            last: the last. Epochs without a number in both are passed over, unless there is no other.
    """
    sound = [epoch for epoch in history if math.isfinite(epoch.val_loss) and math.isfinite(epoch.val_auroc)]
    if by == "last" or not sound:
        return history[-1].epoch
    if by == "loss":
        return min(sound, key=lambda epoch: epoch.val_loss).epoch
    return min(sound, key=lambda epoch: (-epoch.val_auroc, epoch.val_loss)).epoch


def is_over(history: Sequence[Epoch], epochs: int, patience: int | None) -> bool:
    """Say whether training ends here: all epochs done, the loss not a number, or no fall of it for too long.

    Args:
        history: the epochs so far.
        epochs: how many there are to be.
        patience: epochs in a row that may pass without a new lowest validation loss; None: any number.
    """
    if not history:
        return False
    if len(history) >= epochs or not math.isfinite(history[-1].loss):
        return True
    return patience is not None and len(history) - best_epoch(history, "loss") >= patience


class TensorBoardLog:
    """Writes the history where TensorBoard finds it. Works under every backend of Keras.

    Args:
        folder: where the event files go; those of an earlier attempt are replaced.
        history: epochs that are past already.
    """

    def __init__(self, folder: str | Path, history: Sequence[Epoch] = ()) -> None:
        self._folder = Path(folder)
        with writing(self._folder):
            self._folder.mkdir(parents=True, exist_ok=True)
            for old in self._folder.glob("events.out.tfevents.*"):
                old.unlink()
            self._writer = Writer(str(self._folder))
        for epoch in history:
            self.add(epoch)

    def add(self, epoch: Epoch) -> None:
        """Write one epoch."""
        with writing(self._folder):
            for name, value in asdict(epoch).items():
                if name != "epoch":
                    self._writer.add_scalar(name, value, epoch.epoch)
            self._writer.flush()

    def close(self) -> None:
        """Close the file."""
        with writing(self._folder):
            self._writer.close()
