"""Members of an archive, kept from the one pass through it until `ingest` takes them: one file of bytes per shard.

What is staged is checked against the digest in the shard's list when it is taken. Losing it costs another pass through
the archive, never correctness.
"""

import csv
import logging
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from lensrank.archives import members
from lensrank.config.settings import Cutout
from lensrank.errors import ArchiveError
from lensrank.files import bytes_digest, value_digest, write_text, writing

log = logging.getLogger("lensrank")


class StageWriter:
    """Puts bytes by for shards, in whatever order they come; one shard's files are open at a time.

    Args:
        memory: the index's memory of a data set.
    """

    def __init__(self, memory: Path) -> None:
        self._memory = memory
        self._shard = ""
        self._path = _folder(memory)
        self._open = ExitStack()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with writing(self._path):
            self._open.close()

    def put(self, shard: str, digest: str, data: bytes) -> None:
        """Keep `data`, whose digest is given, for a shard."""
        if shard != self._shard:
            self._go_to(shard)
        with writing(self._path):
            self._table.writerow([digest, self._blob.tell(), len(data)])
            self._blob.write(data)

    def _go_to(self, shard: str) -> None:
        with writing(self._path):
            self._open.close()
        self._path, table = _paths(self._memory, shard)
        with writing(self._path):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._blob: IO[bytes] = self._open.enter_context(self._path.open("ab"))
            self._table: Any = csv.writer(self._open.enter_context(table.open("a", newline="")))
        self._shard = shard


class StageReader:
    """Gives back what was put by for a shard.

    Args:
        memory: the index's memory of a data set.
        shard: the shard's name.
    """

    def __init__(self, memory: Path, shard: str) -> None:
        self._memory = memory
        self._shard = shard
        self._places: dict[str, tuple[int, int]] = {}
        self._blob: IO[bytes] | None = None
        self._find()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._close()

    def get(self, digest: str) -> bytes | None:
        """The bytes of a digest; None where they are not there, or others are in their place."""
        if self._blob is None or digest not in self._places:
            return None
        offset, size = self._places[digest]
        self._blob.seek(offset)
        data = self._blob.read(size)
        return data if bytes_digest(data) == digest else None

    def fill(self, archive: Path, wanted: set[str]) -> None:
        """Put by the files of these digests, in another pass through the archive.

        Raises:
            ArchiveError: the archive is damaged, or no longer holds them.
        """
        log.info("%s: not in %s any more; going through %s again", self._shard, self._memory, archive)
        self.discard()
        with StageWriter(self._memory) as stage:
            for member in members(archive):
                data = member.read()
                digest = bytes_digest(data)
                if digest in wanted:
                    wanted = wanted - {digest}
                    stage.put(self._shard, digest, data)
                if not wanted:
                    break
        if wanted:
            raise ArchiveError(f"{archive}: changed since it was indexed ({len(wanted)} files are gone). Run again.")
        self._find()

    def discard(self) -> None:
        """Remove what was put by for the shard."""
        self._close()
        for path in _paths(self._memory, self._shard):
            path.unlink(missing_ok=True)

    def _find(self) -> None:
        blob, table = _paths(self._memory, self._shard)
        if not (blob.exists() and table.exists()):
            return
        with table.open(newline="") as stream:
            # A table cut short by a crash has a last row that is too short.
            rows = (row for row in csv.reader(stream) if len(row) == 3)
            self._places = {digest: (int(offset), int(size)) for digest, offset, size in rows}
        self._blob = blob.open("rb")

    def _close(self) -> None:
        self._places = {}
        if self._blob is not None:
            self._blob.close()
            self._blob = None


def clear(memory: Path) -> None:
    """Remove everything that is staged."""
    shutil.rmtree(_folder(memory), ignore_errors=True)


def note_taken(memory: Path, shard: str, list_digest: str, bands: Sequence[str], cutout: Cutout) -> None:
    """Note that a shard was made from its staged files, with these settings."""
    write_text(_taken(memory, shard), value_digest([list_digest, list(bands), cutout.model_dump(mode="json")]))


def was_taken(memory: Path, shard: str, list_digest: str, bands: Sequence[str], cutout: Cutout) -> bool:
    """Whether a shard with this list was made with these settings before, so that nobody will ask for its files."""
    path = _taken(memory, shard)
    mark = value_digest([list_digest, list(bands), cutout.model_dump(mode="json")])
    return path.exists() and path.read_text(encoding="utf-8") == mark


def _folder(memory: Path) -> Path:
    return memory / "staged"


def _paths(memory: Path, shard: str) -> tuple[Path, Path]:
    return _folder(memory) / f"{shard}.bytes", _folder(memory) / f"{shard}.csv"


def _taken(memory: Path, shard: str) -> Path:
    return memory / "taken" / f"{shard}.digest"
