"""Results worth keeping between jobs, by key: bytes in, the same bytes out, or nothing.

An entry is a file `<folder>/<first two letters of key>/<key>`: the digest of key and content, then the content. Losing
an entry costs time; a damaged one is noticed, named and passed over. Several jobs may write one entry at once.
"""

import logging
from contextlib import suppress
from pathlib import Path

from lensrank.errors import Superseded
from lensrank.files import DIGEST_BYTES, new_digest, replacing

log = logging.getLogger("lensrank")


def store(folder: Path, key: str, content: bytes) -> None:
    """Keep `content` under `key`, whole or not at all."""
    # Who writes it meanwhile writes the same.
    with suppress(Superseded), replacing(_path(folder, key)) as temporary:
        temporary.write_bytes(_digest(key, content) + content)


def is_kept(folder: Path, key: str) -> bool:
    """Whether there is an entry, whole or damaged."""
    return _path(folder, key).exists()


def fetch(folder: Path, key: str) -> bytes | None:
    """Give what was kept under `key`, or None where there is nothing, or nothing that is whole."""
    path = _path(folder, key)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        return None
    content = data[DIGEST_BYTES:]
    if data[:DIGEST_BYTES] == _digest(key, content):
        return content
    log.warning("%s: this cache entry is damaged; it is made again", path)
    return None


def _path(folder: Path, key: str) -> Path:
    return folder / key[:2] / key


def _digest(key: str, content: bytes) -> bytes:
    digest = new_digest()
    digest.update(key.encode())
    digest.update(content)
    return digest.digest()
