"""How a truth table and the images match, for a human to read before GPU hours are spent."""

import logging
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from lensrank.config.settings import Dataset
from lensrank.files import write_json, write_text
from lensrank.lists import read_list, shard_names
from lensrank.truth import read_truth

EXAMPLES = 5

log = logging.getLogger("lensrank")


def match_truth(truth: Path, name: str, dataset: Dataset, lists: Path, bands: Sequence[str], output: Path) -> None:
    """Compare a truth table with the images that the index found, and say what has no counterpart.

    Args:
        truth: the table.
        name: of the data set.
        dataset: its settings.
        lists: folder of the index's lists.
        bands: names of the bands in order.
        output: text file to make; the same as JSON lies beside it.

    Raises:
        TruthError: the table cannot be used.
        ShardError: a list is damaged.
    """
    ids = {row.id for shard in shard_names(lists) for row in read_list(lists / f"{shard}.csv", bands)}
    summary = {"dataset": name, "path": str(truth), "label": dataset.label} | _match(truth, dataset, ids)
    write_json(output.with_suffix(".json"), summary)
    text = describe(summary)
    write_text(output, text)
    log.info("%s", text)


def describe(summary: dict[str, Any]) -> str:
    """The comparison as text."""
    lines = [
        f"Truth of data set {summary['dataset']}: {summary['path']} (label: {summary['label']})",
        f"  images with a label: {summary['matched']:,}",
    ]
    if summary["lens_fraction"] is not None:
        lines[-1] += f", {summary['lens_fraction']:.2%} of them lenses"
    for key, what in (
        ("images_without_label", "images without a label"),
        ("labels_without_image", "labels without an image"),
    ):
        number, examples = summary[key]["number"], summary[key]["examples"]
        named = f" ({', '.join(examples)}{', …' if number > len(examples) else ''})" if number else ""
        lines.append(f"  {what}: {number:,}{named}")
    return "\n".join(lines) + "\n"


def _match(truth: Path, dataset: Dataset, ids: Collection[str]) -> dict[str, Any]:
    labels = read_truth(truth, dataset)["label"]
    with_image = labels.index.isin(list(ids))
    matched = labels[with_image]
    return {
        "labels": len(labels),
        "matched": len(matched),
        "lens_fraction": float(matched.mean()) if len(matched) else None,
        "labels_without_image": _few(labels.index[~with_image]),
        "images_without_label": _few(set(ids).difference(labels.index)),
    }


def _few(ids: Collection[str]) -> dict[str, Any]:
    return {"number": len(ids), "examples": sorted(ids)[:EXAMPLES]}
