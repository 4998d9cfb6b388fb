"""Simulated files on disk, as the challenge handed them out: FITS headers, folders and truth tables."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from astropy.io import fits

from lensrank.errors import ConfigError
from lensrank.files import replacing

HEADER = """\
SIMPLE  =                    T / file does conform to FITS standard
BITPIX  =                  -32 / number of bits per data pixel
NAXIS   =                    2 / number of data axes
NAXIS1  =                  101 / length of data axis 1
NAXIS2  =                  101 / length of data axis 2
EXTEND  =                    T / FITS dataset may contain extensions
COMMENT   FITS (Flexible Image Transport System) format is defined in 'Astronomy
COMMENT   and Astrophysics', volume 376, page 359; bibcode: 2001A&A...376..359H
WCSAXES =                    2 / number of World Coordinate System axes
CRPIX1  =                  51. / x-coordinate of reference pixel
CRPIX2  =                  51. / y-coordinate of reference pixel
CRVAL1  =                   0. / first axis value at reference pixel
CRVAL2  =                   0. / second axis value at reference pixel
CTYPE1  = 'RA---TAN'           / the coordinate type for the first axis
CTYPE2  = 'DEC--TAN'           / the coordinate type for the second axis
CUNIT1  = 'deg     '           / the coordinate unit for the first axis
CUNIT2  = 'deg     '           / the coordinate unit for the second axis
CDELT1  = -2.7777774714293E-05 / partial of first axis coordinate w.r.t. x
CDELT2  =  2.7777774714293E-05 / partial of second axis coordinate w.r.t. y
CROTA2  =                   0.
CD1_1   = -2.7777774714293E-05 / partial of first axis coordinate w.r.t. x
CD1_2   =                   0. / partial of first axis coordinate w.r.t. y
CD2_1   =                   0. / partial of second axis coordinate w.r.t. x
CD2_2   =  2.7777774714293E-05 / partial of second axis coordinate w.r.t. y
NX      =                  101
NY      =                  101
HIERARCH range x = 4.89661817911E-05 / radians
RA      =                   0. / radians
DEC     =                   0. / radians
"""
"""Header of the challenge's space-based training images; what depends on the image is filled in."""

BLOCK = 2880


class Truth(NamedTuple):
    """A row of the truth table: the area in rad², the flux in units of a pixel's noise."""

    id: int
    is_lens: bool
    einstein_area: float
    lensed_pixels: int
    lensed_flux: float


class Layout(NamedTuple):
    """Where the files of a data set lie below its folder."""

    parts: tuple[str, ...]
    table: str

    def make_folders(self, folder: Path, bands: Sequence[str]) -> None:
        """Make the folders of all images."""
        for part in self.parts:
            for number in range(1, len(bands) + 1):
                (folder / part / "Public" / f"Band{number}").mkdir(parents=True)

    def image_path(self, index: int, image_id: int, number: int, band: str) -> Path:
        """Path of an image's file of its `number`th band, from 1; images take turns among the parts."""
        part = self.parts[index % len(self.parts)]
        return Path(part) / "Public" / f"Band{number}" / f"image{band}-{image_id}.fits"


LAYOUTS = {
    "training": Layout(("",), "classifications.csv"),
    "challenge": Layout(tuple(f"Data_EuclidBig.{part}" for part in range(10)), "euclidB_image_catalog.csv"),
}


def write_image(path: Path, pixels: np.ndarray, pixel_scale: float, ra: float, dec: float) -> None:
    """Write one band of an image.

    Args:
        path: the file to make.
        pixels: (height, width) float32.
        pixel_scale: arcseconds.
        ra, dec: radians.
    """
    height, width = pixels.shape
    header = fits.Header.fromstring(HEADER, sep="\n")
    degrees = pixel_scale / 3600
    if (height, width) != (101, 101) or pixel_scale != 0.1:
        header["NAXIS1"] = header["NX"] = width
        header["NAXIS2"] = header["NY"] = height
        header["CRPIX1"], header["CRPIX2"] = width // 2 + 1.0, height // 2 + 1.0
        header["CDELT1"] = header["CD1_1"] = -degrees
        header["CDELT2"] = header["CD2_2"] = degrees
        header["range x"] = float(np.deg2rad(width * degrees))
    header["RA"], header["DEC"] = ra, dec
    data = pixels.astype(">f4").tobytes()
    path.write_bytes(header.tostring().encode("ascii") + data + b"\0" * (-len(data) % BLOCK))


def write_truth(folder: Path, layout: str, rows: Sequence[Truth]) -> None:
    """Write the truth table of a data set, in the form of its layout."""
    lines = _challenge_table(rows) if layout == "challenge" else _training_table(rows)
    (folder / LAYOUTS[layout].table).write_text("\n".join(lines) + "\n", encoding="ascii")


def _training_table(rows: Sequence[Truth]) -> Iterator[str]:
    yield '"ID","is_lens","Einstein_area","numb_pix_lensed_image","flux_lensed_image_in_sigma"'
    for row in rows:
        yield f"{row.id},{row.is_lens:d},{row.einstein_area:g},{row.lensed_pixels},{row.lensed_flux:g}"


def _challenge_table(rows: Sequence[Truth]) -> Iterator[str]:
    yield "# Simulated challenge set"
    yield "# no_source: 1 where no source was put behind the lens"
    yield "# Einstein_area: rad^2; numb_pix_lensed_image: pixels of the source above one sigma of the noise;"
    yield "# flux_lensed_image_in_sigma: their sum in sigma"
    yield "ID,no_source,Einstein_area,numb_pix_lensed_image,flux_lensed_image_in_sigma"
    for row in rows:
        yield f"{row.id},{1 - row.is_lens:d},{row.einstein_area:g},{row.lensed_pixels},{row.lensed_flux:g}"


@contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give a temporary folder beside `folder`; rename it to `folder` when the block ends well, else delete it.

    Raises:
        ConfigError: `folder` is there already and holds something.
    """
    if folder.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: there is something in this folder already. Delete it, or simulate elsewhere.")
    with replacing(folder) as temporary:
        temporary.mkdir()
        yield temporary
