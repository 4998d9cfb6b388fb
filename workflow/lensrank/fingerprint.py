"""Whether the files of a data set are still the same, told from names, sizes and times without opening one."""

from pathlib import Path
from typing import TYPE_CHECKING

from lensrank.contents import Found, check_images
from lensrank.files import new_digest
from lensrank.folders import scan

if TYPE_CHECKING:
    from lensrank.config.settings import Dataset


def fingerprint(images: Path, dataset: "Dataset") -> str:
    """Digest of what the index of a data set depends on.

    In a folder these are the path, size and modification time of every FITS file that counts, and, where the truth
    table is to be found there, the names of the candidates: their content is the business of later steps.

    Args:
        images: folder, archive or re-pack.
        dataset: its settings.

    Returns:
        64 hexadecimal characters.

    Raises:
        ConfigError: `images` does not exist, or is nothing that can be read.
    """
    check_images(images)
    digest = new_digest()

    def note(*values: object) -> None:
        digest.update(("\0".join(map(str, values)) + "\0\0").encode("utf-8", "surrogateescape"))

    if not images.is_dir():
        status = images.stat()
        note(images.name, status.st_size, status.st_mtime_ns)
        return digest.hexdigest()
    found = Found()
    for file in scan(images, found):
        note(*file)
    for fault in found.faults:
        note("fault", *fault)
    if dataset.truth == "auto":
        note("truth", *sorted(found.truths))
    return digest.hexdigest()
