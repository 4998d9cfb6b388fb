"""Running the workflow as a user does: the snakemake command, in a folder of its own."""

import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]


@dataclass
class Workflow:
    """A folder in which the workflow runs with a configuration."""

    folder: Path
    config: dict
    project: Path = PROJECT
    python: str = sys.executable

    @property
    def results(self):
        return self.folder / "results" / self.config["run"]

    def call(self, *arguments):
        """Run snakemake; returns the finished process with its output as text."""
        configfile = self.folder / "config.yaml"
        configfile.write_text(yaml.safe_dump(self.config))
        command = [self.python, "-m", "snakemake", "--snakefile", self.project / "Snakefile"]
        command += ["--directory", self.folder, "--workflow-profile", self.project / "profiles/local"]
        command += ["--configfile", configfile, *arguments]
        environment = os.environ | {"PYTHONPATH": str(self.project / "workflow")}
        return subprocess.run(
            list(map(str, command)), capture_output=True, text=True, cwd=self.folder, env=environment, check=False
        )

    def run(self, *arguments):
        """Run snakemake and demand that it ends well; returns its output."""
        done = self.call(*arguments)
        output = done.stdout + done.stderr
        assert done.returncode == 0, output
        return output


@pytest.fixture(scope="module")
def make_workflow(tmp_path_factory):
    def make(name, **config):
        return Workflow(tmp_path_factory.mktemp(name), {"run": name, **config})

    return make
