"""HDF5 re-packs of the challenge: `data`, which reshapes to (-1, height, width) or (-1, height, width, band).

They hold no positions. IDs are those of the data set `id` or `ID`, or else the rows' numbers.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import h5py
import numpy as np

from lensrank.config.settings import Cutout
from lensrank.contents import DataFile
from lensrank.errors import DataError
from lensrank.files import bytes_digest
from lensrank.fits import Cutout as Pixels
from lensrank.fits import judge_pixels
from lensrank.flags import Flag
from lensrank.names import ImageName

ID_NAMES = ("id", "ID")
# Images are read one by one; the chunk they lie in is unpacked once.
CHUNK_CACHE_BYTES = 1 << 26


def has_labels(path: Path) -> bool:
    """Whether a re-pack holds the truth as well, in `is_lens`."""
    with h5py.File(path, "r") as file:
        return "is_lens" in file


class Repack:
    """An open re-pack.

    Args:
        path: the file.
        bands: names of the bands, in the order of the last axis.
        cutout: shape of an image, and the value of masked pixels.

    Raises:
        DataError: it is no HDF5 file, or its `data` or IDs do not fit.
    """

    def __init__(self, path: Path, bands: Sequence[str], cutout: Cutout) -> None:
        self.path = path
        self.bands = tuple(bands)
        self._cutout = cutout
        self._shape = (*cutout.shape, len(bands))
        try:
            self._file = h5py.File(path, "r", rdcc_nbytes=CHUNK_CACHE_BYTES)
        except OSError as error:
            raise DataError(f"{path}: not an HDF5 file that can be read: {error}") from error
        try:
            self._data, self._rows = self._find_data()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def files(self) -> Iterator[tuple[ImageName, DataFile]]:
        """One entry for each row and band; the version is the digest of the row."""
        for row, id in enumerate(self._ids()):
            data = self._read(row)
            file = DataFile(f"{self.path.name}[{row}]", data.nbytes, bytes_digest(data.tobytes()))
            for band in self.bands:
                yield ImageName(id, band), file

    def _read(self, row: int) -> np.ndarray:
        """One image as it is stored, (height, width, band)."""
        if len(self._data) == self._rows:
            return np.reshape(self._data[row], self._shape)
        length = int(np.prod(self._shape))
        return np.reshape(self._data[row * length : (row + 1) * length], self._shape)

    def cutout(self, file: DataFile, band: str) -> Pixels:
        """One band of one image.

        Raises:
            Rejected: its pixels are none that an image can have.
        """
        row = int(file.path.rpartition("[")[2].rstrip("]"))
        plane = self._read(row)[..., self.bands.index(band)]
        pixels, flags = judge_pixels(plane, self._cutout.masked)
        return Pixels(pixels, float("nan"), float("nan"), flags | Flag.NO_POSITION)

    def _find_data(self) -> tuple[h5py.Dataset, int]:
        data = self._file.get("data")
        if not isinstance(data, h5py.Dataset) or data.dtype.kind not in "fiu" or data.ndim == 0:
            raise DataError(f"{self.path}: a re-pack holds the pixels in a data set of numbers, `data`.")
        rows, rest = divmod(data.size, int(np.prod(self._shape)))
        if rest or (len(data) != rows and data.ndim != 1):
            raise DataError(
                f"{self.path}: `data` of the shape {data.shape} is no row of images of {self._shape} (height, width, "
                "band). Correct cutout.shape or bands in the configuration."
            )
        return data, rows

    def _ids(self) -> list[str]:
        name = next((name for name in ID_NAMES if name in self._file), None)
        if name is None:
            return [str(row) for row in range(self._rows)]
        ids = [id.decode() if isinstance(id, bytes) else str(id) for id in self._file[name][:].ravel()]
        if len(ids) != self._rows:
            raise DataError(f"{self.path}: {len(ids):,} IDs in `{name}` for {self._rows:,} images in `data`.")
        return ids
