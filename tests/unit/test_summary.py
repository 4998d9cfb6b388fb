"""The end message of a run: what it names, that it fits on a page, and that every format of catalogue can be read."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from lensrank.catalogue import Catalogue, Column, write_catalogue
from lensrank.config.settings import Split
from lensrank.evaluate import evaluate, write_tables
from lensrank.rejects import Reject, write_rejects
from lensrank.scored import Scored
from lensrank.split import write_split
from lensrank.summary import SummarySettings, read_catalogue, write_summary

ROOT = Path(__file__).parents[2]


def scored(model: str, seed: int, dataset: str, contrast: float, collapsed: str = "") -> Scored:
    rng = np.random.default_rng(len(dataset))
    labels = np.arange(400) % 2 == 0
    scores = 1 / (1 + np.exp(-rng.normal(contrast * labels, 1.0) - 0.01 * seed))
    ids = np.array([f"{i:03d}" for i in range(400)], dtype=object)
    # One lens in eight cannot be seen.
    pixels = np.where(np.arange(400) % 16 == 0, 0.0, 30.0)
    return Scored(model, seed, dataset, ids, labels, scores, "holdout", 3, collapsed=collapsed, lensed_pixels=pixels)


def catalogue(path: Path, ids: list[str]) -> Path:
    n = len(ids)
    columns = [
        Column("rank", np.arange(1, n + 1), "Rank."),
        Column("id", np.array(ids, dtype=object), "ID."),
        Column("ra", np.array([np.nan, *np.linspace(10, 20, n - 1)]), "Right ascension.", "deg"),
        Column("dec", np.array([np.nan, *np.linspace(-10, 0, n - 1)]), "Declination.", "deg"),
        Column("score", np.linspace(0.99, 0.01, n), "Score."),
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    write_catalogue(path, Catalogue("challenge", columns, {"run": "demo"}))
    return path


def results(
    folder: Path, models: list[str], datasets: list[str], ids: list[str]
) -> tuple[Path, list[Path], list[Path]]:
    found = [scored(model, seed, "holdout", 2.5) for model in models for seed in (0, 1, 2)]
    found += [scored(models[0], 3, "holdout", 0.0, "the AUROC of 0.5 is no better than chance")]
    found += [scored(model, seed, name, 1.0) for model in models for name in datasets for seed in (0, 1, 2)]
    write_tables(folder / "metrics", evaluate(found, 0.5))
    catalogues = [catalogue(folder / f"catalogue/{name}.csv", ids) for name in datasets]
    rejects = []
    for name in ("train", *datasets):
        rejects.append(folder / f"rejects/{name}.csv")
        cases = [Reject("a.fits", "1", "truncated", "short"), Reject("b.fits", "2", "truncated", "short")]
        write_rejects(rejects[-1], [*cases, Reject("c.fits", "3", "shape", "50 x 50")] if name != "train" else [])
    split = pd.DataFrame({"id": ["1", "2", "3"], "shard": "shard-0000", "row": [0, 1, 2], "label": [1, 0, 1]})
    write_split(folder / "split.csv", split.assign(part=["train", "train", "holdout"], group=""))
    return folder / "metrics", catalogues, rejects


SETTINGS = SummarySettings(run="demo", split=Split(), simulated=("train", "challenge"))
IDS = [f"2000{i:02d}" for i in range(8)]


def test_summary_says_what_came_out(tmp_path: Path) -> None:
    metrics, catalogues, rejects = results(tmp_path, ["net"], ["challenge"], IDS)
    output = tmp_path / "report/summary.txt"
    text = write_summary(SETTINGS, metrics, tmp_path / "split.csv", catalogues, rejects, output)
    assert output.read_text(encoding="utf-8") == text
    for part in (
        "Run demo",
        "Data set train (simulated):\n  train 2 images (1 lenses)\n  holdout 1 images (1 lenses)\n",
        "the last in the order of their IDs are held out",
        "ceiling: 1 - u/2",
        "epoch chosen on the hold-out itself",
        "holdout: net_3: the AUROC of 0.5 is no better than chance",
        "net, mean: no; hold-out [",
        "Best of 8 images in the catalogue of challenge (simulated):",
        "challenge: 3 files (truncated 2, shape 1)",
        f"Results: {tmp_path}/",
    ):
        assert part in text
    summary = pd.read_csv(metrics / "summary.csv").set_index("dataset")
    for dataset in ("holdout", "challenge"):
        (line,) = (line for line in text.splitlines() if line.split()[:3] == ["net", dataset, "(simulated)"])
        row = summary.loc[dataset]
        assert f"{row['auroc_mean']:.4f} ± {row['auroc_std']:.4f}  {row['auroc_sampling_error']:.4f}  0.9375" in line
        assert f"[{row['ensemble_low']:.4f}, {row['ensemble_high']:.4f}]" in line
    best = [line.split() for line in text.splitlines() if line.split()[1:2] and line.split()[1] in IDS]
    assert [words[:2] for words in best] == [[str(i + 1), IDS[i]] for i in range(5)]
    assert best[0][2:] == ["0.99000", "-", "-"]  # no position


def test_summary_fits_on_a_page_whatever_the_run(tmp_path: Path) -> None:
    models = [f"network-with-a-very-long-name-{i}" * 3 for i in range(4)]
    datasets = [f"survey-with-a-very-long-name-{i}" * 2 for i in range(5)]
    metrics, catalogues, rejects = results(tmp_path / "r", models, datasets, ["x" * 300, *IDS])
    text = write_summary(SETTINGS, metrics, tmp_path / "r/split.csv", catalogues, rejects, tmp_path / "r/report/s.txt")
    lines = text.splitlines()
    assert len(lines) <= 60
    assert all(len(line) <= 100 for line in lines if not line.startswith("Results: "))
    assert "more rows in metrics/summary.csv" in text


def test_summary_of_a_run_that_only_scores(tmp_path: Path) -> None:
    path = catalogue(tmp_path / "catalogue/sky.csv", IDS)
    text = write_summary(SummarySettings(run="weekly"), None, None, [path], [], tmp_path / "report/summary.txt")
    assert "AUROC:" not in text
    assert "Best of 8 images in the catalogue of sky:" in text


@pytest.mark.parametrize("suffix", ["csv", "parquet", "fits", "vot"])
def test_every_format_of_catalogue_is_read_alike(tmp_path: Path, suffix: str) -> None:
    ids = ["007", "NA", "é\\x", *IDS]
    table = read_catalogue(catalogue(tmp_path / f"challenge.{suffix}", ids))
    assert table["id"].tolist() == ids
    assert table["rank"].tolist() == list(range(1, 12))
    assert np.isnan(table["ra"][0])
    np.testing.assert_allclose(table["score"], np.linspace(0.99, 0.01, 11), rtol=1e-15)


def test_script_writes_and_prints_the_summary(tmp_path: Path) -> None:
    metrics, catalogues, rejects = results(tmp_path, ["net"], ["challenge"], IDS)
    command = [sys.executable, ROOT / "scripts/summary.py", "--settings", SETTINGS.model_dump_json()]
    command += ["--metrics", metrics, "--split", tmp_path / "split.csv", "--catalogue", *catalogues]
    command += ["--rejects", *rejects, "--output", tmp_path / "report/summary.txt"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == (tmp_path / "report/summary.txt").read_text(encoding="utf-8").strip()
