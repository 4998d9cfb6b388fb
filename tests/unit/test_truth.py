"""Truth tables: every way of writing one that is read, and what is said of those that are not."""

import logging

import h5py
import numpy as np
import pandas as pd
import pytest

from lensrank.config.settings import Dataset
from lensrank.errors import TruthError
from lensrank.truth import lensed_pixels, read_truth

# The first and last rows of the challenge's own table.
CHALLENGE = (
    '"ID","is_lens","Einstein_area","numb_pix_lensed_image","flux_lensed_image_in_sigma"\n'
    "100000,1,8.63376e-10,171,195.429\n"
    "100001,1,1.31789e-10,294,855.589\n"
    "100002,1,4.87725e-12,140,486.113\n"
    "100004,0,2.19735e-11,0,0\n"
)


def read(tmp_path, text, name="classifications.csv", **settings):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_truth(path, Dataset(**settings))


def labels(table):
    return dict(zip(table.index, table["label"], strict=True))


def test_the_challenges_own_table(tmp_path):
    table = read(tmp_path, CHALLENGE)
    assert labels(table) == {"100000": 1, "100001": 1, "100002": 1, "100004": 0}
    assert table["label"].dtype == np.int8
    assert table["Einstein_area"].tolist() == [8.63376e-10, 1.31789e-10, 4.87725e-12, 2.19735e-11]
    assert table.index.name == "id"
    assert "ID" not in table.columns


@pytest.mark.parametrize(
    "text",
    [
        "ID,is_lens\r\n1,1\r\n2,0\r\n",
        "\ufeffID,is_lens\n1,1\n2,0\n",
        '\ufeff"ID","is_lens"\r\n"1","1"\r\n"2","0"',
        "ID;is_lens\n1;1\n2;0\n",
        "ID\tis_lens\n1\t1\n2\t0\n",
        " ID , is_lens \n 1 , 1 \n 2 , 0 \n",
        '"ID", "is_lens"\n"1", 1\n"2", 0\n',
        "# made by hand, with commas\n#\n#; and; semicolons\nID,is_lens\n1,1\n2,0\n",
        "\ufeff# made by hand\r\n\r\n  # indented\r\nID,is_lens\r\n1,1\r\n2,0\r\n",
        "# ID is the number of the image\nID,is_lens\n1,1\n2,0\n",
        "# comment\n# ID, is_lens\n1,1\n2,0\n",
        "#ID,is_lens\r\n1,1\r\n2,0\r\n",
        "is_lens,x,ID\n1,5,1\n0,6,2\n",
        "ID,is_lens\n1,1,\n2,0,\n",
        "ID,is_lens,\n1,1,\n2,0,\n",
        "ID,is_lens\n\n1,1\n\n2,0\n,\n,\n",
        "ID,is_lens\n1,true\n2,false\n",
        "ID,is_lens\n1,True\n2,False\n3,\n",
        "ID,is_lens\n1,1.0\n2,0.0\n",
        ",ID,is_lens\n0,1,1\n1,2,0\n",
    ],
)
def test_ways_of_writing_a_table(tmp_path, text):
    assert labels(read(tmp_path, text)) == {"1": 1, "2": 0}


def test_bytes_that_are_not_utf8_do_no_harm(tmp_path):
    assert labels(read(tmp_path, b"# Universit\xe4t\nID,is_lens,who\n1,1,J\xf6rg\n")) == {"1": 1}


def test_ids_are_text_exactly_as_written(tmp_path):
    ids = ["007", "7", "NA", "nan", "1e5", "a b", 'quo"te', "x,y", "123456789012345678901234567890", "<b>", "星", "1.0"]
    rows = "".join('"{}",1\n'.format(name.replace('"', '""')) for name in ids)
    assert list(read(tmp_path, "ID,is_lens\n" + rows).index) == ids


def test_a_spreadsheets_floats_are_read_as_whole_numbers(tmp_path, caplog):
    table = read(tmp_path, "ID,is_lens\n100000.0,1\n100001.0,0\n")
    assert labels(table) == {"100000": 1, "100001": 0}
    assert "100000.0" in caplog.text


def test_label_of_the_challenge_set_is_one_minus_no_source(tmp_path):
    text = "# preamble\n# more\nID,no_source,x\n200000,0,1\n200001,1,2\n"
    assert labels(read(tmp_path, text)) == {"200000": 1, "200001": 0}


def test_label_may_be_an_expression_and_the_id_another_column(tmp_path):
    text = "name,n_source_im,mag_eff,n_pix_source\na,1,2,30\nb,1,1,30\nc,1,2,\n"
    expression = "n_source_im > 0 and mag_eff > 1.6 and n_pix_source > 20"
    assert labels(read(tmp_path, text, truth_id="name", label=expression)) == {"a": 1, "b": 0, "c": 0}


def test_rows_without_a_label_are_left_out_and_counted(tmp_path, caplog):
    caplog.set_level(logging.INFO)
    table = read(tmp_path, "ID,is_lens\n1,1\n2,\n3,NaN\n4,0\n")
    assert labels(table) == {"1": 1, "4": 0}
    assert "2 of 4 rows have no label" in caplog.text


@pytest.mark.parametrize(
    ("text", "settings", "said"),
    [
        ("", {}, "empty"),
        ("\ufeff\r\n\r\n", {}, "empty"),
        ("# only\n# comments\n", {}, "empty"),
        ("ID,is_lens\n", {}, "no rows"),
        ("ID\n1\n", {}, "neither a column 'is_lens' nor 'no_source'"),
        ("id,is_lens\n1,1\n", {}, "no column 'ID' of IDs (truth_id). Did you mean 'id'? There are: id, is_lens."),
        ("ID,is_lens\n1,1\n2,0\n1,1\n2,0\n3,0\n", {}, "2 IDs stand in it more than once, such as 1, 2"),
        ("ID,is_lens\n1,1\n 1,1\n", {}, "more than once"),
        ("ID,is_lens\n1,1\n2,2\n3,-1\n", {}, "2 labels are neither 0 nor 1, the first 2 in row 2 (ID 2)"),
        ("ID,is_lens\n1,0.5\n", {}, "the first 0.5 in row 1 (ID 1)"),
        ("ID,is_lens\n1,lens\n", {}, "'lens', which is not a number"),
        ("ID,is_lens\n1,\n2,\n", {}, "no row has a label"),
        ("ID,is_lens\n1,1\n,0\n", {}, "row 2 (not counting the names) has no ID"),
        ("ID,a\n1,1\n", {}, "label"),
        ("ID,a\n1,1\n", {"label": "b"}, "no column 'b'"),
        ("ID,a\n1,1\n", {"label": "1 - b"}, "no column 'b'"),
        ("ID,is_lens\n1,1\n2,0,7\n", {}, "line 3, saw 3"),
        ('ID,is_lens\n"1,1\n2,0\n', {}, "not a table that can be read"),
        ('ID,"is_lens\n', {}, "cannot be read"),
        (bytes(range(256)) * 10, {}, "no column 'ID'"),
    ],
)
def test_a_table_that_cannot_be_used_is_refused_by_name(tmp_path, text, settings, said):
    with pytest.raises(TruthError) as caught:
        read(tmp_path, text, **settings)
    assert said in str(caught.value)
    assert "classifications.csv" in str(caught.value)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(TruthError, match=r"nowhere\.csv: the truth table cannot be read: No such file"):
        read_truth(tmp_path / "nowhere.csv", Dataset())


def write_repack(path, **data):
    with h5py.File(path, "w") as file:
        for name, values in data.items():
            file[name] = values
    return path


def test_a_repack_holds_its_labels(tmp_path):
    path = write_repack(tmp_path / "train1.h5", data=np.zeros((3, 4)), is_lens=[1, 0, 1], theta=[0.1, 0.2, 0.3])
    table = read_truth(path, Dataset())
    assert labels(table) == {"0": 1, "1": 0, "2": 1}
    assert table["theta"].tolist() == [0.1, 0.2, 0.3]
    assert set(table.columns) == {"is_lens", "theta", "label"}


def test_a_repack_may_hold_ids_and_labels_in_a_column_vector(tmp_path):
    path = write_repack(tmp_path / "a.HDF5", is_lens=np.array([[True], [False]]), id=["x", "007"])
    assert labels(read_truth(path, Dataset())) == {"x": 1, "007": 0}
    path = write_repack(tmp_path / "b.h5", is_lens=[1, 0], ID=[41, 40])
    assert labels(read_truth(path, Dataset())) == {"41": 1, "40": 0}


def test_a_repack_without_labels_or_that_is_none_is_refused(tmp_path):
    path = write_repack(tmp_path / "test1.h5", data=np.zeros((3, 4)), scalar=1.0)
    with pytest.raises(TruthError, match=r"test1\.h5: no data set 'is_lens'.*data, scalar"):
        read_truth(path, Dataset())
    (tmp_path / "broken.h5").write_bytes(b"not HDF5")
    with pytest.raises(TruthError, match=r"broken\.h5: the truth table cannot be read"):
        read_truth(tmp_path / "broken.h5", Dataset())


def test_a_large_table_is_read_whole(tmp_path):
    n = 200_000
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"ID": np.arange(n), "is_lens": rng.integers(0, 2, n), "Einstein_area": rng.random(n)})
    frame.to_csv(tmp_path / "large.csv", index=False)
    table = read_truth(tmp_path / "large.csv", Dataset())
    assert table["label"].sum() == frame["is_lens"].sum()
    assert table.index[-1] == str(n - 1)
    np.testing.assert_array_equal(table["Einstein_area"], frame["Einstein_area"])


def test_lensed_pixels_are_those_of_either_challenge_in_the_order_that_is_asked_for():
    index = pd.Index(["a", "b", "c"], name="id")
    first = pd.DataFrame({"numb_pix_lensed_image": [0, 7, 12]}, index=index)
    np.testing.assert_array_equal(lensed_pixels(first, np.array(["c", "x", "a"], dtype=object)), [12, np.nan, 0])
    second = pd.DataFrame({"n_pix_source": [3.0, np.nan, 1.0]}, index=index)
    np.testing.assert_array_equal(lensed_pixels(second, np.array(["b", "c"], dtype=object)), [np.nan, 1])
    assert lensed_pixels(pd.DataFrame({"n_pix_source": ["many"] * 3}, index=index), np.array(["a"])) is None
    assert lensed_pixels(first.rename(columns=str.upper), np.array(["a"])) is None
