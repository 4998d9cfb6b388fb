"""Which image lies in which shard. An image keeps its shard for good; new images fill new shards."""

import csv
import logging
import re
from collections.abc import Iterable
from pathlib import Path

from lensrank.errors import DataError, ShardError
from lensrank.lists import shard_names, shard_number
from lensrank.rejects import read_rejects
from lensrank.shards import read_table as read_shard
from lensrank.tables import read_table, write_table

log = logging.getLogger("lensrank")


class Assignment:
    """Numbers of the shards of images.

    IDs of images that were removed are kept: their shard's number is never used again, and an image that comes back
    comes back to its shard. A shard that was made in an earlier run gets no new images, so that a delivery touches no
    old shard.

    Args:
        shard_size: images in a shard.
        known: shards of the images of earlier runs.
    """

    def __init__(self, shard_size: int, known: dict[str, int] | None = None) -> None:
        self.shard_size = shard_size
        self._shards = {} if known is None else known
        self._last = max(self._shards.values(), default=-1)
        self._room = 0

    def shard(self, id: str) -> int:
        """The number of an image's shard; an ID that is new gets the next free place."""
        number = self._shards.get(id)
        if number is None:
            if self._room == 0:
                self._last += 1
                self._room = self.shard_size
            self._room -= 1
            number = self._shards[id] = self._last
        return number

    def by_shard(self, ids: Iterable[str]) -> dict[int, list[str]]:
        """IDs by the number of their shard, each shard's in the order given, the shards in the order of numbers."""
        shards: dict[int, list[str]] = {}
        for id in ids:
            shards.setdefault(self.shard(id), []).append(id)
        return dict(sorted(shards.items()))

    def write(self, path: Path) -> None:
        """Write all IDs and shards as CSV; the header tells the size of a shard."""
        write_table(path, _header(self.shard_size), self._shards.items())


def read_assignment(path: Path, shard_size: int, shards: Path | None = None) -> Assignment:
    """The assignment of an earlier run; an empty one where there is none, or none for this size of a shard.

    Losing it costs time, never correctness: where no shard tells it, all are made anew. So a file that cannot be used
    is named in the log and passed over.

    Args:
        path: as `Assignment.write` wrote it.
        shard_size: images in a shard.
        shards: folder of the shards that were made, which tell the assignment where the file is not there.
    """
    try:
        # One object per number, not per image: there may be millions of images.
        numbers: dict[str, int] = {}
        rows = read_table(path, _header(shard_size))
        return Assignment(shard_size, {id: numbers.setdefault(shard, int(shard)) for id, shard in rows})
    except FileNotFoundError:
        pass
    except (OSError, ValueError, csv.Error) as error:
        log.warning("%s: not used (%s).", path, error)
        if _is_of_another_size(path, shard_size):
            return Assignment(shard_size)
    return Assignment(shard_size) if shards is None else _recovered(shards, shard_size)


def _is_of_another_size(path: Path, shard_size: int) -> bool:
    with path.open("rb") as stream:
        header = stream.readline().strip().decode("ascii", "replace")
    return re.fullmatch(r"id,shard_of_\d+", header) is not None and header != ",".join(_header(shard_size))


def _recovered(folder: Path, shard_size: int) -> Assignment:
    """The assignment that shards and their rejects show, where they are of this size."""
    known: dict[str, int] = {}
    for name in shard_names(folder, ".h5"):
        rejects = folder / f"{name}.rejects.csv"
        try:
            ids = [*read_shard(folder / f"{name}.h5").id]
            ids += {reject.id for reject in read_rejects(rejects)} if rejects.exists() else ()
        except (ShardError, DataError) as error:
            log.warning("%s Its images are assigned to a shard anew.", error)
            continue
        if len(ids) > shard_size:
            log.warning(
                "%s: shards of more than %d images. All images are assigned to shards anew.", folder, shard_size
            )
            return Assignment(shard_size)
        known.update(dict.fromkeys(ids, shard_number(name)))
    if known:
        log.info("%s: %s images keep the shards that they lie in", folder, f"{len(known):,}")
    return Assignment(shard_size, known)


def _header(shard_size: int) -> list[str]:
    return ["id", f"shard_of_{shard_size}"]
