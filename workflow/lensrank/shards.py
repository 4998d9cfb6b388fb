"""A shard: some thousand images of one data set in an HDF5 file. Takes arrays, gives them back as they were.

| data set | shape | type | meaning |
|---|---|---|---|
| `image` | (n, height, width, band) | float32 | the FITS values |
| `id` | (n) | UTF-8 | the image's ID |
| `ra`, `dec` | (n) | float64 | degrees, NaN where unknown |
| `flags` | (n) | uint32 | bits of `lensrank.flags.Flag` |
| `pixel_digest` | (n) | uint64 | hash of the image's pixels, to find the same image elsewhere |

A byte that flipped on disk is noticed when it is read: pixels have to have the hash of their row, and the rows the
digest of the file. There are no labels: truth is joined later, so that a corrected truth table touches no pixel.
"""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import h5py
import numpy as np
from xxhash import xxh3_64_intdigest

from lensrank.errors import DamagedFile, ShardError
from lensrank.files import new_digest
from lensrank.hdf5 import new_file

FORMAT_VERSION = 2
PIXEL = np.dtype("<f4")
CHUNK_IMAGES = 64
READ_BYTES = 3 << 20
"""Read at a time, 64 single-band images of the challenge. With 128 scoring is no faster and holds twice as much; memory
for 200 is taken anew from the system each time, and given back, which takes longer than to read it."""
COLUMNS = ("id", "ra", "dec", "flags", "pixel_digest")


@dataclass(frozen=True)
class ShardTable:
    """Everything about a shard but its pixels.

    Attributes:
        id: (n,) str objects.
        ra: (n,) float64, degrees.
        dec: (n,) float64, degrees.
        flags: (n,) uint32.
        pixel_digest: (n,) uint64.
        bands: names of the channels in order.
        shape: (height, width) in pixels.
        digest: hexadecimal digest of the content, the one beside the shard.
    """

    id: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    flags: np.ndarray
    pixel_digest: np.ndarray
    bands: tuple[str, ...]
    shape: tuple[int, int]
    digest: str

    def __len__(self) -> int:
        return len(self.id)


def pixel_digest(image: np.ndarray) -> int:
    """64-bit hash of an image's float32 pixels, XXH3, the same on every machine.

    It costs as much as a copy of the pixels, a fifth of `files.new_digest` or of HDF5's checksum: whatever is read of
    the pixels is checked by it.
    """
    return xxh3_64_intdigest(np.ascontiguousarray(image, PIXEL).data)


class ShardWriter:
    """Writes a shard under a temporary name and renames it when the `with` block ends well.

    Args:
        path: the shard to make.
        bands: names of the channels.
        shape: (height, width) in pixels.
        source: where the images come from, for the record.

    After the block, `digest` is the content digest.
    """

    def __init__(self, path: str | Path, bands: Sequence[str], shape: tuple[int, int], source: str) -> None:
        self.path = Path(path)
        self.bands = tuple(bands)
        self.shape = shape
        self.source = source
        self.digest = ""
        self._columns: dict[str, list[Any]] = {name: [] for name in COLUMNS}

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self._file = stack.enter_context(new_file(self.path))
            stack.push(self._finish)
            height, width = self.shape
            self._images = self._file.create_dataset(
                "image",
                shape=(0, height, width, len(self.bands)),
                maxshape=(None, height, width, len(self.bands)),
                chunks=(CHUNK_IMAGES, height, width, len(self.bands)),
                dtype=PIXEL,
            )
            self._open = stack.pop_all()
        return self

    def append(
        self, images: np.ndarray, ids: Sequence[str], ra: Sequence[float], dec: Sequence[float], flags: Sequence[int]
    ) -> None:
        """Add rows; multiples of `CHUNK_IMAGES` rows are written fastest.

        Args:
            images: (m, height, width, band) float32.
            ids, ra, dec, flags: m values each; degrees for the positions.
        """
        done, more = len(self._columns["id"]), len(ids)
        self._images.resize(done + more, axis=0)
        self._images[done:] = images
        digests = [pixel_digest(image) for image in images]
        for name, values in zip(COLUMNS, (ids, ra, dec, flags, digests), strict=True):
            self._columns[name].extend(values)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)

    def _finish(self, failed: type[BaseException] | None, *_: object) -> None:
        if failed is not None:
            return
        columns = {
            "id": np.array(self._columns["id"], dtype=object),
            "ra": np.array(self._columns["ra"], dtype="<f8"),
            "dec": np.array(self._columns["dec"], dtype="<f8"),
            "flags": np.array(self._columns["flags"], dtype="<u4"),
            "pixel_digest": np.array(self._columns["pixel_digest"], dtype="<u8"),
        }
        for name, values in columns.items():
            write_column(self._file, name, values)
        self.digest = _content_digest(columns, self.bands, self.shape)
        self._file.attrs.update(
            format_version=FORMAT_VERSION, bands=list(self.bands), source=self.source, digest=self.digest
        )


def read_table(path: str | Path) -> ShardTable:
    """Read all of a shard but its pixels, and check it against its own digest.

    Raises:
        ShardError: the file is no shard of this format, or (`DamagedFile`) not what was written.
    """
    with opened(path, FORMAT_VERSION) as file:
        columns = {name: file[name].asstr()[:] if name == "id" else file[name][:] for name in COLUMNS}
        bands = tuple(str(band) for band in file.attrs["bands"])
        shape = (int(file["image"].shape[1]), int(file["image"].shape[2]))
        digest = str(file.attrs["digest"])
    if _content_digest(columns, bands, shape) != digest:
        raise DamagedFile(path, "its rows do not have the digest that was written with them")
    return ShardTable(**columns, bands=bands, shape=shape, digest=digest)


def iterate_images(path: str | Path, size: int = READ_BYTES) -> Iterator[tuple[int, np.ndarray]]:
    """Stream a shard's pixels, whole chunks at a time.

    Args:
        path: the shard.
        size: bytes at a time, about; a chunk of `CHUNK_IMAGES` at least.

    Yields:
        (row of the first image, (m, height, width, band) float32). Each array is the caller's to keep.

    Raises:
        ShardError: the file is no shard of this format, or (`DamagedFile`) not what was written.
    """
    with opened(path, FORMAT_VERSION) as file:
        dataset, digests = file["image"], file["pixel_digest"][:]
        rows = CHUNK_IMAGES * max(1, size // (CHUNK_IMAGES * 4 * math.prod(dataset.shape[1:])))
        for start in range(0, len(dataset), rows):
            images = dataset[start : start + rows]
            written = digests[start : start + rows].tolist()
            for row, image in enumerate(images):
                if pixel_digest(image) != written[row]:
                    raise DamagedFile(path, f"the pixels of row {start + row} are not those that were written")
            yield start, images


def read_images(path: str | Path, rows: np.ndarray, into: np.ndarray, places: np.ndarray) -> None:
    """Read some images of a shard into an array that is there already.

    Args:
        path: the shard.
        rows: (m,) int, ascending.
        into: (n, height, width, band) float32.
        places: (m,) int, where in `into` each of them goes.

    Raises:
        ShardError: the file is no shard of this format, or (`DamagedFile`) not what was written.
    """
    for start, images in iterate_images(path):
        first, last = np.searchsorted(rows, [start, start + len(images)])
        into[places[first:last]] = images[rows[first:last] - start]


def write_column(file: h5py.Group, name: str, values: np.ndarray) -> None:
    """Write one value per image with a checksum; text as UTF-8 of fixed length, which filters can protect."""
    if values.dtype == object:
        encoded = [str(value).encode() for value in values]
        dtype: Any = h5py.string_dtype(length=max(map(len, encoded), default=1) or 1)
        values = np.array(encoded, dtype=dtype)
    file.create_dataset(name, data=values, chunks=(max(len(values), 1),), maxshape=(None,), fletcher32=True)


@contextmanager
def opened(path: str | Path, format_version: int) -> Iterator[h5py.File]:
    """Open a shard or a score file for reading and turn HDF5's errors into one that names the file.

    Raises:
        ShardError: it cannot be opened, or is of another format version.
        DamagedFile: what is in it is not what was written.
    """
    try:
        with h5py.File(path, "r") as file:
            if (version := file.attrs["format_version"]) != format_version:
                raise ShardError(
                    f"{path}: format version {version}, expected {format_version}. Delete it and run again; it will be "
                    "made anew."
                )
            yield file
    except OSError as error:
        # What HDF5 finds in a file has no number; what the system says of it has one, and may pass.
        if error.errno is not None:
            raise ShardError(f"{path}: cannot be read: {os.strerror(error.errno)}.") from error
        raise DamagedFile(path, str(error)) from error
    except (LookupError, RuntimeError, ValueError, TypeError) as error:
        raise DamagedFile(path, str(error)) from error


def _content_digest(columns: dict[str, np.ndarray], bands: Sequence[str], shape: tuple[int, int]) -> str:
    digest = new_digest()
    digest.update(repr((FORMAT_VERSION, tuple(bands), tuple(shape))).encode())
    for name in COLUMNS:
        values = columns[name]
        digest.update("\0".join(values).encode() if name == "id" else np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()
