"""Scores that have a label: takes hold-out files, score files and truth tables, gives a `Scored` for each training."""

import argparse
import json
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lensrank.config.settings import Dataset, Evaluation
from lensrank.errors import LensrankError, TruthError, first_few
from lensrank.names import id_order
from lensrank.provenance import training_recipe
from lensrank.scores import read_scores
from lensrank.split import HOLDOUT
from lensrank.truth import lensed_pixels, read_truth
from lensrank.truthfile import truth_file

TRAINING_SET = "train"
SELECTION = {
    "holdout": "epoch chosen on the hold-out itself",
    "validation": "epoch chosen on separate validation images",
    "last": "last epoch kept",
    "": "trained elsewhere",
}
"""Which images chose the epoch, in words; empty: a model trained elsewhere."""

log = logging.getLogger("lensrank")


class EvaluationSettings(Evaluation):
    """What an evaluation needs to know of the run."""

    simulated: tuple[str, ...] = ()
    """Data sets that were made here instead of read."""

    def origin(self, dataset: str) -> str:
        """Where a set of images comes from; the hold-out is part of the training data set."""
        return "simulated" if (TRAINING_SET if dataset == HOLDOUT else dataset) in self.simulated else ""


@dataclass(frozen=True)
class Scored:
    """Scores of one training on one set of images with labels, in the order of the IDs' text.

    Attributes:
        model: its name.
        seed: of the training.
        dataset: "holdout", or the data set's name.
        id: (n,) str objects.
        labels: (n,) bool, True for a lens.
        scores: (n,) float64 probabilities.
        selection: which images chose the epoch, "validation" or "holdout", or "last" where none did; empty for a
            model trained elsewhere.
        best_epoch: the epoch that was kept, or None where that is not known.
        symmetries: symmetries of the square that were averaged.
        collapsed: why this training is left out of every mean; empty for a sound one.
        without_label: images that were scored and have no label.
        without_image: IDs of the truth that were not scored.
        recipe: how the network was trained, in a line; empty for a model trained elsewhere.
        origin: "simulated" for images that this run made; empty for images that were read.
        lensed_pixels: (n,) float64, pixels in which the lensed source outshines the noise, NaN where not known; None
            where the truth table does not count them.
    """

    model: str
    seed: int
    dataset: str
    id: np.ndarray
    labels: np.ndarray
    scores: np.ndarray
    selection: str = ""
    best_epoch: int | None = None
    symmetries: int = 1
    collapsed: str = ""
    without_label: int = 0
    without_image: int = 0
    recipe: str = ""
    origin: str = ""
    lensed_pixels: np.ndarray | None = None

    @property
    def n_lens(self) -> int:
        """Lenses."""
        return int(self.labels.sum())

    @property
    def n_nonlens(self) -> int:
        """Non-lenses."""
        return len(self.labels) - self.n_lens


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the arguments that say where labelled scores lie; `from_arguments` takes what they parse to."""
    parser.add_argument("--settings", default="{}", help="settings of the evaluation, JSON")
    parser.add_argument(
        "--holdout",
        nargs=3,
        action="append",
        default=[],
        metavar=("MODEL", "SEED", "FOLDER"),
        help="a training of this run and the folder with its holdout.csv and provenance.json",
    )
    parser.add_argument("--scores", nargs="+", action="append", default=[], metavar=("DATASET", "FILE"))
    parser.add_argument(
        "--truth",
        nargs=3,
        action="append",
        default=[],
        metavar=("DATASET", "PATH", "JSON"),
        help="truth table, or the index's truth.json, and the data set's settings: of a scored data set, which cannot "
        "be judged without; of the training set, for the lensed pixels of the hold-out",
    )


def from_arguments(args: argparse.Namespace) -> tuple[list[Scored], EvaluationSettings]:
    """Read everything that the arguments of `add_arguments` name.

    A data set without `--truth`, or whose index found no truth table, has nothing to be judged by and is passed over.

    Returns:
        Hold-outs first, then data sets; and the settings.

    Raises:
        LensrankError: as `read_holdout` and `read_dataset`.
    """
    settings = EvaluationSettings.model_validate_json(args.settings)
    tables = ((name, truth_file(Path(path)), text) for name, path, text in args.truth)
    truths = {name: read_truth(path, Dataset.model_validate_json(text)) for name, path, text in tables if path}
    holdouts = [read_holdout(model, int(seed), Path(folder)) for model, seed, folder in args.holdout]
    if TRAINING_SET in truths:
        holdouts = [replace(one, lensed_pixels=lensed_pixels(truths[TRAINING_SET], one.id)) for one in holdouts]
    scored = list(holdouts)
    for name, *files in args.scores:
        if name not in truths:
            log.info("%s: no truth table, so its scores cannot be judged", name)
            continue
        scored += read_dataset(name, [Path(file) for file in files], truths[name], holdouts)
    return [replace(one, origin=settings.origin(one.dataset)) for one in scored], settings


class TrainingRecord(NamedTuple):
    """What the record of a training says about its outcome.

    Attributes:
        selection: which images chose the epoch, "validation" or "holdout"; "last" where none did.
        best_epoch: the epoch that was kept, from 1.
        collapsed: why the training came to nothing; empty for a sound one.
        images: number of images by part of the split.
        recipe: how it was trained, in a line.
    """

    selection: str
    best_epoch: int
    collapsed: str
    images: dict[str, int]
    recipe: str = ""


def read_record(folder: Path) -> TrainingRecord:
    """Read provenance.json of a training."""
    found = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    model = found["settings"]["model"]
    unchosen = model["best"] == "last" and model["patience"] is None
    return TrainingRecord(
        selection="last" if unchosen else found["selection"],
        best_epoch=found["best_epoch"],
        collapsed=found["collapsed"] or "",
        images=found["images"],
        recipe=training_recipe(found),
    )


def read_holdout(model: str, seed: int, folder: Path) -> Scored:
    """Read the hold-out scores of a training.

    Args:
        model: its name.
        seed: of the training.
        folder: holds holdout.csv (id, label, score) and provenance.json.

    Raises:
        LensrankError: the hold-out has lenses only or non-lenses only.
    """
    types = {"id": str, "label": int, "score": float}
    path = folder / "holdout.csv"
    table = pd.read_csv(path, dtype=types, keep_default_na=False, na_values={"score": "nan"}).sort_values("id")
    record = read_record(folder)
    labels, scores = table["label"].to_numpy() == 1, table["score"].to_numpy()
    if labels.all() or not labels.any():
        raise LensrankError(f"{path}: {labels.sum()} of {len(labels)} images are lenses; see split.csv.")
    return Scored(
        model=model,
        seed=seed,
        dataset=HOLDOUT,
        id=table["id"].to_numpy(dtype=object),
        labels=labels,
        scores=scores,
        selection=record.selection,
        best_epoch=record.best_epoch,
        collapsed=record.collapsed or _unusable(scores),
        recipe=record.recipe,
    )


def read_dataset(dataset: str, files: Sequence[Path], truth: pd.DataFrame, holdouts: Iterable[Scored]) -> list[Scored]:
    """Read the scores of a data set and join them with its truth.

    Args:
        dataset: its name.
        files: its score files.
        truth: as `truth.read_truth` gives it.
        holdouts: trainings of this run, from which the selection and a collapse are known.

    Returns:
        One per column of the score files.

    Raises:
        ShardError: a score file is damaged.
        TruthError: no scored image has a label, or all labels are the same.
    """
    table = read_scores(files)
    known = truth.index.get_indexer(pd.Index(table.id))
    with_label = known >= 0
    order = np.flatnonzero(with_label)[np.argsort(table.id[with_label])]
    labels = truth["label"].to_numpy()[known[order]].astype(bool)
    without_label, without_image = int((~with_label).sum()), len(truth) - len(order)
    _check_labels(dataset, table.id, truth, labels)
    if without_label or without_image:
        log.info("%s: %s images without a label, %s labels without an image", dataset, without_label, without_image)
    if dataset == TRAINING_SET:
        log.warning("%s: holds the images that the networks were trained on; its AUROC says little", dataset)
    trainings = {(training.model, training.seed): training for training in holdouts}
    found = []
    for column, values in table.scores.items():
        model, _, seed = column.rpartition("_")
        training = trainings.get((model, int(seed)))
        scores = np.asarray(values, dtype=np.float64)[order]
        found.append(
            Scored(
                model=model,
                seed=int(seed),
                dataset=dataset,
                id=table.id[order],
                labels=labels,
                scores=scores,
                selection=training.selection if training else "",
                best_epoch=training.best_epoch if training else None,
                symmetries=table.made[column].symmetries,
                collapsed=(training.collapsed if training else "") or _unusable(scores),
                without_label=without_label,
                without_image=without_image,
                recipe=training.recipe if training else "",
                lensed_pixels=lensed_pixels(truth, table.id[order]),
            )
        )
    return found


def _check_labels(dataset: str, ids: np.ndarray, truth: pd.DataFrame, labels: np.ndarray) -> None:
    if len(labels) == 0:
        raise TruthError(
            f"datasets.{dataset}.truth: none of the {len(ids)} scored images has a label. The images' IDs are like "
            f"{first_few(sorted(ids, key=id_order))}; those of the truth like {first_few(list(truth.index))}. See "
            f"datasets.{dataset}.truth_id, or set datasets.{dataset}.truth to null."
        )
    if labels.all() or not labels.any():
        raise TruthError(
            f"datasets.{dataset}.truth: {labels.sum()} of {len(labels)} scored images with a label are lenses, and an "
            f"AUROC needs both kinds. Set datasets.{dataset}.truth to null to go on without."
        )


def _unusable(scores: np.ndarray) -> str:
    odd = int((~np.isfinite(scores)).sum())
    if odd:
        return f"{odd} of {len(scores)} scores are NaN or infinite"
    return f"all scores are {scores[0]:.3g}" if (scores == scores[0]).all() else ""
