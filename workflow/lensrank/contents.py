"""What lies below `images`: which paths are data, which are truth tables or archives, and which are passed over."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

from lensrank.errors import ConfigError
from lensrank.names import is_fits, is_truth, passed_over
from lensrank.rejects import Reject

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz")
REPACK_SUFFIXES = (".h5", ".hdf5")


class DataFile(NamedTuple):
    """A file that may hold a band of an image.

    Attributes:
        path: below `images`, with forward slashes; "!" parts an archive from what is inside it.
        size: bytes.
        version: something that changes when the content does: the modification time in nanoseconds of a file in a
            folder, the digest of an archive's member.
    """

    path: str
    size: int
    version: str | int


@dataclass
class Found:
    """What was met on the way through `images` beside the data.

    Attributes:
        passed: number of files that are not data, by kind.
        truths: paths of truth tables.
        archives: paths of archives that nobody followed.
        faults: what could not be read at all.
    """

    passed: Counter[str] = field(default_factory=Counter)
    truths: list[str] = field(default_factory=list)
    archives: list[str] = field(default_factory=list)
    faults: list[Reject] = field(default_factory=list)

    def is_data(self, path: str) -> bool:
        """Whether a path is a FITS file that counts; anything else is noted under its kind.

        Args:
            path: below `images`, with forward slashes only.
        """
        if kind := passed_over(path):
            self.passed[kind] += 1
            return False
        if is_fits(path):
            return True
        if is_truth(path):
            self.truths.append(path)
        elif is_archive(path):
            self.archives.append(path)
        else:
            self.passed[PurePosixPath(path).suffix.lower() or "no suffix"] += 1
        return False


def is_archive(path: str | Path) -> bool:
    """Whether a name is one of an archive that can be read."""
    return str(path).lower().endswith(ARCHIVE_SUFFIXES)


def is_repack(path: str | Path) -> bool:
    """Whether a name is one of an HDF5 re-pack."""
    return str(path).lower().endswith(REPACK_SUFFIXES)


def check_images(images: Path) -> None:
    """Check that `images` is something that can be read.

    Raises:
        ConfigError: it does not exist, or is neither a folder, nor an archive or a re-pack by its name.
    """
    if not images.exists():
        raise ConfigError(f"{images}: no such file or folder. Correct `images` of the data set, or fetch the data.")
    if not images.is_dir() and not is_archive(images) and not is_repack(images):
        raise ConfigError(
            f"{images}: `images` is a folder, an archive ({', '.join(ARCHIVE_SUFFIXES)}) or an HDF5 re-pack "
            f"({', '.join(REPACK_SUFFIXES)}). Unpack this file, and name the folder instead."
        )
