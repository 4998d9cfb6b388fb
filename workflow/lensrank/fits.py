"""FITS cutouts. Takes a file's bytes, gives pixels, position and flags, or says why the file is rejected.

Accepted: one two-axis image, in the primary HDU or an extension, of any BITPIX, scaled or not, tile-compressed or not;
the file may be packed by gzip or bzip2 (told by its first bytes, not by its name). Tables beside the image, bytes after
the last HDU and a last block that is not filled up do no harm. An axis of length 1 is an axis: 1 x 101 x 101 is a cube.
"""

import bz2
import gzip
import io
import math
import os
import stat
import warnings
import zlib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from lensrank.config import settings
from lensrank.flags import Flag, Reason
from lensrank.headers import BLOCK, DTYPES, Hdu, Header, Rejected, hdus

__all__ = ["Cutout", "Rejected", "judge_pixels", "read_bytes", "read_cutout"]

LARGEST = 1 << 26
"""Bytes of a file, packed or unpacked: 2,800 x 2,800 float64. More is no cutout, and may be made to fill the memory."""
HUGE = 1e30
"""No flux unit of a survey reaches it, and its square still fits into float64."""

SAFE_TILES = ("RICE_1", "RICE_ONE", "GZIP_1", "GZIP_2", "NOCOMPRESS")
"""Tile compressions whose decoder in astropy stays within its memory on damaged bytes; HCOMPRESS_1's and PLIO_1's do
not (seen in fuzzing astropy 8.0), so such tiles are read only where the HDU's CHECKSUM says that it is whole."""


@dataclass(frozen=True)
class Cutout:
    """One band of one image.

    Attributes:
        pixels: (height, width) float32, native byte order.
        ra: degrees, in [0, 360); NaN where unknown.
        dec: degrees; NaN where unknown.
        flags: what is odd about it.
    """

    pixels: np.ndarray
    ra: float
    dec: float
    flags: Flag


def read_bytes(path: str | Path) -> bytes:
    """All bytes of a file; raises what `read_timed` raises."""
    return read_timed(path)[1]


def read_timed(path: str | Path) -> tuple[int, bytes]:
    """A file's modification time in nanoseconds, and then its bytes: if it changes meanwhile, its time will differ.

    Raises:
        Rejected: the operating system does not give them, it is not a regular file, or it is larger than `LARGEST`
            (`Reason.UNREADABLE`).
    """
    try:
        # Without waiting: a named pipe would else wait for a writer for ever. Python's own readers take twice the time.
        file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        try:
            status = os.fstat(file)
            if not stat.S_ISREG(status.st_mode):
                raise Rejected(Reason.UNREADABLE, "not a regular file")
            if status.st_size > LARGEST:
                raise Rejected(Reason.UNREADABLE, f"{status.st_size} bytes; a cutout has no more than {LARGEST}")
            return status.st_mtime_ns, _whole(file, status.st_size)
        finally:
            os.close(file)
    except OSError as error:
        raise Rejected(Reason.UNREADABLE, error.strerror or str(error)) from error


def _whole(file: int, size: int) -> bytes:
    """All bytes of an open file of this size, or of another if it grows or shrinks meanwhile."""
    data = os.read(file, size + 1)
    if len(data) == size:
        return data
    parts = [data]
    while parts[-1]:
        parts.append(os.read(file, 1 << 20))
    return b"".join(parts)


def read_cutout(data: bytes, cutout: settings.Cutout) -> Cutout:
    """Image, position and flags of one FITS file.

    float32 pixels are given as they are; float64 and scaled integers are computed in float64 and rounded once.

    Args:
        data: the whole file, packed or not.
        cutout: shape in pixels, keywords of the position and their unit, value of masked pixels.

    Raises:
        Rejected: the file gives no image; `reason` and `detail` say why.
    """
    data = _unpacked(data)
    found = list(hdus(data))
    image = _only_image(found)
    _check_shape(image.shape, cutout.shape)
    pixels, flags = judge_pixels(_values(data, image), cutout.masked)
    if not all(hdu.header.is_clean for hdu in found):
        flags |= Flag.HEADER
    if not all(_sums_hold(data, hdu) for hdu in found):
        flags |= Flag.CHECKSUM
    ra, dec = _position((image.header, found[0].header), cutout)
    if math.isnan(ra):
        flags |= Flag.NO_POSITION
    return Cutout(pixels, ra, dec, flags)


def _unpacked(data: bytes) -> bytes:
    """The file without gzip or bzip2 around it, never more than `LARGEST` bytes of it."""
    kind: str
    stream: io.BufferedIOBase
    if data.startswith(b"\x1f\x8b"):
        kind, stream = "gzip", gzip.GzipFile(fileobj=io.BytesIO(data))
    elif data.startswith(b"BZh"):
        kind, stream = "bzip2", bz2.BZ2File(io.BytesIO(data))
    else:
        return data
    try:
        with stream:
            unpacked = stream.read(LARGEST + 1)
    except EOFError as error:
        raise Rejected(
            Reason.TRUNCATED, f"the {kind} file ends before its end mark, after {len(data)} bytes"
        ) from error
    except (OSError, zlib.error) as error:
        raise Rejected(Reason.UNREADABLE, f"the {kind} file is corrupt: {error}") from error
    if len(unpacked) > LARGEST:
        raise Rejected(
            Reason.UNREADABLE, f"the {kind} file unpacks to more than {LARGEST} bytes, too many for a cutout"
        )
    return unpacked


def _only_image(found: list[Hdu]) -> Hdu:
    images = [number for number, hdu in enumerate(found) if hdu.is_image]
    if not images:
        raise Rejected(Reason.NO_IMAGE, f"{len(found)} HDUs and no image in any")
    if len(images) > 1:
        raise Rejected(
            Reason.SEVERAL_IMAGES, f"{len(images)} images, in HDUs {', '.join(map(str, images))}; expected one"
        )
    return found[images[0]]


def _check_shape(shape: tuple[int, ...], expected: tuple[int, int]) -> None:
    axes = " x ".join(map(str, shape))
    if len(shape) != 2:
        raise Rejected(Reason.DIMENSIONS, f"{len(shape)} axes ({axes}); an image has two")
    if shape != tuple(expected):
        raise Rejected(Reason.SHAPE, f"{axes} pixels (height x width); expected {expected[0]} x {expected[1]}")


def _values(data: bytes, image: Hdu) -> np.ndarray:
    """Physical values: float32 where they need no more, float64 otherwise; BLANK is NaN."""
    header, prefix = image.header, ""
    if image.is_compressed:
        stored = _untiled(data, image)
        prefix = "Z" if "ZBLANK" in header else ""
    else:
        count = math.prod(image.shape)
        stored = np.frombuffer(data, DTYPES[image.bitpix], count, image.data_start).reshape(image.shape)
    bscale, bzero = header.number("BSCALE", 1.0), header.number("BZERO", 0.0)
    if (bscale, bzero) != (1.0, 0.0):
        with np.errstate(over="ignore", invalid="ignore"):
            values = stored.astype(np.float64) * bscale + bzero
    elif image.bitpix == -64:
        values = stored.astype(np.float64)
    else:
        values = stored.astype(np.float32)
    if image.bitpix > 0 and f"{prefix}BLANK" in header:
        values[stored == header.integer(f"{prefix}BLANK")] = np.nan
    return values


@cache
def _primary() -> bytes:
    """The empty primary HDU that a table stands behind."""
    from astropy.io import fits  # takes a quarter of a second, and plain images do without

    return fits.PrimaryHDU().header.tostring().encode("ascii")


def _untiled(data: bytes, image: Hdu) -> np.ndarray:
    """Stored values of a tile-compressed image."""
    from astropy.io import fits

    limit = 4 * math.prod(image.shape) * 8 + (1 << 16)
    if image.data_size > limit:
        # Tiles unpack to a thousand times their size at most, so this bounds the memory.
        raise Rejected(
            Reason.HEADER, f"{image.data_size} bytes of compressed tiles; an image of its shape needs {limit}"
        )
    kind = image.header.value("ZCMPTYPE")
    if kind not in SAFE_TILES and not ("CHECKSUM" in image.header and _sums_hold(data, image)):
        raise Rejected(Reason.HEADER, f"{kind} tiles are read only with a CHECKSUM that holds; pack them with RICE_1")
    table = image.header.text.encode("ascii") + data[image.data_start : image.data_start + image.data_size]
    file = io.BytesIO(_primary() + table + bytes(-len(table) % BLOCK))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with fits.open(file, memmap=False, do_not_scale_image_data=True) as opened:
                stored = np.asarray(opened[1].data)
    except MemoryError:
        raise
    # On damaged tiles astropy lets out any of a dozen types, one of them private to it.
    except Exception as error:
        raise Rejected(Reason.HEADER, f"the compressed tiles cannot be read: {error}") from error
    if stored.shape != image.shape or stored.dtype.kind not in "iuf":
        raise Rejected(Reason.HEADER, f"the compressed tiles hold {stored.shape} {stored.dtype}, not {image.shape}")
    return stored


def judge_pixels(values: np.ndarray, masked: float | None) -> tuple[np.ndarray, Flag]:
    """Pixels as float32 and what is odd about them.

    Args:
        values: (height, width) of any type of number.
        masked: value of masked pixels, None for none.

    Returns:
        (height, width) float32; flags.

    Raises:
        Rejected: no pixel is a finite number, or one is beyond `HUGE`.
    """
    flags = Flag(0)
    with np.errstate(over="ignore", invalid="ignore"):
        pixels = values.astype(np.float32, copy=False)
        low, high = float(values.min()), float(values.max())
    # Both are finite where all pixels are, because a NaN is the least and the greatest of any numbers to numpy.
    if not (math.isfinite(low) and math.isfinite(high)):
        good = values[np.isfinite(values)]
        flags |= Flag.BAD_PIXELS
        if not good.size:
            raise Rejected(Reason.ALL_NAN, f"none of the {values.size} pixels is a finite number")
        low, high = float(good.min()), float(good.max())
    if max(-low, high) > HUGE:
        raise Rejected(Reason.HUGE, f"pixels reach from {low:g} to {high:g}; beyond {HUGE:g} is no flux")
    if low == high:
        flags |= Flag.CONSTANT
    if masked is not None and (pixels == np.float32(masked)).any():
        flags |= Flag.MASKED
    return pixels, flags


def _sums_hold(data: bytes, hdu: Hdu) -> bool:
    """Whether CHECKSUM and DATASUM, where the header has them, are those of the bytes (FITS standard 4.0, 4.4.2.7)."""
    datasum = hdu.header.value("DATASUM")
    if datasum not in (None, ""):
        text = str(datasum).strip()
        if not text.isdecimal() or int(text) != _ones_complement_sum(data[hdu.data_start : hdu.end]):
            return False
    if hdu.header.value("CHECKSUM") in (None, ""):
        return True
    return _ones_complement_sum(data[hdu.start : hdu.end]) in (0, 0xFFFFFFFF)


def _ones_complement_sum(data: bytes) -> int:
    total = int(np.frombuffer(data + bytes(-len(data) % 4), ">u4").sum(dtype=np.uint64))
    while total >> 32:
        total = (total & 0xFFFFFFFF) + (total >> 32)
    return total


def _position(headers: tuple[Header, ...], cutout: settings.Cutout) -> tuple[float, float]:
    """Degrees of the first header that has both keywords, or NaN twice."""
    for header in headers:
        if cutout.ra in header and cutout.dec in header:
            ra, dec = (_degrees(header.value(keyword), cutout.angle_unit) for keyword in (cutout.ra, cutout.dec))
            if abs(ra) <= 360 and abs(dec) <= 90:
                # Twice, because -1e-20 % 360 is 360.0.
                return ra % 360.0 % 360.0, dec
            break
    return math.nan, math.nan


def _degrees(value: object, unit: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    return math.degrees(value) if unit == "rad" else float(value)
