"""Telling a file that was copied anew from one that changed: what `ingest` read is noted, and `index` compares with it.

A file is listed with a version, its modification time when it was first indexed. A copy has another time; where its
bytes are those that were read before, it keeps the version in the list, so that nothing after the index runs again.
Losing the notes costs time, never correctness.
"""

import csv
import logging
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from lensrank.contents import DataFile
from lensrank.files import bytes_digest
from lensrank.fits import Rejected, read_bytes
from lensrank.lists import Row
from lensrank.tables import read_table, write_table

READERS = 8
"""Files read at a time: what takes long on a shared file system is opening one."""

log = logging.getLogger("lensrank")


class Note(NamedTuple):
    """What was read of a file.

    Attributes:
        path: below `images`.
        version: the file's in the list.
        time: its modification time in nanoseconds when it last had these bytes.
        digest: of its bytes.
    """

    path: str
    version: str
    time: str
    digest: str


def write_notes(memory: Path, shard: str, notes: Iterable[Note]) -> None:
    """Keep what was read for a shard, in the index's memory."""
    write_table(_path(memory, shard), Note._fields, notes)


def same_as_before(images: Path, memory: Path, shard: str, rows: Sequence[Row]) -> list[Row]:
    """Give files of a folder that were copied anew the version that they had before.

    Args:
        images: the folder.
        memory: the index's.
        shard: the shard's name.
        rows: its images; the version of a file is its modification time.

    Returns:
        The rows, with the former version of each file whose bytes are those that were read before.
    """
    notes = _read_notes(memory, shard)
    copied = [
        file for row in rows for file in row.files if file.path in notes and str(file.version) != notes[file.path].time
    ]
    with ThreadPoolExecutor(READERS) as readers:
        digests = readers.map(lambda file: _digest(images / file.path), copied)
    changed: dict[str, str] = {}
    for file, digest in zip(copied, digests, strict=True):
        note = notes[file.path]
        if digest == note.digest:
            notes[file.path] = note._replace(time=str(file.version))
        elif str(file.version) == note.version:
            # Other bytes came with a time that is in the list already, as a backup brings them.
            changed[file.path] = f"{file.version}-{digest}"
    if copied:
        same = sum(str(file.version) == notes[file.path].time for file in copied)
        log.info("%s: %d files have a new time, and %d of them the same bytes", shard, len(copied), same)
        if same:
            write_notes(memory, shard, notes.values())

    def listed(file: DataFile) -> DataFile:
        note = notes.get(file.path)
        if note is not None and str(file.version) == note.time:
            return file._replace(version=note.version)
        return file._replace(version=changed.get(file.path, file.version))

    return [row._replace(files=tuple(map(listed, row.files))) for row in rows]


def _read_notes(memory: Path, shard: str) -> dict[str, Note]:
    path = _path(memory, shard)
    try:
        return {row[0]: Note(*row) for row in read_table(path, Note._fields)}
    except FileNotFoundError:
        return {}
    except (ValueError, csv.Error) as error:
        log.warning("%s: not used (%s). Files with a new time are read again.", path, error)
        return {}


def _digest(path: Path) -> str | None:
    """Digest of a file's bytes; None where they cannot be read, which `ingest` will say."""
    try:
        return bytes_digest(read_bytes(path))
    except Rejected:
        return None


def _path(memory: Path, shard: str) -> Path:
    return memory / "read" / f"{shard}.csv"
