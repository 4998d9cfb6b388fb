"""The table of rejected files: `file, id, reason, detail`. Every file that is in no shard is named in it."""

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lensrank.errors import DataError
from lensrank.tables import read_table, write_table

log = logging.getLogger("lensrank")


class Reject(NamedTuple):
    """One rejected file.

    Attributes:
        file: path below the data set's `images`.
        id: the image's ID, empty where the name gives none.
        reason: a code, one of `lensrank.flags.Reason`.
        detail: what was found, for a human.
    """

    file: str
    id: str
    reason: str
    detail: str


def write_rejects(path: str | Path, rejects: Iterable[Reject]) -> None:
    """Write a table of rejects, whole or not at all."""
    write_table(path, Reject._fields, rejects)


def read_rejects(path: str | Path) -> Iterator[Reject]:
    """Read a table of rejects row by row.

    Raises:
        DataError: the file is not such a table.
    """
    try:
        for row in read_table(path, Reject._fields):
            yield Reject(*row)
    except ValueError as error:
        raise DataError(f"{path}: not a table of rejects: {error}. Delete it and run again.") from error


def merge_rejects(output: str | Path, paths: Sequence[Path]) -> Counter[str]:
    """Put the rejects of the index and of all shards into one table, and log how many there are for each reason.

    Args:
        output: the table to make.
        paths: tables of rejects, kept in this order.

    Returns:
        Number of files by reason.
    """
    counts: Counter[str] = Counter()

    def counted() -> Iterator[Reject]:
        for path in paths:
            for reject in read_rejects(path):
                counts[reject.reason] += 1
                yield reject

    write_rejects(output, counted())
    log.info("%s: %s", output, describe(counts))
    return counts


def describe(counts: Counter[str]) -> str:
    """Numbers by reason in a line, the commonest first."""
    if not counts:
        return "rejected files: none"
    reasons = ", ".join(f"{number:,} {reason}" for reason, number in counts.most_common())
    return f"rejected files: {counts.total():,} ({reasons})"
