"""Which files make up an image. Takes files as they are found, gives one row per image, and the rejects."""

import sys
from collections.abc import Callable, Iterator, Sequence
from typing import cast

from lensrank.contents import DataFile
from lensrank.fits import LARGEST, Rejected
from lensrank.flags import Flag, Reason
from lensrank.lists import Row
from lensrank.names import ImageName
from lensrank.rejects import Reject


class Grouping:
    """Images by their ID, as they are found.

    Args:
        bands: names of the configured bands, in order.

    Attributes:
        rejects: files that belong to no image of the catalogue.
        other_bands: number of files of bands that are not configured, of images that are.
    """

    def __init__(self, bands: Sequence[str]) -> None:
        self.bands = tuple(bands)
        self.rejects: list[Reject] = []
        self.other_bands = 0
        # One flat tuple (band, file, band, file, ...) per image: with millions of images, lists would not fit.
        self._images: dict[str, tuple[str | DataFile | None, ...]] = {}
        self._copied: set[str] = set()

    def __len__(self) -> int:
        return len(self._images)

    @property
    def ids(self) -> Iterator[str]:
        """IDs of the images; after `settle`, of those that can be read."""
        return iter(self._images)

    def add(self, name: ImageName, file: DataFile) -> bool:
        """Take a file into its image.

        Returns:
            Whether it may be read for a band that is configured.
        """
        if file.size > LARGEST:
            detail = f"{file.size} bytes; a cutout has no more than {LARGEST}"
            self.rejects.append(Reject(file.path, name.id, Reason.UNREADABLE, detail))
            return False
        band = None if name.band is None else sys.intern(name.band)
        self._images[name.id] = (*self._images.get(name.id, ()), band, file)
        return band is not None

    def settle(self, content: Callable[[DataFile], str]) -> None:
        """Reject the images that lack a band, or have one twice with different bytes.

        Args:
            content: digest of a file's bytes; raises `Rejected` where there are none to be had.
        """
        for id in [id for id in self._images if not self._is_plain(id)]:
            verdict = self._judge(id, content)
            if verdict:
                del self._images[id]
                self.rejects += verdict
            else:
                self.other_bands += len(self._files(id, None))

    def row(self, id: str) -> Row:
        """The image of an ID, after `settle`."""
        files = tuple(self._files(id, band)[0] for band in self.bands)
        if self._is_plain(id):
            return Row(id, 0, (), files)
        others = sorted(file.path for band in (*self.bands, None) for file in self._files(id, band)[band is not None :])
        return Row(id, int(Flag.DUPLICATE) if id in self._copied else 0, tuple(others), files)

    def _is_plain(self, id: str) -> bool:
        """Whether an image has each configured band once, and nothing else."""
        bands = self._images[id][::2]
        return len(bands) == len(self.bands) and set(bands) == set(self.bands)

    def _files(self, id: str, band: str | None) -> list[DataFile]:
        """An image's files of one band, in the order of their paths."""
        image = self._images[id]
        files = cast(list[DataFile], image[1::2])
        return sorted(file for of, file in zip(image[::2], files, strict=True) if of == band)

    def _judge(self, id: str, content: Callable[[DataFile], str]) -> list[Reject]:
        """One reject for each file of an image that is no good; none for one that is."""
        by_band = {band: self._files(id, band) for band in self.bands}
        unconfigured = self._files(id, None)
        bad: list[Reject] = []
        faults: list[str] = []
        for band, files in by_band.items():
            if not files:
                faults.append(f"band {band} is missing")
            elif len(files) > 1:
                rejects = _compare(id, files, content)
                if rejects:
                    bad += rejects
                    faults.append(f"band {band} was found {len(files)} times with different bytes")
                else:
                    self._copied.add(id)
        if not faults:
            return []
        if not any(by_band.values()):
            detail = f"the band in the name is none of the configured ones ({', '.join(self.bands)})"
            return [Reject(file.path, id, Reason.NAME, detail) for file in unconfigured]
        named = {reject.file for reject in bad}
        rest = [file for files in (*by_band.values(), unconfigured) for file in files if file.path not in named]
        return bad + [Reject(file.path, id, Reason.MISSING_BAND, "; ".join(faults)) for file in rest]


def _compare(id: str, files: Sequence[DataFile], content: Callable[[DataFile], str]) -> list[Reject]:
    """One reject for each of several files of a band, or none when they are equal byte by byte."""
    digests: dict[str, str] = {}
    unreadable: dict[str, str] = {}
    if len({file.size for file in files}) == 1:
        for file in files:
            try:
                digests[file.path] = content(file)
            except Rejected as fault:
                unreadable[file.path] = fault.detail
        if not unreadable and len(set(digests.values())) == 1:
            return []
    rejects = []
    for file in files:
        if file.path in unreadable:
            rejects.append(Reject(file.path, id, Reason.UNREADABLE, unreadable[file.path]))
        else:
            twins = ", ".join(other.path for other in files if other is not file)
            rejects.append(Reject(file.path, id, Reason.DUPLICATE, f"same ID and band, other bytes: {twins}"))
    return rejects
