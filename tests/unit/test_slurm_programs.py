"""The sbatch and the sacct of the SLURM profile, before programs that answer as SLURM's own do."""

import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from lensrank import slurm

BIN = Path(__file__).resolve().parents[2] / "profiles/slurm/bin"
SUBMIT = ["--job-name=run", "--comment=rule_train", "--output=job.log", "--wrap=x"]


@pytest.fixture(scope="module")
def sbatch():
    sys.path.insert(0, str(BIN))
    yield runpy.run_path(str(BIN / "sbatch"), run_name="sbatch")
    sys.path.remove(str(BIN))


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A function that puts a program on the path, behind those of the profile."""
    programs = tmp_path / "slurm"
    programs.mkdir()
    monkeypatch.setenv("PATH", os.pathsep.join(map(str, [BIN, programs, os.environ["PATH"]])))
    monkeypatch.chdir(tmp_path)

    def put(name, script):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)

    return put


def call(name, *arguments, **variables):
    return subprocess.run(
        [sys.executable, BIN / name, *arguments],
        capture_output=True,
        text=True,
        check=False,
        stdin=subprocess.DEVNULL,
        env=os.environ | variables,
    )


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        (["--exclude=n1,n2", "-t", "5"], ["--exclude=n1,n2", "-t", "5"]),
        (["--exclude=None", "assigned", "-t", "5"], ["-t", "5"]),
        (["--exclude=n1,None", "assigned"], ["--exclude=n1"]),
        (["--exclude=None", "assigned,n1", "--wrap=x"], ["--exclude=n1", "--wrap=x"]),
        (["--wrap=echo None assigned"], ["--wrap=echo None assigned"]),
    ],
)
def test_a_node_without_a_name_is_not_excluded(sbatch, given, kept):
    assert sbatch["without_unknown_nodes"](given) == kept


def test_a_busy_controller_passes_and_a_wrong_partition_does_not(sbatch):
    passing = sbatch["PASSING"]
    for text in (
        "Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "Batch job submission failed: Socket timed out on send/recv operation",
        "Batch job submission failed: Unexpected message received",
        "AssocMaxSubmitJobLimit",
        "QOSGrpSubmitJobsLimit",
        "Batch job submission failed: Protocol authentication error",
    ):
        assert passing.search(f"sbatch: error: {text}")
    for text in ("invalid partition specified: nowhere", "Requested node configuration is not available"):
        assert not passing.search(f"sbatch: error: {text}")


def test_options_are_found_in_either_form(sbatch):
    words = ["--job-name", "run", "--comment=rule_train"]
    assert [sbatch["value_of"](words, name) for name in ("--job-name", "--comment", "--output")] == [
        "run",
        "rule_train",
        None,
    ]


def test_a_refusal_that_does_not_pass_is_given_back_at_once(cluster):
    cluster("sbatch", "echo call >>calls; echo 'sbatch: error: invalid partition specified' >&2; exit 1")
    done = call("sbatch", *SUBMIT)
    assert (done.returncode, done.stderr) == (1, "sbatch: error: invalid partition specified\n")
    assert Path("calls").read_text() == "call\n"


def test_while_squeue_does_not_answer_nothing_is_submitted_again(cluster):
    cluster("sbatch", "echo call >>calls; echo 'sbatch: error: Socket timed out on send/recv operation' >&2; exit 1")
    # The submission was taken and its answer lost; squeue answers the second time it is asked.
    cluster("squeue", "echo ask >>asks; [ $(wc -l <asks) -ge 2 ] || exit 1; echo '7|rule_train'")
    done = call("sbatch", *SUBMIT)
    assert (done.returncode, done.stdout) == (0, "7\n")
    assert Path("calls").read_text() == "call\n"
    assert "squeue does not answer; again in 5 s" in Path("sbatch.log").read_text()


def test_patience_ends_with_the_refusal(cluster):
    cluster("sbatch", "echo 'sbatch: error: Unable to contact slurm controller' >&2; exit 1")
    done = call("sbatch", *SUBMIT, LENSRANK_SBATCH_PATIENCE="1")
    assert (done.returncode, done.stderr) == (1, "sbatch: error: Unable to contact slurm controller\n")


STATES = "1|COMPLETED\n2|CANCELLED by 1000\n3|PREEMPTED\n4|PREEMPTED\n5|RUNNING\n"


def test_cancelled_and_preempted_for_good_are_said_in_words_that_the_executor_knows(cluster):
    cluster("sacct", f"printf '{STATES}'")
    unknown = 'echo "error: Invalid job id specified" >&2; exit 1'
    cluster("squeue", f'case "$*" in *"--jobs 3 "*) echo 3 ;; *) {unknown} ;; esac')
    done = call("sacct", "-X", "--parsable2", "--format=JobIdRaw,State")
    assert done.stdout.splitlines() == ["1|COMPLETED", "2|CANCELLED", "3|PREEMPTED", "4|FAILED", "5|RUNNING"]
    assert call("sacct", "-X", "--format=State").stdout == STATES  # what others ask is left as it is


def test_a_preempted_job_is_awaited_while_squeue_does_not_answer(cluster):
    cluster("sacct", "echo '3|PREEMPTED'")
    cluster("squeue", "echo 'error: Unable to contact slurm controller' >&2; exit 1")
    assert call("sacct", "--format=JobIdRaw,State").stdout == "3|PREEMPTED\n"


def test_an_accounting_that_does_not_answer_fails_as_slurms_own(cluster):
    cluster("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    done = call("sacct", "--format=JobIdRaw,State")
    assert (done.returncode, done.stderr) == (1, "Slurm accounting storage is disabled\n")


def test_a_cluster_that_cannot_say_how_jobs_are_is_refused_with_the_other_command(cluster):
    cluster("sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
    cluster("squeue", "exit 0")
    with pytest.raises(slurm.SlurmError, match=r"storage is disabled.*slurm-status-command: squeue"):
        slurm.check_status_command("sacct")
    slurm.check_status_command("squeue")


def test_slurms_own_program_that_is_missing_is_named(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(BIN))
    done = call("sacct", "--format=JobIdRaw,State")
    assert (done.returncode, done.stderr) == (1, "sacct: SLURM's own is not on the path\n")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(slurm.SlurmError, match="there is no such command"):
        slurm.jobs_named("run")
