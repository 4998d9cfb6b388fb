"""Writing files whole or not at all, and telling contents apart by digest."""

import errno
import json
import os
import re
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryFile
from typing import Any

from blake3 import blake3

from lensrank.errors import LensrankError, Refused, Superseded, refusal

DIGEST_BYTES = 32
TOKEN_BYTES = 4


@contextmanager
def replacing(path: str | Path, search: bool = True) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends well, delete it otherwise.

    The temporary name keeps the suffix, because writers such as Keras and astropy choose the format by it. What an
    earlier process left under such a name when it was killed is removed first. Process numbers would not tell who is
    still alive on another machine, so the rule is another: of two that write one file at a time, the one that began
    last has it. On a cluster that is the job that is wanted, and the other one is left over from a run that was killed.

    Args:
        path: the file to make, or the folder. The folder that it lies in is made as well.
        search: look for what was left of it. Who writes very many files to a folder calls `remove_left` for all once.

    Raises:
        Refused: the system does not let it be written.
        Superseded: another process began to write it meanwhile.
    """
    path = Path(path)
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if search:
            remove_left(path.parent, path)
        temporary = path.with_name(f".{path.stem}.{_token()}.tmp{path.suffix}")
        try:
            yield temporary
            _rename(temporary, path)
        except BaseException:
            # What kept the file from being written may keep it from being removed; the next one to write it does that.
            with suppress(OSError):
                _remove(temporary)
            raise


@contextmanager
def writing(path: str | Path) -> Iterator[None]:
    """Turn what keeps the block from writing `path` into an error that names it and says what to do.

    Raises:
        Refused: the system does not let it be written. Errors that name a file elsewhere are left as they are.
    """
    try:
        yield
    except LensrankError:
        raise
    except Exception as error:
        number, named = refusal(error), getattr(error, "filename", None)
        if number is None or (named is not None and Path(named).parent != Path(path).parent):
            raise
        raise Refused(path, number) from error


def check_writable(folder: str | Path) -> None:
    """Make sure that a folder, or what there is of the way to it, can be written to.

    Raises:
        Refused: it cannot.
    """
    folder = Path(folder)
    while not folder.is_dir():
        folder = folder.parent
    try:
        with TemporaryFile(dir=folder):
            pass
    except OSError as error:
        if (number := refusal(error)) is None:
            raise
        raise Refused(folder, number) from error


def remove_left(folder: Path, path: Path | None = None) -> None:
    """Remove what processes that were killed left in a folder under temporary names, of one file or of all."""
    stem, suffix = (".*", ".*") if path is None else (re.escape(path.stem), re.escape(path.suffix))
    left = re.compile(rf"\.{stem}\.[0-9a-f]{{{2 * TOKEN_BYTES}}}\.tmp{suffix}", re.DOTALL)
    with os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(".") and left.fullmatch(entry.name)]
    for name in names:
        _remove(folder / name)


def _remove(path: Path) -> None:
    if path.is_dir():
        # Under another name first: who still writes to it cannot add to it while it is removed.
        doomed = path.with_name(re.sub(rf"[0-9a-f]{{{2 * TOKEN_BYTES}}}(?=\.tmp)", _token(), path.name))
        path.rename(doomed)
        shutil.rmtree(doomed)
    else:
        path.unlink(missing_ok=True)


def _token() -> str:
    return secrets.token_hex(TOKEN_BYTES)


def _rename(temporary: Path, path: Path) -> None:
    try:
        temporary.replace(path)
    except OSError as error:
        # ESTALE: so says a network file system of a file that another host removed.
        if error.errno not in (errno.ENOENT, errno.ESTALE):
            raise
        raise Superseded(
            f"{path}: another process began to write it while this one did, and is to have it. Where a run was killed "
            "and started again, this is a job of the first run, and there is nothing to do."
        ) from None


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def new_digest() -> blake3:
    """The hash that all digests of lensrank use: BLAKE3, 64 characters in hexadecimal, as by `b3sum`.

    For a cutout's file 12 us on a CPU with AVX-512. SHA-256 takes 35 where the CPU has instructions for it and 215
    where it has none, BLAKE2b 70.
    """
    return blake3()


def bytes_digest(data: bytes) -> str:
    """Hexadecimal digest of bytes."""
    digest = new_digest()
    digest.update(data)
    return digest.hexdigest()


def stamp(path: str | Path) -> list[int]:
    """A file's size, and its modification time in nanoseconds."""
    status = Path(path).stat()
    return [status.st_size, status.st_mtime_ns]


def file_digest(path: str | Path) -> str:
    """Hexadecimal digest of a file's bytes."""
    digest = new_digest()
    with Path(path).open("rb") as stream:
        while block := stream.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def value_digest(value: Any) -> str:
    """Hexadecimal digest of a JSON-serialisable value, the same for the same content in any key order."""
    return bytes_digest(json.dumps(value, sort_keys=True, separators=(",", ":")).encode())
