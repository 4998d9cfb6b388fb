"""Which finished trainings a run says it will repeat, and why."""

import json
from pathlib import Path

import pytest

from lensrank.files import file_digest, stamp
from lensrank.repeats import repeats
from lensrank.steps import STEP_VERSIONS

SPLIT = {"settings": {"method": "grouped", "holdout": 100}, "label": "auto"}
SETTINGS = {"name": "net", "bands": ["VIS"], "model": {"learning_rate": 0.001, "augmentation": {"zoom": [0.6, 1.4]}}}


def finish(results: Path, model: str, seed: int, **record: object) -> None:
    folder = results / f"train/{model}/seed-{seed}"
    folder.mkdir(parents=True)
    (folder / "model.keras").touch()
    values = {"settings": SETTINGS, "split": "5" * 64, "step_version": STEP_VERSIONS["train"]} | record
    (folder / "provenance.json").write_text(json.dumps(values))


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for model, seed in (("net", 0), ("net", 1), ("other", 0)):
        finish(tmp_path, model, seed)
    (tmp_path / "truth.csv").write_text("ID,is_lens\n1,1\n")
    (tmp_path / "split.digest").write_text("5" * 64)
    truth = tmp_path / "truth.csv"
    record = {"truth": str(truth), "truth_digest": file_digest(truth), "truth_stamp": stamp(truth)} | SPLIT
    (tmp_path / "split.json").write_text(json.dumps(record))
    return tmp_path


def wanted(**models: dict) -> dict[tuple[str, int], str]:
    return {(model, seed): json.dumps(settings) for model, settings in models.items() for seed in (0, 1)}


def changed(**model: object) -> dict:
    return SETTINGS | {"model": SETTINGS["model"] | model}


def test_what_fits_is_not_spoken_of(results: Path) -> None:
    assert repeats(results, wanted(net=SETTINGS, other=SETTINGS, third=SETTINGS), SPLIT) == []
    assert repeats(results / "nothing yet", wanted(net=SETTINGS), SPLIT) == []


def test_changed_settings_are_named_with_old_and_new_value(results: Path) -> None:
    recipe = changed(learning_rate=0.01, augmentation={"zoom": None})
    (line,) = repeats(results, wanted(net=recipe, other=SETTINGS), SPLIT)
    assert line == (
        "2 finished trainings will be repeated: net seeds 0, 1 "
        "(augmentation.zoom [0.6, 1.4] -> null, learning_rate 0.001 -> 0.01)"
    )
    (line,) = repeats(results, wanted(other=changed(epochs=3)), SPLIT)
    assert line.endswith("1 finished training will be repeated: other seed 0 (epochs null -> 3)")


def test_another_version_or_other_images_repeat_as_well(results: Path) -> None:
    finish(results, "old", 0, step_version=0)
    finish(results, "old", 1, split="6" * 64)
    (line,) = repeats(results, wanted(old=SETTINGS), SPLIT)
    assert f"old seed 0 (version of the step 0 -> {STEP_VERSIONS['train']})" in line
    assert "old seed 1 (other training images or labels)" in line


def test_a_record_of_an_earlier_version_or_a_damaged_one_stops_nothing(results: Path) -> None:
    finish(results, "old", 0)
    record = {"settings": SETTINGS, "split": "of another kind"}
    (results / "train/old/seed-0/provenance.json").write_text(json.dumps(record))
    (line,) = repeats(results, wanted(old=SETTINGS), SPLIT)
    assert line.endswith(f"old seed 0 (version of the step 1 -> {STEP_VERSIONS['train']})")
    (results / "train/old/seed-0/provenance.json").write_text('{"settings": ')
    (results / "split.json").write_text("[]")
    assert repeats(results, wanted(old=SETTINGS), SPLIT) == []


def test_a_changed_truth_table_may_repeat_what_else_fits(results: Path) -> None:
    (results / "truth.csv").write_text("ID,is_lens\n1,0\n2,1\n")
    first, second = repeats(results, wanted(net=changed(epochs=3), other=SETTINGS), SPLIT)
    assert "net seeds 0, 1 (epochs null -> 3)" in first
    assert second.startswith("1 finished training will be repeated if the split changes, because of ")
    assert second.endswith("truth.csv, which has changed: other seed 0")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"settings": {"method": "grouped", "holdout": 200}}, "split.holdout 100 -> 200"),
        ({"label": "1 - no_source"}, 'datasets.train.label "auto" -> "1 - no_source"'),
        ({"truth": "other.csv"}, '-> "other.csv"'),
    ],
)
def test_another_split_may_repeat_all(results: Path, change: dict, words: str) -> None:
    (line,) = repeats(results, wanted(net=SETTINGS), SPLIT | change)
    assert line.startswith("2 finished trainings will be repeated if the split changes, because of ")
    assert words in line
