"""What runs again when something changed: the exact jobs, and every other file left as it was, inode and bytes.

Each test is a row of the README's table "what happens when something changes". It begins with a copy of one finished
run in another folder: 8 shards to score, 4 to train on, 2 models, 2 seeds.
"""

import copy
import os
import shutil
import subprocess
import zipfile
from dataclasses import replace

import h5py
import numpy as np
import pandas as pd
import pytest
from weekly import SIDE, Survey, read_log
from workflows import copy_project

MODELS = ("narrow", "wide")
SHARDS = tuple(f"shard-{number:04d}" for number in range(8))
TRAIN = {"images": "images/train", "truth": "auto"}
TO_SCORE = {"images": "images/sky", "truth": None}
THE_END = {"rank sky", "summary"}
FIGURES = {"figure_examples", *(f"figure_auroc_epochs {model}" for model in MODELS)} | {
    f"figure_judged {model} holdout" for model in MODELS
}


def figures_of(model):
    return {job for job in FIGURES if model in job.split()}


def trainings(*models, seeds=(0, 1)):
    return {f"train {model} {seed}" for model in models for seed in seeds}


def chain(*shards):
    """Ingest and score of shards, and what follows."""
    return {f"{rule} sky {shard}" for rule in ("ingest", "score") for shard in shards} | {"rejects sky", *THE_END}


SCORES = {f"score sky {shard}" for shard in SHARDS}
AFTER_TRAINING = {*SCORES, "convert", "evaluate", *THE_END}


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    survey = Survey(
        tmp_path_factory.mktemp("finished"),
        {
            "run": "weekly",
            "cutout": {"shape": [SIDE, SIDE]},
            "datasets": {"train": TRAIN, "sky": TO_SCORE},
            "shard_size": 10,
            "catalogue": {"formats": ["parquet", "csv"]},
            "split": {"holdout": 12},
            "models": {model: {"network": "tiny"} for model in MODELS},
            "seeds": [0, 1],
            "training": {"epochs": 2, "learning_rate": 0.01, "batch_size": 8},
        },
    )
    survey.write("train", *range(100, 140))
    survey.write_truth("images/train/classifications.csv", range(100, 140))
    survey.write("sky", *range(200, 280))
    done = survey.again()
    assert {f"ingest sky {shard}" for shard in SHARDS} | AFTER_TRAINING | FIGURES | trainings(*MODELS) <= done.jobs
    return survey


@pytest.fixture
def survey(finished, tmp_path):
    """A copy of the finished run in another folder, with its times, as `rsync -a` makes it."""
    shutil.copytree(finished.folder, tmp_path / "moved", copy_function=shutil.copy2)
    return replace(finished, folder=tmp_path / "moved", config=copy.deepcopy(finished.config))


@pytest.fixture
def project(tmp_path):
    """A copy of the project in another folder, every file with a new time."""
    return copy_project(tmp_path / "another checkout")


def set_version(project, step, version):
    steps = project / "workflow/lensrank/steps.py"
    lines = [f'    "{step}": {version},' if f'"{step}":' in line else line for line in steps.read_text().splitlines()]
    steps.write_text("\n".join(lines) + "\n")


def same_rows(before, after):
    """Whether rows that both catalogues have are equal in every bit."""
    common = before.index.intersection(after.index)
    pd.testing.assert_frame_equal(before.loc[common], after.loc[common], check_exact=True)
    return len(common)


def test_nothing_changed_or_results_were_moved(survey):
    survey.nothing_to_do()


def test_the_project_was_moved_and_touched_and_its_comments_were_edited(survey, project):
    for path in (*project.rglob("*.py"), *project.rglob("*.smk")):
        path.write_text("# A comment more.\n" + path.read_text() + "\n# And another.\n")
    module = project / "workflow/lensrank/train.py"
    module.write_text(module.read_text().replace('"""Train one network', '"""Train (a docstring edited) one network'))
    survey.project = project
    survey.nothing_to_do()


def test_another_python_runs_the_workflow(survey):
    survey.python = os.environ.get("LENSRANK_TEST_OTHER_PYTHON", "")
    if not survey.python:
        pytest.skip("LENSRANK_TEST_OTHER_PYTHON names no interpreter with lensrank's requirements")
    version = "import sys; print(sys.version_info[:2])"
    assert subprocess.check_output([survey.python, "-c", version], text=True) != f"{os.sys.version_info[:2]}\n"
    survey.nothing_to_do()


def test_ten_images_were_added(survey):
    before = survey.catalogue()
    survey.write("sky", *range(150, 155), *range(300, 305))
    done = survey.again()
    assert done.jobs == {"index sky"} | chain("shard-0008")
    assert same_rows(before, survey.catalogue()) == 80
    assert len(survey.catalogue()) == 90
    survey.nothing_to_do()


def test_one_image_changed_in_place_and_one_was_removed(survey):
    before = survey.catalogue()
    survey.write("sky", 213, noise=1)
    survey.path("sky", 257).unlink()
    done = survey.again()
    assert done.jobs == {"index sky"} | chain("shard-0001", "shard-0005")
    after = survey.catalogue()
    assert same_rows(before.drop(index=["213", "257"]), after.drop(index="213")) == 78
    assert after.loc["213", "score"] != before.loc["213", "score"]
    assert "257" not in after.index
    survey.nothing_to_do()


def test_files_were_copied_again(survey):
    for path in (survey.folder / "images").rglob("*.*"):
        data = path.read_bytes()
        path.unlink()
        path.write_bytes(data)
    done = survey.again()
    assert done.jobs == {"index sky", "index train"}
    survey.nothing_to_do()


def test_a_header_was_edited(survey):
    before = survey.catalogue()
    path = survey.path("sky", 200)
    path.write_bytes(path.read_bytes().replace(b"0.5 ", b"0.25", 1))
    done = survey.again()
    assert done.jobs == {"index sky"} | chain("shard-0000")
    assert "scored before: narrow_0, narrow_1, wide_0, wide_1; now: none" in survey.log("score/sky/shard-0000")
    changed = survey.catalogue()
    assert changed.loc["200", "dec"] == pytest.approx(np.degrees(0.25))
    assert same_rows(before.drop(index="200"), changed) == 79
    assert changed.loc["200", "score"] == before.loc["200", "score"]


def test_a_seed_was_added(survey):
    before = survey.catalogue()
    survey.config["seeds"] = [0, 1, 2]
    done = survey.again()
    assert done.jobs == trainings(*MODELS, seeds=[2]) | AFTER_TRAINING | FIGURES - {"figure_examples"}
    for shard in SHARDS:
        said = survey.log(f"score/sky/{shard}")
        assert "scored before: narrow_0, narrow_1, wide_0, wide_1; now: narrow_2, wide_2" in said
    columns = [f"score_{model}_{seed}" for model in MODELS for seed in (0, 1)]
    after = survey.catalogue()
    pd.testing.assert_frame_equal(before[columns], after[columns], check_exact=True)
    assert {f"score_{model}_2" for model in MODELS} <= set(after)
    assert "finished training" not in done.text
    survey.nothing_to_do()


def test_a_model_was_added(survey):
    before = survey.catalogue()
    survey.config["models"] |= {"third": {"network": "tiny", "batch_size": 4}}
    done = survey.again()
    figures = {"figure_judged third holdout", "figure_auroc_epochs third"}
    assert done.jobs == trainings("third") | AFTER_TRAINING | figures
    for shard in SHARDS:
        said = survey.log(f"score/sky/{shard}")
        assert "scored before: narrow_0, narrow_1, wide_0, wide_1; now: third_0, third_1" in said
    columns = [f"score_{model}_{seed}" for model in MODELS for seed in (0, 1)]
    pd.testing.assert_frame_equal(before[columns], survey.catalogue()[columns], check_exact=True)


@pytest.mark.parametrize(
    "change",
    [{"learning_rate": 0.02}, {"augmentation": {"rotation_degrees": 45}}, {"network": "lastro"}],
    ids=["learning_rate", "augmentation", "architecture"],
)
def test_a_models_recipe_was_changed(survey, change):
    survey.config["models"] = {"narrow": {"network": "tiny"} | change, "wide": {"network": "tiny"}}
    plan = survey.run("--dry-run")
    assert read_log(plan)[0] == trainings("narrow") | AFTER_TRAINING | figures_of("narrow")
    told = "2 finished trainings will be repeated: narrow seeds 0, 1"
    assert told in plan
    assert f"{next(iter(change))}" in plan[plan.index(told) :].splitlines()[0]
    if "learning_rate" in change:
        done = survey.again()
        assert done.jobs == trainings("narrow") | AFTER_TRAINING | figures_of("narrow")
        assert done.text.index(told) < done.text.index("rule train:")
        for shard in SHARDS:
            assert "scored before: wide_0, wide_1; now: narrow_0, narrow_1" in survey.log(f"score/sky/{shard}")
        survey.nothing_to_do()


def test_a_label_was_corrected(survey):
    survey.write_truth("images/train/classifications.csv", range(100, 140), wrong=[104])
    done = survey.again()
    expected = {"truth train", "split"} | trainings(*MODELS) | AFTER_TRAINING | FIGURES
    assert done.jobs == expected
    told = "4 finished trainings will be repeated if the split changes, because of images/train/classifications.csv"
    assert told in done.text
    assert done.text.index(told) < done.text.index("split:")
    survey.nothing_to_do()


def test_a_truth_table_was_written_again_with_the_same_labels(survey):
    path = survey.folder / "images/train/classifications.csv"
    path.write_text("# delivered again\n" + path.read_text())
    done = survey.again()
    judged = {f"figure_judged {model} holdout" for model in MODELS}
    assert done.jobs == {"truth train", "split", "figure_examples", "evaluate", "summary"} | judged
    survey.nothing_to_do()


def test_images_without_a_label_were_added_to_the_training_set(survey):
    survey.write("train", 140, 141)
    done = survey.again()
    assert done.jobs == {"index train", "ingest train shard-0004", "rejects train", "truth train", "split"} | THE_END
    survey.nothing_to_do()


def test_a_truth_table_of_the_scored_set_came_later(survey):
    survey.write_truth("later.csv", range(200, 280))
    survey.config["datasets"] = {"train": TRAIN, "sky": {"images": "images/sky", "truth": "later.csv"}}
    done = survey.again()
    assert done.jobs == {"truth sky", "evaluate", "summary"} | {f"figure_judged {model} sky" for model in MODELS}
    seeds = pd.read_csv(survey.results / "metrics/seeds.csv")
    assert list(seeds[seeds["dataset"] == "sky"]["n_lens"]) == [40] * 4
    survey.nothing_to_do()


def test_the_code_of_the_plots_was_changed(survey, project):
    set_version(project, "figures", 99)
    survey.project = project
    assert survey.again().jobs == FIGURES


def test_another_format_of_the_catalogue_was_asked_for(survey):
    survey.config["catalogue"] = {"formats": ["parquet", "csv", "vot"]}
    assert survey.again().jobs == THE_END
    assert (survey.results / "catalogue/sky.vot").exists()
    survey.config["catalogue"] = {"formats": ["parquet"]}
    survey.nothing_to_do()


def test_the_assignment_of_images_to_shards_was_lost(survey):
    survey.write("sky", 150)
    survey.path("sky", 200).unlink()
    survey.again()
    before = survey.catalogue()
    for lost in ((), ("cache/index",), ("cache",)):
        (survey.results / "index/sky/assignment.csv").unlink()
        for folder in lost:
            shutil.rmtree(survey.results / folder)
        assert survey.again().jobs == {"index sky"}
        assert same_rows(before, survey.catalogue()) == len(before) == 80
    survey.nothing_to_do()


def test_a_file_that_a_checkpoint_made_was_deleted(survey):
    survey.config["seeds"] = [0, 1, 2]
    for name in ("index/sky/summary.txt", "index/train/rejects.csv", "index/train/truth.json", "split.json"):
        path = survey.results / name
        content = path.read_bytes()
        path.unlink()
        jobs, _ = read_log(survey.run("--dry-run"))
        assert ("split" if "split" in name else f"index {path.parent.name}") in jobs
        path.write_bytes(content)


def test_images_were_moved_to_another_folder(survey):
    (survey.folder / "images/sky").rename(survey.folder / "elsewhere")
    survey.config["datasets"] = {"train": TRAIN, "sky": {"images": "elsewhere", "truth": None}}
    assert survey.again().jobs == {"index sky"} | THE_END
    survey.nothing_to_do()


def test_the_notes_of_snakemake_were_lost(survey):
    shutil.rmtree(survey.folder / ".snakemake")
    survey.run("--touch", "--forceall", "--cores", "2")
    survey.nothing_to_do()
    survey.write("sky", 300)
    assert survey.again().jobs == {"index sky"} | chain("shard-0008")


def test_a_new_catalogue_is_scored_by_trained_models_alone(survey):
    survey.config = {
        "run": "next",
        "cutout": {"shape": [SIDE, SIDE]},
        "datasets": {"sky": {"images": "images/sky", "truth": None}},
        "shard_size": 10,
        "models": {"best": {"path": "results/weekly/train/narrow/seed-0/model.keras"}},
    }
    shutil.rmtree(survey.folder / "images/train")
    done = survey.again()
    assert done.jobs == {"index sky", "engine", "convert"} | chain(*SHARDS)
    survey.nothing_to_do()

    # Another data set makes the catalogue of none anew.
    survey.config["datasets"]["more"] = {"images": "images/more", "truth": None}
    survey.write("more", *range(400, 405))
    done = survey.again()
    assert {job for job in done.jobs if "sky" in job.split()} == set()
    assert {"index more", "score more shard-0000", "rank more"} <= done.jobs


def test_a_large_trained_model_was_copied_again(survey):
    # Larger than what Snakemake compares by content.
    source = survey.results / "train/narrow/seed-0/model.keras"
    large = survey.folder / "large.keras"
    large.write_bytes(source.read_bytes())
    with zipfile.ZipFile(large, "a") as archive:
        archive.writestr("notes", np.random.default_rng(0).bytes(2_000_000))
    survey.config = {
        "run": "large",
        "cutout": {"shape": [SIDE, SIDE]},
        "datasets": {"sky": {"images": "images/sky", "truth": None}},
        "models": {"best": {"path": "large.keras"}},
    }
    survey.again()
    os.utime(large)
    survey.nothing_to_do()
    with zipfile.ZipFile(large, "a") as archive:
        archive.writestr("more", "another model")
    assert survey.again().jobs == {"convert", "score sky shard-0000"} | THE_END


@pytest.mark.parametrize(
    ("name", "column", "reader", "made_again"),
    [
        ("shards/sky/shard-0003.h5", "image", "score", "ingest sky shard-0003"),
        ("shards/train/shard-0001.h5", "flags", "split", "ingest train shard-0001"),
        ("scores/sky/shard-0003.h5", "scores/wide_1", "rank", "score sky shard-0003"),
    ],
    ids=["scored", "training", "scores"],
)
def test_a_byte_of_a_shard_or_a_score_file_flipped(survey, name, column, reader, made_again):
    before = survey.catalogue()
    path = survey.results / name
    status, data = path.stat(), bytearray(path.read_bytes())
    with h5py.File(path) as file:
        position = file[column].id.get_chunk_info(0).byte_offset
    data[position + 1] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    survey.nothing_to_do()

    # What makes a job read the file.
    if reader == "score":
        survey.config["scoring"] = {"symmetries": 8}
    else:
        (survey.results / {"split": "split.csv", "rank": "submission/sky.csv"}[reader]).unlink()
    failed = survey.call("--cores", "2")
    assert failed.returncode != 0
    said = failed.stdout + failed.stderr
    assert f"results/weekly/{name}: damaged" in said
    assert "Run again" in said
    done = survey.again()
    assert {job for job in done.jobs if job.split()[0] == made_again.split()[0]} == {made_again}
    assert not {job for job in done.jobs if job.split()[0] == "train"}
    if reader != "score":
        assert same_rows(before, survey.catalogue()) == 80
    survey.nothing_to_do()
