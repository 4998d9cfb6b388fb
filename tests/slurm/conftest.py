"""A real SLURM on this host, and the workflow on it as a user runs it: from a login node, with the literal command."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]
CLUSTER = Path(__file__).parent / "cluster"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        item.add_marker(pytest.mark.slurm)


@dataclass
class Cluster:
    """The SLURM that `start.sh` started."""

    folder: Path
    environment: dict[str, str]

    def call(self, *command: object, check: bool = True) -> str:
        """Output of one of SLURM's commands."""
        words = [str(word) for word in command]
        done = subprocess.run(words, env=self.environment, capture_output=True, text=True, check=False, timeout=60)
        assert done.returncode == 0 or not check, f"{words}: {done.stdout}{done.stderr}"
        return done.stdout

    def start(self, *arguments: str) -> None:
        """Start what does not run."""
        done = subprocess.run([CLUSTER / "start.sh", *arguments], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self) -> None:
        """Stop all of it and forget its jobs."""
        subprocess.run([CLUSTER / "stop.sh", "--wipe"], check=True)

    def pid(self, daemon: str) -> int:
        """Process of a daemon."""
        return int((self.folder / f"run/{daemon}.pid").read_text())

    def jobs(self, name: str, *options: str) -> list[dict[str, str]]:
        """What accounting knows of the jobs of a run, oldest first.

        Args:
            name: of the jobs, which Snakemake's SLURM executor makes the run's own.
            options: for sacct; "-D" shows each time that a job was requeued.
        """
        columns = ["JobID", "State", "Partition", "NodeList", "AllocTRES", "Comment", "Start", "End", "ReqMem"]
        columns += ["Timelimit", "NCPUS", "ExitCode"]
        words = ["sacct", "-X", "-P", "-n", "--name", name, "--starttime", "now-1days", *options]
        lines = self.call(*words, f"--format={','.join(columns)}").splitlines()
        return [dict(zip(columns, line.split("|"), strict=True)) for line in lines]


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    folder = Path(os.environ.get("LENSRANK_SLURM_DIR", "/var/lib/lensrank-slurm"))
    # As on a login node: outside of any job, with SLURM's commands and this Python's on the path.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment["SLURM_CONF"] = str(folder / "etc/slurm.conf")
    cluster = Cluster(folder, environment)
    cluster.start()
    yield cluster
    cluster.stop()


@dataclass
class Run:
    """A folder that looks like the checkout, in which the workflow runs on the cluster.

    Attributes:
        folder: where the command is given.
        config: the configuration.
        cluster: where its jobs run.
        home: the user's configuration, with the linked profiles.
        output: what the command printed.
    """

    folder: Path
    config: dict
    cluster: Cluster
    home: Path
    output: str = field(default="", init=False)

    @property
    def results(self) -> Path:
        return self.folder / "results" / self.config["run"]

    def start(self, *arguments: object) -> subprocess.Popen[str]:
        """Give the command and leave it running."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config))
        command = ["snakemake", "--profile", "slurm", "--configfile", "config.yaml", *map(str, arguments)]
        environment = self.cluster.environment | {"XDG_CONFIG_HOME": str(self.home)}
        with (self.folder / "output.txt").open("w") as output:
            return subprocess.Popen(
                command, cwd=self.folder, env=environment, stdout=output, stderr=subprocess.STDOUT, text=True
            )

    def finish(self, process: subprocess.Popen[str]) -> int:
        """Wait for the command; gives its exit code."""
        try:
            code = process.wait(timeout=400)
        finally:
            if process.poll() is None:
                process.terminate()
                process.wait(timeout=60)
            self.output = (self.folder / "output.txt").read_text()
        return code

    def run(self, *arguments: object) -> str:
        """Give the command and demand that it ends well; returns its output."""
        code = self.finish(self.start(*arguments))
        assert code == 0, self.output
        return self.output

    def name(self) -> str:
        """Name of the jobs of the latest command."""
        return self.output.partition("SLURM run ID: ")[2].split()[0]

    def jobs(self, rule: str, *options: str) -> list[dict[str, str]]:
        """What accounting knows of the jobs of a rule in the latest command."""
        every = self.cluster.jobs(self.name(), *options)
        return [job for job in every if (job["Comment"] + "_").startswith(f"rule_{rule}_")]

    def provenance(self, model: str, seed: int) -> dict:
        """What a training says of itself."""
        return json.loads((self.results / f"train/{model}/seed-{seed}/provenance.json").read_text())


@pytest.fixture(scope="session")
def make_run(cluster, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    subprocess.run(
        [sys.executable, PROJECT / "scripts/link_profiles.py", PROJECT / "profiles"],
        env=cluster.environment | {"XDG_CONFIG_HOME": str(home)},
        check=True,
    )

    def make(name: str, **config: object) -> Run:
        folder = tmp_path_factory.mktemp(name)
        for part in ("Snakefile", "workflow"):
            (folder / part).symlink_to(PROJECT / part)
        return Run(folder, {"run": name, **config}, cluster, home)

    return make
