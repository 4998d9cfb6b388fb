"""What a file's name says: whether it is an image, a truth table or neither, which band, and whose image it is."""

import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from lensrank.errors import ConfigError

_FITS_SUFFIX = r"(?i:\.fits?(?:\.(?:gz|bz2|fz))?)"
_IS_FITS = re.compile(rf".*{_FITS_SUFFIX}", re.DOTALL)
_IS_TRUTH = re.compile(r"classifications\.csv|.*image_catalog\.csv", re.IGNORECASE | re.DOTALL)


class ImageName(NamedTuple):
    """What a pattern found in a name: the image's ID, and its band, or None for one that is not configured."""

    id: str
    band: str | None


def is_fits(name: str) -> bool:
    """Whether a name ends in .fits or .fit, in any case, with or without .gz, .bz2 or .fz."""
    return _IS_FITS.fullmatch(name) is not None


def is_truth(name: str) -> bool:
    """Whether a path names one of the challenge's truth tables: classifications.csv or *image_catalog.csv."""
    return passed_over(name) is None and _IS_TRUTH.fullmatch(PurePosixPath(name).name) is not None


def passed_over(relpath: str) -> str | None:
    """Why a path is never data, in a word to count it under; None for a path that may be data.

    The challenge's archives hold `Private/` twins of the images, of the same names, and macOS leaves files of its own.

    Args:
        relpath: path below the images, with forward slashes.
    """
    *folders, name = relpath.split("/")
    if any(folder.lower() == "private" for folder in folders):
        return "Private"
    if "__MACOSX" in folders:
        return "__MACOSX"
    if any(part.startswith("._") for part in (*folders, name)):
        return "AppleDouble (._*)"
    return ".DS_Store" if name == ".DS_Store" else None


def id_order(id: str) -> tuple[int, int, str, str]:
    """Key that sorts IDs: those of digits only by their number, then all others by their text."""
    if not (id.isascii() and id.isdigit()):
        return 1, 0, id, ""
    # Digits without leading zeros compare as numbers when the shorter comes first; int() refuses very long ones.
    digits = id.lstrip("0")
    return 0, len(digits), digits, id


class NamePattern:
    """A pattern such as "image{band}-{id}.fits", ready to be matched against paths.

    `{band}` stands for one of the bands' names, letter by letter; `{id}` for any text without a slash; `.fits` at the
    end for every FITS suffix. A pattern with folders, such as "{id}/{band}.fits", is matched against as many folders.

    Args:
        pattern: holds {id} once and {band} at most once, and ends in .fits or .fit.
        bands: the configured bands' names.

    Raises:
        ConfigError: several bands, and no {band} to tell them apart.
    """

    def __init__(self, pattern: str, bands: Sequence[str]) -> None:
        if "{band}" not in pattern and len(bands) > 1:
            raise ConfigError(
                f"pattern: '{pattern}' does not say which of the bands {', '.join(bands)} a file holds. Put {{band}} "
                "where their names stand, as in 'image{band}-{id}.fits'."
            )
        self.pattern = pattern
        self._only_band = bands[0] if "{band}" not in pattern else None
        # Longest first: of the bands R and R-narrow, the name "R-narrow-7" means the second.
        known = "|".join(re.escape(band) for band in sorted(bands, key=len, reverse=True))
        self._known = _expression(pattern, known)
        self._any = _expression(pattern, "[^/]+?")

    def match(self, relpath: str) -> ImageName | None:
        """ID and band of an image's file, or None when the path does not match or gives no ID that can be used.

        Args:
            relpath: path below the images, with forward slashes.
        """
        found = self._known.fullmatch(relpath) or self._any.fullmatch(relpath)
        if found is None or not is_id(found["id"]):
            return None
        if self._only_band is not None:
            return ImageName(found["id"], self._only_band)
        known = found.re is self._known
        return ImageName(found["id"], found["band"] if known else None)

    def fault(self, relpath: str) -> str:
        """Why `match` gave None or no band for a path, for the rejects table."""
        name = self.match(relpath)
        if name is not None and name.band is None:
            return f"the band in the name is none of the configured ones (pattern {self.pattern})"
        if self._any.fullmatch(relpath):
            return f"the ID in the name is blank or holds characters that cannot be printed (pattern {self.pattern})"
        return f"the name does not match the pattern {self.pattern}, or holds no ID"


def _expression(pattern: str, band: str) -> re.Pattern[str]:
    stem = re.escape(pattern[: pattern.rindex(".")])
    stem = stem.replace(re.escape("{id}"), "(?P<id>[^/]+?)").replace(re.escape("{band}"), f"(?P<band>{band})")
    return re.compile(rf"(?:.*/)?{stem}{_FITS_SUFFIX}", re.DOTALL)


def is_id(text: str) -> bool:
    """Whether every catalogue format can hold an ID: VOTables have no control characters, UTF-8 no surrogates."""
    return text.isprintable() and bool(text.strip())
