"""Lists of the images of a shard: what `index` decides and `ingest` follows, one CSV file and one digest per shard."""

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from lensrank.contents import DataFile
from lensrank.errors import ShardError
from lensrank.files import new_digest, replacing
from lensrank.tables import ENCODING, ERRORS, read_table

SHARD_NAME = re.compile(r"shard-\d{4,}")


class Row(NamedTuple):
    """One image of a shard.

    Attributes:
        id: the image's ID.
        flags: what the index knows to be odd about it.
        others: paths of further files of the image that are not read: copies, bands that are not configured.
        files: one for each band, in the order of the bands.
    """

    id: str
    flags: int
    others: tuple[str, ...]
    files: tuple[DataFile, ...]


def shard_name(number: int) -> str:
    """Name of a shard, such as "shard-0003"."""
    return f"shard-{number:04d}"


def shard_number(name: str) -> int:
    """Number of a shard by its name."""
    return int(name.rpartition("-")[2])


def shard_names(folder: Path, suffix: str = ".csv") -> list[str]:
    """Names of the shards that have a list in a folder, or a file of another suffix, in the order of their numbers."""
    names = (path.name.removesuffix(suffix) for path in folder.glob(f"shard-*{suffix}"))
    return sorted((name for name in names if SHARD_NAME.fullmatch(name)), key=shard_number)


def write_list(folder: Path, name: str, bands: Sequence[str], rows: Iterable[Row]) -> str:
    """Write a shard's list and, beside it, the digest that tells when the list has changed.

    Args:
        folder: where to.
        name: the shard's name.
        bands: names of the bands in order.
        rows: the images in order.

    Returns:
        The digest, 64 hexadecimal characters.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_header(bands))
    for row in rows:
        # JSON, because a path may hold any character; escaped, so that bytes that are no text survive.
        others = json.dumps(row.others) if row.others else ""
        writer.writerow([row.id, row.flags, others, *(value for file in row.files for value in file)])
    content = text.getvalue().encode(ENCODING, ERRORS)
    digest = new_digest()
    digest.update(content)
    for path, data in ((f"{name}.csv", content), (f"{name}.digest", digest.hexdigest().encode())):
        with replacing(folder / path, search=False) as temporary:
            temporary.write_bytes(data)
    return digest.hexdigest()


def read_list(path: Path, bands: Sequence[str]) -> Iterator[Row]:
    """Read a shard's list row by row.

    Raises:
        ShardError: the list was not made for these bands, or is damaged.
    """
    try:
        for id, flags, others, *rest in read_table(path, _header(bands)):
            values = zip(rest[::3], rest[1::3], rest[2::3], strict=True)
            files = tuple(DataFile(of, int(size), version) for of, size, version in values)
            yield Row(id, int(flags), tuple(json.loads(others)) if others else (), files)
    except ValueError as error:
        raise ShardError(
            f"{path}: not a list of images with the bands {', '.join(bands)}: {error}. Run the index again."
        ) from error


def _header(bands: Sequence[str]) -> list[str]:
    return ["id", "flags", "others", *(f"{band}.{what}" for band in bands for what in DataFile._fields)]
