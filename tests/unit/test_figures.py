"""The figures: both files are made, the same twice, and say what they show; names cannot break them."""

import json
import subprocess
import sys
from collections.abc import Callable
from html import unescape
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.image import imread

from lensrank import figures
from lensrank.config.settings import Dataset
from lensrank.errors import LensrankError
from lensrank.figures.confusion import draw_confusion
from lensrank.figures.examples import Example, choose, draw_examples
from lensrank.figures.history import Training, draw_history
from lensrank.figures.lensed_pixels import draw_lensed_pixels
from lensrank.figures.recipe import pick, seeds_text
from lensrank.figures.roc import draw_roc
from lensrank.figures.style import plain
from lensrank.figures.thresholds import draw_thresholds
from lensrank.history import Epoch, write_history
from lensrank.metrics import auroc, auroc_error
from lensrank.scored import Scored, TrainingRecord
from lensrank.shards import ShardWriter
from lensrank.split import write_split

ROOT = Path(__file__).parents[2]
KINDS = ("roc", "confusion", "thresholds", "lensed_pixels")
HOSTILE = '$\\frac{_<b>&"net" 龘 \x07' + "x" * 100


def scored(seed: int, model: str = "net", dataset: str = "holdout", collapsed: str = "") -> Scored:
    rng = np.random.default_rng(seed)
    labels = np.arange(200) % 4 != 0
    scores = np.full(200, np.nan) if collapsed else 1 / (1 + np.exp(-rng.normal(2.0 * labels - 1, 1.0)))
    ids = np.array([f"{i:03d}" for i in range(200)], dtype=object)
    pixels = np.where(labels, 3.0 * np.arange(200), 0.0)
    return Scored(model, seed, dataset, ids, labels, scores, "holdout", 3, collapsed=collapsed, lensed_pixels=pixels)


def training(seed: int, collapsed: str = "") -> Training:
    rows = [Epoch(i, 0.5, 0.8 + 0.02 * i, 0.5, 0.8 + 0.01 * (i % 4), 1e-3, 1.0, 100.0) for i in range(1, 6)]
    return Training(
        seed, rows, TrainingRecord("holdout", 3, collapsed, {"train": 900, "validation": 0, "holdout": 200})
    )


def example(id: str, lens: bool) -> Example:
    pixels = np.random.default_rng(int(lens)).normal(0, 7.75e-13, (21, 21))
    pixels[10, 10] = 3e-11
    pixels[0, 0] = np.nan
    return Example(id, lens, 1.234, pixels, "EUC_VIS")


def text_of(path: Path) -> str:
    return unescape(path.read_text(encoding="utf-8"))


DRAWINGS: dict[str, Callable[[str, Path], None]] = {
    "roc": lambda name, path: draw_roc([scored(0, name), scored(1, name)], "simulated", path),
    "confusion": lambda name, path: draw_confusion([scored(0, name), scored(1, name)], 0.5, "simulated", path),
    "thresholds": lambda name, path: draw_thresholds([scored(0, name), scored(1, name)], 0.5, "simulated", path),
    "lensed_pixels": lambda name, path: draw_lensed_pixels([scored(0, name), scored(1, name)], "simulated", path),
    "history": lambda name, path: draw_history(name, [training(0), training(1)], "simulated", path),
    "examples": lambda name, path: draw_examples([example(name, True), example("7", False)], 0.1, "simulated", path),
}


@pytest.mark.parametrize("kind", DRAWINGS)
def test_both_files_are_made_the_same_twice_and_show_names_as_they_are(tmp_path: Path, kind: str) -> None:
    for folder in ("a", "b"):
        DRAWINGS[kind](HOSTILE, tmp_path / folder / kind)
    for suffix in ("png", "svg"):
        assert (tmp_path / f"a/{kind}.{suffix}").read_bytes() == (tmp_path / f"b/{kind}.{suffix}").read_bytes()
    assert sorted(path.name for path in (tmp_path / "a").iterdir()) == [f"{kind}.png", f"{kind}.svg"]
    assert imread(tmp_path / f"a/{kind}.png").shape[:2] == (900, 1200)  # 4:3
    assert plain(HOSTILE) in text_of(tmp_path / f"a/{kind}.svg")
    assert "simulated" in text_of(tmp_path / f"a/{kind}.svg")


def test_plain_keeps_what_can_be_shown() -> None:
    assert plain("EUC_VIS-$é") == "EUC_VIS-$é"
    assert plain("a\x07b龘c") == "a?b?c"
    assert plain("x" * 50) == "x" * 39 + "…"


def test_roc_names_its_recipe_and_numbers(tmp_path: Path) -> None:
    mine = [scored(seed, "efficientnetb0") for seed in (0, 1, 2)]
    draw_roc(mine, "", tmp_path / "roc")
    areas = np.array([auroc(one.scores, one.labels) for one in mine])
    text = text_of(tmp_path / "roc.svg")
    assert f"AUROC {areas.mean():.3f} ± {areas.std(ddof=1):.3f}" in text
    assert f"sampling error {auroc_error(areas.mean(), 150, 50):.3f}" in text
    assert "hold-out: 150 lenses, 50 non-lenses" in text
    assert "epoch chosen on the hold-out itself · seeds 0, 1, 2" in text
    assert "random ranking" in text


def test_lensed_pixels_are_named_with_their_lenses_and_the_ceiling(tmp_path: Path) -> None:
    mine = [scored(0), scored(1)]
    draw_lensed_pixels(mine, "", tmp_path / "seen")
    text = text_of(tmp_path / "seen.svg")
    # Lenses are images 1, 2, 3, 5, ... with 3, 6, 9, 15, ... pixels, up to 597: none is invisible.
    for bin, lenses in (("1–49", 12), ("50–99", 13), ("100–199", 25), ("200–399", 50), ("400–799", 50)):
        assert f">{bin}<" in text
        assert f">{lenses}<" in text
    assert "≥ 1600" not in text
    together = auroc((mine[0].scores + mine[1].scores) / 2, mine[0].labels)
    assert f"all lenses: {together:.3f}" in text
    assert "ceiling of a perfect ranking: 1.000" in text
    draw_lensed_pixels([Scored(**{**vars(scored(0)), "lensed_pixels": None})], "", tmp_path / "unknown")
    assert "the truth table counts no lensed pixels" in text_of(tmp_path / "unknown.svg")


@pytest.mark.parametrize("kind", KINDS)
def test_collapsed_seeds_are_left_out_and_said_to_be(tmp_path: Path, kind: str) -> None:
    draw = {
        "roc": lambda those, path: draw_roc(those, "", path),
        "confusion": lambda those, path: draw_confusion(those, 0.5, "", path),
        "thresholds": lambda those, path: draw_thresholds(those, 0.5, "", path),
        "lensed_pixels": lambda those, path: draw_lensed_pixels(those, "", path),
    }[kind]
    draw([scored(0), scored(1), scored(2, collapsed="NaN")], tmp_path / "some")
    assert "left out, collapsed: seed 2" in text_of(tmp_path / "some.svg")
    draw([scored(2, collapsed="NaN")], tmp_path / "none")
    assert "every seed collapsed" in text_of(tmp_path / "none.svg")


def test_history_of_a_collapsed_seed_is_dotted(tmp_path: Path) -> None:
    draw_history("net", [training(0), training(4, "loss NaN")], "", tmp_path / "history")
    text = text_of(tmp_path / "history.svg")
    assert "dotted, collapsed: seed 4" in text
    assert "trained on 900 images, judged on 200" in text
    assert "hold-out images (they also chose the epoch)" in text


def test_confusion_of_one_seed_is_in_whole_numbers(tmp_path: Path) -> None:
    one = scored(0)
    draw_confusion([one], 0.5, "", tmp_path / "confusion")
    text = text_of(tmp_path / "confusion.svg")
    verdict = one.scores >= 0.5
    assert f">{int((verdict & one.labels).sum())}<" in text
    assert f"TNR {(~verdict & ~one.labels).sum() / 50:.1%}" in text


def test_examples_without_a_scale_are_in_pixels(tmp_path: Path) -> None:
    flat = Example("flat", False, np.nan, np.full((5, 5), 0.0), "VIS")
    masked = Example("masked", True, np.nan, np.full((5, 5), np.nan), "VIS")
    draw_examples([flat, masked], None, "", tmp_path / "examples")
    assert "pixels" in text_of(tmp_path / "examples.svg")
    assert "arcsec" not in text_of(tmp_path / "examples.svg")


def test_examples_are_spread_over_the_einstein_radii() -> None:
    ids = [f"{i:02d}" for i in range(80)]
    label = [1] * 40 + [0] * 40
    split = pd.DataFrame({"id": ids, "shard": "shard-0000", "row": range(80), "label": label, "part": "train"})
    area = np.tile(np.linspace(1, 40, 40), 2) * 1e-11
    truth = pd.DataFrame({"label": label, "Einstein_area": area}, index=ids)
    rows = choose(split, truth)
    assert rows["id"].tolist() == ["05", "15", "25", "35", "45", "55", "65", "75"]
    # sqrt(6e-11 / pi) rad = 4.3702e-6 rad = 0.9014"
    assert rows["einstein_radius"][0] == pytest.approx(0.9014, abs=1e-4)
    assert choose(split, truth[["label"]])["einstein_radius"].isna().all()


def test_seeds_in_words() -> None:
    assert seeds_text([3]) == "seed 3"
    assert seeds_text([0, 2]) == "seeds 0, 2"
    assert seeds_text(range(10)) == "10 seeds (0 to 9)"


def test_a_model_without_scores_is_an_error() -> None:
    with pytest.raises(LensrankError, match="no labelled scores of model other on holdout"):
        pick([scored(0)], "other", "holdout")


def test_script_draws_what_labelled_scores_show(tmp_path: Path) -> None:
    one = write_training(tmp_path)
    command = [sys.executable, ROOT / "scripts/figures.py", "judged", "--model", "net", "--images", "holdout"]
    command += ["--data", "simulated", "--holdout", "net", "0", tmp_path, "--output", tmp_path / "figures"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert f"AUROC {auroc(one.scores, one.labels):.3f}" in text_of(tmp_path / "figures/roc_net_holdout.svg")
    names = {f"{kind}_net_holdout.{suffix}" for kind in KINDS for suffix in ("png", "svg")}
    assert {path.name for path in (tmp_path / "figures").iterdir()} == names


def test_history_is_drawn_from_files(tmp_path: Path) -> None:
    write_training(tmp_path)
    figures.auroc_epochs("net", [("0", str(tmp_path))], "", tmp_path / "auroc_epochs")
    assert "trained on 900 images, judged on 200" in text_of(tmp_path / "auroc_epochs.svg")


def test_examples_are_drawn_from_files(tmp_path: Path) -> None:
    ids = [f"{i:02d}" for i in range(20)]
    with ShardWriter(tmp_path / "shard-0000.h5", ["VIS"], (21, 21), "test") as writer:
        pixels = np.random.default_rng(0).normal(0, 1e-12, (20, 21, 21, 1)).astype(np.float32)
        pixels[:, 0, 0] = 100
        writer.append(pixels, ids, [0.0] * 20, [0.0] * 20, [0] * 20)
    split = pd.DataFrame({"id": ids, "shard": "shard-0000", "row": range(20), "label": [0, 1] * 10})
    write_split(tmp_path / "split.csv", split.assign(part="train", group=""))
    truth = tmp_path / "truth.csv"
    truth.write_text("ID,is_lens\n" + "".join(f"{i},{int(i) % 2}\n" for i in ids))
    shards = [tmp_path / "shard-0000.h5"]
    figures.examples(tmp_path / "split.csv", shards, truth, Dataset(), 100.0, 0.1, "", tmp_path / "examples")
    text = text_of(tmp_path / "examples.svg")
    assert "arcsec" in text
    assert "flux in units of 1e-12" in text
    assert all(f">{id}<" in text for id in ("03", "07", "13", "17", "02", "06", "12", "16"))


def write_training(folder: Path) -> Scored:
    """Files of a training, and what they hold."""
    one = scored(0)
    table = pd.DataFrame({"id": one.id, "label": one.labels.astype(int), "score": one.scores})
    table.to_csv(folder / "holdout.csv", index=False)
    record = training(0).record._asdict()
    record |= {"collapsed": None, "settings": {"model": {"best": "auroc", "patience": None}}}
    record |= {"network": "lastro", "epochs": 7}
    (folder / "provenance.json").write_text(json.dumps(record))
    write_history(folder / "history.csv", training(0).epochs)
    return one
