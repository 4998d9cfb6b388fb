"""What goes wrong on a cluster, made to happen: the run ends as one that was not disturbed, and says what was."""

import os
import re
import shutil
import signal
import sys
import time
from dataclasses import replace
from functools import cache

import pytest
from clusters import wait_for
from contents import content, temporaries
from workflows import PROJECT

pytestmark = pytest.mark.slurm

ON_GPU = ("--set-resources", "train:slurm_partition=gpu", "train:gpu=1")  # the command line replaces the profile's


def models(run):
    """The trained networks, as targets: the last words of a command."""
    return [
        "--",
        *(run.results.relative_to(run.folder) / f"train/tiny/seed-{n}/model.keras" for n in run.config["seeds"]),
    ]


def resumed(run, seed=0):
    """Epochs after which a training went on; the log is of the latest attempt."""
    return [int(number) for number in re.findall(r"resumed after epoch (\d+) of", run.log("tiny", seed))]


@pytest.fixture(scope="module")
def undisturbed(training):
    """A function that gives a run of so many epochs of seed 0 that nothing happens to."""

    @cache
    def make(epochs):
        run = training(epochs=epochs, seeds=[0])
        run.run(*models(run))
        return run

    return make


def assert_equals(run, undisturbed):
    """Weights, history and hold-out scores as if nothing had happened, and nothing left of what did."""
    for name in ("model.keras", "history.csv", "holdout.csv"):
        path = f"train/tiny/seed-0/{name}"
        assert content(run.results / path) == content(undisturbed.results / path), name
    assert temporaries(run.results) == []
    assert not (run.results / "cache/train").exists() or not any((run.results / "cache/train").rglob("*.npz"))


def restart(run, *arguments):
    """Start a run again whose Snakemake was killed."""
    process = run.start(*arguments, program=(sys.executable, PROJECT / "scripts/restart.py"))
    assert run.finish(process) == 0, run.output


def states(run, *options):
    """States of the training jobs of the latest command."""
    return [job["State"].split()[0] for job in run.jobs("train", *options)]


def test_a_job_over_its_memory_is_retried_with_more(training, undisturbed, fault_row):
    run = training(epochs=2, seeds=[0])
    run.run(*ON_GPU, "train:mem_mb=600 * attempt ** 2", *models(run))
    first, second = run.jobs("train")
    assert (first["ReqMem"], second["ReqMem"]) == ("600M", "2400M")
    assert first["State"].split()[0] in ("FAILED", "OUT_OF_MEMORY", "CANCELLED")
    assert second["State"] == "COMPLETED"
    assert_equals(run, undisturbed(2))
    assert "results/slurm-logs/rule_train/tiny_0/" in run.output
    happened = f"{first['State']} at {first['ReqMem']}, {second['State']} at {second['ReqMem']}"
    fault_row("job over its memory", "train, SLURM", 1, happened, "nothing")


@pytest.mark.faults
def test_a_job_that_always_fails_is_tried_once_in_each_of_its_submissions(training, fault_row):
    run = training(epochs=2, seeds=[0])
    run.config["training"]["allow_cpu"] = False  # these GPUs have no hardware, so that every attempt fails
    assert run.finish(run.start("--retries", "2", *models(run))) == 1
    jobs = run.jobs("train")
    assert [job["State"] for job in jobs] == ["FAILED"] * 3
    for job in jobs:
        steps = run.cluster.call("sacct", "-nP", "-j", job["JobID"], "--format=JobID").split()
        assert [step.partition(".")[2] for step in steps] == ["", "batch", "0"]
    assert "backend sees none" in run.output
    assert "results/survey/logs/train/tiny/seed-0.log" in run.output
    happened = f"{len(jobs)} submissions, one step each; the log of the training is shown"
    fault_row("job that always fails, 2 retries", "train, SLURM", 1, happened, "nothing")


@pytest.mark.faults
def test_a_job_that_no_node_can_take_is_named_and_the_others_end(training, fault_row):
    run = training(epochs=2, seeds=[0, 1])
    no_node = "train:mem_mb=1000 if wildcards.seed == '1' else 64000"
    assert run.finish(run.start("--retries", "1", *ON_GPU, no_node, *models(run))) == 1
    assert "Requested node configuration is not available" in run.output
    ended = [job["Comment"] for job in run.jobs("train") if job["State"] == "COMPLETED"]
    assert ended == ["rule_train_wildcards_tiny_1"]
    assert run.epochs("tiny", 1) == [1, 2]
    fault_row(
        "sbatch refuses for good", "train, SLURM", 1, "its words are shown; the other training ends well", "nothing"
    )


@pytest.mark.faults
def test_a_training_over_its_time_limit_goes_on_from_its_last_epoch(training, fault_row):
    run = training(epochs=400, seeds=[0])  # more than a minute's work anywhere
    beside = training(epochs=400, seeds=[0])
    reference = beside.start(*models(beside))
    run.run(*ON_GPU, "train:runtime=1 + 9 * (attempt - 1)", *models(run))
    assert beside.finish(reference) == 0, beside.output
    assert states(run) == ["TIMEOUT", "COMPLETED"]
    assert states(beside) == ["COMPLETED"]
    assert "SLURM status is: 'TIMEOUT'" in run.output
    assert 0 < resumed(run)[0] < 400
    assert_equals(run, beside)
    happened = f"{', '.join(states(run))}; resumed after epoch {resumed(run)[0]} of 400"
    fault_row("job over its time limit", "train, SLURM", 1, happened, "nothing: weights as undisturbed")


@pytest.mark.faults
def test_a_preempted_training_is_queued_again_and_goes_on_from_its_last_epoch(training, undisturbed, fault_row):
    run = training(epochs=60, seeds=[0])
    process = run.start(*models(run))
    wait_for(lambda: "epoch 3 of" in run.log("tiny", 0))
    urgent = run.cluster.call(
        "sbatch",
        "--parsable",
        "-p",
        "urgent",
        "-A",
        "astro",
        "--gpus=2",
        "-t",
        "1",
        "-o",
        "/dev/null",
        "--wrap=sleep 5",
    )
    assert run.finish(process) == 0, run.output
    assert int(urgent) > 0
    assert states(run, "-D") == ["PREEMPTED", "COMPLETED"]
    assert resumed(run)[0] >= 3
    assert_equals(run, undisturbed(60))
    happened = f"{', '.join(states(run, '-D'))}; resumed after epoch {resumed(run)[0]} of 60"
    fault_row("preempted and queued again", "train, SLURM", 1, happened, "nothing: weights as undisturbed")


@pytest.mark.faults
def test_a_node_that_dies_costs_the_epoch_it_was_in(training, undisturbed, fault_row):
    run = training(epochs=60, seeds=[0])
    process = run.start(*models(run))
    wait_for(lambda: "epoch 3 of" in run.log("tiny", 0))
    daemon = run.cluster.pid("slurmd-gpu1")
    os.kill(daemon, signal.SIGKILL)
    for pid in run.cluster.steps():
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: "down" in run.cluster.call("sinfo", "-h", "-n", "gpu1", "-o", "%T"))
    run.cluster.start()
    assert run.finish(process) == 0, run.output
    assert states(run, "-D") == ["NODE_FAIL", "COMPLETED"]
    assert resumed(run)[0] >= 3
    assert_equals(run, undisturbed(60))
    happened = f"{', '.join(states(run, '-D'))}; resumed after epoch {resumed(run)[0]} of 60"
    fault_row("node dies (slurmd and steps killed)", "train, SLURM", 1, happened, "nothing: weights as undisturbed")


@pytest.mark.faults
def test_a_controller_that_is_away_for_a_minute_costs_no_attempt(training, undisturbed, fault_row):
    run = training(epochs=2, seeds=[0, 1])
    os.kill(run.cluster.pid("slurmctld"), signal.SIGTERM)
    process = run.start("--retries", "0", *models(run))
    time.sleep(60)
    run.cluster.start()
    assert run.finish(process) == 0, run.output
    assert states(run) == ["COMPLETED"] * 2
    assert_equals(run, undisturbed(2))
    notes = [path.read_text() for path in (run.folder / "results/slurm-logs").rglob("sbatch.log")]
    assert any("Unable to contact slurm controller" in text for text in notes)
    repeated = sum(len(text.splitlines()) for text in notes)
    happened = f"{len(notes)} submissions repeated, {repeated} times in all; no attempt used up"
    fault_row("slurmctld away for 60 s", "two trainings, SLURM", 1, happened, "nothing")


BUSY = """#!/bin/sh
echo $# >>{calls}
case $(wc -l <{calls}) in
  1) taken=false ;;
  2) {sbatch} "$@" && taken=true ;;
  *) exec {sbatch} "$@" ;;
esac >&2
echo "sbatch: error: Batch job submission failed: Socket timed out on send/recv operation" >&2
exit 1
"""


@pytest.mark.faults
def test_a_job_whose_submission_was_taken_unheard_is_there_once(training, undisturbed, tmp_path, fault_row):
    run = training(epochs=2, seeds=[0])
    own, calls = shutil.which("sbatch", path=run.cluster.environment["PATH"]), tmp_path / "calls"
    (tmp_path / "sbatch").write_text(BUSY.format(calls=calls, sbatch=own))
    (tmp_path / "sbatch").chmod(0o755)
    environment = run.cluster.environment | {"PATH": f"{tmp_path}:{run.cluster.environment['PATH']}"}
    run = replace(run, cluster=replace(run.cluster, environment=environment))
    run.run("--retries", "0", *models(run))
    assert len(calls.read_text().splitlines()) == 2
    assert states(run) == ["COMPLETED"]
    (note,) = (run.folder / "results/slurm-logs").rglob("sbatch.log")
    assert "SLURM has the job after all" in note.read_text()
    assert_equals(run, undisturbed(2))
    fault_row("sbatch busy, then its answer lost", "train, SLURM", 1, "2 calls, 1 job; no attempt used up", "nothing")


@pytest.mark.faults
def test_a_killed_snakemake_is_started_again_without_a_job_beside_an_orphan(training, undisturbed, fault_row):
    run = training(epochs=150, seeds=[0, 1, 2])  # two GPUs: one training waits
    process = run.start(*models(run))
    wait_for(lambda: sum("epoch 3 of" in run.log("tiny", seed) for seed in run.config["seeds"]) == 2)
    process.kill()
    run.finish(process)
    killed = run.name()
    # By the run alone: accounting learns of what rule a job is when it ends.
    assert sorted(job["State"] for job in run.cluster.jobs(killed)) == ["PENDING", "RUNNING", "RUNNING"]
    unlock = run.start("--unlock", *models(run))
    assert run.finish(unlock) == 0, run.output
    assert "scripts/restart.py" in run.output
    assert run.finish(run.start(*models(run))) == 1
    assert "SLURM holds" in run.output
    restart(run, *models(run))
    orphans = run.cluster.jobs(killed)
    assert [job["State"].split()[0] for job in orphans] == ["CANCELLED"] * 3
    assert states(run) == ["COMPLETED"] * 3
    assert min(job["Start"] for job in run.jobs("train")) >= max(job["End"] for job in orphans)
    after = [epoch for seed in run.config["seeds"] for epoch in resumed(run, seed)]
    assert len(after) == 2
    assert min(after) >= 3
    assert_equals(run, undisturbed(150))
    happened = f"3 orphans cancelled, then 3 trainings; resumed after epochs {after} of 150"
    fault_row("SIGKILL of Snakemake", "three trainings, SLURM", 1, happened, "nothing: weights as undisturbed")


@pytest.mark.faults
def test_an_interrupted_run_leaves_no_job(training, fault_row):
    run = training(epochs=600, seeds=[0, 1, 2, 3])
    process = run.start(*models(run))
    wait_for(lambda: run.cluster.call("squeue", "-h"))  # others are about to be submitted
    process.send_signal(signal.SIGINT)
    assert run.finish(process) == 1
    assert run.cluster.call("squeue", "-h", "--name", run.name()) == ""
    assert {job["State"].split()[0] for job in run.cluster.jobs(run.name())} == {"CANCELLED"}
    assert not (run.folder / f".snakemake/lensrank/{run.config['run']}.json").exists()
    fault_row("Ctrl-C", "while four trainings are submitted, SLURM", 1, "no job of the run is left", "nothing")


@pytest.mark.faults
def test_a_training_that_somebody_cancels_is_retried_and_goes_on_from_its_last_epoch(training, undisturbed, fault_row):
    run = training(epochs=60, seeds=[0])
    process = run.start(*models(run))
    wait_for(lambda: "epoch 3 of" in run.log("tiny", 0))
    (number,) = run.cluster.call("squeue", "-h", "-o", "%i").split()
    run.cluster.call("scancel", number)
    assert run.finish(process) == 0, run.output
    assert states(run) == ["CANCELLED", "COMPLETED"]
    assert "SLURM status is: 'CANCELLED'" in run.output
    assert resumed(run)[0] >= 3
    assert_equals(run, undisturbed(60))
    happened = f"{', '.join(states(run))}; resumed after epoch {resumed(run)[0]} of 60"
    fault_row("scancel of a job", "train, SLURM", 1, happened, "nothing: weights as undisturbed")


@pytest.mark.faults
def test_an_accounting_that_is_away_for_a_minute_costs_nothing(training, undisturbed, fault_row):
    run = training(epochs=60, seeds=[0])
    process = run.start(*models(run))
    wait_for(lambda: "epoch 3 of" in run.log("tiny", 0))
    os.kill(run.cluster.pid("slurmdbd"), signal.SIGTERM)
    time.sleep(60)  # the executor asks every 10 to 30 s
    assert process.poll() is None
    run.cluster.start()
    assert run.finish(process) == 0, run.output
    assert states(run) == ["COMPLETED"]
    assert_equals(run, undisturbed(60))
    happened = "asked again until it answered; no attempt used up"
    fault_row("slurmdbd away for 60 s", "train, SLURM", 1, happened, "nothing: weights as undisturbed")


@pytest.mark.faults
def test_what_an_orphan_finished_is_not_made_again(training, fault_row):
    run = training(epochs=2, seeds=[0])
    process = run.start(*models(run))
    wait_for(lambda: "epoch 1 of" in run.log("tiny", 0))
    process.kill()
    run.finish(process)
    wait_for(lambda: run.cluster.jobs(run.name())[0]["State"] == "COMPLETED")
    restart(run, *models(run))
    assert "Nothing to be done" in run.output
    fault_row("SIGKILL of Snakemake", "train ends after it, SLURM", 1, "restarted: nothing to be done", "nothing")


@pytest.mark.faults
def test_a_submission_that_was_still_being_tried_is_given_up(training, fault_row):
    run = training(epochs=2, seeds=[0])
    os.kill(run.cluster.pid("slurmctld"), signal.SIGTERM)
    process = run.start(*models(run))
    wait_for(lambda: list((run.folder / "results/slurm-logs").rglob("sbatch.log")))
    process.kill()
    run.finish(process)
    killed = run.name()
    blind = run.start(*models(run), program=(sys.executable, PROJECT / "scripts/restart.py"))
    assert run.finish(blind) == 1
    assert "bin/sbatch" in run.output
    assert "and nothing was started" in run.output
    run.cluster.start()
    restart(run, *models(run))
    assert states(run) == ["COMPLETED"]
    assert run.cluster.jobs(killed) == []
    fault_row("SIGKILL of Snakemake", "while it tried to submit, SLURM", 1, "its sbatch ended; one job", "nothing")
