"""The labelled images of a split in one array: takes split.csv and the shards it names, gives pixels and labels."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from lensrank.errors import ShardError, TrainingError
from lensrank.names import id_order
from lensrank.progress import progress
from lensrank.shards import read_images, read_table
from lensrank.split import PARTS, VALIDATION


@dataclass(frozen=True)
class Part:
    """Images of one part of the split.

    Attributes:
        images: (n, height, width, band) float32, a view into the array of all parts.
        labels: (n,) int8, 1 for a lens.
        ids: (n,) str objects.
        place: (n,) int, the image's line in the split file, from 0.
    """

    images: np.ndarray
    labels: np.ndarray
    ids: np.ndarray
    place: np.ndarray

    def __len__(self) -> int:
        return len(self.labels)


def load(
    split: pd.DataFrame, shards: Sequence[str | Path], shape: Sequence[int], bands: Sequence[str]
) -> dict[str, Part]:
    """Read every image of the split into one array of float32.

    Args:
        split: as `lensrank.split.read_split` gives it.
        shards: the files; `shard` of the split is a file's name without its suffix.
        shape: (height, width) in pixels that the images must have.
        bands: names of the channels that the images must have.

    Returns:
        Part by name; a part that the split does not have is empty. Images of a part lie in the order of their IDs,
        however they lie in shards, so that a training does not depend on that.

    Raises:
        TrainingError: a part that is needed has no lens, or no other image.
        ShardError: a shard is missing or damaged, holds other images than the split says, or is of another shape.
    """
    _check(split)
    tables = {Path(path).stem: Path(path) for path in shards}
    missing = sorted(set(split["shard"]) - set(tables))
    if missing:
        raise ShardError(f"the split names {missing[0]}, which is not among the {len(tables)} shards that were given.")
    ordered = split.assign(place=np.arange(len(split))).sort_values("id", key=lambda ids: ids.map(id_order))
    images = np.empty((len(split), *shape, len(bands)), np.float32)
    parts, start = {}, 0
    with progress(len(split), "read images") as advance:
        for name in PARTS:
            rows = ordered[ordered["part"] == name]
            part = Part(
                images[start : start + len(rows)],
                rows["label"].to_numpy(np.int8),
                rows["id"].to_numpy(object),
                rows["place"].to_numpy(),
            )
            for shard, indices in rows.reset_index(drop=True).groupby("shard", sort=True).indices.items():
                _fill(part, np.asarray(indices), rows["row"].to_numpy()[indices], tables[str(shard)], shape, bands)
                advance(len(indices))
            parts[name] = part
            start += len(rows)
    return parts


def digests(shards: Sequence[str | Path]) -> dict[str, str]:
    """Content digest of each shard by its name.

    Raises:
        ShardError: a shard is damaged.
    """
    return {Path(path).stem: read_table(path).digest for path in shards}


def _check(split: pd.DataFrame) -> None:
    for part in PARTS:
        labels = split.loc[split["part"] == part, "label"]
        lenses, others = int((labels == 1).sum()), int((labels == 0).sum())
        if (lenses == 0 or others == 0) and not (part == VALIDATION and labels.empty):
            raise TrainingError(
                f"split: the part {part!r} has {lenses} lenses and {others} other images, and needs some of both. "
                "Change the split (split.method, split.holdout, split.validation), or look at the labels."
            )


def _fill(
    part: Part, indices: np.ndarray, rows: np.ndarray, path: Path, shape: Sequence[int], bands: Sequence[str]
) -> None:
    table = read_table(path)
    if table.shape != tuple(shape) or table.bands != tuple(bands):
        raise ShardError(
            f"{path}: holds images of {table.shape} in {table.bands}, but cutout.shape and bands say {tuple(shape)} "
            f"in {tuple(bands)}. Ingest again."
        )
    if rows.max() >= len(table) or (table.id[rows] != part.ids[indices]).any():
        raise ShardError(f"{path}: does not hold the images that the split names. Make the split anew.")
    order = np.argsort(rows)
    read_images(path, rows[order], part.images, indices[order])
