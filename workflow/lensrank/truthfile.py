"""Where the truth table of a data set lies; what is in it is the business of `lensrank.truth`."""

import json
from pathlib import Path

from lensrank.config.settings import Dataset
from lensrank.errors import TruthError


def find_truth(name: str, dataset: Dataset, found: Path | None) -> str | None:
    """The truth table of a data set: the one that the configuration names, or that the index found.

    Args:
        name: of the data set.
        dataset: its settings.
        found: path of the table among the images; None where there is none.

    Returns:
        Its path, or None where there is none.

    Raises:
        TruthError: the table that the configuration names is not there.
    """
    if dataset.truth == "auto":
        return None if found is None else str(found)
    if dataset.truth is None:
        return None
    if not dataset.truth.is_file():
        raise TruthError(
            f"datasets.{name}.truth: {dataset.truth}: no such file. Correct the path, or write null for a data set "
            "whose labels are not known."
        )
    return str(dataset.truth)


def truth_file(path: Path) -> Path | None:
    """The truth table itself, where `path` is it or the index's `truth.json` that says where it lies.

    Returns:
        None where the index found no truth table.
    """
    if path.suffix != ".json":
        return path
    found = json.loads(path.read_text(encoding="utf-8"))["path"]
    return None if found is None else Path(found)
