"""Each format, read back by a reader that is not the writer."""

import csv
import json
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pyarrow.parquet
import pytest
from astropy import units
from astropy.io import fits
from astropy.io.votable import parse, validate
from astropy.table import Table

from lensrank.catalogue import Catalogue, Column, write_catalogue, write_submission
from lensrank.errors import ConfigError

IDS = ["100000", 'say "hi", <b>&amp;', "é–λ\\x", "back\\slash", "x" * 250, "two words", "007", "line\nbreak\x01"]
SCORES = np.array([1 / 3, 0.1, 1e-300, 1.0, 0.0, np.nan, 0.30000000000000004, 5e-324])
PROVENANCE = {
    "run": "demo–1",
    "images": 8,
    "engine": "openvino",
    "note": "it's " * 40,
    "columns": {"a_0": {"model_digest": "ab" * 32}},
    "collapsed": {},
}


@pytest.fixture
def catalogue():
    columns = [
        Column("rank", np.arange(1, 9), "Rank", ucd="meta.number"),
        Column("id", np.array(IDS, dtype=object), "ID of the image", ucd="meta.id;meta.main"),
        Column(
            "ra", np.linspace(0, 359.99, 8), "Right ascension, in a text that is longer than a card", "deg", "pos.eq.ra"
        ),
        Column("score", SCORES, "Probability of a lens"),
        Column("flags", np.full(8, 2**32 - 1), "Sum of bits"),
    ]
    return Catalogue("challenge", columns, PROVENANCE)


def written(folder, catalogue, suffix):
    path = folder / f"challenge.{suffix}"
    write_catalogue(path, catalogue)
    assert list(folder.iterdir()) == [path]
    return path


def check_numbers(catalogue, table):
    for column in catalogue.columns:
        if column.name != "id":
            np.testing.assert_array_equal(np.asarray(table[column.name]), column.data)


def test_csv_reads_in_pandas_and_the_standard_library(tmp_path, catalogue):
    path = written(tmp_path, catalogue, "csv")
    frame = pd.read_csv(path, dtype={"id": str})
    assert list(frame["id"]) == IDS
    check_numbers(catalogue, frame)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [row["id"] for row in rows] == IDS
    np.testing.assert_array_equal([float(row["score"]) for row in rows], SCORES)


def test_parquet_reads_in_pandas_with_units_and_provenance(tmp_path, catalogue):
    path = written(tmp_path, catalogue, "parquet")
    frame = pd.read_parquet(path)
    assert list(frame["id"]) == IDS
    check_numbers(catalogue, frame)
    schema = pyarrow.parquet.read_schema(path)
    about = schema.field("ra").metadata
    assert about[b"unit"] == b"deg"
    assert about[b"description"].startswith(b"Right ascension")
    assert json.loads(schema.metadata[b"lensrank"]) == PROVENANCE
    assert schema.metadata[b"lensrank.engine"] == b"openvino"


def test_fits_has_units_descriptions_and_provenance(tmp_path, catalogue):
    path = written(tmp_path, catalogue, "fits")
    with fits.open(path, checksum=True) as hdus:
        hdus.verify("exception")
        header, data = hdus[1].header, hdus[1].data
        assert [text.encode().decode("unicode_escape") for text in data["id"]] == IDS
        assert data["id"][0] == "100000"
        check_numbers(catalogue, data)
        assert header["TUNIT3"] == "deg"
        assert header["TCOMM3"] == "Right ascension, in a text that is longer than a card"
        assert header.comments["TTYPE2"] == "ID of the image"
        assert header.comments["TTYPE3"].startswith("Right ascension")
        assert header["TUCD3"] == "pos.eq.ra"
        assert header["EXTNAME"] == "CHALLENGE"
        assert header["LENSRANK RUN"].encode().decode("unicode_escape") == "demo–1"
        assert header["LENSRANK IMAGES"] == 8
        assert header["LENSRANK NOTE"] == PROVENANCE["note"].rstrip()
        assert json.loads(header["PROVENAN"]) == PROVENANCE
        assert "LENSRANK COLUMNS" not in header
    table = Table.read(path)
    assert table["ra"].unit == units.deg
    raw = path.read_bytes()
    assert max(raw[: raw.index(b"END" + b" " * 77)]) < 127


def test_votable_is_valid_xml_with_units_ucds_and_provenance(tmp_path, catalogue):
    path = written(tmp_path, catalogue, "vot")
    expected = [*IDS[:-1], "line\nbreak\\x01"]
    space = {"v": "http://www.ivoa.net/xml/VOTable/v1.3"}
    root = ET.parse(path).getroot()
    fields = {field.get("name"): field for field in root.iterfind(".//v:FIELD", space)}
    assert (fields["ra"].get("unit"), fields["ra"].get("ucd")) == ("deg", "pos.eq.ra")
    assert fields["id"].get("ucd") == "meta.id;meta.main"
    assert " ".join(fields["ra"].find("v:DESCRIPTION", space).text.split()).endswith("longer than a card")
    params = {param.get("name"): param.get("value") for param in root.iterfind(".//v:PARAM", space)}
    assert params["run"] == "demo–1"
    assert json.loads(params["provenance"]) == PROVENANCE
    cells = [[cell.text or "" for cell in row] for row in root.iterfind(".//v:TR", space)]
    assert [row[1] for row in cells] == expected
    np.testing.assert_array_equal([float(row[3]) for row in cells], SCORES)
    table = parse(path, verify="exception").get_first_table().to_table()
    assert list(table["score"].mask) == list(np.isnan(SCORES))  # astropy's reader masks NaN
    table["score"] = np.ma.filled(table["score"], np.nan)
    check_numbers(catalogue, table)
    assert validate(str(path), output=None)


def test_votable_keeps_carriage_returns_and_infinite_numbers(tmp_path):
    numbers = np.array([np.inf, -np.inf, -0.0])
    columns = [Column("id", np.array(["a\rb", "a\r\nb", "]]>"], object), "ID"), Column("score", numbers, "Score")]
    path = written(tmp_path, Catalogue("odd", columns, {}), "vot")
    table = parse(path, verify="exception").get_first_table().array
    assert list(table["id"]) == ["a\rb", "a\r\nb", "]]>"]
    np.testing.assert_array_equal(np.asarray(table["score"]), numbers)
    assert np.signbit(table["score"][2])


@pytest.mark.parametrize("suffix", ["fits", "vot", "csv", "parquet"])
def test_a_catalogue_without_rows_can_be_written(tmp_path, suffix):
    columns = [Column("id", np.array([], dtype=object), "ID"), Column("score", np.zeros(0), "Score")]
    path = written(tmp_path, Catalogue("empty", columns, {"run": "demo"}), suffix)
    table = pd.read_csv(path) if suffix == "csv" else Table.read(path)
    assert len(table) == 0


def test_an_unknown_suffix_is_refused(tmp_path, catalogue):
    with pytest.raises(ConfigError, match=r"challenge\.txt: a catalogue ends in one of \.fits, \.vot"):
        write_catalogue(tmp_path / "challenge.txt", catalogue)


def test_the_submission_has_two_columns_and_no_header(tmp_path):
    path = tmp_path / "submission" / "challenge.csv"
    write_submission(path, ["7", 'a,"b"'], [1 / 3, 1.0])
    assert path.read_text() == '7,0.3333333333333333\n"a,""b""",1.0\n'
