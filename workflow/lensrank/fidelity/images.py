"""A folder of images and its truth table as numbers. Takes paths, gives a row per image; nothing is known but files."""

import re
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd

from lensrank.config.settings import Cutout, Dataset
from lensrank.contents import Found
from lensrank.errors import DataError
from lensrank.fidelity.measure import Measured, measure
from lensrank.fits import Rejected, read_bytes, read_cutout
from lensrank.folders import scan
from lensrank.headers import CARD, hdus
from lensrank.names import NamePattern, id_order, is_truth
from lensrank.progress import progress
from lensrank.truth import read_truth

FILES_PER_TASK = 100

PIXELS_KEPT = 2000
"""Images whose pixels are kept, for percentiles of pixels of many images together: 82 MB."""

FEWEST = 50
"""Lenses, and non-lenses, without which there is nothing to compare."""

COLUMNS = {
    "Einstein_area": "area",
    "numb_pix_lensed_image": "lensed_pixels",
    "flux_lensed_image_in_sigma": "lensed_flux",
}
"""Columns of the challenge's truth table that are compared, and what they are called here."""

ARCSEC = np.pi / 180 / 3600
_CARD = re.compile(rf".{{1,{CARD}}}")


@dataclass(frozen=True)
class Survey:
    """A set of images, in the order of their IDs.

    Attributes:
        images: (n) rows, index the ID: `is_lens` (bool), `radius` (Einstein radius, arcseconds), `area` (rad²),
            `lensed_pixels`, `lensed_flux` (sigma), `ra`, `dec` (degrees), `order` (position in the folder), `time` (of
            the file, ns), `size` (bytes), `mean` and `square` (of the pixels and their squares, the image's unit), and
            the single numbers of `Measured`.
        arrays: by name, (n, ...) float64: the other fields of `Measured`.
        cards: (n,) header of each image as text, without its position.
        pixels: (k, height, width) float32: the first `PIXELS_KEPT` images of a random order.
    """

    images: pd.DataFrame
    arrays: dict[str, np.ndarray]
    cards: np.ndarray
    pixels: np.ndarray


class _File(NamedTuple):
    """What is read from one file."""

    measured: Measured
    ra: float
    dec: float
    mean: float
    square: float
    card: str
    pixels: np.ndarray | None


def read_survey(folder: Path, band: str, processes: int = 1) -> Survey:
    """Read and measure all images of a folder and its truth table.

    Args:
        folder: in the challenge's layout: files image<band>-<ID>.fits at any depth, one truth table.
        band: name of the band.
        processes: processes to use.

    Raises:
        DataError: no image or one twice, a file that gives none, no truth table or one without the challenge's
            columns, an image without a row of it, or too few lenses or non-lenses.
    """
    table = _files(folder, band).join(_truth(folder), how="left")
    _check(folder, table)
    kept = np.zeros(len(table), dtype=bool)
    kept[np.random.default_rng(0).permutation(len(table))[:PIXELS_KEPT]] = True
    read = _read(folder, list(zip(table.pop("path"), kept, strict=True)), processes)
    for column in ("ra", "dec", "mean", "square"):
        table[column] = [getattr(file, column) for file in read]
    arrays = {}
    for field in Measured._fields:
        values = np.array([getattr(file.measured, field) for file in read])
        if values.ndim == 1:
            table[field] = values
        else:
            arrays[field] = values
    pixels = np.stack([file.pixels for file in read if file.pixels is not None])
    return Survey(table, arrays, np.array([file.card for file in read]), pixels)


def _files(folder: Path, band: str) -> pd.DataFrame:
    """`path`, `order` in the folder, `size` and `time` of the image files, by ID and in the order of IDs."""
    pattern = NamePattern("image{band}-{id}.fits", [band])
    found = [(name.id, file) for file in scan(folder, Found()) if (name := pattern.match(file.path)) and name.band]
    if not found:
        raise DataError(f"{folder}: no file image{band}-<ID>.fits in it. Name the folder that holds the images.")
    rows = [(file.path, place, file.size, file.version) for place, (_, file) in enumerate(found)]
    table = pd.DataFrame(rows, columns=["path", "order", "size", "time"], index=pd.Index([id for id, _ in found]))
    if table.index.has_duplicates:
        twice = table.index[table.index.duplicated()][0]
        raise DataError(f"{folder}: several files are image{band}-{twice}. Name a folder that holds each image once.")
    return table.loc[sorted(table.index, key=id_order)]


def _truth(folder: Path) -> pd.DataFrame:
    tables = [path for path in sorted(folder.rglob("*.csv")) if is_truth(path.relative_to(folder).as_posix())]
    if len(tables) != 1:
        raise DataError(f"{folder}: {len(tables)} truth tables, expected one classifications.csv or *image_catalog.csv")
    truth = read_truth(tables[0], Dataset())
    missing = [name for name in COLUMNS if name not in truth]
    if missing:
        raise DataError(f"{tables[0]}: no column {', '.join(missing)}; fidelity compares the challenge's columns.")
    truth = truth.rename(columns=COLUMNS)[[*COLUMNS.values(), "label"]]
    truth["is_lens"] = truth.pop("label").astype(bool)
    return truth.assign(radius=np.sqrt(truth["area"] / np.pi) / ARCSEC)


def _check(folder: Path, table: pd.DataFrame) -> None:
    lost = table.index[table["is_lens"].isna()]
    if len(lost):
        raise DataError(f"{folder}: {len(lost)} images have no row in the truth table, such as {lost[0]}.")
    lenses = int(table["is_lens"].sum())
    if min(lenses, len(table) - lenses) < FEWEST:
        raise DataError(
            f"{folder}: {lenses} lenses of {len(table)} images; a comparison needs {FEWEST} of either kind. Make more."
        )


def _read(folder: Path, files: list[tuple[str, bool]], processes: int) -> list[_File]:
    tasks = [files[start : start + FILES_PER_TASK] for start in range(0, len(files), FILES_PER_TASK)]
    result: list[_File] = []
    with (
        progress(len(files), f"measure {folder.name}") as advance,
        ProcessPoolExecutor(min(processes, len(tasks)), mp_context=get_context("spawn")) as pool,
    ):
        for done in pool.map(partial(_read_files, folder), tasks):
            result += done
            advance(len(done))
    return result


def _read_files(folder: Path, files: list[tuple[str, bool]]) -> list[_File]:
    return [_read_file(folder / path, keep) for path, keep in files]


def _read_file(path: Path, keep: bool) -> _File:
    try:
        data = read_bytes(path)
        cutout = read_cutout(data, Cutout())
    except Rejected as fault:
        raise DataError(f"{path}: {fault}") from fault
    values = cutout.pixels.astype(np.float64)
    cards = (match[0] for match in _CARD.finditer(next(iter(hdus(data))).header.text))
    card = "\n".join(text for text in cards if not text.startswith(("RA ", "DEC ")))
    return _File(
        measure(cutout.pixels),
        cutout.ra,
        cutout.dec,
        float(values.mean()),
        float(np.mean(values**2)),
        card,
        cutout.pixels if keep else None,
    )
