"""Where the truth meets the images: takes both, gives the split into training, validation and hold-out images."""

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lensrank.config.settings import Dataset, Split
from lensrank.errors import ConfigError, LensrankError, TruthError, first_few
from lensrank.files import file_digest, replacing, stamp, value_digest, write_json, write_text
from lensrank.lists import shard_number
from lensrank.names import id_order
from lensrank.shards import read_table
from lensrank.truth import read_truth
from lensrank.truthfile import truth_file

TRAIN, VALIDATION, HOLDOUT = "train", "validation", "holdout"
PARTS = (TRAIN, VALIDATION, HOLDOUT)

log = logging.getLogger("lensrank")


def make_split(images: pd.DataFrame, truth: pd.DataFrame, split: Split) -> pd.DataFrame:
    """Divide the images that have a label into training, validation and hold-out images.

    The result depends on the IDs, their labels and the settings only, not on how the images lie in shards.

    Args:
        images: columns id (str), shard (str) and row (int, in the shard).
        truth: index id (str, unique), column label (0 or 1), other columns; as `truth.read_truth` gives it.
        split: method and sizes.

    Returns:
        Columns id, shard, row, label, part ("train", "validation" or "holdout") and group (text, empty where the
        truth has no such column), a row per labelled image in the order of shards and rows.

    Raises:
        LensrankError: there is no image, or an ID is in the shards twice.
        TruthError: no image has a label, or the column of groups is missing.
        ConfigError: the hold-out is larger than the data, or a part would hold lenses only or non-lenses only.
    """
    labelled = _labelled(images, truth, split)
    n = len(labelled)
    if split.holdout >= n:
        raise ConfigError(
            f"split.holdout: {split.holdout} images are to be held out, but datasets.train has {n} with a label. "
            "Hold out fewer, or simulate more (simulate.train.n)."
        )
    if split.holdout + split.validation >= n:
        raise ConfigError(
            f"split.validation: {split.validation} images are to validate and {split.holdout} to be held out, but "
            f"datasets.train has {n} with a label. Ask for fewer, or simulate more (simulate.train.n)."
        )
    labelled["part"] = _METHODS[split.method](labelled, split)
    _check_parts(labelled, split)
    return labelled.sort_values(["shard", "row"], ignore_index=True)[["id", "shard", "row", "label", "part", "group"]]


def split_shards(shards: Sequence[Path], truth: Path, dataset: Dataset, split: Split, output: Path) -> None:
    """Split the images of some shards and write the result, the digest of what it gives to a training, and a record.

    Args:
        shards: shard files of the training data set.
        truth: its truth table, or the index's `truth.json`.
        dataset: its settings.
        split: method and sizes.
        output: the CSV file to make; the digest (.digest) and the record (.json) lie beside it.

    Raises:
        TruthError: the index found no truth table.
        LensrankError: as `make_split` and `read_truth`.
    """
    table = truth_file(truth)
    if table is None:
        raise TruthError(
            "datasets.train.truth: no truth table was found among the images, and training needs one. Name its path."
        )
    images = read_images(shards)
    done = make_split(images, read_truth(table, dataset), split)
    write_split(output, done)
    digest = split_digest(done, images.set_index("id")["pixel_digest"])
    write_text(output.with_suffix(".digest"), digest)
    record = {
        "digest": digest,
        "truth": str(table),
        "truth_digest": file_digest(table),
        "truth_stamp": stamp(table),
        "label": dataset.label,
        "settings": split.model_dump(mode="json"),
        "shards": sorted(done["shard"].unique(), key=shard_number),
        "images": done["part"].value_counts().to_dict(),
    }
    write_json(output.with_suffix(".json"), record)


def read_images(shards: Sequence[Path]) -> pd.DataFrame:
    """List the images of some shards.

    Args:
        shards: shard files; a shard's name is the file's without its suffix.

    Returns:
        Columns id, shard, row and pixel_digest.
    """
    columns = ["id", "shard", "row", "pixel_digest"]
    tables = [(path.stem, read_table(path)) for path in shards]
    frames = [
        pd.DataFrame(dict(zip(columns, (table.id, name, np.arange(len(table)), table.pixel_digest), strict=True)))
        for name, table in tables
    ]
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def split_digest(split: pd.DataFrame, pixel_digests: pd.Series) -> str:
    """Digest of what a training gets: each labelled image's ID, label, part and pixels, wherever it lies.

    Args:
        split: as `make_split` gives it.
        pixel_digests: by ID.

    Returns:
        64 hexadecimal characters.
    """
    rows = split[["id", "label", "part"]].assign(pixels=pixel_digests.loc[split["id"]].to_numpy())
    return value_digest(sorted(rows.astype(str).to_numpy().tolist()))


def write_split(path: Path, split: pd.DataFrame) -> None:
    """Write a split as CSV."""
    with replacing(path) as temporary:
        split.to_csv(temporary, index=False)


def read_split(path: Path) -> pd.DataFrame:
    """Read what `write_split` wrote, with IDs and groups as text."""
    texts = dict.fromkeys(("id", "shard", "part", "group"), str)
    return pd.read_csv(path, dtype=texts, keep_default_na=False)


def _labelled(images: pd.DataFrame, truth: pd.DataFrame, split: Split) -> pd.DataFrame:
    """Join images and truth, in the order of IDs; count what has no counterpart."""
    if images.empty:
        raise LensrankError(
            "datasets.train: no image is left, all were rejected. rejects/train.csv in the run's results names each "
            "file and why."
        )
    twice = images.loc[images["id"].duplicated(), "id"].tolist()
    if twice:
        raise LensrankError(
            f"datasets.train: {len(twice)} IDs are in the shards twice ({first_few(twice)}). The shards are not of one "
            "index: delete index/train and shards/train and run again."
        )
    has_label = images["id"].isin(truth.index)
    without_label = sorted(images.loc[~has_label, "id"], key=id_order)
    without_image = sorted(truth.index.difference(pd.Index(images["id"])), key=id_order)
    log.info("split: %s images, %s of them with a label", f"{len(images):,}", f"{has_label.sum():,}")
    if without_label:
        log.info("split: %s images have no label: %s", f"{len(without_label):,}", first_few(without_label))
    if without_image:
        log.info("split: %s IDs of the truth have no image: %s", f"{len(without_image):,}", first_few(without_image))
    if not has_label.any():
        raise TruthError(
            f"datasets.train: none of the {len(images)} images has a label. The images' IDs are like "
            f"{first_few(without_label)}; those of the truth like {first_few(without_image)}. See "
            "datasets.train.truth_id."
        )
    labelled = images[has_label].sort_values("id", key=lambda ids: ids.map(id_order), ignore_index=True)
    rows = truth.loc[labelled["id"]]
    labelled["label"] = rows["label"].to_numpy()
    labelled["group"] = rows[split.group].map(_as_text).to_numpy() if split.group in rows else ""
    return labelled


def _as_text(value: Any) -> str:
    return "" if pd.isna(value) else str(value)


def _ordered(labelled: pd.DataFrame, split: Split) -> np.ndarray:
    counts = (len(labelled) - split.validation - split.holdout, split.validation, split.holdout)
    return np.repeat(PARTS, counts)


def _random(labelled: pd.DataFrame, split: Split) -> np.ndarray:
    from sklearn.model_selection import train_test_split  # takes a second to import, and only this method needs it

    part = np.full(len(labelled), TRAIN, dtype=object)
    label = labelled["label"].to_numpy()
    rest = np.arange(len(labelled))
    for name, size in ((HOLDOUT, split.holdout), (VALIDATION, split.validation)):
        if size == 0:
            continue
        try:
            rest, taken = train_test_split(rest, test_size=size, stratify=label[rest], random_state=split.seed)
        except ValueError as error:
            raise ConfigError(
                f"split.{name}: {size} of {len(label)} images, {label.sum()} of them lenses, cannot be drawn with the "
                f"same share of lenses ({error}). Choose another size."
            ) from error
        part[taken] = name
    return part


def _grouped(labelled: pd.DataFrame, split: Split) -> np.ndarray:
    """Whole groups to one side; an image without a group is a group of its own."""
    group = labelled["group"].to_numpy(dtype=object)
    alone = group == ""
    if alone.all():
        raise TruthError(
            f"split.group: the truth of datasets.train has no column '{split.group}' with values in it, so halos "
            "cannot be kept together. Name another column, or choose split.method: ordered or random."
        )
    if alone.any():
        log.info("split: %s images have no %s; each counts as a halo of its own", f"{alone.sum():,}", split.group)
    # An ID behind a NUL is no other image's group.
    code = pd.factorize(np.where(alone, "\0" + labelled["id"].to_numpy(dtype=object), group))[0]
    label = labelled["label"].to_numpy()
    sizes = np.stack([np.bincount(code[label == kind], minlength=code.max() + 1) for kind in (0, 1)], axis=1)
    order = np.random.default_rng(split.seed).permutation(len(sizes))
    share = np.array([1 - label.mean(), label.mean()])
    part = np.full(len(sizes), TRAIN, dtype=object)
    for name, size in ((HOLDOUT, split.holdout), (VALIDATION, split.validation)):
        order, taken = _draw(order, sizes, size * share)
        part[taken] = name
        log.info("split: %s: %s halos, %s images (%s asked for)", name, len(taken), sizes[taken].sum(), size)
    return part[code]


def _draw(order: np.ndarray, sizes: np.ndarray, quota: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Take groups in a given order while they fit.

    The first pass keeps the share of lenses: a group is taken when its images of either class fit into what is left.
    The second fills up by size alone, so that the total falls short by less than the smallest group left out.

    Args:
        order: (g,) int, groups to choose from, in random order.
        sizes: (all groups, 2) int, images of either class.
        quota: (2,) float, images of either class to take.

    Returns:
        Groups left and groups taken.
    """
    taken: list[int] = []
    total = np.zeros(2)
    for most in (quota + 0.5, np.array([np.inf, np.inf])):
        left = []
        for group in order:
            after = total + sizes[group]
            if (after <= most).all() and after.sum() <= round(quota.sum()):
                taken.append(group)
                total = after
            else:
                left.append(group)
        order = np.array(left, dtype=int)
    return order, np.array(taken, dtype=int)


def _check_parts(labelled: pd.DataFrame, split: Split) -> None:
    for part in PARTS:
        label = labelled.loc[labelled["part"] == part, "label"]
        if part == VALIDATION and split.validation == 0:
            continue
        lenses = int(label.sum())
        log.info("split: %s: %s lenses, %s non-lenses", part, f"{lenses:,}", f"{len(label) - lenses:,}")
        if lenses in (0, len(label)):
            raise ConfigError(
                f"split: the part '{part}' ({split.method}, {len(label)} images) has {lenses} lenses and "
                f"{len(label) - lenses} non-lenses, and needs both. Choose another split.method or larger parts."
            )


_METHODS = {"ordered": _ordered, "random": _random, "grouped": _grouped}
