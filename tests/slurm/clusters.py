"""A real SLURM, and the workflow on it as a user runs it: from a login node, with the literal command."""

import json
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

SCRIPTS = Path(__file__).parent / "cluster"


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
        done = subprocess.run(
            [SCRIPTS / "start.sh", *arguments], capture_output=True, text=True, check=False, timeout=300
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def stop(self) -> None:
        """Stop all of it and forget its jobs."""
        subprocess.run([SCRIPTS / "stop.sh", "--wipe"], check=True)

    def pid(self, daemon: str) -> int:
        """Process of a daemon."""
        return int((self.folder / f"run/{daemon}.pid").read_text())

    def steps(self) -> list[int]:
        """Processes of all jobs that run: SLURM's own of each step, and what they started."""
        steps = self.call("pgrep", "-x", "slurmstepd", check=False).split()
        found = [int(pid) for pid in steps]
        for pid in found:
            found += [int(child) for child in self.call("pgrep", "-P", pid, check=False).split()]
        return found

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

    def start(self, *arguments: object, program: Sequence[object] = ("snakemake",)) -> subprocess.Popen[str]:
        """Give the command and leave it running."""
        (self.folder / "config.yaml").write_text(yaml.safe_dump(self.config))
        # A test that runs in the background has SIGINT ignored, and Snakemake would have, too.
        words = [
            "env",
            "--default-signal=INT",
            *program,
            "--profile",
            "slurm",
            "--configfile",
            "config.yaml",
            *arguments,
        ]
        environment = self.cluster.environment | {"XDG_CONFIG_HOME": str(self.home)}
        with (self.folder / "output.txt").open("w") as output:
            return subprocess.Popen(
                list(map(str, words)),
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                text=True,
            )

    def finish(self, process: subprocess.Popen[str]) -> int:
        """Wait for the command; gives its exit code."""
        try:
            code = process.wait(timeout=900)
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

    def log(self, model: str, seed: int) -> str:
        """Log of a training as far as it is written."""
        path = self.results / f"logs/train/{model}/seed-{seed}.log"
        return path.read_text() if path.exists() else ""

    def epochs(self, model: str, seed: int) -> list[int]:
        """Epochs in the history of a finished training."""
        lines = (self.results / f"train/{model}/seed-{seed}/history.csv").read_text().splitlines()
        column = lines[0].split(",").index("epoch")
        return [int(line.split(",")[column]) for line in lines[1:]]

    def provenance(self, model: str, seed: int) -> dict:
        """What a training says of itself."""
        return json.loads((self.results / f"train/{model}/seed-{seed}/provenance.json").read_text())


def wait_for(what: Callable[[], object], seconds: float = 120) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.5)
