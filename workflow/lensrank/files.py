"""Writing files whole or not at all, and telling contents apart by digest."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

DIGEST_BYTES = 32


@contextmanager
def replacing(path: str | Path) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` when the block ends well, delete it otherwise.

    The temporary name keeps the suffix, because writers such as Keras and astropy choose the format by it.

    Args:
        path: the file to make. Its folder is made as well.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp{path.suffix}")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write `text` as UTF-8, whole or not at all."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` as indented JSON with sorted keys, whole or not at all."""
    write_text(path, json.dumps(value, indent=2, sort_keys=True, allow_nan=False) + "\n")


def new_digest() -> "hashlib.blake2b":
    """The hash that all digests of lensrank use: BLAKE2b of 32 bytes, 64 characters in hexadecimal."""
    return hashlib.blake2b(digest_size=DIGEST_BYTES)


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
