"""SIGKILL of a step at any moment, and of the whole workflow: the next run ends as an undisturbed one."""

import json
import random
import shlex
import shutil
import signal
import time
from pathlib import Path

import pytest
from contents import content, differing, names, temporaries
from smallsurvey import CONFIG, SmallSurvey
from steps import Step, copy_run, end_run, ingest_step, kill, step_of, wait_for_group
from surveys import Survey, small_image, write_files

SEED = 20261122
MOMENTS = {"ingest": 4, "train": 3, "score": 4, "rank": 3}
"""Kills at a random share of the time that the step takes."""
WRITING = {"ingest": 5, "train": 3, "score": 4, "rank": 4}
"""Kills while a file has its temporary name."""
TRIES = 12


def prepare(undisturbed, step, folder):
    """A copy of the finished run as it was before a step, which then has all to do but converting networks."""
    copy_run(undisturbed, folder, *step.outputs)
    cache = folder / "results/weekly/cache"
    if step.rule == "score":
        for entry in (cache / "scores").rglob("*"):
            if entry.is_file() and b"<?xml" not in entry.read_bytes()[:100]:
                entry.unlink()
    if step.rule == "ingest":
        (cache / f"index/sky/read/{Path(step.outputs[0]).stem}.csv").unlink()
    return folder


def kill_at(step, folder, seconds):
    """Kill a step after a time; gives the temporary files it leaves, or None where it had ended by then."""
    process = step.start(folder)
    time.sleep(seconds)
    return temporaries(folder) if kill(process) else None


def kill_writing(step, folder, after):
    """Kill a step when it writes a temporary file, some time after that appeared; as `kill_at`."""
    process = step.start(folder)
    places = [folder / "results/weekly/cache", *{(folder / output).parent for output in step.outputs}]
    while process.poll() is None and not any(map(temporaries, places)):
        pass
    time.sleep(after)
    return (temporaries(folder) or None) if kill(process) else None


def again_until(attempt, folder):
    """Try a kill in fresh folders until one meets the step at work; gives the folder, and what was left there."""
    for number in range(TRIES):
        place = folder / str(number)
        left = attempt(place)
        if left is not None:
            return place, left
        shutil.rmtree(place)
    pytest.fail(f"the step was never met at work in {TRIES} tries")


def check(undisturbed, step, folder):
    """Do a step that was killed again: it ends as if nothing had happened."""
    step.run(folder)
    assert differing(folder, undisturbed, step.outputs) == []
    assert temporaries(folder) == []
    end_run(folder)
    assert names(folder / "results/weekly") == names(undisturbed.results)


@pytest.mark.faults
@pytest.mark.parametrize("rule", MOMENTS)
def test_a_step_that_is_killed_at_any_moment_is_done_again(rule, undisturbed, steps, tmp_path, fault_row):
    chance = random.Random(f"{SEED} {rule}")
    print(f"seed {SEED}")
    step = step_of(steps, rule)
    began = time.monotonic()
    check(undisturbed, step, prepare(undisturbed, step, tmp_path / "whole"))
    whole = time.monotonic() - began
    written = 0

    def at_random(place):
        return kill_at(step, prepare(undisturbed, step, place), chance.random() * whole)

    def while_writing(place):
        return kill_writing(step, prepare(undisturbed, step, place), chance.random() * 0.01 if rule == "ingest" else 0)

    for number, attempt in enumerate([at_random] * MOMENTS[rule] + [while_writing] * WRITING[rule]):
        place, left = again_until(attempt, tmp_path / f"kill-{number}")
        print(f"{rule} killed: left {[path.name for path in left]}")
        written += bool(left)
        check(undisturbed, step, place)
        shutil.rmtree(place)
    assert written >= WRITING[rule]
    kills = MOMENTS[rule] + WRITING[rule]
    happened = f"{written} of them while a temporary file was written; run again, no file of it is left"
    fault_row("SIGKILL of a step", rule, kills, happened, "nothing: each output as undisturbed")


def test_there_are_thirty_kills_ten_of_them_while_a_file_is_written():
    assert sum(MOMENTS.values()) + sum(WRITING.values()) >= 30
    assert sum(WRITING.values()) >= 10


@pytest.mark.faults
def test_a_workflow_that_is_killed_again_and_again_ends_as_an_undisturbed_one(undisturbed, tmp_path, fault_row):
    chance = random.Random(SEED)
    survey = SmallSurvey(tmp_path, CONFIG)
    (tmp_path / "images").symlink_to(undisturbed.folder / "images")
    kills = left = 0
    for number in range(4):
        output = tmp_path / f"output-{number}.txt"
        process = (survey.again_after_kill if number else survey.start)(output)
        jobs = chance.randrange(3)
        while process.poll() is None and output.read_text().count("Finished jobid") < jobs:
            time.sleep(0.05)
        time.sleep(chance.uniform(0, 2))
        if not kill(process):
            break
        kills += 1
        left += len(temporaries(survey.results))
    assert survey.again_after_kill(tmp_path / "output.txt").wait() == 0, (tmp_path / "output.txt").read_text()
    assert kills > 0
    assert temporaries(tmp_path) == []
    assert not list((tmp_path / ".snakemake/incomplete").glob("*"))
    assert names(survey.results) == names(undisturbed.results)
    same = 0
    for name in sorted(names(survey.results)):
        if name.startswith(("shards", "index", "split", "scores", "train", "submission", "rejects")) or name == CSV:
            if name.endswith(("events", "summary.txt", "summary.json")):
                continue
            theirs, ours = (content(run.results / name, dated=False) for run in (undisturbed, survey))
            assert theirs == ours, name
            same += 1
    happened = f"{left} temporary files were left; started again by scripts/restart.py"
    lost = f"nothing: {same} results as undisturbed, catalogue and weights among them"
    fault_row("SIGKILL of Snakemake and its jobs", "the whole chain", kills, happened, lost)


CSV = "catalogue/sky.csv"


@pytest.mark.faults
def test_the_processes_of_a_simulation_that_was_killed_end_and_its_images_go(tmp_path, fault_row):
    settings = json.dumps({"n": 60, "seed": 1, "shape": [41, 41]})
    words = ["--settings", settings, "--bands", "EUC_VIS", "--processes", "2", "--output", "survey"]
    step = Step("simulate", f'exec python "$SCRIPTS/simulate.py" {shlex.join(words)} > simulate.log 2>&1', ["survey"])
    process = step.start(tmp_path)
    while not (images := [path for left in temporaries(tmp_path) for path in left.rglob("*.fits")]):
        assert process.poll() is None, step.log(tmp_path)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    wait_for_group(process)
    step.run(tmp_path)
    assert temporaries(tmp_path) == []
    assert len(list((tmp_path / "survey").rglob("*.fits"))) == 60
    happened = f"{len(images)} or more images were left in a temporary folder; its processes ended; run again, it went"
    fault_row("SIGKILL of the main process alone", "simulate", 1, happened, "nothing")


def test_an_ingest_that_is_killed_while_it_writes_leaves_nothing_behind(tmp_path, fault_row):
    survey = Survey(tmp_path / "images", tmp_path / "output", shard_size=3000)
    write_files(survey.images, {f"imageEUC_VIS-{number}.fits": small_image(number) for number in range(3000)})
    step = ingest_step(survey.index())
    step.run(tmp_path)
    shutil.copytree(survey.output, tmp_path / "kept")
    for _ in range(3):
        for output in step.outputs:
            (tmp_path / output).unlink(missing_ok=True)
        assert kill_writing(step, tmp_path, 0), "not met while it wrote"
    step.run(tmp_path)
    assert temporaries(tmp_path) == []
    for output in step.outputs:
        assert content(tmp_path / output) == content(tmp_path / output.replace("output", "kept", 1))
    fault_row("SIGKILL of a step", "ingest, 3,000 images", 3, "each time while the shard was written", "nothing")
