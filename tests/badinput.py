"""The bad-input table as data: what may be wrong with an image's files, and what becomes of it.

`ROWS` is the table; `write(row, folder)` makes a row's files. Rows that one file's bytes decide have one file and
`whole_folder=False`; the others (a name without an ID, duplicates, a missing band, an unreadable file) are decided when
the folder is listed. Each row has an ID of its own and names its files after it, so that all rows for the same bands
fit into one folder.
"""

import bz2
import gzip
import io
import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.io import fits

from lensrank.flags import Flag, Reason

SHAPE = (101, 101)
HEADER_BYTES = 2880
PIXEL_BYTES = SHAPE[0] * SHAPE[1] * 4
ONE_BAND = ("EUC_VIS",)
TWO_BANDS = ("SDSS_R", "SDSS_I")
DANGLING = None
"""In place of a file's bytes: a symbolic link to nothing, which not even root can read."""


@dataclass(frozen=True)
class Row:
    """One row of the table.

    Attributes:
        name: what the matter is, in words.
        code: a `Reason`: rejected, each of its files is named in the rejects with it and the ID has no row in the
            catalogue; a `Flag`: one row in the catalogue, with exactly these flags; None: one row without a flag.
        id: the ID that the files are named after.
        files: name below the folder to the bytes of the file, or `DANGLING`.
        bands: bands of the configuration that the row is meant for.
        whole_folder: decided by the listing of the folder rather than by one file's bytes.
    """

    name: str
    code: Reason | Flag | None
    id: str
    files: dict[str, bytes | None]
    bands: tuple[str, ...] = ONE_BAND
    whole_folder: bool = False

    @property
    def outcome(self) -> str:
        """Rejected, flagged or accepted."""
        return "accepted" if self.code is None else "rejected" if isinstance(self.code, Reason) else "flagged"

    @property
    def content(self) -> bytes:
        """The bytes of the only file."""
        (content,) = self.files.values()
        assert content is not None
        return content


def write(row: Row, folder: Path) -> list[Path]:
    """Write a row's files below a folder and name them."""
    paths = [folder / name for name in row.files]
    for path, content in zip(paths, row.files.values(), strict=True):
        path.parent.mkdir(parents=True, exist_ok=True)
        if content is None:
            path.symlink_to("nowhere")
        else:
            path.write_bytes(content)
    return paths


def pixels(seed: int = 0) -> np.ndarray:
    """Noise and a central source at the challenge's scale, (101, 101) float32."""
    noise = np.random.default_rng(seed).normal(0, 7.75e-13, SHAPE)
    y, x = np.indices(SHAPE) - 50
    return (noise + 3e-11 * np.exp(-(x**2 + y**2) / 18)).astype(np.float32)


def to_bytes(*hdus: Any, checksum: bool = False) -> bytes:
    """A FITS file of these HDUs."""
    stream = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(stream, checksum=checksum)
    return stream.getvalue()


def image_hdu(data: np.ndarray, kind: Callable[..., Any] = fits.PrimaryHDU, **keywords: Any) -> Any:
    """An image HDU with a position in radians unless `keywords` say otherwise; None leaves a keyword out."""
    hdu = kind(data)
    for keyword, value in {"RA": 0.0123, "DEC": -0.0045, **keywords}.items():
        if value is not None:
            hdu.header[keyword] = value
    return hdu


def image_bytes(data: np.ndarray, checksum: bool = False, **keywords: Any) -> bytes:
    """A FITS file whose primary HDU holds `data`."""
    return to_bytes(image_hdu(data, **keywords), checksum=checksum)


def compressed_bytes(data: np.ndarray, checksum: bool = False, **options: Any) -> bytes:
    """A tile-compressed FITS file."""
    hdu = image_hdu(data, lambda data: fits.CompImageHDU(data, **options))
    return to_bytes(fits.PrimaryHDU(), hdu, checksum=checksum)


def with_card(data: bytes, keyword: str, card: str | bytes) -> bytes:
    """The file with the last card of `keyword` overwritten."""
    start = max(at for at in range(0, len(data), 80) if data[at : at + 8] == keyword.ljust(8).encode())
    new = card.encode("ascii") if isinstance(card, str) else card
    return data[:start] + new.ljust(80) + data[start + 80 :]


def with_more_cards(data: bytes, *cards: str) -> bytes:
    """The file with cards put before the first END, in the room that its block has left."""
    end = next(at for at in range(0, len(data), 80) if data[at : at + 80] == b"END".ljust(80))
    new = b"".join(card.encode().ljust(80) for card in (*cards, "END"))
    assert end % HEADER_BYTES + len(new) <= HEADER_BYTES
    return data[:end] + new + data[end + len(new) :]


def with_pixels(value: float, where: Any = (slice(3, 5), 7)) -> bytes:
    """A file some of whose pixels have another value."""
    data = pixels()
    data[where] = value
    return image_bytes(data)


def stored_values(dtype: str) -> np.ndarray:
    """Small whole numbers, 0 to 119, as they lie in the file, (101, 101)."""
    return (np.indices(SHAPE).sum(axis=0) % 120).astype(dtype)


def scaled_bytes(dtype: str, bscale: float = 0.25, bzero: float = 0.5) -> bytes:
    """A file of `stored_values` to which BSCALE and BZERO apply."""
    return with_more_cards(image_bytes(stored_values(dtype)), f"BSCALE  = {bscale!r:>20}", f"BZERO   = {bzero!r:>20}")


def flipped(data: bytes, at: int) -> bytes:
    """The file with the lowest bit of one byte flipped."""
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


PLAIN = image_bytes(pixels())
GZIP = gzip.compress(PLAIN, mtime=0)
BZIP2 = bz2.compress(PLAIN)
CHECKED = image_bytes(pixels(), checksum=True)
BLANKED = with_more_cards(image_bytes(np.where(pixels() > 2e-12, -7, 5).astype(np.int16)), "BLANK   = -7")
WHOLE = (pixels() * 1e14 + 1000).astype(np.int32)
TILES = compressed_bytes(WHOLE, compression_type="RICE_1")
TILES_CHECKED = compressed_bytes(WHOLE, checksum=True)
HCOMPRESS = compressed_bytes(WHOLE, compression_type="HCOMPRESS_1")
HCOMPRESS_CHECKED = compressed_bytes(WHOLE, checksum=True, compression_type="HCOMPRESS_1")
TABLE = fits.BinTableHDU.from_columns([fits.Column("flux", "E", array=np.arange(5.0))])
HTML = b"<!DOCTYPE html>\n<html><head><title>404 Not Found</title></head><body>Not here.</body></html>\n" * 40
PNG = b"\x89PNG\r\n\x1a\n" + bytes(range(256)) * 20

_ids = itertools.count(200000)


def _one(name: str, code: Reason | Flag | None, content: bytes, suffix: str = ".fits") -> Row:
    id = str(next(_ids))
    return Row(name, code, id, {f"imageEUC_VIS-{id}{suffix}": content})


def _several(
    name: str, code: Reason | Flag | None, files: dict[str, bytes | None], bands: tuple[str, ...] = ONE_BAND
) -> Row:
    id = str(next(_ids))
    return Row(name, code, id, {name.format(id=id): data for name, data in files.items()}, bands, whole_folder=True)


REJECTED = [
    _one("cut short in the header", Reason.TRUNCATED, PLAIN[:400]),
    _one("cut short after a few bytes", Reason.TRUNCATED, PLAIN[:5]),
    _one("cut short in the data", Reason.TRUNCATED, PLAIN[: HEADER_BYTES + 31204]),
    _one("cut short after the header", Reason.TRUNCATED, PLAIN[:HEADER_BYTES]),
    _one("cut short in an extension's header", Reason.TRUNCATED, TILES[: HEADER_BYTES + 400]),
    _one("cut short in compressed tiles", Reason.TRUNCATED, TILES[: -2 * HEADER_BYTES], ".fits.fz"),
    _one("gzip cut short", Reason.TRUNCATED, GZIP[:-3000], ".fits.gz"),
    _one("bzip2 cut short", Reason.TRUNCATED, BZIP2[:-3000], ".fits.bz2"),
    _one("gzip corrupt", Reason.UNREADABLE, flipped(GZIP, 20000), ".fits.gz"),
    _one("bzip2 corrupt", Reason.UNREADABLE, flipped(BZIP2, 20000), ".fits.bz2"),
    _one("gzip that unpacks to 1 GiB", Reason.UNREADABLE, gzip.compress(bytes(1 << 25), mtime=0) * 32, ".fits.gz"),
    _one("empty", Reason.EMPTY, b""),
    _one("gzip of nothing", Reason.EMPTY, gzip.compress(b"", mtime=0), ".fits.gz"),
    _one("an HTML page", Reason.NOT_FITS, HTML),
    _one("a renamed PNG", Reason.NOT_FITS, PNG),
    _one("zeros", Reason.NOT_FITS, bytes(46080)),
    _one("wrong shape", Reason.SHAPE, image_bytes(pixels()[1:])),
    _one("wrong shape, compressed", Reason.SHAPE, compressed_bytes(pixels()[:64, :64]), ".fits.fz"),
    _one("a cube", Reason.DIMENSIONS, image_bytes(np.stack([pixels(), pixels(1)]))),
    _one("a third axis of length 1", Reason.DIMENSIONS, image_bytes(pixels()[None])),
    _one("one-dimensional", Reason.DIMENSIONS, image_bytes(pixels().ravel())),
    _one("two images", Reason.SEVERAL_IMAGES, to_bytes(image_hdu(pixels()), fits.ImageHDU(pixels(1)))),
    _one(
        "images in two extensions",
        Reason.SEVERAL_IMAGES,
        to_bytes(fits.PrimaryHDU(), fits.ImageHDU(pixels()), fits.CompImageHDU(pixels(1))),
    ),
    _one("no END card", Reason.NO_END, with_card(PLAIN, "END", "")),
    _one("all pixels NaN", Reason.ALL_NAN, with_pixels(np.nan, ...)),
    _one("a pixel of 2e30", Reason.HUGE, with_pixels(2e30)),
    _one("a pixel of -1e300", Reason.HUGE, image_bytes(np.where(pixels() > 2e-11, -1e300, 0))),
    _one("a table and no image", Reason.NO_IMAGE, to_bytes(fits.PrimaryHDU(), TABLE)),
    _one("a header and nothing else", Reason.NO_IMAGE, to_bytes(fits.PrimaryHDU())),
    _one("BITPIX of 7", Reason.HEADER, with_card(PLAIN, "BITPIX", "BITPIX  =                    7")),
    _one("no BITPIX", Reason.HEADER, with_card(PLAIN, "BITPIX", "COMMENT")),
    _one("NAXIS in words", Reason.HEADER, with_card(PLAIN, "NAXIS", "NAXIS   = two")),
    _one("NAXIS1 below 0", Reason.HEADER, with_card(PLAIN, "NAXIS1", "NAXIS1  =                 -101")),
    _one("BSCALE of text", Reason.HEADER, with_more_cards(PLAIN, "BSCALE  = 'two'")),
    _one("unknown compression", Reason.HEADER, with_card(TILES, "ZCMPTYPE", "ZCMPTYPE= 'LZ77'"), ".fits.fz"),
    _one(
        "HCOMPRESS without a CHECKSUM",
        Reason.HEADER,
        compressed_bytes(WHOLE, compression_type="HCOMPRESS_1"),
        ".fits.fz",
    ),
    _several("name without an ID", Reason.NAME, {"imageEUC_VIS-.fits": PLAIN}),
    _several("name with a blank ID", Reason.NAME, {"imageEUC_VIS- .fits": PLAIN}),
    _several("another name", Reason.NAME, {"preview.fits": PLAIN}),
    _several("a band that is not configured", Reason.NAME, {"imageEUC_H-{id}.fits": PLAIN}),
    _several(
        "the same ID twice, different bytes",
        Reason.DUPLICATE,
        {"a/imageEUC_VIS-{id}.fits": PLAIN, "b/imageEUC_VIS-{id}.fits": image_bytes(pixels(1))},
    ),
    _several("unreadable", Reason.UNREADABLE, {"imageEUC_VIS-{id}.fits": DANGLING}),
    _several("a missing band", Reason.MISSING_BAND, {"Band1/imageSDSS_R-{id}.fits": PLAIN}, TWO_BANDS),
]

FLAGGED = [
    _one("some NaN pixels", Flag.BAD_PIXELS, with_pixels(np.nan)),
    _one("some infinite pixels", Flag.BAD_PIXELS, with_pixels(np.inf)),
    _one("some pixels of minus infinity", Flag.BAD_PIXELS, with_pixels(-np.inf)),
    _one("some BLANK pixels", Flag.BAD_PIXELS | Flag.CONSTANT, BLANKED),
    _one("constant", Flag.CONSTANT, with_pixels(3e-12, ...)),
    _one("all zero", Flag.CONSTANT, with_pixels(0, ...)),
    _one("masked pixels", Flag.MASKED, with_pixels(100)),
    _one("wrong CHECKSUM", Flag.CHECKSUM, with_card(CHECKED, "CHECKSUM", "CHECKSUM= '0123456789ABCDEF'")),
    _one("wrong DATASUM", Flag.CHECKSUM, flipped(with_card(CHECKED, "CHECKSUM", "COMMENT"), HEADER_BYTES + 403)),
    _one(
        "wrong CHECKSUM, compressed",
        Flag.CHECKSUM,
        with_card(TILES_CHECKED, "CHECKSUM", "CHECKSUM= '0123456789ABCDEF'"),
        ".fits.fz",
    ),
    _one("non-ASCII header bytes", Flag.HEADER, with_card(PLAIN, "EXTEND", "COMMENT Universität".encode())),
    _one("no position", Flag.NO_POSITION, image_bytes(pixels(), RA=None, DEC=None)),
    _one("no declination", Flag.NO_POSITION, image_bytes(pixels(), DEC=None)),
    _one("position as text", Flag.NO_POSITION, image_bytes(pixels(), RA="00:02:49.2")),
    _one("position NaN", Flag.NO_POSITION, with_card(PLAIN, "RA", "RA      = NaN")),
    _one("position infinite", Flag.NO_POSITION, with_card(PLAIN, "RA", "RA      = 1E999")),
    _one("declination beyond the pole", Flag.NO_POSITION, image_bytes(pixels(), DEC=1.6)),
    _several(
        "the same ID twice, equal bytes",
        Flag.DUPLICATE,
        {"a/imageEUC_VIS-{id}.fits": PLAIN, "b/imageEUC_VIS-{id}.fits": PLAIN},
    ),
]

ACCEPTED = [
    _one("plain", None, PLAIN),
    _one("suffix .fit", None, PLAIN, ".fit"),
    _one("suffix .FITS", None, PLAIN, ".FITS"),
    _one("suffix .FITS.GZ", None, GZIP, ".FITS.GZ"),
    _one("gzip", None, GZIP, ".fits.gz"),
    _one("gzip without the suffix", None, GZIP),
    _one("suffix of gzip, not compressed", None, PLAIN, ".fits.gz"),
    _one("bzip2", None, BZIP2, ".fits.bz2"),
    _one("in the first extension", None, to_bytes(fits.PrimaryHDU(), image_hdu(pixels(), fits.ImageHDU))),
    _one("beside a table", None, to_bytes(image_hdu(pixels()), TABLE)),
    _one("BITPIX 8, scaled", None, scaled_bytes(">u1")),
    _one("BITPIX 16, scaled", None, scaled_bytes(">i2")),
    _one("BITPIX 32, scaled", None, scaled_bytes(">i4")),
    _one("BITPIX 64, scaled", None, scaled_bytes(">i8")),
    _one("BITPIX -32, scaled", None, scaled_bytes(">f4")),
    _one("BITPIX -64, scaled", None, scaled_bytes(">f8")),
    _one("BITPIX -64", None, image_bytes(pixels().astype(float))),
    _one("unsigned 16-bit", None, image_bytes(stored_values("u2") * 500)),
    _one("tiles, RICE", None, TILES, ".fits.fz"),
    _one("tiles, float32 quantised", None, compressed_bytes(pixels(), quantize_level=16), ".fits.fz"),
    _one(
        "tiles, without loss", None, compressed_bytes(pixels(), quantize_level=0, compression_type="GZIP_2"), ".fits.fz"
    ),
    _one("tiles in gzip", None, gzip.compress(TILES, mtime=0), ".fits.gz"),
    _one("right CHECKSUM and DATASUM", None, CHECKED),
    _one("right CHECKSUM, compressed", None, TILES_CHECKED, ".fits.fz"),
    _one("tiles, HCOMPRESS with a CHECKSUM", None, HCOMPRESS_CHECKED, ".fits.fz"),
    _one("padding missing after the last pixel", None, PLAIN[: HEADER_BYTES + PIXEL_BYTES]),
    _one("bytes after the end", None, PLAIN + b"\r\n"),
    _several(
        "two bands",
        None,
        {"Band1/imageSDSS_R-{id}.fits": PLAIN, "Band2/imageSDSS_I-{id}.fits": image_bytes(pixels(1))},
        TWO_BANDS,
    ),
]

ROWS = REJECTED + FLAGGED + ACCEPTED
