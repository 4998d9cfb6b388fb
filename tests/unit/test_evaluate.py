"""The tables of an evaluation: numbers worked by hand, what is left out and said to be, what cannot be judged."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lensrank.errors import LensrankError, TruthError
from lensrank.evaluate import evaluate
from lensrank.scored import Scored, read_dataset, read_holdout, read_record
from lensrank.scores import Column, Effort, Made, write_scores
from lensrank.shards import ShardTable

ROOT = Path(__file__).parents[2]
LABELS = np.array([1, 1, 1, 1, 0, 0, 0, 0], dtype=bool)
# AUROC 14/16 by hand: the lens of 0.35 lies below one non-lens (0.4) and ties with none; that of 0.3 below one.
GOOD = np.array([0.9, 0.8, 0.35, 0.3, 0.4, 0.2, 0.1, 0.05])
# AUROC 1: every lens above every non-lens.
PERFECT = np.array([0.9, 0.8, 0.7, 0.6, 0.4, 0.2, 0.1, 0.05])


def one(model: str, seed: int, scores: np.ndarray, dataset: str = "holdout", collapsed: str = "") -> Scored:
    ids = np.array([f"{i}" for i in range(len(scores))], dtype=object)
    return Scored(model, seed, dataset, ids, LABELS, np.asarray(scores, dtype=float), "holdout", 3, 1, collapsed)


def large(model: str, seed: int, dataset: str, contrast: float) -> Scored:
    rng = np.random.default_rng([seed, len(dataset)])
    labels = rng.random(2000) < 0.5
    scores = 1 / (1 + np.exp(-rng.normal(contrast * labels, 1.0)))
    ids = np.array([f"{i:04d}" for i in range(2000)], dtype=object)
    return Scored(model, seed, dataset, ids, labels, scores, "validation", 7)


def row(table: pd.DataFrame, **keys: object) -> pd.Series:
    found = table[np.logical_and.reduce([table[key] == value for key, value in keys.items()])]
    assert len(found) == 1
    return found.iloc[0]


def test_seed_row_by_hand() -> None:
    found = row(evaluate([one("net", 0, GOOD)], 0.38).seeds, model="net", seed=0)
    assert (found["n_lens"], found["n_nonlens"]) == (4, 4)
    assert found["auroc"] == 14 / 16
    assert (found["tpr0"], found["tpr10"], found["tpr_lt10"]) == (2 / 4, 1.0, 1.0)
    assert (found["tn"], found["fp"], found["fn"], found["tp"]) == (3, 1, 2, 2)
    assert (found["selection"], found["best_epoch"], found["threshold"], found["collapsed"]) == ("holdout", 3, 0.38, "")


def test_mean_spread_and_ensemble_by_hand() -> None:
    summary = evaluate([one("net", 0, GOOD), one("net", 1, PERFECT)], 0.5).summary
    found = row(summary, model="net", dataset="holdout")
    assert found["n_seeds"] == 2
    assert found["auroc_mean"] == (14 / 16 + 1) / 2
    assert found["auroc_std"] == pytest.approx(2 / 16 / np.sqrt(2))
    # Means of the scores: lenses 0.9 0.8 0.525 0.45, non-lenses 0.4 0.2 0.1 0.05.
    assert (found["ensemble_auroc"], found["ensemble_tpr0"]) == (1.0, 1.0)
    assert found["ensemble_low"] == pytest.approx(0.025**0.25)
    assert (found["tp_mean"], found["fp_mean"], found["tp_std"]) == (3, 0, pytest.approx(np.sqrt(2)))


def test_one_seed_has_no_spread() -> None:
    found = row(evaluate([one("net", 0, GOOD)], 0.5).summary, model="net")
    assert np.isnan(found["auroc_std"])
    assert found["auroc_mean"] == found["ensemble_auroc"] == 14 / 16


def test_collapsed_seeds_are_named_and_in_no_mean() -> None:
    broken = one("net", 7, np.where(LABELS, np.nan, 0.5), collapsed="4 of 8 scores are NaN or infinite")
    tables = evaluate([one("net", 0, GOOD), broken], 0.5)
    found = row(tables.summary, model="net")
    assert (found["n_seeds"], found["n_collapsed"], found["auroc_mean"]) == (1, 1, 14 / 16)
    assert found["ensemble_auroc"] == 14 / 16
    assert found["collapsed_seeds"] == "net_7: 4 of 8 scores are NaN or infinite"
    named = row(tables.seeds, seed=7)
    assert named["collapsed"] == "4 of 8 scores are NaN or infinite"
    assert np.isnan(named["auroc"])
    assert pd.isna(named["tp"])


def test_a_model_of_collapsed_seeds_only_has_no_mean() -> None:
    tables = evaluate([one("net", 0, np.full(8, 0.5), collapsed="all scores are 0.5")], 0.5)
    found = row(tables.summary, model="net")
    assert (found["n_seeds"], found["n_collapsed"]) == (0, 1)
    assert np.isnan(found["auroc_mean"])
    assert np.isnan(found["ensemble_auroc"])


def test_several_models_have_an_ensemble_of_all() -> None:
    summary = evaluate([one("a", 0, GOOD), one("b", 0, 1 - GOOD), one("b", 1, PERFECT)], 0.5).summary
    found = row(summary, model="all")
    assert found["n_seeds"] == 3
    assert np.isnan(found["auroc_mean"])  # of networks of different kinds
    # Mean over the three columns, not over the two models: (1 + PERFECT) / 3 keeps PERFECT's order.
    assert found["ensemble_auroc"] == 1.0
    assert "all" not in set(evaluate([one("a", 0, GOOD)], 0.5).summary["model"])


def test_holdout_and_data_sets_stay_apart_and_are_compared() -> None:
    scored = [large("net", seed, "holdout", 2.0) for seed in (0, 1)]
    scored += [large("net", seed, "challenge", 1.0) for seed in (0, 1)]
    scored += [large("net", seed, "same", 2.0) for seed in (0, 1)]
    for number, item in enumerate(scored):  # all seeds of a set are of one set of labels
        first = scored[number - number % 2]
        scored[number] = Scored(**{**vars(item), "labels": first.labels, "scores": first.scores})
    comparison = evaluate(scored, 0.5).comparison
    apart = row(comparison, dataset="challenge", quantity="mean")
    alike = row(comparison, dataset="same", quantity="ensemble")
    assert not apart["contained"]
    assert apart["auroc"] < apart["holdout_low"] < apart["holdout_auroc"] < apart["holdout_high"]
    assert alike["contained"]
    assert set(comparison["model"]) == {"net"}


def test_sampling_error_in_the_summary_is_that_of_the_mean() -> None:
    # Hanley and McNeil at A = 0.9375, four of each: Q1 = 0.88235, Q2 = 0.90726.
    found = row(evaluate([one("net", 0, GOOD), one("net", 1, PERFECT)], 0.5).summary, model="net")
    area = 0.9375
    variance = area * (1 - area) + 3 * (0.882353 - area**2) + 3 * (0.907258 - area**2)
    assert found["auroc_sampling_error"] == pytest.approx(np.sqrt(variance / 16), rel=1e-4)


def with_pixels(scored: Scored, *pixels: float) -> Scored:
    counted = np.where(LABELS, [*pixels, 0, 0, 0, 0], 0.0)
    return Scored(**{**vars(scored), "lensed_pixels": counted})


def test_lenses_that_cannot_be_seen_set_a_ceiling() -> None:
    pixels = (0, 60, 99, 5000)
    tables = evaluate([with_pixels(one("net", seed, GOOD), *pixels) for seed in (0, 1)], 0.5)
    for table in (tables.seeds, tables.summary):
        assert set(table["n_invisible"]) == {1}
        assert set(table["ceiling"]) == {1 - 1 / 4 / 2}
    # A perfect ranking of what can be seen, and the invisible lens in the middle of the non-lenses, reaches it.
    best = evaluate([with_pixels(one("net", 0, np.array([0.15, 0.8, 0.7, 0.6, 0.4, 0.2, 0.1, 0.05])), *pixels)], 0.5)
    assert best.seeds.loc[0, "auroc"] == best.seeds.loc[0, "ceiling"]


def test_auroc_by_lensed_pixels_by_hand() -> None:
    # Lenses 0.9 | 0.8 and 0.35 | 0.3, non-lenses 0.4 0.2 0.1 0.05: 4/4 | (4 + 3)/8 | 3/4.
    table = evaluate([with_pixels(one("net", 0, GOOD), 0, 50, 99, 1600)], 0.5).lensed_pixels
    assert table["ensemble_auroc"].tolist() == table["auroc_mean"].tolist() == [1.0, 7 / 8, 3 / 4]
    assert table["n_lens"].tolist() == [1, 2, 1]
    assert table["lensed_pixels_min"].tolist() == [0, 50, 1600]
    assert table["lensed_pixels_max"].tolist() == [0, 99, pd.NA]
    assert (table["ensemble_low"] < table["ensemble_auroc"]).all()


def test_where_no_truth_table_counts_lensed_pixels_no_ceiling_is_claimed() -> None:
    unknown = with_pixels(one("net", 0, GOOD), *[np.nan] * 4)
    for scored in (one("net", 0, GOOD), unknown):
        tables = evaluate([scored], 0.5)
        assert tables.seeds[["n_invisible", "ceiling"]].isna().all(axis=None)
        assert tables.summary[["n_invisible", "ceiling"]].isna().all(axis=None)
        assert tables.lensed_pixels.empty
    # One that is not known says nothing about the others.
    partly = evaluate([with_pixels(one("net", 0, GOOD), 0, 10, np.nan, np.nan)], 0.5)
    assert partly.seeds.loc[0, "ceiling"] == 1 - 1 / 2 / 2
    assert partly.lensed_pixels["n_lens"].tolist() == [1, 1]


def test_seeds_scored_on_different_images_are_refused() -> None:
    other = one("net", 1, GOOD)
    other = Scored(**{**vars(other), "id": other.id[::-1]})
    with pytest.raises(LensrankError, match="net seed 1 was scored on 8 images, and net seed 0 on 8 that are not"):
        evaluate([one("net", 0, GOOD), other], 0.5)


def test_nothing_to_judge_is_an_error() -> None:
    with pytest.raises(LensrankError, match="nothing to evaluate"):
        evaluate([], 0.5)


def write_training(folder: Path, scores: np.ndarray, *, collapsed: str | None = None, best: str = "auroc") -> None:
    folder.mkdir(parents=True)
    table = pd.DataFrame({"id": [f"00{i}" for i in range(8)], "label": LABELS.astype(int), "score": scores})
    table.to_csv(folder / "holdout.csv", index=False, na_rep="nan")
    record = {
        "selection": "holdout",
        "best_epoch": 5,
        "collapsed": collapsed,
        "images": {"train": 40, "validation": 0, "holdout": 8},
        "network": "lastro",
        "epochs": 7,
        "settings": {"model": {"best": best, "patience": None, "batch_size": 30, "balanced_batches": True}},
    }
    (folder / "provenance.json").write_text(json.dumps(record))


def write_score_file(path: Path, ids: list[str], columns: dict[str, np.ndarray], symmetries: int = 1) -> None:
    n = len(ids)
    table = ShardTable(
        id=np.array(ids, dtype=object),
        ra=np.zeros(n),
        dec=np.zeros(n),
        flags=np.zeros(n, np.uint32),
        pixel_digest=np.arange(n, dtype=np.uint64),
        bands=("VIS",),
        shape=(3, 3),
        digest="0" * 64,
    )
    made = Made("0" * 64, "keras", "float32", symmetries)
    found = [Column(name, scores, made, Effort("cpu", 1.0)) for name, scores in columns.items()]
    write_scores(path, path.stem, table, found)


def table_of_truth(ids: list[str], labels: list[int]) -> pd.DataFrame:
    return pd.DataFrame({"label": np.array(labels, dtype=np.int8)}, index=pd.Index(ids, name="id"))


def test_holdout_is_read_as_it_was_written(tmp_path: Path) -> None:
    scores = np.array([0.1 + 0.2, 1 / 3, 2 / 3, 1e-17, 0.5, 0.25, 1 - 2**-53, 0.75])
    write_training(tmp_path / "seed-0", scores)
    scored = read_holdout("net", 0, tmp_path / "seed-0")
    np.testing.assert_array_equal(scored.scores, scores)
    assert scored.id.tolist()[:2] == ["000", "001"]
    assert (scored.selection, scored.best_epoch, scored.collapsed) == ("holdout", 5, "")


def test_nan_scores_of_a_holdout_are_a_collapse(tmp_path: Path) -> None:
    write_training(tmp_path / "seed-0", np.where(LABELS, np.nan, 0.5))
    assert read_holdout("net", 0, tmp_path / "seed-0").collapsed == "4 of 8 scores are NaN or infinite"


def test_an_epoch_that_nothing_chose_is_said_to_be_the_last(tmp_path: Path) -> None:
    write_training(tmp_path / "seed-0", GOOD, best="last")
    assert read_record(tmp_path / "seed-0").selection == "last"


def test_data_set_is_joined_with_its_truth_by_id(tmp_path: Path) -> None:
    write_score_file(tmp_path / "shard-0000.h5", ["9", "10", "x"], {"net_3": np.array([0.9, 0.1, 0.5])}, symmetries=8)
    write_score_file(tmp_path / "shard-0001.h5", ["8", "7"], {"net_3": np.array([0.8, 0.2])}, symmetries=8)
    truth = table_of_truth(["7", "8", "9", "10", "missing"], [0, 1, 1, 0, 1])
    files = [tmp_path / "shard-0000.h5", tmp_path / "shard-0001.h5"]
    (scored,) = read_dataset("challenge", files, truth, [one("net", 3, GOOD, collapsed="loss NaN")])
    assert dict(zip(scored.id, scored.scores, strict=True)) == {"7": 0.2, "8": 0.8, "9": 0.9, "10": 0.1}
    assert dict(zip(scored.id, scored.labels, strict=True)) == {"7": False, "8": True, "9": True, "10": False}
    assert (scored.model, scored.seed, scored.without_label, scored.without_image) == ("net", 3, 1, 1)
    assert (scored.selection, scored.symmetries, scored.collapsed) == ("holdout", 8, "loss NaN")


def test_poor_auroc_of_a_model_from_elsewhere_is_a_finding_not_a_collapse(tmp_path: Path) -> None:
    ids = [str(i) for i in range(8)]
    columns = {"last_year_0": 1 - GOOD, "flat_0": np.full(8, 0.5)}
    write_score_file(tmp_path / "shard-0000.h5", ids, columns)
    truth = table_of_truth(ids, LABELS.astype(int).tolist())
    poor, flat = read_dataset("challenge", [tmp_path / "shard-0000.h5"], truth, [])
    assert (poor.model, poor.selection, poor.collapsed) == ("last_year", "", "")
    assert flat.collapsed == "all scores are 0.5"


@pytest.mark.parametrize(
    ("ids", "text"),
    [
        (["a", "b"], "none of the 2 scored images has a label.*like 1, 2; those of the truth like a, b"),
        (["1", "2"], "need"),
    ],
)
def test_truth_that_cannot_judge_is_explained(tmp_path: Path, ids: list[str], text: str) -> None:
    write_score_file(tmp_path / "shard-0000.h5", ["1", "2"], {"net_0": np.array([0.1, 0.2])})
    with pytest.raises(TruthError, match=f"datasets.challenge.truth: .*{text}"):
        read_dataset("challenge", [tmp_path / "shard-0000.h5"], table_of_truth(ids, [1, 1]), [])


def test_script_writes_the_tables(tmp_path: Path) -> None:
    for seed, scores in ((0, GOOD), (1, PERFECT)):
        write_training(tmp_path / f"train/net/seed-{seed}", scores)
    ids = [str(i) for i in range(8)]
    columns = {"net_0": GOOD, "net_1": PERFECT, "elsewhere_0": GOOD}
    write_score_file(tmp_path / "shard-0000.h5", ids, columns)
    rows = "".join(f"{i},{int(LABELS[int(i)])},{7 * int(i)}\n" for i in ids)
    (tmp_path / "truth.csv").write_text("ID,is_lens,numb_pix_lensed_image\n" + rows)
    (tmp_path / "train.csv").write_text(
        "ID,is_lens,numb_pix_lensed_image\n" + "".join(f"00{i},{int(LABELS[int(i)])},0\n" for i in ids)
    )
    (tmp_path / "truth.json").write_text(json.dumps({"path": str(tmp_path / "truth.csv")}))
    (tmp_path / "none.json").write_text(json.dumps({"path": None}))
    command = [sys.executable, str(ROOT / "scripts/evaluate.py"), "--settings"]
    command += ['{"threshold": 0.5, "simulated": ["train"]}']
    for seed in (0, 1):
        command += ["--holdout", "net", str(seed), str(tmp_path / f"train/net/seed-{seed}")]
    command += ["--truth", "train", str(tmp_path / "train.csv"), "{}"]
    for dataset, truth in (("challenge", "truth.json"), ("sky", "none.json")):
        command += ["--scores", dataset, str(tmp_path / "shard-0000.h5")]
        command += ["--truth", dataset, str(tmp_path / truth), "{}"]
    done = subprocess.run(
        [*command, "--output", str(tmp_path / "metrics")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "sky: no truth table" in done.stderr
    seeds, summary, comparison, by_pixels = (
        pd.read_csv(tmp_path / f"metrics/{name}.csv") for name in ("seeds", "summary", "comparison", "lensed_pixels")
    )
    assert len(seeds) == 5
    assert seeds.columns[:6].tolist() == ["model", "seed", "dataset", "n_lens", "n_nonlens", "auroc"]
    recipe = (
        "lastro, 40 training images, 7 epochs, balanced batches of 30, learning rate 0.001, "
        "augmentation flip rotation_degrees 90.0 zoom 0.6 to 1.4"
    )
    assert set(summary.loc[summary["model"] == "net", "recipe"]) == {recipe}
    assert set(summary.loc[summary["origin"] == "simulated", "dataset"]) == {"holdout"}
    where = set(zip(summary["model"], summary["dataset"], strict=True))
    assert where == {("net", "holdout"), ("net", "challenge"), ("elsewhere", "challenge"), ("all", "challenge")}
    assert comparison["contained"].all()
    # Of the hold-out's lenses the training set's table counts no pixel; of the challenge's 0, 7, 14 and 21.
    ceilings = {"holdout": 0.5, "challenge": 0.875}
    assert dict(zip(summary["dataset"], summary["ceiling"], strict=True)) == ceilings
    assert set(zip(comparison["holdout_ceiling"], comparison["ceiling"], strict=True)) == {(0.5, 0.875)}
    bins = by_pixels.loc[by_pixels["model"] == "net"].groupby("dataset")["n_lens"].apply(list)
    assert bins.to_dict() == {"holdout": [4], "challenge": [1, 3]}
