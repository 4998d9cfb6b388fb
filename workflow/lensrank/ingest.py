"""Making a shard from its list: reads the images' files, writes pixels and positions, names what is rejected."""

import logging
import math
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np

from lensrank.config.settings import Cutout, Name, Settings
from lensrank.contents import DataFile, check_images, is_repack
from lensrank.copies import Note, write_notes
from lensrank.files import bytes_digest, file_digest, write_text
from lensrank.fits import Cutout as Pixels
from lensrank.fits import Rejected, read_cutout, read_timed
from lensrank.flags import Flag, Reason
from lensrank.index_summary import indexed_images
from lensrank.lists import Row, read_list
from lensrank.progress import progress
from lensrank.rejects import Reject, describe, write_rejects
from lensrank.repack import Repack
from lensrank.shards import CHUNK_IMAGES, ShardWriter
from lensrank.staging import StageReader, note_taken

log = logging.getLogger("lensrank")

Reader = Callable[[DataFile, str], Pixels]
"""Gives the pixels of a file and band, or raises `Rejected`."""


class IngestSettings(Settings):
    """What the content of a shard depends on, beside its list."""

    bands: tuple[Name, ...]
    cutout: Cutout


class Outputs(NamedTuple):
    """Files that `ingest` makes."""

    shard: Path
    digest: Path
    rejects: Path


class _Image(NamedTuple):
    """Everything about an image but its pixels."""

    id: str
    ra: float
    dec: float
    flags: int


def ingest(index: Path, name: str, settings: IngestSettings, memory: Path, outputs: Outputs) -> None:
    """Make one shard. It has no rows when all of its images are rejected.

    Args:
        index: the index's folder, which says where the images lie and which are the shard's.
        name: the shard's name.
        settings: bands and look of an image.
        memory: the index's memory, where an archive's members are staged.
        outputs: files to make.

    Raises:
        ConfigError: `images` is not there.
        ArchiveError: the archive is damaged, or no longer the one that was indexed.
        DataError: the re-pack cannot be read.
        ShardError: the list is damaged.
    """
    images = indexed_images(index)
    check_images(images)
    shard_list = index / "shards" / f"{name}.csv"
    rows = list(read_list(shard_list, settings.bands))
    rejects: list[Reject] = []
    with (
        _reader(images, name, rows, settings, memory) as read,
        ShardWriter(outputs.shard, settings.bands, settings.cutout.shape, f"{images.name}: {name}") as writer,
        progress(len(rows), f"ingest {name}") as advance,
    ):
        pixels = np.empty((CHUNK_IMAGES, *settings.cutout.shape, len(settings.bands)), np.float32)
        for start in range(0, len(rows), CHUNK_IMAGES):
            block = rows[start : start + CHUNK_IMAGES]
            accepted: list[_Image] = []
            for row in block:
                if image := _image(row, settings.bands, read, rejects, pixels[len(accepted)]):
                    accepted.append(image)
            if accepted:
                writer.append(pixels[: len(accepted)], *zip(*accepted, strict=True))
            advance(len(block))
    write_text(outputs.digest, writer.digest)
    write_rejects(outputs.rejects, rejects)
    log.info("%s: %s", name, describe(Counter(reject.reason for reject in rejects)))
    if not images.is_dir() and not is_repack(images):
        _forget_staged(memory, shard_list, settings)


def _image(row: Row, bands: Sequence[str], read: Reader, rejects: list[Reject], pixels: np.ndarray) -> _Image | None:
    """Read all bands of an image into `pixels`; where one is rejected, name all files of the image in `rejects`."""
    bad: dict[str, tuple[str, Rejected]] = {}
    flags, ra, dec = int(Flag.NO_POSITION), math.nan, math.nan
    for number, (band, file) in enumerate(zip(bands, row.files, strict=True)):
        try:
            plane = read(file, band)
        except Rejected as rejected:
            bad[file.path] = band, rejected
            continue
        pixels[..., number] = plane.pixels
        flags |= int(plane.flags)
        # A position that one band gives is the position of the image.
        if math.isnan(ra) and not math.isnan(plane.ra) and not math.isnan(plane.dec):
            ra, dec = plane.ra, plane.dec
    if bad:
        rejects += _rejects(row, bad)
        return None
    if not math.isnan(ra):
        flags &= ~int(Flag.NO_POSITION)
    return _Image(row.id, ra, dec, flags | row.flags)


def _rejects(row: Row, bad: dict[str, tuple[str, Rejected]]) -> Iterator[Reject]:
    """One reject for each file of an image, those of the rejected bands with their own reasons."""
    for path, (_, rejected) in bad.items():
        yield Reject(path, row.id, rejected.reason, rejected.detail)
    faults = "; ".join(
        f"band {band} was rejected ({rejected.reason}: {path})" for path, (band, rejected) in bad.items()
    )
    rest = dict.fromkeys((*(file.path for file in row.files), *row.others))
    yield from (Reject(path, row.id, Reason.MISSING_BAND, faults) for path in rest if path not in bad)


@contextmanager
def _reader(images: Path, name: str, rows: Sequence[Row], settings: IngestSettings, memory: Path) -> Iterator[Reader]:
    """How to read the files of `images`, whatever it is."""
    if images.is_dir():
        notes: list[Note] = []

        def read_noted(file: DataFile, _: str) -> Pixels:
            time, data = _read_file(images, file)
            notes.append(Note(file.path, str(file.version), str(time), bytes_digest(data)))
            return read_cutout(data, settings.cutout)

        yield read_noted
        write_notes(memory, name, notes)
    elif is_repack(images):
        with Repack(images, settings.bands, settings.cutout) as repack:
            yield repack.cutout
    else:
        with StageReader(memory, name) as stage:

            def read_staged(file: DataFile, _: str) -> Pixels:
                data = stage.get(str(file.version))
                if data is None:
                    stage.fill(images, {str(file.version) for row in rows for file in row.files})
                    data = stage.get(str(file.version))
                assert data is not None
                return read_cutout(data, settings.cutout)

            yield read_staged


def _read_file(images: Path, file: DataFile) -> tuple[int, bytes]:
    """A file's modification time and its bytes."""
    time, data = read_timed(f"{images}/{file.path}")
    if len(data) != file.size:
        log.warning(
            "%s: has %s bytes, and had %s when it was indexed. It is read as it is now; run again once the files no "
            "longer change.",
            images / file.path,
            f"{len(data):,}",
            f"{file.size:,}",
        )
    return time, data


def _forget_staged(memory: Path, shard_list: Path, settings: IngestSettings) -> None:
    with StageReader(memory, shard_list.stem) as stage:
        stage.discard()
    note_taken(memory, shard_list.stem, file_digest(shard_list), settings.bands, settings.cutout)
