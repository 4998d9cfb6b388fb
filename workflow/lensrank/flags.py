"""What may be odd about an image: the bits of `flags` and the reasons for a rejection.

An image with a flag is in the catalogue; an image with a reason is in the rejects table and nowhere else.
"""

from enum import IntFlag, StrEnum


class Flag(IntFlag):
    """Bits of the column `flags` of shards and catalogues."""

    BAD_PIXELS = 1
    """Some pixels are NaN or infinite; networks see them as background."""
    CONSTANT = 2
    """All pixels of a band have one value."""
    MASKED = 4
    """Some pixels carry the mask value of the survey; networks see them as background."""
    CHECKSUM = 8
    """CHECKSUM or DATASUM of the FITS header is wrong."""
    HEADER = 16
    """The header holds bytes that are not ASCII."""
    NO_POSITION = 32
    """The header gives no position that can be read; ra and dec are NaN."""
    DUPLICATE = 64
    """The same image was found more than once, with equal bytes; it has one row."""
    IN_TRAINING = 128
    """A pixel-identical image is in the training data set (set in the catalogue, never in a shard)."""


class Reason(StrEnum):
    """Codes of the column `reason` of the rejects table."""

    NAME = "name"
    """The file's name does not match the pattern, or holds no ID."""
    MISSING_BAND = "missing-band"
    DUPLICATE = "duplicate"
    """The same ID twice with different bytes: neither can be trusted."""
    UNREADABLE = "unreadable"
    """The operating system does not give the bytes, or a compressed file cannot be unpacked."""
    EMPTY = "empty"
    NOT_FITS = "not-fits"
    NO_END = "no-end"
    """The header has no END card."""
    TRUNCATED = "truncated"
    HEADER = "header"
    """A FITS file whose mandatory keywords make no sense."""
    NO_IMAGE = "no-image"
    """A FITS file without an image."""
    SEVERAL_IMAGES = "several-images"
    DIMENSIONS = "dimensions"
    """Not two axes: a cube, or one-dimensional."""
    SHAPE = "shape"
    ALL_NAN = "all-nan"
    HUGE = "huge"
    """A finite pixel beyond 1e30, which no flux unit of a survey reaches."""
