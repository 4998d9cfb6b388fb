"""What the index found, for a human to read before GPU hours are spent."""

import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lensrank.config.settings import Dataset
from lensrank.contents import Found
from lensrank.errors import DataError, first_few
from lensrank.grouping import Grouping
from lensrank.lists import Row
from lensrank.rejects import Reject
from lensrank.rejects import describe as describe_rejects

MAX_FOLDERS = 40
ARCHIVES_HINT = "to read one, let `images` name it; for several as one data set, `tar cf all.tar` them and name that"
EXAMPLES = 5


class FileCounts:
    """Counts of the images' files by folder and band, and of the images that were found more than once."""

    def __init__(self) -> None:
        self.copied = 0
        self._files: Counter[tuple[str, str]] = Counter()

    def add(self, row: Row, bands: Sequence[str]) -> None:
        """Count an image."""
        self.copied += bool(row.flags)
        for band, file in zip(bands, row.files, strict=True):
            self._files[_folder(file.path), band] += 1

    def rows(self) -> list[dict[str, Any]]:
        """Folder, band and number of files; where there are too many folders, of the folders above them."""
        counts = self._files
        while len({folder for folder, _ in counts}) > MAX_FOLDERS:
            deepest = max(_depth(folder) for folder, _ in counts)
            shorter: Counter[tuple[str, str]] = Counter()
            for (folder, band), number in counts.items():
                shorter[_folder(folder[:-1]) if _depth(folder) == deepest else folder, band] += number
            counts = shorter
        return [
            {"folder": folder or "./", "band": band, "files": number}
            for (folder, band), number in sorted(counts.items())
        ]


def summarise(
    images: Path,
    name: str,
    truth: Path | None,
    found: Found,
    grouping: Grouping,
    counts: FileCounts,
    rejects: Sequence[Reject],
) -> dict[str, Any]:
    """Put the summary together, as it is written to `summary.json`."""
    return {
        "dataset": name,
        "images_path": str(images),
        "images": len(grouping),
        "folders": counts.rows(),
        "passed_over": dict(sorted(found.passed.items())),
        "archives_not_followed": sorted(found.archives),
        "files_of_other_bands": grouping.other_bands,
        "images_found_more_than_once": counts.copied,
        "rejects": dict(sorted(Counter(reject.reason for reject in rejects).items())),
        "truth_among_images": None if truth is None else str(truth),
    }


def indexed_images(index: Path) -> Path:
    """The folder, archive or re-pack that an index is of.

    Raises:
        DataError: the index's folder holds no summary.
    """
    path = index / "summary.json"
    if not path.is_file():
        raise DataError(f"{path}: no such file. Run the index.")
    return Path(json.loads(path.read_text(encoding="utf-8"))["images_path"])


def describe(summary: dict[str, Any]) -> str:
    """The summary as text."""
    lines = [
        f"Data set {summary['dataset']}: {summary['images']:,} images in {summary['shards']:,} shards of at most "
        f"{summary['shard_size']:,}, from {summary['images_path']}",
        *(f"  {row['files']:>10,} files of {row['band']} in {row['folder']}" for row in summary["folders"]),
    ]
    if number := summary["images_found_more_than_once"]:
        lines.append(f"  found more than once, with equal bytes, and given one row with a flag: {number:,}")
    if number := summary["files_of_other_bands"]:
        lines.append(f"  files of these images that hold other bands, and are not read: {number:,}")
    lines.append("Passed over:" if summary["passed_over"] else "Passed over: nothing")
    lines += [f"  {number:>10,} {kind}" for kind, number in summary["passed_over"].items()]
    if archives := summary["archives_not_followed"]:
        lines.append(f"  {len(archives):>10,} archives ({first_few(archives)}): {ARCHIVES_HINT}")
    lines.append(describe_rejects(Counter(summary["rejects"])).capitalize())
    if summary["truth_among_images"] is not None:
        lines.append(f"Truth table among the images: {summary['truth_among_images']}")
    text = "\n".join(lines) + "\n"
    # Names of folders may be no text.
    return text.encode("utf-8", "backslashreplace").decode()


def check_any_images(
    images: Path, dataset: Dataset, bands: Sequence[str], found: Found, rejects: Sequence[Reject], number: int
) -> None:
    """Refuse a data set in which there is not one image.

    Raises:
        DataError: naming what was found instead.
    """
    if number:
        return
    hints = [f"pattern {dataset.pattern}", f"bands {', '.join(bands)}"]
    hints += [f"{reject.file}: {reject.detail}" for reject in rejects[:EXAMPLES]]
    hints += [f"{count:,} files passed over as {kind}" for kind, count in found.passed.items()]
    hints += [f"an archive, {path}: {ARCHIVES_HINT}" for path in sorted(found.archives)[:EXAMPLES]]
    raise DataError(
        f"{images}: not one image that can be used. What was looked for and found:\n  " + "\n  ".join(hints)
    )


def _folder(path: str) -> str:
    """The folder or archive that a path lies in, with the character that ends it."""
    return path[: max(path.rfind("/"), path.rfind("!")) + 1]


def _depth(folder: str) -> int:
    return folder.count("/") + folder.count("!")
