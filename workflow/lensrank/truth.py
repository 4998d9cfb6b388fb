"""Truth tables. Takes a CSV table or an HDF5 re-pack, gives a label per ID with the table's other columns."""

import codecs
import io
import logging
import re
from pathlib import Path
from typing import BinaryIO

import h5py
import numpy as np
import pandas as pd

from lensrank.config.settings import Dataset
from lensrank.errors import TruthError
from lensrank.labels import columns_hint, evaluate

SEPARATORS = ",;\t"
REPACK_SUFFIXES = (".h5", ".hdf5")
LENSED_PIXELS = ("numb_pix_lensed_image", "n_pix_source")
"""Columns of the first and the second challenge's tables that count the pixels in which the lensed source outshines the
noise."""
EMPTY_CELLS = ("", "NA", "N/A", "NaN", "nan", "-nan", "null", "NULL", "None")

log = logging.getLogger("lensrank")


def read_truth(path: str | Path, dataset: Dataset) -> pd.DataFrame:
    """Read a truth table: CSV with commas, semicolons or tabs, or the `is_lens` of an HDF5 re-pack.

    A preamble of `#` lines, a byte-order mark, CRLF and quoted names are read. IDs are text exactly as written; only
    when all of them end in .0, as spreadsheets write them, is that taken off. Rows whose label is empty or NaN are left
    out and counted in the log. In a re-pack the ID is the data set `id` or `ID`, or else the row's number.

    Args:
        path: the table.
        dataset: its settings `truth_id` and `label`.

    Returns:
        Index `id` (str, unique), in the table's order; column `label` (int8, 0 or 1); all other columns of the table,
        except one that is called `label` too.

    Raises:
        TruthError: the table cannot be read or is empty, has no column of IDs or of labels, an ID twice, a row without
            an ID, or a label other than 0 and 1.
    """
    try:
        if Path(path).suffix.lower() in REPACK_SUFFIXES:
            table = _read_repack(path)
        else:
            table = _read_csv(path, dataset.truth_id)
        return _labelled(table, dataset.label)
    except TruthError as error:
        raise TruthError(f"{path}: {error}") from error
    except OSError as error:
        raise TruthError(f"{path}: the truth table cannot be read: {error.strerror or error}.") from error


def lensed_pixels(truth: pd.DataFrame, ids: np.ndarray) -> np.ndarray | None:
    """Pixels of some images in which the lensed source outshines the noise.

    Args:
        truth: as `read_truth` gives it.
        ids: (n,) str objects.

    Returns:
        (n,) float64, NaN for an image that the table does not have; None where it has no such column of numbers.
    """
    for column in LENSED_PIXELS:
        if column in truth.columns and pd.api.types.is_numeric_dtype(truth[column]):
            return truth[column].astype(np.float64).reindex(pd.Index(ids)).to_numpy()
    return None


def _read_csv(path: str | Path, truth_id: str) -> pd.DataFrame:
    """All columns of a CSV table; the IDs are the index."""
    with Path(path).open("rb") as stream:
        header = _go_to_header(stream, truth_id)
        separator = max(SEPARATORS, key=header.count)
        names = _names(header, separator)
        ids = _position(names, truth_id)
        try:
            table = pd.read_csv(
                stream,
                sep=separator,
                skipinitialspace=True,
                encoding="utf-8",
                encoding_errors="replace",
                # Otherwise rows that end in a separator would move every value one column to the left.
                index_col=False,
                dtype={names[ids]: str},
                # An ID may well be "NA"; in other columns that is an empty cell.
                keep_default_na=False,
                na_values=dict.fromkeys(names.delete(ids), EMPTY_CELLS),
                low_memory=False,
            )
        except pd.errors.ParserError as error:
            raise TruthError(f"not a table that can be read: {str(error).strip()}.") from error
    table.columns = names.str.strip()
    return _indexed(table, ids)


def _go_to_header(stream: BinaryIO, truth_id: str) -> str:
    """Leave the stream at the names of the columns, and give their line.

    They are the first line that is neither blank nor a comment; or the last comment before it, where that one names the
    IDs and the line does not.
    """
    header, at = "", 0
    while raw := stream.readline():
        line = raw.removeprefix(codecs.BOM_UTF8)
        names = line.strip().lstrip(b"# \t")
        start = stream.tell() - len(line) + line.index(names)
        text = names.decode("utf-8", errors="replace")
        is_comment = line.lstrip().startswith(b"#")
        if is_comment and truth_id in _cells(text):
            header, at = text, start
        elif names and not is_comment:
            if not header or truth_id in _cells(text):
                header, at = text, start
            break
    stream.seek(at)
    return header


def _cells(line: str) -> list[str]:
    return [cell.strip(" '\"") for cell in re.split(f"[{SEPARATORS}]", line)]


def _names(header: str, separator: str) -> pd.Index:
    """Names of the columns as pandas reads them: without quotes, two equal ones told apart."""
    if not header:
        raise TruthError("the table is empty.")
    try:
        return pd.read_csv(io.StringIO(header), sep=separator, skipinitialspace=True, nrows=0).columns
    except pd.errors.ParserError as error:
        raise TruthError(f"the names of its columns cannot be read: {str(error).strip()}.") from error


def _position(names: pd.Index, truth_id: str) -> int:
    """Column of the IDs."""
    stripped = list(names.str.strip())
    if truth_id not in stripped:
        raise TruthError(f"no column '{truth_id}' of IDs (truth_id). {columns_hint(truth_id, stripped)}")
    return stripped.index(truth_id)


def _indexed(table: pd.DataFrame, ids: int) -> pd.DataFrame:
    """The table with its IDs as index: stripped, none blank, none twice."""
    column = table.iloc[:, ids].str.strip()
    others = table.drop(columns=table.columns[ids])
    blank = (column == "").to_numpy()
    # Spreadsheets end tables with rows of separators.
    nothing = blank & others.isna().all(axis="columns").to_numpy()
    if (blank & ~nothing).any():
        row = int(np.flatnonzero(blank & ~nothing)[0])
        raise TruthError(f"row {row + 1} (not counting the names) has no ID in column '{table.columns[ids]}'.")
    others = others[~nothing]
    others.index = pd.Index(_unfloated(column[~nothing]), name="id")
    return others


def _unfloated(ids: pd.Series) -> pd.Series:
    """IDs 100000.0, 100001.0, … become 100000, 100001, … when all of them look so."""
    if len(ids) == 0 or not ids.str.fullmatch(r"\d+\.0+").all():
        return ids
    log.warning("truth: all IDs are like '%s', as a spreadsheet writes them; read without the .0", ids.iloc[0])
    return ids.str.replace(r"\.0+$", "", regex=True)


def _read_repack(path: str | Path) -> pd.DataFrame:
    """`is_lens` of an HDF5 re-pack and all data sets of as many numbers; IDs are the index."""
    with h5py.File(path, "r") as file:
        datasets = {name: item for name, item in file.items() if isinstance(item, h5py.Dataset)}
        if "is_lens" not in datasets:
            raise TruthError(f"no data set 'is_lens'. {columns_hint('is_lens', datasets)}")
        n = datasets["is_lens"].size
        columns = {name: item for name, item in datasets.items() if item.size == n and item.shape[:1] == (n,)}
        ids = columns.pop("id", columns.pop("ID", None))
        table = pd.DataFrame({name: np.ravel(item[()]) for name, item in columns.items() if item.dtype.kind in "biuf"})
        if ids is None:
            index = np.arange(n).astype(str)
        else:
            index = np.ravel(ids.asstr()[()] if h5py.check_string_dtype(ids.dtype) else ids[()]).astype(str)
    table.index = pd.Index(index, dtype=str, name="id")
    return table


def _labelled(table: pd.DataFrame, label: str) -> pd.DataFrame:
    """The table with a column `label` of 0 and 1; rows without one are left out."""
    if len(table) == 0:
        raise TruthError("the table has no rows.")
    twice = table.index[table.index.duplicated()].unique()
    if len(twice):
        raise TruthError(f"{len(twice)} IDs stand in it more than once, such as {', '.join(twice[:5])}.")
    if label == "auto":
        label = _label_column(table)
    values = evaluate(label, table)
    known = ~np.isnan(values)
    wrong = np.flatnonzero(known & (values != 0) & (values != 1))
    if len(wrong):
        raise TruthError(
            f"label '{label}': {len(wrong)} labels are neither 0 nor 1, the first {values[wrong[0]]:g} in row "
            f"{wrong[0] + 1} (ID {table.index[wrong[0]]}). An expression such as '{label} > 0' makes them so."
        )
    if not known.any():
        raise TruthError(f"label '{label}': no row has a label.")
    if not known.all():
        log.info("truth: %s of %s rows have no label and are left out", f"{(~known).sum():,}", f"{len(known):,}")
    return table[known].assign(label=values[known].astype(np.int8))


def _label_column(table: pd.DataFrame) -> str:
    for column, label in (("is_lens", "is_lens"), ("no_source", "1 - no_source")):
        if column in table.columns:
            return label
    raise TruthError(
        "neither a column 'is_lens' nor 'no_source'. Name the column that is 1 for a lens, or write an expression, in "
        f"the data set's key label. {columns_hint('is_lens', table.columns)}"
    )
