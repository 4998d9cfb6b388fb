"""CSV tables that hold file names. Names are bytes: those that are no UTF-8 are written and read as what they are."""

import csv
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from lensrank.files import replacing

ENCODING = "utf-8"
ERRORS = "surrogateescape"


def write_table(path: str | Path, header: Sequence[str], rows: Iterable[Iterable[Any]]) -> None:
    """Write a CSV table, whole or not at all."""
    with replacing(path) as temporary, temporary.open("w", encoding=ENCODING, errors=ERRORS, newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def read_table(path: str | Path, header: Sequence[str]) -> Iterator[list[str]]:
    """Read a CSV table row by row.

    Raises:
        ValueError: its first line is not `header`, or a row has another number of columns; names the line.
    """
    with Path(path).open(encoding=ENCODING, errors=ERRORS, newline="") as stream:
        reader = csv.reader(stream)
        found = next(reader, [])
        if found != list(header):
            raise ValueError(f"the header is {','.join(found)!r}, expected {','.join(header)!r}")
        for row in reader:
            if len(row) != len(header):
                raise ValueError(f"line {reader.line_num} has {len(row)} columns, expected {len(header)}")
            yield row
