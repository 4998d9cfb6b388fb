"""Disks that are full and folders that may not be written to: what the user is told, and how the next run ends."""

import shutil

import pytest
from contents import content, differing, names, temporaries
from steps import copy_run, end_run, ingest_step, step_of
from surveys import Survey, small_image, write_files

NO_ROOM = "No space left on device. Make room on that disk, and run again"
NO_RIGHT = "Read-only file system. Make it writable, or run in a folder that is, and run again"
RUN = "results/weekly"
CATALOGUES = ("fits", "vot", "csv", "parquet")
PAGE = 4096

FILES = {
    "a shard": ("ingest", "shards/sky", "shard-0000.h5"),
    "a model": ("train", "train/tiny/seed-0", "model.keras"),
    "a score file": ("score", "scores/sky", "shard-0000.h5"),
    **{f"the catalogue, .{suffix}": ("rank", "catalogue", f"sky.{suffix}") for suffix in CATALOGUES},
    "a submission": ("rank", "submission", "sky.csv"),
}
"""What is written when the disk is full: its rule, the folder that is a disk of its own, its name there."""

UNDECLARED = {
    "a training's log": ("train", "train/tiny/seed-0/tensorboard", 0),
    "the state of a training": ("train", "cache/train/tiny", 2 * PAGE),
    "a column in the cache": ("score", "cache/scores", 0),
    "what was read of the images": ("ingest", "cache/index/sky/read", 0),
    "the list of a shard": ("index", "index/sky/shards", 2 * PAGE),
    "the assignment": ("index", "cache/index/sky", 0),
}
"""Files that no rule declares, or of which only the folder is; and the bytes that are free."""


def taken(folder):
    """Bytes that files take on a disk of pages."""
    return sum(-(-path.stat().st_size // PAGE) * PAGE for path in folder.rglob("*") if path.is_file())


def before_in(step, undisturbed, folder, name):
    """Bytes that a step writes to a folder before the file that is named, in the undisturbed run."""
    place = undisturbed.folder / folder
    earlier = [output for output in step.outputs if output.startswith(f"{folder}/")]
    earlier = earlier[: earlier.index(f"{folder}/{name}")]
    size = sum(-(-(undisturbed.folder / output).stat().st_size // PAGE) * PAGE for output in earlier)
    return size + (taken(place / "tensorboard") if (place / "tensorboard").exists() else 0)


@pytest.mark.faults
@pytest.mark.parametrize("what", FILES)
def test_a_full_disk_is_named_and_costs_nothing(what, undisturbed, steps, disk, tmp_path, fault_row):
    rule, folder, name = FILES[what]
    folder = f"{RUN}/{folder}"
    step = step_of(steps, rule)
    place = copy_run(undisturbed, tmp_path / "run", *step.outputs)
    size = (undisturbed.folder / folder / name).stat().st_size
    shares = (0.0, 0.5, 0.9)
    with disk(place / folder) as full:
        others = {path.name for path in full.folder.iterdir()}
        for share in shares:
            full.fill(before_in(step, undisturbed, folder, name) + int(share * size) // PAGE * PAGE)
            text = step.fail(place)
            assert f"{folder}/{name}: {NO_ROOM}" in text
            assert not (full.folder / name).exists()
            assert temporaries(place) == []
            whole = [output for output in step.outputs if (place / output).exists()]
            assert differing(place, undisturbed, whole) == []
            for path in [path for path in full.folder.iterdir() if path.name not in others]:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        assert others <= {path.name for path in full.folder.iterdir()}
        step.run(place)
    assert differing(place, undisturbed, step.outputs) == []
    assert temporaries(place) == []
    end_run(place)
    assert names(place / RUN) == names(undisturbed.results)
    happened = f"exit code 1, “{name}: No space left on device …” in the log; no half file"
    fault_row("disk full", what, len(shares), happened, "nothing: outputs as undisturbed")


@pytest.mark.faults
@pytest.mark.parametrize("what", UNDECLARED)
def test_a_full_disk_is_named_whatever_is_written(what, undisturbed, steps, disk, tmp_path, fault_row):
    rule, folder, leave = UNDECLARED[what]
    step = step_of(steps, rule)
    place = copy_run(undisturbed, tmp_path / "run", *step.outputs)
    shutil.rmtree(place / RUN / folder, ignore_errors=True)
    with disk(place / RUN / folder) as full:
        full.fill(leave)
        text = step.fail(place)
        assert NO_ROOM in text
        assert f"Error: {RUN}/{folder}" in text
        full.make_room()
        step.run(place)
    assert differing(place, undisturbed, step.outputs) == []
    assert temporaries(place) == []
    fault_row("disk full", what, 1, "exit code 1, the file is named in the log", "nothing: outputs as undisturbed")


def test_a_disk_that_is_full_when_a_shard_is_written_is_named(disk, tmp_path, fault_row):
    survey = Survey(tmp_path / "images", tmp_path / "output", shard_size=500)
    write_files(survey.images, {f"imageEUC_VIS-{number}.fits": small_image(number) for number in range(500)})
    step = ingest_step(survey.index())
    step.run(tmp_path)
    shutil.copytree(tmp_path / "output/shards", tmp_path / "kept")
    size = (tmp_path / step.outputs[0]).stat().st_size
    shutil.rmtree(tmp_path / "output/shards")
    shares = (0.0, 0.5, 0.9)
    with disk(tmp_path / "output/shards") as full:
        for share in shares:
            full.fill(int(share * size) // PAGE * PAGE)
            assert f"{step.outputs[0]}: {NO_ROOM}" in step.fail(tmp_path)
            assert [path.name for path in full.folder.iterdir()] == ["filler"]
            full.make_room()
        step.run(tmp_path)
    for output in step.outputs:
        assert content(tmp_path / output) == content(tmp_path / output.replace("output/shards", "kept"))
    assert temporaries(tmp_path) == []
    fault_row("disk full", "a shard of 500 images", len(shares), "the shard is named in the log", "nothing")


def test_a_folder_that_nobody_may_write_to_is_named(read_only, tmp_path):
    survey = Survey(tmp_path / "images", tmp_path / "output", shard_size=10)
    write_files(survey.images, {f"imageEUC_VIS-{number}.fits": small_image(number) for number in range(10)})
    step = ingest_step(survey.index())
    shards = tmp_path / "output/shards"
    shards.mkdir()
    with read_only(shards):
        assert f"{step.outputs[0]}: {NO_RIGHT}" in step.fail(tmp_path)
    step.run(tmp_path)
    assert temporaries(tmp_path) == []


@pytest.mark.faults
@pytest.mark.parametrize("folder", [RUN, ".snakemake"])
def test_a_run_in_folders_that_nobody_may_write_to_says_so(folder, undisturbed, read_only, tmp_path, fault_row):
    place = tmp_path / "run"
    shutil.copytree(undisturbed.folder, place, symlinks=True, copy_function=shutil.copy2)
    run = type(undisturbed)(place, undisturbed.config)
    gone = [*(f"{RUN}/catalogue/sky.{suffix}" for suffix in CATALOGUES), run.target]
    for name in gone:
        (place / name).unlink()
    with read_only(place / folder):
        done = run.call(*run.arguments)
        printed = done.stdout + done.stderr
        assert done.returncode != 0
        assert f"{folder}: {NO_RIGHT}" in printed
        assert "Traceback" not in printed
    run.run(*run.arguments)
    assert differing(place, undisturbed, gone) == []
    assert names(run.results) == names(undisturbed.results)
    what = "results folder read-only" if folder == RUN else ".snakemake (the lock) read-only"
    fault_row(what, "the whole chain", 1, f"refused at once: “{folder}: Read-only file system …”", "nothing")
