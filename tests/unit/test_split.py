"""The split: its sizes, its labels, which images never part, and what it says when it cannot be made."""

import json
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lensrank.config.settings import Split
from lensrank.errors import ConfigError, LensrankError, TruthError
from lensrank.shards import ShardWriter
from lensrank.split import make_split, read_split, split_digest, write_split
from lensrank.truthfile import truth_file

ROOT = Path(__file__).parents[2]


def table_of_images(ids: list[str], shard_size: int = 100) -> pd.DataFrame:
    place = np.arange(len(ids))
    shards = [f"shard-{number:04d}" for number in place // shard_size]
    return pd.DataFrame({"id": ids, "shard": shards, "row": place % shard_size})


def table_of_truth(ids: list[str], labels: list[int], area: list[float] | None = None) -> pd.DataFrame:
    truth = pd.DataFrame({"label": np.array(labels, dtype=np.int8)}, index=pd.Index(ids, name="id"))
    return truth if area is None else truth.assign(Einstein_area=area)


def survey(n: int = 1000, halos: int = 300, seed: int = 0) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Images in random order, whose halos come back several times, as in the challenge."""
    rng = np.random.default_rng(seed)
    ids = [str(100000 + i) for i in range(n)]
    area = rng.random(halos)[rng.integers(0, halos, n)] * 1e-9
    truth = table_of_truth(ids, (rng.random(n) < 0.7).astype(int).tolist(), area.tolist())
    return table_of_images(list(rng.permutation(ids))), truth


def counts(split: pd.DataFrame, part: str) -> tuple[int, int]:
    label = split.loc[split["part"] == part, "label"]
    return int((label == 1).sum()), int((label == 0).sum())


def test_ordered_holds_out_the_last_ids() -> None:
    ids = [str(n) for n in (8, 9, 10, 11, 100, 101)]
    truth = table_of_truth(ids, [1, 0, 1, 0, 1, 0])
    split = make_split(table_of_images(ids[::-1]), truth, Split(holdout=2, validation=2))
    parts = split.set_index("id")["part"].to_dict()
    assert parts == {
        "8": "train",
        "9": "train",
        "10": "validation",
        "11": "validation",
        "100": "holdout",
        "101": "holdout",
    }


def test_ordered_counts_are_those_of_the_labels_in_order() -> None:
    # As in the challenge's table: the counts follow from the order of the IDs and from nothing else.
    labels = [1] * 628 + [0] * 272 + [1] * 69 + [0] * 31
    ids = [str(100000 + i) for i in range(1000)]
    images = table_of_images(list(np.random.default_rng(1).permutation(ids)))
    split = make_split(images, table_of_truth(ids, labels), Split(holdout=100))
    assert counts(split, "train") == (628, 272)
    assert counts(split, "holdout") == (69, 31)


def test_rows_point_at_the_images() -> None:
    images, truth = survey()
    split = make_split(images, truth, Split(holdout=200))
    placed = split.merge(images, on="id", suffixes=("", "_given"))
    assert len(placed) == 1000
    assert (placed["shard"] == placed["shard_given"]).all()
    assert (placed["row"] == placed["row_given"]).all()
    assert (truth.loc[split["id"], "label"].to_numpy() == split["label"]).all()


@pytest.mark.parametrize("method", ["ordered", "random", "grouped"])
def test_split_does_not_depend_on_how_images_lie_in_shards(method: str) -> None:
    images, truth = survey()
    settings = Split(method=method, holdout=200, validation=100)
    other = table_of_images(images["id"].tolist()[::-1], 37)
    first, second = (make_split(table, truth, settings).set_index("id")["part"] for table in (images, other))
    assert first.sort_index().equals(second.sort_index())


@pytest.mark.parametrize("method", ["random", "grouped"])
def test_seed_chooses_the_split(method: str) -> None:
    images, truth = survey()
    parts = [
        make_split(images, truth, Split(method=method, holdout=200, seed=seed))["part"].tolist() for seed in (0, 0, 1)
    ]
    assert parts[0] == parts[1] != parts[2]


def test_random_keeps_the_share_of_lenses() -> None:
    images, truth = survey()
    split = make_split(images, truth, Split(method="random", holdout=200, validation=100))
    share = truth["label"].mean()
    for part, size in (("train", 700), ("validation", 100), ("holdout", 200)):
        lenses, others = counts(split, part)
        assert lenses + others == size
        assert abs(lenses - share * size) <= 1


def test_grouped_parts_no_halo_and_keeps_size_and_share() -> None:
    images, truth = survey()
    split = make_split(images, truth, Split(method="grouped", holdout=200, validation=100))
    halos = truth.loc[split["id"], "Einstein_area"].to_numpy()
    parts_of_halo = split.groupby(halos)["part"].nunique()
    assert parts_of_halo.max() == 1
    assert len(parts_of_halo) < 300  # several images share a halo, or this would prove nothing
    largest = pd.Series(halos).value_counts().max()
    share = truth["label"].mean()
    for part, size in (("validation", 100), ("holdout", 200)):
        lenses, others = counts(split, part)
        assert abs(lenses + others - size) < largest
        assert abs(lenses / (lenses + others) - share) < 0.05


def test_grouped_misses_the_size_by_less_than_the_largest_halo() -> None:
    ids = [str(i) for i in range(60)]
    area = np.repeat(np.arange(6), 10)  # six halos of ten images each
    truth = table_of_truth(ids, [0, 1] * 30, area.tolist())
    split = make_split(table_of_images(ids), truth, Split(method="grouped", holdout=25))
    assert counts(split, "holdout") == (10, 10)


def test_images_without_a_halo_stand_alone(caplog: pytest.LogCaptureFixture) -> None:
    images, truth = survey(halos=20)
    truth.loc[truth.index[:500], "Einstein_area"] = np.nan
    with caplog.at_level(logging.INFO, logger="lensrank"):
        split = make_split(images, truth, Split(method="grouped", holdout=100))
    assert "500 images have no Einstein_area" in caplog.text
    assert len(set(split.loc[split["group"] == "", "part"])) == 2


def test_group_is_empty_without_the_column() -> None:
    ids = ["1", "2", "3", "4"]
    split = make_split(table_of_images(ids), table_of_truth(ids, [1, 0, 1, 0]), Split(holdout=2))
    assert (split["group"] == "").all()


def test_unmatched_ids_are_counted_and_named(caplog: pytest.LogCaptureFixture) -> None:
    ids = [str(i) for i in range(20)]
    truth = table_of_truth([*ids[8:], "900", "901"], [0, 1] * 7)
    with caplog.at_level(logging.INFO, logger="lensrank"):
        split = make_split(table_of_images(ids), truth, Split(holdout=4))
    assert len(split) == 12
    assert "8 images have no label: 0, 1, 2, 3, 4, ..." in caplog.text
    assert "2 IDs of the truth have no image: 900, 901" in caplog.text


def test_split_survives_its_file(tmp_path: Path) -> None:
    ids = ["007", "7", "NA", "nan"]
    split = make_split(table_of_images(ids), table_of_truth(ids, [1, 0, 1, 0], [1e-10] * 4), Split(holdout=2))
    write_split(tmp_path / "split.csv", split)
    pd.testing.assert_frame_equal(read_split(tmp_path / "split.csv"), split, check_dtype=False)


ERRORS = {
    "no image": (Split(), [], [], LensrankError, "all were rejected. rejects/train.csv"),
    "no label": (Split(), ["1", "2"], ["x", "y"], TruthError, "none of the 2 images has a label.* like 1, 2; .* x, y"),
    "same ID twice": (Split(), ["1", "1"], ["1", "2"], LensrankError, "in the shards twice"),
    "hold-out too large": (
        Split(holdout=5000),
        ["1", "2", "3", "4"],
        ["1", "2", "3", "4"],
        ConfigError,
        r"split.holdout: 5000 images are to be held out, but datasets.train has 4 with a label. Hold out fewer, or "
        r"simulate more \(simulate.train.n\).",
    ),
    "validation too large": (
        Split(holdout=2, validation=2),
        ["1", "2", "3", "4"],
        ["1", "2", "3", "4"],
        ConfigError,
        "split.validation: 2",
    ),
    "one class": (
        Split(holdout=1),
        ["1", "2", "3", "4"],
        ["1", "2", "3", "4"],
        ConfigError,
        "'holdout' .* has 0 lenses and 1 non-lenses",
    ),
    "too few to stratify": (
        Split(method="random", holdout=1),
        ["1", "2", "3", "4"],
        ["1", "2", "3", "4"],
        ConfigError,
        "split.holdout: 1 of 4 images",
    ),
    "no column of groups": (
        Split(method="grouped", holdout=2),
        ["1", "2", "3", "4"],
        ["1", "2", "3", "4"],
        TruthError,
        "no column 'Einstein_area'",
    ),
}


@pytest.mark.parametrize("case", ERRORS)
def test_what_cannot_be_split_is_explained(case: str) -> None:
    settings, images, truth, error, text = ERRORS[case]
    labels = [1, 0] * (len(truth) // 2)
    with pytest.raises(error, match=text):
        make_split(table_of_images(images), table_of_truth(truth, labels), settings)


def test_truth_file_follows_the_index(tmp_path: Path) -> None:
    (tmp_path / "truth.json").write_text(json.dumps({"path": "data/classifications.csv"}))
    (tmp_path / "none.json").write_text(json.dumps({"path": None}))
    assert truth_file(tmp_path / "truth.json") == Path("data/classifications.csv")
    assert truth_file(tmp_path / "none.json") is None
    assert truth_file(tmp_path / "table.csv") == tmp_path / "table.csv"


def run_script(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(ROOT / "scripts/split.py"), *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_script_splits_shards(tmp_path: Path) -> None:
    ids = [str(i) for i in range(12)]
    for number in (0, 1):
        with ShardWriter(tmp_path / f"shard-000{number}.h5", ["VIS"], (3, 3), "test") as writer:
            mine = ids[6 * number : 6 * number + 6]
            writer.append(np.zeros((6, 3, 3, 1), np.float32), mine, [0.0] * 6, [0.0] * 6, [0] * 6)
    truth = tmp_path / "classifications.csv"
    truth.write_text('"ID","is_lens"\n' + "".join(f"{i},{int(i) % 2}\n" for i in ids))
    shards = [tmp_path / "shard-0000.h5", tmp_path / "shard-0001.h5"]
    output = tmp_path / "split.csv"
    arguments = ("--truth", truth, "--dataset", "{}", "--output", output)
    done = run_script(*arguments, "--settings", '{"holdout": 4}', *shards)
    assert done.returncode == 0, done.stderr
    split = read_split(output)
    assert split.loc[split["part"] == "holdout", "id"].tolist() == ["8", "9", "10", "11"]
    assert split["shard"].unique().tolist() == ["shard-0000", "shard-0001"]
    record = json.loads((tmp_path / "split.json").read_text())
    assert record["shards"] == ["shard-0000", "shard-0001"]
    assert record["images"] == {"train": 8, "holdout": 4}
    assert record["digest"] == (tmp_path / "split.digest").read_text()
    assert len(record["digest"]) == 64
    failed = run_script(*arguments, "--settings", '{"holdout": 40}', *shards)
    assert failed.returncode == 1
    assert failed.stderr.endswith("simulate more (simulate.train.n).\n")
    assert "Traceback" not in failed.stderr


def test_the_digest_is_of_images_labels_and_parts_wherever_they_lie() -> None:
    images = pd.DataFrame({"id": ["a", "b", "c"], "label": [0, 1, 1], "part": ["train", "train", "holdout"]})
    pixels = pd.Series({"a": 1, "b": 2**64 - 1, "c": 3, "unlabelled": 4}, dtype=np.uint64)
    first = split_digest(images.assign(shard="shard-0000", row=[0, 1, 2]), pixels)
    assert split_digest(images[::-1].assign(shard="shard-0007", row=[5, 6, 9]), pixels[::-1]) == first
    others = [split_digest(images, pixels.replace(2**64 - 1, 5))]
    for change in ({"label": [1, 1, 1]}, {"part": ["train", "holdout", "holdout"]}, {"id": ["a", "b", "unlabelled"]}):
        others.append(split_digest(images.assign(**change), pixels))
    assert len({first, *others}) == 5
