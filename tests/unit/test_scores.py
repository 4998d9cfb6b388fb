"""Score files: what was written comes back, and what is damaged or does not belong together is refused."""

import h5py
import numpy as np
import pytest

from lensrank.errors import DamagedFile, ShardError
from lensrank.scores import Column, Effort, Made, read_scores, write_scores
from lensrank.shards import ShardTable

MADE = Made("ab" * 32, "openvino", "float32", 1)


def table(ids, digest="d0"):
    n = len(ids)
    return ShardTable(
        id=np.array(ids, dtype=object),
        ra=np.linspace(0, 359, n),
        dec=np.full(n, np.nan),
        flags=np.arange(n, dtype=np.uint32),
        pixel_digest=np.arange(n, dtype=np.uint64) + 2**63,
        bands=("VIS",),
        shape=(5, 5),
        digest=digest,
    )


def write(path, ids, columns, made=MADE, digest="d0"):
    found = [Column(name, scores, made, Effort("a CPU", 1.5)) for name, scores in columns.items()]
    write_scores(path, path.stem, table(ids, digest), found)
    return path


def test_two_files_come_back_as_one_table(tmp_path):
    first = write(tmp_path / "shard-0000.h5", ["7", "é,\"'"], {"b_0": np.array([0.1, 1 / 3]), "a_1": [0, 1]})
    second = write(tmp_path / "shard-0001.h5", ["8"], {"a_1": [np.nan], "b_0": [0.5]}, digest="d1")
    found = read_scores([first, second])
    assert list(found.id) == ["7", "é,\"'", "8"]
    assert list(found.shard) == ["shard-0000", "shard-0000", "shard-0001"]
    assert list(found.scores) == ["b_0", "a_1"]
    assert list(found.scores["b_0"]) == [0.1, 1 / 3, 0.5]
    np.testing.assert_array_equal(found.scores["a_1"], [0, 1, np.nan])
    assert list(found.ra) == [0, 359, 0]
    assert list(found.flags) == [0, 1, 0]
    assert found.pixel_digest[1] == 2**63 + 1
    assert found.shard_digests == {"shard-0000": "d0", "shard-0001": "d1"}
    assert found.made["a_1"] == MADE
    assert found.efforts["a_1"] == [Effort("a CPU", 1.5)] * 2


def test_columns_are_chosen_and_ordered(tmp_path):
    path = write(tmp_path / "shard-0000.h5", ["7"], {"a_0": [0.1], "b_0": [0.2], "c_0": [0.3]})
    assert list(read_scores([path], ["c_0", "a_0"]).scores) == ["c_0", "a_0"]


def test_a_missing_column_is_named(tmp_path):
    first = write(tmp_path / "shard-0000.h5", ["7"], {"a_0": [0.1], "a_1": [0.2]})
    second = write(tmp_path / "shard-0001.h5", ["8"], {"a_0": [0.1]})
    with pytest.raises(ShardError, match=r"shard-0001\.h5: has no column a_1; there are: a_0"):
        read_scores([first, second])


@pytest.mark.parametrize(
    "other",
    [
        Made("cd" * 32, "openvino", "float32", 1),
        Made("ab" * 32, "keras", "float32", 1),
        Made("ab" * 32, "openvino", "bfloat16", 1),
        Made("ab" * 32, "openvino", "float32", 8),
    ],
)
def test_columns_that_were_made_differently_are_refused(tmp_path, other):
    first = write(tmp_path / "shard-0000.h5", ["7"], {"a_0": [0.1]})
    second = write(tmp_path / "shard-0001.h5", ["8"], {"a_0": [0.1]}, other)
    with pytest.raises(ShardError, match=r"shard-0001\.h5: column a_0 was made by"):
        read_scores([first, second])


def test_an_id_with_two_rows_is_refused(tmp_path):
    first = write(tmp_path / "shard-0000.h5", ["7", "9"], {"a_0": [0.1, 0.2]})
    second = write(tmp_path / "shard-0001.h5", ["8", "9"], {"a_0": [0.1, 0.2]})
    with pytest.raises(ShardError, match=r"shard-0000\.h5.*shard-0001\.h5: the ID 9 "):
        read_scores([first, second])


def test_a_shard_with_two_files_is_refused(tmp_path):
    first = write(tmp_path / "shard-0000.h5", ["7"], {"a_0": [0.1]})
    second = write(tmp_path / "again" / "shard-0000.h5", ["8"], {"a_0": [0.1]})
    with pytest.raises(ShardError, match="shard-0000: two score files"):
        read_scores([first, second])
    with pytest.raises(ShardError, match="no score files"):
        read_scores([])


def test_a_flipped_byte_is_noticed_or_does_not_matter(tmp_path):
    path = write(tmp_path / "shard-0000.h5", ["7", "8"], {"a_0": [0.1, 0.2]})
    whole = path.read_bytes()
    noticed = 0
    for position in range(0, len(whole), 41):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        try:
            found = read_scores([path])
        except ShardError:
            noticed += 1
            continue
        assert list(found.id) == ["7", "8"]
        assert list(found.scores["a_0"]) == [0.1, 0.2]
        assert found.made == {"a_0": MADE}
        assert found.shard_digests == {"shard-0000": "d0"}
    assert noticed > 100


def test_flipped_scores_are_noticed_and_the_file_is_named(tmp_path):
    path = write(tmp_path / "shard-0000.h5", ["7", "8"], {"a_0": [0.1, 0.2]})
    whole = path.read_bytes()
    path.write_bytes(whole.replace(np.float64(0.2).tobytes(), np.float64(0.9).tobytes()))
    assert path.read_bytes() != whole
    with pytest.raises(DamagedFile, match=r"shard-0000\.h5: damaged: .*read"):
        read_scores([path])


@pytest.mark.parametrize("content", [b"", b"no HDF5 at all"])
def test_other_files_are_refused(tmp_path, content):
    path = tmp_path / "shard-0000.h5"
    path.write_bytes(content)
    with pytest.raises(DamagedFile, match=r"shard-0000\.h5: damaged: "):
        read_scores([path])


def test_another_format_version_is_refused(tmp_path):
    path = write(tmp_path / "shard-0000.h5", ["7"], {"a_0": [0.1]})
    with h5py.File(path, "a") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(ShardError, match="format version 99, expected 2"):
        read_scores([path])
