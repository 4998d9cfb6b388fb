"""What SLURM is asked outside of its jobs: whether it can say how they are, and which of them are left."""

import subprocess
from typing import NamedTuple

from lensrank.errors import LensrankError


class SlurmError(LensrankError):
    """SLURM does not answer, or not to what it was asked."""


class Job(NamedTuple):
    """A job that waits or runs.

    Attributes:
        number: SLURM's job ID.
        rule: the job's comment, which names its rule and wildcards.
    """

    number: str
    rule: str


def check_status_command(command: str) -> None:
    """Make sure that the command by which Snakemake asks how its jobs are can answer on this cluster.

    Args:
        command: the profile's `slurm-status-command`.

    Raises:
        SlurmError: it cannot.
    """
    asked = {"sacct": ["sacct", "--noheader", "--allocations", "--starttime", "now"], "squeue": ["squeue", "--me"]}
    other = next(name for name in asked if name != command)
    done = _call(asked[command])
    if done.returncode != 0:
        raise SlurmError(
            f"{command}: {done.stderr.strip()} (exit code {done.returncode}). Snakemake asks {command} how its jobs "
            f"are, and would wait for ever. Where this cluster has no {command}, set slurm-status-command: {other} in "
            "profiles/slurm/config.yaml; where SLURM is away, start again when it answers."
        )


def jobs_named(name: str) -> list[Job]:
    """Jobs of a name that have not ended.

    Raises:
        SlurmError: SLURM does not answer.
    """
    done = _call(["squeue", "--noheader", "--name", name, "--format", "%i|%k"])
    if done.returncode != 0:
        raise SlurmError(
            f"squeue: {done.stderr.strip()} (exit code {done.returncode}). Whether jobs of the run are left cannot be "
            "seen, so none was ended, and nothing was started. Give this command again when SLURM answers."
        )
    return [Job(*line.split("|", 1)) for line in done.stdout.splitlines()]


def cancel(jobs: list[Job]) -> None:
    """Ask SLURM to end jobs; it takes a while, and `jobs_named` tells when it has."""
    _call(["scancel", *(job.number for job in jobs)])


def _call(words: list[str]) -> subprocess.CompletedProcess[str]:
    try:
        return subprocess.run(words, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return subprocess.CompletedProcess(words, 127, "", "there is no such command on this host")
