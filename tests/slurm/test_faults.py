"""What goes wrong on a cluster, made to happen: the run ends as one that was not disturbed, and says what was."""

import os
import re
import signal
import time

import pytest
from conftest import wait_for

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


def states(run, *options):
    """States of the training jobs of the latest command."""
    return [job["State"].split()[0] for job in run.jobs("train", *options)]


def test_a_job_over_its_memory_is_retried_with_more(training):
    run = training(epochs=2, seeds=[0])
    run.run(*ON_GPU, "train:mem_mb=600 * attempt ** 2", *models(run))
    first, second = run.jobs("train")
    assert (first["ReqMem"], second["ReqMem"]) == ("600M", "2400M")
    assert first["State"].split()[0] in ("FAILED", "OUT_OF_MEMORY", "CANCELLED")
    assert second["State"] == "COMPLETED"
    assert run.epochs("tiny", 0) == [1, 2]
    assert "results/slurm-logs/rule_train/tiny_0/" in run.output


@pytest.mark.faults
def test_a_training_over_its_time_limit_goes_on_from_its_last_epoch(training):
    run = training(epochs=150, seeds=[0])
    run.run(*ON_GPU, "train:runtime=1 + 9 * (attempt - 1)", *models(run))
    assert states(run) == ["TIMEOUT", "COMPLETED"]
    assert resumed(run)[0] > 0
    assert run.epochs("tiny", 0) == list(range(1, 151))


@pytest.mark.faults
def test_a_preempted_training_is_queued_again_and_goes_on_from_its_last_epoch(training):
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
    assert run.epochs("tiny", 0) == list(range(1, 61))


@pytest.mark.faults
def test_a_node_that_dies_costs_the_epoch_it_was_in(training):
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
    assert run.epochs("tiny", 0) == list(range(1, 61))


@pytest.mark.faults
def test_a_controller_that_is_away_for_a_minute_costs_no_attempt(training):
    run = training(epochs=2, seeds=[0, 1])
    os.kill(run.cluster.pid("slurmctld"), signal.SIGTERM)
    process = run.start("--retries", "0", *models(run))
    time.sleep(60)
    run.cluster.start()
    assert run.finish(process) == 0, run.output
    assert states(run) == ["COMPLETED"] * 2
    notes = [path.read_text() for path in (run.folder / "results/slurm-logs").rglob("sbatch.log")]
    assert any("Unable to contact slurm controller" in text for text in notes)
