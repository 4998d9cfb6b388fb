"""Figures of a run: `KINDS` lists them; each function here reads what one needs and writes a PNG and an SVG file."""

from collections.abc import Sequence
from pathlib import Path

from lensrank.config.settings import Dataset, Evaluation
from lensrank.errors import TruthError
from lensrank.figures.confusion import draw_confusion
from lensrank.figures.examples import choose, draw_examples, read_examples
from lensrank.figures.history import draw_history, read_training
from lensrank.figures.lensed_pixels import draw_lensed_pixels
from lensrank.figures.recipe import pick
from lensrank.figures.roc import draw_roc
from lensrank.figures.thresholds import draw_thresholds
from lensrank.scored import Scored
from lensrank.split import read_split
from lensrank.truth import read_truth
from lensrank.truthfile import truth_file

KINDS = {
    "examples": "labelled images with colour bars",
    "auroc_epochs": "AUROC on training and validation images against the epoch",
    "judged": "what labelled scores show: ROC of every seed and their mean (roc), confusion matrix (confusion), "
    "true-positive and true-negative rate against the threshold (thresholds), AUROC against the lensed pixels "
    "(lensed_pixels)",
}


def examples(
    split: Path,
    shards: Sequence[Path],
    truth: Path,
    dataset: Dataset,
    masked: float | None,
    pixel_scale: float | None,
    data: str,
    output: Path,
) -> None:
    """Read and draw labelled training images.

    Args:
        split: split.csv.
        shards: of the training data set.
        truth: its truth table, or the index's `truth.json`.
        dataset: its settings.
        masked: pixels of this value are not shown; None: all are.
        pixel_scale: arcseconds per pixel, None where not known.
        data: what the images are, such as "simulated"; may be empty.
        output: path without a suffix.

    Raises:
        LensrankError: the split, the truth or a shard cannot be used.
    """
    table = truth_file(truth)
    if table is None:
        raise TruthError(f"{truth}: names no truth table.")
    rows = choose(read_split(split), read_truth(table, dataset))
    draw_examples(read_examples(rows, shards, masked), pixel_scale, data, output)


def auroc_epochs(model: str, trainings: Sequence[tuple[str, str]], data: str, output: Path) -> None:
    """Read and draw how the trainings of a model went.

    Args:
        model: its name.
        trainings: (seed, folder with history.csv and provenance.json) of each.
        data: what the images are, such as "simulated"; may be empty.
        output: path without a suffix.
    """
    draw_history(model, [read_training(int(seed), Path(folder)) for seed, folder in trainings], data, output)


def judged(scored: Sequence[Scored], settings: Evaluation, model: str, images: str, data: str, output: Path) -> None:
    """Draw what labelled scores show: ROC, confusion matrix, rates against the threshold, AUROC against lensed pixels.

    Args:
        scored: labelled scores, among them those of the model on the images.
        settings: of the evaluation.
        model: its name.
        images: "holdout", or the name of a scored data set.
        data: what the images are, such as "simulated"; may be empty.
        output: folder; a figure is called <kind>_<model>_<images>.

    Raises:
        LensrankError: the model has no labelled scores on the images.
    """
    mine = pick(scored, model, images)
    draw_roc(mine, data, output / f"roc_{model}_{images}")
    draw_confusion(mine, settings.threshold, data, output / f"confusion_{model}_{images}")
    draw_thresholds(mine, settings.threshold, data, output / f"thresholds_{model}_{images}")
    draw_lensed_pixels(mine, data, output / f"lensed_pixels_{model}_{images}")
