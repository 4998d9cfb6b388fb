"""Steps of a finished run, done again as the workflow does them, and killing them."""

import csv
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from workflows import PROJECT

from lensrank.ingest import IngestSettings


@dataclass
class Step:
    """A job of the workflow.

    Attributes:
        rule: its rule.
        command: its shell command.
        outputs: what it makes, below the run's folder.
    """

    rule: str
    command: str
    outputs: list[str]

    def start(self, folder: Path) -> subprocess.Popen[bytes]:
        """Start it in a folder, in a process group of its own."""
        environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow"), "SCRIPTS": str(PROJECT / "scripts")}
        environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
        for output in self.outputs:
            (folder / output).parent.mkdir(parents=True, exist_ok=True)
        return subprocess.Popen(["bash", "-c", self.command], cwd=folder, env=environment, start_new_session=True)

    def log(self, folder: Path) -> str:
        """What it has written into its log."""
        path = folder / re.findall(r"> (\S+) 2>&1", self.command)[0]
        return path.read_text() if path.exists() else ""

    def run(self, folder: Path) -> str:
        """Do it, and demand that it ends well; gives its log."""
        code = self.start(folder).wait()
        assert code == 0, self.log(folder)
        return self.log(folder)

    def fail(self, folder: Path) -> str:
        """Do it, and demand that it fails as a step does, with a message for the user; gives its log."""
        code = self.start(folder).wait()
        text = self.log(folder)
        assert code == 1, text
        assert "Traceback" not in text, text
        return text


def find_steps(run):
    """All jobs of a finished run, by rule, from Snakemake's own summary."""
    lines = run.call("--detailed-summary").stdout.splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("output_file\t"))
    steps = {}
    for row in csv.DictReader(lines[start:], delimiter="\t", quoting=csv.QUOTE_NONE):
        if row["shellcmd"] == "-":
            continue  # of what the run did not make
        steps.setdefault(row["shellcmd"], Step(row["rule"], row["shellcmd"], [])).outputs.append(row["output_file"])
    by_rule = {}
    for step in steps.values():
        by_rule.setdefault(step.rule, []).append(step)
    return by_rule


def step_of(steps, rule):
    """The step of a rule that works on the data set to score, or the first of two trainings."""
    return next(step for step in steps[rule] if not re.search("/(shards|index)/train/", step.outputs[0]))


def ingest_step(survey, shard="shard-0000"):
    """The ingest of a shard of a survey that was indexed without the workflow, in the folder above its output."""
    outputs = [f"output/shards/{shard}{suffix}" for suffix in (".h5", ".digest", ".rejects.csv")]
    settings = IngestSettings(bands=survey.bands, cutout=survey.cutout).model_dump_json()
    words = ["--index", "output/index", "--name", shard, "--settings", shlex.quote(settings), "--memory"]
    words += ["output/memory", "--shard", outputs[0], "--digest", outputs[1], "--rejects", outputs[2]]
    return Step("ingest", f'python "$SCRIPTS/ingest.py" {" ".join(words)} > output/ingest.log 2>&1', outputs)


def end_run(folder):
    """What the workflow does when it ends, and a step alone does not: it forgets the states of trainings."""
    shutil.rmtree(folder / "results/weekly/cache/train", ignore_errors=True)


def kill(process):
    """End a process and all that it started, as a power cut does; gives whether it was still at work."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        process.wait()
        return False
    killed = process.wait() == -signal.SIGKILL
    wait_for_group(process)
    return killed


def wait_for_group(process):
    """Wait until nothing is left of a process that has ended and of what it started."""
    deadline = time.monotonic() + 60
    while _group_lives(process.pid):
        assert time.monotonic() < deadline, f"processes of the group {process.pid} live on"
        time.sleep(0.01)


def _group_lives(group):
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def copy_run(run, folder, *without):
    """Copy a finished run to a folder, without some of its outputs, its images by links; gives the folder."""
    folder.mkdir(parents=True)
    (folder / "images").symlink_to(run.folder / "images")
    shutil.copytree(run.folder / "results", folder / "results", copy_function=shutil.copy2)
    for output in without:
        path = folder / output
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    return folder
