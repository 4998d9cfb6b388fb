"""Snakemake killed in the middle of a training: one command starts the run again, and nothing is lost."""

import json
import os
import re
import subprocess
import sys
import time

import psutil
import pytest
import yaml
from weekly import SIDE, Survey
from workflows import PROJECT

EPOCHS = 30


@pytest.fixture
def make_survey(tmp_path):
    def make(name):
        config = {
            "run": "killed",
            "cutout": {"shape": [SIDE, SIDE]},
            "datasets": {
                "train": {"images": "images/train", "truth": "auto"},
                "sky": {"images": "images/sky", "truth": None},
            },
            "split": {"holdout": 12},
            "models": {"tiny": {}},
            "seeds": [0],
            "training": {"epochs": EPOCHS, "batch_size": 8},
        }
        survey = Survey(tmp_path / name, config)
        survey.write("train", *range(100, 140))
        survey.write_truth("images/train/classifications.csv", range(100, 140))
        survey.write("sky", *range(200, 220))
        (survey.folder / "config.yaml").write_text(yaml.safe_dump(config))
        return survey

    return make


def start(survey, *program):
    words = [sys.executable, *program, "--workflow-profile", PROJECT / "profiles/local", "--cores", "2"]
    words += ["--snakefile", PROJECT / "Snakefile", "--configfile", "config.yaml"]
    environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow")}
    return subprocess.Popen(
        list(map(str, words)),
        cwd=survey.folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def restart(survey):
    process = start(survey, PROJECT / "scripts/restart.py")
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def training_of(survey):
    """The process that trains."""
    for process in psutil.process_iter(["cwd", "cmdline"]):
        words = process.info["cmdline"] or ()
        if process.info["cwd"] == str(survey.folder) and str(PROJECT / "scripts/train.py") in words:
            return process
    raise AssertionError("no training runs")


def wait_for(condition, process):
    deadline = time.monotonic() + 120
    while not condition():
        assert process.poll() is None, process.communicate()[0]
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_a_killed_snakemake_is_started_again_by_one_command(make_survey):
    undisturbed = make_survey("undisturbed")
    undisturbed.run("--cores", "2")
    survey = make_survey("with a space")
    log = survey.results / "logs/train/tiny/seed-0.log"
    process = start(survey, "-m", "snakemake")
    wait_for(lambda: log.exists() and "epoch 3 of" in log.read_text(), process)
    orphan = training_of(survey)
    orphan.suspend()  # or it might end before it is looked for
    code, output = restart(survey)
    assert code == 1
    assert "Snakemake runs here, run 'killed' on" in output
    process.kill()
    process.wait()
    process.stdout.close()  # the training holds its other end
    assert orphan.is_running()
    code, output = restart(survey)
    assert code == 0, output
    assert f"end process {orphan.pid}, {PROJECT / 'scripts/train.py'} --split, whose Snakemake is gone" in output
    after = int(re.search(rf"resumed after epoch (\d+) of {EPOCHS}", log.read_text())[1])
    assert 3 <= after < EPOCHS
    assert survey.catalogue().equals(undisturbed.catalogue())
    assert {name for name in survey.files() if "tmp" in name} == set()
    assert not list(survey.results.rglob("state.npz"))  # of the training: it has ended
    code, output = restart(survey)
    assert code == 0
    assert "Nothing to be done" in output


def test_a_run_of_another_host_is_not_touched(make_survey):
    survey = make_survey("shared")
    locks = survey.folder / ".snakemake/locks"
    locks.mkdir(parents=True)
    (locks / "0.input.lock").write_text("images\n")
    (survey.folder / ".snakemake/lensrank").mkdir()
    note = {"host": "login2.example.org", "executor": "slurm", "logs": []}
    (survey.folder / ".snakemake/lensrank/killed.json").write_text(json.dumps(note))
    code, output = restart(survey)
    assert code == 1
    assert "started on login2.example.org" in output
    assert (locks / "0.input.lock").exists()
