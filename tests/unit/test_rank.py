"""Ranking: order, mean and spread worked by hand; what must not be ranked is refused."""

import csv
import json
import logging

import numpy as np
import pandas as pd
import pytest

from lensrank.errors import ShardError
from lensrank.files import file_digest
from lensrank.rank import RankSettings, rank_dataset, ranking
from lensrank.score import TrainedModel
from lensrank.scores import Column, Effort, Made, write_scores
from lensrank.shards import ShardTable, ShardWriter, pixel_digest

IMAGES = np.random.default_rng(0).normal(0, 1e-12, (9, 4, 4, 1)).astype(np.float32)
MADE = Made("ab" * 32, "openvino", "float32", 1)


def write(path, rows, ids, columns, made=MADE, digest="d0"):
    n = len(ids)
    table = ShardTable(
        id=np.array(ids, dtype=object),
        ra=np.array([10.0 * row for row in rows]),
        dec=np.full(n, np.nan),
        flags=np.full(n, 4, dtype=np.uint32),
        pixel_digest=np.array([pixel_digest(IMAGES[row]) for row in rows], dtype=np.uint64),
        bands=("VIS",),
        shape=(4, 4),
        digest=digest,
    )
    made = made if isinstance(made, dict) else dict.fromkeys(columns, made)
    found = [Column(name, scores, made[name], Effort("a CPU", 2.0)) for name, scores in columns.items()]
    write_scores(path, path.stem, table, found)
    return path


@pytest.fixture
def scores(tmp_path):
    """Five images in two shards, two seeds of one model and one of another."""
    first = {"a_0": [0.9, 0.2, 0.5], "a_1": [0.7, 0.4, 0.5], "b_0": [0.8, 0.3, 0.2]}
    second = {"a_0": [0.25, 1.0], "a_1": [0.25, 1.0], "b_0": [0.7, 1.0]}
    return [
        write(tmp_path / "shard-0000.h5", [0, 1, 2], ["10", "9", "x"], first),
        write(tmp_path / "shard-0001.h5", [3, 4], ["100", "2"], second, digest="d1"),
    ]


def rank(folder, scores, columns=("a_0", "a_1", "b_0"), settings=None, **more):
    path = folder / "catalogue" / "challenge.csv"
    settings = RankSettings(run="demo", columns=columns, **(settings or {}))
    rank_dataset("challenge", settings, scores, [path], folder / "challenge-submission.csv", **more)
    return pd.read_csv(path, dtype={"id": str})


def test_best_first_and_equal_scores_by_id(tmp_path, scores):
    found = rank(tmp_path, scores)
    # Means: 10: 0.8, 9: 0.3, x: 0.4, 100: 0.4, 2: 1. The numbers come before the names.
    assert list(found["id"]) == ["2", "10", "100", "x", "9"]
    assert list(found["rank"]) == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(found["score"], [1, 0.8, 0.4, 0.4, 0.3], rtol=1e-15)
    # Two shared differences of 0.1 around 0.8: sqrt((0.01 + 0.01) / 2) = 0.1; and so on.
    np.testing.assert_allclose(found["score_std"], [0, 0.1, np.sqrt(0.0675), np.sqrt(0.03), 0.1], rtol=1e-12)
    assert list(found.columns) == [
        *("rank", "id", "ra", "dec", "score", "score_std"),
        *("score_a_0", "score_a_1", "score_b_0", "flags", "shard"),
    ]
    assert list(found["score_b_0"]) == [1.0, 0.8, 0.7, 0.2, 0.3]
    assert list(found["ra"]) == [40, 0, 30, 20, 10]
    assert found["dec"].isna().all()
    assert list(found["shard"]) == ["shard-0001", "shard-0000", "shard-0001", "shard-0000", "shard-0000"]
    assert set(found["flags"]) == {4}


def test_no_catalogue_of_an_earlier_run_stays_in_another_format(tmp_path, scores):
    for name in ("challenge.vot", "challenge.fits", "other.fits"):
        (tmp_path / "catalogue").mkdir(exist_ok=True)
        (tmp_path / "catalogue" / name).write_text("of an earlier run")
    rank(tmp_path, scores)
    assert sorted(path.name for path in (tmp_path / "catalogue").iterdir()) == ["challenge.csv", "other.fits"]


def test_one_column_has_no_spread(tmp_path, scores):
    found = rank(tmp_path, scores, columns=["b_0"])
    assert list(found["score"]) == [1.0, 0.8, 0.7, 0.3, 0.2]
    assert found["score_std"].isna().all()
    assert "score_a_0" not in found


def test_equal_scores_are_in_the_order_of_ids_and_no_score_is_last():
    ids = np.array(["b", "10", "9", "a", "007"], dtype=object)
    assert list(ids[ranking(ids, np.full(5, 0.5))]) == ["007", "9", "10", "a", "b"]
    assert list(ids[ranking(ids, np.array([np.nan, 0, np.nan, 1, 0]))]) == ["a", "007", "10", "9", "b"]


def test_images_of_the_training_set_are_flagged(tmp_path, scores):
    shards = []
    for name, rows in (("one", [7, 2]), ("two", [4, 8])):
        shards.append(tmp_path / f"train-{name}.h5")
        with ShardWriter(shards[-1], ["VIS"], (4, 4), "test") as shard:
            shard.append(IMAGES[rows], [f"{name}{row}" for row in rows], [0.0] * 2, [0.0] * 2, [0] * 2)
    found = rank(tmp_path, scores, training=shards).set_index("id")["flags"]
    assert dict(found) == {"2": 4 + 128, "10": 4, "100": 4, "x": 4 + 128, "9": 4}


def test_the_submission_has_every_image_in_the_order_of_ids(tmp_path, scores):
    rank(tmp_path, scores)
    with (tmp_path / "challenge-submission.csv").open(newline="") as file:
        rows = [(name, float(score)) for name, score in csv.reader(file)]
    assert [name for name, _ in rows] == ["2", "9", "10", "100", "x"]
    np.testing.assert_allclose([score for _, score in rows], [1, 0.3, 0.8, 0.4, 0.4], rtol=1e-15)


def test_a_collapsed_training_is_kept_apart_and_named(tmp_path, caplog):
    columns = {"a_0": [0.2, 0.6], "a_1": [np.nan, np.nan], "a_2": [0.4, 0.8]}
    path = write(tmp_path / "shard-0000.h5", [0, 1], ["1", "2"], columns)
    found = rank(tmp_path, [path], columns=list(columns))
    np.testing.assert_allclose(found["score"], [0.7, 0.3], rtol=1e-12)
    np.testing.assert_allclose(found["score_std"], [np.sqrt(0.02), np.sqrt(0.02)], rtol=1e-12)
    assert found["score_a_1"].isna().all()
    assert "a_1: its training collapsed" in caplog.text


def collapsed_model(folder):
    model = folder / "train" / "model.keras"
    model.parent.mkdir()
    model.write_text("weights")
    model.with_name("provenance.json").write_text(json.dumps({"collapsed": "AUROC 0.50"}))
    return model


def test_a_training_that_says_it_collapsed_is_left_out(tmp_path, caplog):
    model = collapsed_model(tmp_path)
    made = {"a_0": Made(file_digest(model), "keras", "float32", 1), "b_0": MADE}
    path = write(tmp_path / "shard-0000.h5", [0, 1], ["1", "2"], {"a_0": [0.5, 0.5], "b_0": [0.1, 0.9]}, made)
    found = rank(tmp_path, [path], columns=["a_0", "b_0"], models=[TrainedModel("a", 0, model)])
    assert list(found["score"]) == [0.9, 0.1]
    assert found["score_std"].isna().all()
    assert "a_0: its training collapsed (AUROC 0.50)" in caplog.text


def test_where_all_trainings_collapsed_those_that_give_numbers_rank_and_the_log_says_so(tmp_path, caplog):
    model = collapsed_model(tmp_path)
    made = {"a_0": Made(file_digest(model), "keras", "float32", 1), "a_1": MADE}
    path = write(tmp_path / "shard-0000.h5", [0, 1], ["1", "2"], {"a_0": [0.5, 0.7], "a_1": [np.nan, np.nan]}, made)
    found = rank(tmp_path, [path], columns=["a_0", "a_1"], models=[TrainedModel("a", 0, model)])
    assert list(found["id"]) == ["2", "1"]
    assert list(found["score"]) == [0.7, 0.5]
    assert "all trainings collapsed: the images are ranked by a_0, no better than chance" in caplog.text


def test_nothing_to_rank_by_is_an_error(tmp_path):
    path = write(tmp_path / "shard-0000.h5", [0, 1], ["1", "2"], {"a_0": [np.nan, np.nan]})
    with pytest.raises(ShardError, match="all trainings collapsed"):
        rank(tmp_path, [path], columns=["a_0"])
    assert not (tmp_path / "catalogue").exists()


def test_an_image_without_one_of_its_scores_has_the_mean_of_the_others(tmp_path):
    path = write(tmp_path / "shard-0000.h5", [0, 1], ["1", "2"], {"a_0": [0.2, np.nan], "b_0": [0.4, 0.9]})
    found = rank(tmp_path, [path], columns=["a_0", "b_0"])
    np.testing.assert_allclose(found["score"], [0.9, 0.3], rtol=1e-12)
    np.testing.assert_allclose(found["score_std"], [np.nan, np.sqrt(0.02)], rtol=1e-12)


@pytest.mark.parametrize(
    ("settings", "found"), [({"precision": "bfloat16"}, "precision float32"), ({"symmetries": 8}, "symmetries 1")]
)
def test_scores_made_in_another_way_are_refused(tmp_path, scores, settings, found):
    with pytest.raises(ShardError, match=f"a_0 has {found}, but the run asks for"):
        rank(tmp_path, scores, settings=settings)
    assert not (tmp_path / "catalogue").exists()


def test_scores_of_another_model_are_refused(tmp_path, scores):
    model = tmp_path / "model.keras"
    model.write_text("trained again")
    with pytest.raises(ShardError, match="a_1 has model_digest abab"):
        rank(tmp_path, scores, models=[TrainedModel("a", 1, model)])


def test_scores_of_other_shards_are_refused(tmp_path, scores):
    digests = [tmp_path / "digests" / f"shard-{number:04d}.digest" for number in range(3)]
    digests[0].parent.mkdir()
    for path, digest in zip(digests, ("d0\n", "d1", "d2"), strict=True):
        path.write_text(digest)
    rank(tmp_path, scores, shard_digests=digests[:2])
    with pytest.raises(ShardError, match="scores of shard-0002 are missing"):
        rank(tmp_path, scores, shard_digests=digests)
    with pytest.raises(ShardError, match="scores of shard-0001 are missing"):
        rank(tmp_path, scores, shard_digests=digests[:1])
    digests[0].write_text("changed")
    with pytest.raises(ShardError, match="scores of shard-0000 are missing, or are of other images"):
        rank(tmp_path, scores, shard_digests=digests[:2])


def test_a_missing_column_is_named(tmp_path, scores):
    with pytest.raises(ShardError, match=r"shard-0000\.h5: has no column c_0"):
        rank(tmp_path, scores, columns=["a_0", "c_0"])


def test_the_same_scores_give_the_same_files(tmp_path, scores, caplog):
    caplog.set_level(logging.INFO)
    files = [tmp_path / f"challenge.{suffix}" for suffix in ("fits", "vot", "csv", "parquet")]
    settings = RankSettings(run="demo", columns=("a_0",))
    rank_dataset("challenge", settings, scores, files)
    first = [path.read_bytes() for path in files]
    rank_dataset("challenge", settings, scores, files)
    assert [path.read_bytes() for path in files] == first
