"""Making an HDF5 file, whole or not at all, on a disk that may be full. Takes a path, gives a file to write to.

HDF5 itself does not survive a full disk: where it cannot write what it still holds when a file is closed, the process
ends with a segmentation fault (seen in 1.14 and 2.0), and neither a message nor the removal of the half file comes
after that. So it writes through a stream that keeps the first fault to itself until HDF5 has closed the file.
"""

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from lensrank.files import replacing


@contextmanager
def new_file(path: str | Path) -> Iterator[h5py.File]:
    """Give an HDF5 file to write to, under a temporary name until the block has ended well.

    Args:
        path: the file to make.

    Raises:
        Refused: the system does not let it be written; also where HDF5 fails on account of that.
    """
    with replacing(path) as temporary, _Patient(temporary, "w+") as stream:
        try:
            with h5py.File(stream, "w", libver="latest") as file:
                yield file
        finally:
            if stream.fault is not None:
                raise stream.fault


class _Patient(io.FileIO):
    """A file that takes everything, and keeps the first fault in writing for whoever asks."""

    fault: OSError | None = None

    def write(self, data: Any) -> int:
        view = memoryview(data)
        try:
            done = 0
            while self.fault is None and done < len(view):
                done += super().write(view[done:])
        except OSError as error:
            self.fault = error
        return len(view)

    def truncate(self, size: int | None = None) -> int:
        try:
            return super().truncate(size)
        except OSError as error:
            self.fault = self.fault or error
            return self.tell() if size is None else size
