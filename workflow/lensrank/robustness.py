"""Trained models on labelled images, as they are and changed. Takes images, a truth table and models, gives margins.

The margin is the lowest logit of a lens less the highest of a non-lens: positive where every lens is ranked above every
non-lens, and large where that is no luck.
"""

import logging
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

import numpy as np
import pandas as pd

from lensrank.config.settings import Cutout, Dataset
from lensrank.engines import EngineName, make_engine
from lensrank.errors import DataError, first_few
from lensrank.files import replacing
from lensrank.index import IndexSettings, index
from lensrank.ingest import IngestSettings, Outputs, ingest
from lensrank.lists import shard_names
from lensrank.perturb import perturbations
from lensrank.rejects import read_rejects
from lensrank.score import score_batch
from lensrank.shards import iterate_images, read_table
from lensrank.truth import read_truth

ENOUGH = 1.0
"""Margin that passes: odds of a factor of e between the least lens and the greatest non-lens."""

BATCH = 64
IMAGES_PER_SHARD = 10000

NEAREST = 2.0**-24
"""A float32 probability comes no nearer to 1 than this without being 1: logits are known up to 16.6."""

log = logging.getLogger("lensrank")


class Labelled(NamedTuple):
    """Images with labels.

    Attributes:
        id: (n,) str objects.
        is_lens: (n,) bool.
        pixels: (n, height, width, band) float32; NaN where there is no measurement.
    """

    id: np.ndarray
    is_lens: np.ndarray
    pixels: np.ndarray


class Margin(NamedTuple):
    """What one model makes of the images under one change; a row of the table."""

    model: str
    change: str
    margin: float
    passed: bool
    lens: str
    lens_logit: float
    nonlens: str
    nonlens_logit: float


def read_labelled(images: Path, truth: Path, dataset: Dataset, bands: Sequence[str], cutout: Cutout) -> Labelled:
    """Read images and their labels, by the same code as the workflow does.

    Args:
        images: folder, archive or re-pack.
        truth: table of labels.
        dataset: pattern of the files' names, and how to read the table.
        bands: in the order of the models' channels.
        cutout: look of an image.

    Raises:
        LensrankError: the images or the table cannot be read.
        DataError: among the images that could be read there is no lens, or no non-lens.
    """
    table = read_truth(truth, dataset)
    with TemporaryDirectory(prefix="lensrank-") as folder:
        ids, pixels, rejected = _ingested(images, Path(folder), dataset, bands, cutout)
    if rejected:
        log.warning("%s: %s files were rejected: %s", images, len(rejected), first_few(rejected))
    known = np.isin(ids, table.index)
    if not known.all():
        log.warning("%s: no label for %s images: %s", truth, (~known).sum(), first_few(list(ids[~known])))
    ids, pixels = ids[known], pixels[known]
    labels = table["label"].reindex(pd.Index(ids)).to_numpy() == 1
    if labels.all() or not labels.any():
        raise DataError(
            f"{images}: {labels.sum()} of {len(ids)} images with a label in {truth} are lenses; a margin needs a lens "
            "and a non-lens. IDs come from the files' names (--dataset '{\"pattern\": ...}')."
        )
    if cutout.masked is not None:
        pixels[pixels == np.float32(cutout.masked)] = np.nan
    return Labelled(ids, labels, pixels)


def _ingested(
    images: Path, folder: Path, dataset: Dataset, bands: Sequence[str], cutout: Cutout
) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """IDs, pixels, and what was rejected."""
    found, memory = folder / "index", folder / "memory"
    untold = dataset.model_copy(update={"truth": None})
    settings = IndexSettings(name="images", dataset=untold, bands=bands, cutout=cutout, shard_size=IMAGES_PER_SHARD)
    index(images, settings, found, memory)
    rejects, ids, blocks = [found / "rejects.csv"], [], []
    for name in shard_names(found / "shards"):
        outputs = Outputs(*(folder / f"{name}.{suffix}" for suffix in ("h5", "digest", "rejects.csv")))
        ingest(found, name, IngestSettings(bands=bands, cutout=cutout), memory, outputs)
        rejects.append(outputs.rejects)
        ids.append(read_table(outputs.shard).id)
        blocks += [block for _, block in iterate_images(outputs.shard)]
    rejected = [
        f"{reject.file} ({reject.reason}: {reject.detail})" for path in rejects for reject in read_rejects(path)
    ]
    empty = np.empty((0, *cutout.shape, len(bands)), np.float32)
    return np.concatenate(ids), np.concatenate([empty, *blocks]), rejected


def logits(probabilities: np.ndarray) -> np.ndarray:
    """Logit of each probability; of 1, that of the float32 number just below it, so that a margin is never invented."""
    inside = np.clip(probabilities.astype(np.float64), np.finfo(np.float32).tiny, 1 - NEAREST)
    return np.log(inside) - np.log1p(-inside)


def margins(models: Sequence[Path], labelled: Labelled, symmetries: int, engine: EngineName) -> list[Margin]:
    """Score the images under every change by every model.

    Args:
        models: whole models, `.keras`.
        labelled: the images.
        symmetries: 1, or 8 for the geometric mean of the probabilities under the symmetries of the square.
        engine: what runs the models.

    Raises:
        ModelError: a model cannot be loaded, or is for other images.
        DataError: as `perturbations`; or a model gives no number for an image.
    """
    found = []
    for path in models:
        run = make_engine(path, labelled.pixels.shape[1:], engine, "float32", min(BATCH, len(labelled.id)))
        for change, images in perturbations(labelled.pixels, list(labelled.id)):
            scores = score_batch(images, run, symmetries)
            if not np.isfinite(scores).all():
                odd = labelled.id[~np.isfinite(scores)]
                raise DataError(f"{path}: gives no number for {len(odd)} images ({change}): {first_few(list(odd))}.")
            found.append(_margin(str(path), change, logits(scores), labelled))
        del run  # before the next one is made: one model at a time
    return found


def _margin(model: str, change: str, values: np.ndarray, labelled: Labelled) -> Margin:
    lenses, others = np.flatnonzero(labelled.is_lens), np.flatnonzero(~labelled.is_lens)
    lens, other = lenses[np.argmin(values[lenses])], others[np.argmax(values[others])]
    margin = float(values[lens] - values[other])
    ends = (labelled.id[lens], float(values[lens]), labelled.id[other], float(values[other]))
    return Margin(model, change, margin, margin >= ENOUGH, *ends)


def write_margins(found: Sequence[Margin], output: Path) -> str:
    """Write the margins as a CSV table; gives them as text with a verdict, a row per change and a column per model."""
    with replacing(output) as temporary:
        pd.DataFrame(found).to_csv(temporary, index=False)
    numbers = {model: f"model {number}" for number, model in enumerate(dict.fromkeys(row.model for row in found), 1)}
    cells: dict[str, dict[str, str]] = {name: {} for name in numbers.values()}
    for row in found:
        cells[numbers[row.model]][row.change] = f"{row.margin:.2f}{'  ' if row.passed else ' !'}"
    least = min(found, key=lambda row: row.margin)
    failed = sum(not row.passed for row in found)
    verdict = f"FAIL: {failed} of {len(found)} margins are" if failed else f"pass: none of {len(found)} margins is"
    return "\n".join(
        [
            *(f"{name}: {model}" for model, name in numbers.items()),
            "",
            pd.DataFrame(cells).rename_axis(columns="margin").to_string(),
            "",
            f"{verdict} below {ENOUGH:g}. The least: {least.margin:.2f} ({numbers[least.model]}, {least.change}: lens "
            f"{least.lens} {least.lens_logit:.2f}, non-lens {least.nonlens} {least.nonlens_logit:.2f}).",
        ]
    )
