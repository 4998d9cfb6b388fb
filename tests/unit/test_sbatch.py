"""The sbatch of the SLURM profile: what it changes of a submission, and what it takes for a refusal that passes."""

import runpy
from pathlib import Path

import pytest

SBATCH = runpy.run_path(str(Path(__file__).resolve().parents[2] / "profiles/slurm/bin/sbatch"), run_name="sbatch")


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
def test_a_node_without_a_name_is_not_excluded(given, kept):
    assert SBATCH["without_unknown_nodes"](given) == kept


def test_a_busy_controller_passes_and_a_wrong_partition_does_not():
    passing = SBATCH["PASSING"]
    for text in (
        "Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "Batch job submission failed: Socket timed out on send/recv operation",
        "AssocMaxSubmitJobLimit",
    ):
        assert passing.search(f"sbatch: error: {text}")
    for text in ("invalid partition specified: nowhere", "Requested node configuration is not available"):
        assert not passing.search(f"sbatch: error: {text}")


def test_options_are_found_in_either_form():
    words = ["--job-name", "run", "--comment=rule_train"]
    assert [SBATCH["value_of"](words, name) for name in ("--job-name", "--comment", "--output")] == [
        "run",
        "rule_train",
        None,
    ]
