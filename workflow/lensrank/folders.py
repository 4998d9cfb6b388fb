"""Walking a folder of any depth, for its FITS files. Takes a path, gives names, sizes and times, in a fixed order."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from lensrank.contents import DataFile, Found
from lensrank.flags import Reason
from lensrank.names import passed_over
from lensrank.rejects import Reject


def scan(root: Path, found: Found) -> Iterator[DataFile]:
    """Find all FITS files below a folder.

    Symbolic links are followed; a folder that leads back into itself is not entered again.

    Args:
        root: the folder.
        found: is told what is passed over, and what cannot be read.

    Yields:
        Files, folder by folder, each folder's in the order of their names; `version` is the time in nanoseconds.
    """
    waiting: list[tuple[str, tuple[tuple[int, int], ...]]] = [("", ())]
    while waiting:
        prefix, above = waiting.pop()
        files, folders = _list(root, prefix, above, found)
        waiting += sorted(folders, reverse=True)
        files.sort(reverse=True)
        while files:
            yield files.pop()


def _list(
    root: Path, prefix: str, above: tuple[tuple[int, int], ...], found: Found
) -> tuple[list[DataFile], list[tuple[str, tuple[tuple[int, int], ...]]]]:
    """Data files and folders of one folder; `above` tells the folders on the way to it by device and inode."""
    files: list[DataFile] = []
    folders: list[tuple[str, tuple[tuple[int, int], ...]]] = []
    try:
        own = (root / prefix).stat()
        if (own.st_dev, own.st_ino) in above:
            found.passed["link to a folder it lies in"] += 1
            return [], []
        above = (*above, (own.st_dev, own.st_ino))
        with os.scandir(root / prefix) as entries:
            for entry in entries:
                if entry.is_dir():
                    folders.append((f"{prefix}{entry.name}/", above))
                elif found.is_data(prefix + entry.name) and (file := _data_file(prefix, entry, found)):
                    files.append(file)
    except OSError as error:
        # The "x" stands for whatever the folder holds: what lies in Private is never data, readable or not.
        if kind := passed_over(f"{prefix}x"):
            found.passed[f"unreadable folder ({kind})"] += 1
        else:
            found.faults.append(Reject(prefix or "./", "", Reason.UNREADABLE, f"folder: {error.strerror}"))
    return files, folders


def _data_file(prefix: str, entry: os.DirEntry[str], found: Found) -> DataFile | None:
    try:
        status = entry.stat()
        fault = "" if stat.S_ISREG(status.st_mode) else "not a regular file"
    except OSError as error:
        fault = str(error.strerror)
    if fault:
        found.faults.append(Reject(prefix + entry.name, "", Reason.UNREADABLE, fault))
        return None
    return DataFile(prefix + entry.name, status.st_size, status.st_mtime_ns)
