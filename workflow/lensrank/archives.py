"""Reading tar archives in one pass, inner archives included. Takes a path, gives members, or says what is wrong.

`tarfile` alone takes a damaged header, a file cut between two members and, in streams, a wrong gzip checksum for the
end of an archive. Here an archive is whole, to its last byte, or an `ArchiveError` names the place.
"""

import gzip
import io
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from lensrank.contents import is_archive
from lensrank.errors import ArchiveError
from lensrank.names import passed_over

MAX_DEPTH = 4
GZIP_MAGIC = b"\x1f\x8b"
# Headers are read into memory whole; long names and extended headers need far less.
HEADER_BYTES = 1 << 20
COPY_BYTES = 1 << 20
END_BYTES = 2 * tarfile.BLOCKSIZE


@dataclass(frozen=True)
class Member:
    """A regular file in an archive, to be read before the next one is asked for.

    Attributes:
        path: where it lies, for a human: "Data.0.tar.gz!Public/Band1/x.fits".
        inside: the same with slashes only, for matching names.
        size: bytes.
    """

    path: str
    inside: str
    size: int
    _stream: IO[bytes]
    _archive: str

    def read(self) -> bytes:
        """All bytes.

        Raises:
            ArchiveError: the archive is damaged.
        """
        with _naming(self._archive, self.path):
            return self._stream.read()

    def copy_to(self, target: IO[bytes]) -> None:
        """Write all bytes to a file, without holding them in memory.

        Raises:
            ArchiveError: the archive is damaged.
        """
        while True:
            with _naming(self._archive, self.path):
                block = self._stream.read(COPY_BYTES)
            if not block:
                return
            target.write(block)


def members(archive: Path) -> Iterator[Member]:
    """Go through an archive once, in the order of its bytes.

    Args:
        archive: a tar file, compressed with gzip or not, whatever its name says.

    Yields:
        Regular files; those of inner archives in the place of the archive, unless it is never data.

    Raises:
        ArchiveError: the archive is damaged or cut short; or it holds an absolute path, a `..`, a link or a device.
    """
    with io.BufferedReader(io.FileIO(archive), COPY_BYTES) as file:
        yield from _members(file, str(archive), "", "", 0)


def _members(file: "io.BufferedReader[Any]", archive: str, path: str, inside: str, depth: int) -> Iterator[Member]:
    """Members of one archive; `path` and `inside` are what the members' own are put behind."""
    last = ""
    with _naming(archive, last):
        stream = _Forward(_unzipped(file))
    tar: tarfile.TarFile | None = None
    while True:
        with _naming(archive, last):
            if tar is None:
                stream.check_not_empty()
            else:
                stream.seek(tar.offset)
            if stream.at_end():
                return
            with stream.header():
                if tar is None:
                    tar = tarfile.TarFile(fileobj=cast(IO[bytes], stream), mode="r")
                    info = tar.next()
                else:
                    info = tarfile.TarInfo.fromtarfile(tar)
        assert info is not None
        last = path + info.name
        way = PurePosixPath(info.name)
        _check(archive, info, way)
        if info.isdir():
            continue
        name = str(way)
        data = cast("io.BufferedReader[Any]", tar.extractfile(info))
        if is_archive(name) and passed_over(inside + name) is None:
            if depth == MAX_DEPTH:
                raise ArchiveError(f"{archive}: {last}: more than {MAX_DEPTH} archives inside each other.")
            inner = f"{archive}!{name}"
            yield from _members(data, inner, f"{path}{name}!", f"{inside}{name}/", depth + 1)
        else:
            yield Member(path + name, inside + name, info.size, data, archive)


def _unzipped(file: "io.BufferedReader[Any]") -> IO[bytes]:
    """The tar stream of a file that may be compressed, told by its first bytes: names are often wrong."""
    if file.peek(len(GZIP_MAGIC))[: len(GZIP_MAGIC)] == GZIP_MAGIC:
        return io.BufferedReader(cast(Any, gzip.GzipFile(fileobj=file, mode="rb")), COPY_BYTES)
    return file


def _check(archive: str, info: tarfile.TarInfo, way: PurePosixPath) -> None:
    """Refuse a member that may lead out of its archive; `way` is its name."""
    if way.is_absolute() or ".." in way.parts:
        raise ArchiveError(
            f"{archive}: the member {info.name!r} has a path that leads out of the archive; nothing was read from it. "
            "Make the archive anew from within its folder, as in `tar -C folder -cf images.tar .`"
        )
    if not (info.isreg() or info.isdir()):
        kinds = {tarfile.SYMTYPE: "a symbolic link", tarfile.LNKTYPE: "a hard link", tarfile.FIFOTYPE: "a pipe"}
        kinds |= {tarfile.CHRTYPE: "a device", tarfile.BLKTYPE: "a device"}
        raise ArchiveError(
            f"{archive}: the member {info.name!r} is {kinds.get(info.type, f'of the type {info.type!r}')}, not a file. "
            "Make the archive anew with the files themselves: `tar --dereference --hard-dereference …`"
        )


@contextmanager
def _naming(archive: str, member: str) -> Iterator[None]:
    """Turn what damage raises into an `ArchiveError` that names the archive and the last member met."""
    try:
        yield
    except (EOFError, OSError, zlib.error, tarfile.TarError, ValueError) as error:
        where = f"after or in the member {member!r}" if member else "before its first member"
        raise ArchiveError(
            f"{archive}: damaged or cut short {where}: {error}. Compare its size and checksum with the source's, and "
            "fetch it again."
        ) from error


class _Forward:
    """What `tarfile` needs of a file, of a stream that only goes forward, and a look at the block that comes next."""

    def __init__(self, stream: IO[bytes]) -> None:
        self._stream = stream
        self._ahead = b""
        self._position = 0
        self._limit: int | None = None

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, position: int) -> int:
        while self._position < position:
            if not self.read(min(position - self._position, COPY_BYTES)):
                raise EOFError(f"it ends after {self._position:,} bytes, within a member")
        if self._position != position:
            raise ValueError(f"a header points back from byte {self._position:,} to {position:,}")
        return position

    def read(self, size: int) -> bytes:
        if self._limit is not None and size > self._limit:
            raise ValueError(f"a header of {size:,} bytes")
        data = self._ahead[:size]
        self._ahead = self._ahead[size:]
        if len(data) < size:
            data += self._stream.read(size - len(data))
        self._position += len(data)
        return data

    @contextmanager
    def header(self) -> Iterator[None]:
        """While a header is read, nothing large is."""
        self._limit = HEADER_BYTES
        yield
        self._limit = None

    def check_not_empty(self) -> None:
        if not self._peek():
            raise EOFError("the file is empty")

    def at_end(self) -> bool:
        """Whether the end of the archive comes next; then everything up to the end of the stream has been checked."""
        block = self._peek()
        if any(block):
            return False
        # To the very end: the checksum of gzip comes last, and a second archive behind the first would be lost.
        start = self._position
        while rest := self.read(COPY_BYTES):
            if any(rest):
                raise ValueError("more data follow behind its end")
        if self._position - start < END_BYTES:
            raise EOFError("it ends without the two blocks of zeros that close an archive")
        return True

    def _peek(self) -> bytes:
        if len(self._ahead) < tarfile.BLOCKSIZE:
            self._ahead += self._stream.read(tarfile.BLOCKSIZE - len(self._ahead))
        return self._ahead
