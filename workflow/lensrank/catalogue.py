"""Writing a catalogue: takes columns with units and descriptions, gives a FITS, VOTable, CSV or Parquet file.

Text that a format cannot hold is escaped as Python does it in string literals, and only there:
- FITS tables hold printable ASCII: in their text columns a backslash becomes \\\\ and `é` becomes \\xe9, and Python's
  `unicode_escape` codec takes it back.
- VOTables cannot hold control characters: these become \\x01 and the like.

CSV holds the rows and their names, nothing else, so that every reader takes it; the other formats say where the
catalogue comes from: FITS in header cards, VOTable in PARAMs, Parquet in the schema's metadata.
"""

import io
import json
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
import pandas as pd
from astropy.io import fits

from lensrank.errors import ConfigError
from lensrank.files import replacing

_NOT_FINITE = {"nan": "NaN", "inf": "+Inf", "-inf": "-Inf"}
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


@dataclass(frozen=True)
class Column:
    """A column of a catalogue.

    Attributes:
        name: as in the file.
        data: (n,) float64, int64 or str objects.
        description: a sentence.
        unit: in the VOUnit spelling, such as "deg"; None for numbers without one.
        ucd: what the IVOA calls such a quantity (UCD1+).
    """

    name: str
    data: np.ndarray
    description: str
    unit: str | None = None
    ucd: str | None = None


@dataclass(frozen=True)
class Catalogue:
    """Columns of equal length, and where they come from.

    Attributes:
        name: of the table.
        columns: in order.
        provenance: JSON-serialisable; its texts and numbers become entries of their own where a format has such.
    """

    name: str
    columns: list[Column]
    provenance: Mapping[str, Any]


def write_catalogue(path: Path, catalogue: Catalogue) -> None:
    """Write a catalogue in the format that the file's suffix names, whole or not at all.

    Args:
        path: ends in .fits, .vot, .csv or .parquet.
        catalogue: what to write.

    Raises:
        ConfigError: the suffix names no format.
    """
    writer = WRITERS.get(path.suffix)
    if writer is None:
        raise ConfigError(f"{path}: a catalogue ends in one of {', '.join(WRITERS)}")
    with replacing(path) as temporary:
        writer(temporary, catalogue)


def remove_other_formats(paths: Sequence[Path]) -> None:
    """Remove catalogues beside these in formats that are no longer asked for: their rows are of an earlier run."""
    for other in {path.with_suffix(suffix) for path in paths for suffix in WRITERS} - set(paths):
        other.unlink(missing_ok=True)


def write_submission(path: Path, ids: Iterable[str], scores: Iterable[float]) -> None:
    """Write a challenge submission, `ID,score` without a header, whole or not at all.

    Args:
        path: the file to make.
        ids: in the order of the rows.
        scores: in [0, 1].
    """
    with replacing(path) as temporary:
        pd.DataFrame({"id": ids, "score": scores}).to_csv(temporary, index=False, header=False, lineterminator="\n")


def _write_csv(path: Path, catalogue: Catalogue) -> None:
    frame = pd.DataFrame({column.name: column.data for column in catalogue.columns})
    frame.to_csv(path, index=False, na_rep="NaN", lineterminator="\n")


def _write_fits(path: Path, catalogue: Catalogue) -> None:
    columns = []
    for column in catalogue.columns:
        if column.data.dtype == object:
            values = np.array([text.encode("unicode_escape") for text in column.data], dtype=np.bytes_)
            form = f"{max(values.dtype.itemsize, 1)}A"
        else:
            values, form = column.data, "D" if column.data.dtype.kind == "f" else "K"
        columns.append(fits.Column(column.name, form, unit=column.unit, array=values))
    table = fits.BinTableHDU.from_columns(columns, name=catalogue.name.upper())
    for number, column in enumerate(catalogue.columns, start=1):
        room = 80 - len("TTYPEnnn= ") - max(len(column.name) + 2, 20) - len(" / ")
        table.header.comments[f"TTYPE{number}"] = textwrap.shorten(column.description, max(room, 4), placeholder="...")
        table.header[f"TCOMM{number}"] = column.description
        if column.ucd:
            table.header[f"TUCD{number}"] = column.ucd
    for key, value in _single(catalogue.provenance):
        table.header[f"HIERARCH LENSRANK {key.upper()}"] = (
            value if isinstance(value, bool | int | float) else _ascii(value)
        )
    table.header["PROVENAN"] = _ascii(json.dumps(catalogue.provenance))
    table.header.comments["PROVENAN"] = "JSON"
    hdus = fits.HDUList([fits.PrimaryHDU(), table])
    for hdu in hdus:
        hdu.add_checksum(when="of the HDU")  # astropy's own text is the time, which would make equal catalogues differ
    # Not to the file itself: of a full disk astropy says neither that it is full nor, by a number, what is wrong.
    stream = io.BytesIO()
    hdus.writeto(stream)
    path.write_bytes(stream.getbuffer())


def _write_vot(path: Path, catalogue: Catalogue) -> None:
    from astropy.io.votable import tree

    file = tree.VOTableFile()
    resource = tree.Resource()
    file.resources.append(resource)
    n = len(catalogue.columns[0].data)
    table = tree.TableElement(file, name=catalogue.name, nrows=n)
    resource.tables.append(table)
    for column in catalogue.columns:
        field = tree.Field(file, name=column.name, ucd=column.ucd, unit=column.unit, **_vot_type(column.data))
        field.description = column.description
        table.fields.append(field)
    for key, value in (*_single(catalogue.provenance), ("provenance", json.dumps(catalogue.provenance))):
        text = _NOT_XML.sub(_escaped, str(value))
        table.params.append(tree.Param(file, name=key, value=text, datatype="unicodeChar", arraysize="*"))
    whole = io.BytesIO()
    file.to_xml(whole)
    # astropy would take 70 us a row for the cells, fifteen times as long.
    head, end, tail = whole.getvalue().decode().rpartition("</TABLE>")
    rows = zip(*(_vot_cells(column.data) for column in catalogue.columns), strict=True)
    with path.open("w", encoding="utf-8", newline="\n") as stream:
        stream.write(head)
        if n:
            stream.write("<DATA>\n<TABLEDATA>\n")
            stream.writelines(f"<TR><TD>{'</TD><TD>'.join(row)}</TD></TR>\n" for row in rows)
            stream.write("</TABLEDATA>\n</DATA>\n")
        stream.write(end + tail)


def _write_parquet(path: Path, catalogue: Catalogue) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    arrays, columns, lengths = [], [], {}
    for column in catalogue.columns:
        array = pa.array(column.data, type=pa.string() if column.data.dtype == object else None, from_pandas=False)
        about = {"description": column.description, "unit": column.unit or "", "ucd": column.ucd or ""}
        arrays.append(array)
        if column.data.dtype == object:  # astropy's reader looks here, and for it alone
            lengths[f"table::len::{column.name}"] = str(max(map(len, column.data), default=1))
        columns.append(pa.field(column.name, array.type, nullable=False, metadata=about))
    single = {f"lensrank.{key}": str(value) for key, value in _single(catalogue.provenance)}
    schema = pa.schema(columns, metadata={**lengths, **single, "lensrank": json.dumps(catalogue.provenance)})
    parquet.write_table(pa.Table.from_arrays(arrays, schema=schema), path)


WRITERS: dict[str, Callable[[Path, Catalogue], None]] = {
    ".fits": _write_fits,
    ".vot": _write_vot,
    ".csv": _write_csv,
    ".parquet": _write_parquet,
}


def _single(provenance: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(key, value) for key, value in provenance.items() if isinstance(value, str | bool | int | float)]


def _vot_type(values: np.ndarray) -> dict[str, str]:
    if values.dtype == object:
        return {"datatype": "unicodeChar", "arraysize": "*"}
    return {"datatype": "double" if values.dtype.kind == "f" else "long"}


def _vot_cells(values: np.ndarray) -> Iterator[str]:
    """Values as they stand in the cells of a VOTable."""
    if values.dtype == object:
        # XML readers take a carriage return that is not escaped for a line feed.
        return (escape(_NOT_XML.sub(_escaped, text), {"\r": "&#13;"}) for text in values)
    return (_NOT_FINITE.get(text, text) for text in map(repr, values.tolist()))


def _ascii(text: str) -> str:
    """Text as a FITS header may hold it."""
    return text.encode("unicode_escape").decode("ascii") if not (text.isascii() and text.isprintable()) else text


def _escaped(found: re.Match[str]) -> str:
    return found[0].encode("unicode_escape").decode("ascii")
