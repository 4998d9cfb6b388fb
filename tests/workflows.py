"""Running the workflow as a user does: the snakemake command, in a folder of its own."""

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import yaml

PROJECT = Path(__file__).resolve().parents[1]


def copy_project(target):
    """Copy what the workflow is made of to a new folder, every file with a new time; gives the folder."""
    target.mkdir()
    for name in ("Snakefile", "workflow", "scripts", "profiles", "config"):
        if (PROJECT / name).is_dir():
            shutil.copytree(PROJECT / name, target / name, copy_function=shutil.copyfile)
        else:
            shutil.copyfile(PROJECT / name, target / name)
    return target


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

    def command(self, *arguments):
        """Words of a snakemake command, after its configuration was written."""
        configfile = self.folder / "config.yaml"
        configfile.write_text(yaml.safe_dump(self.config))
        command = [self.python, "-m", "snakemake", "--snakefile", self.project / "Snakefile"]
        command += ["--directory", self.folder, "--workflow-profile", self.project / "profiles/local"]
        command += ["--configfile", configfile, *arguments]
        return list(map(str, command))

    def call(self, *arguments):
        """Run snakemake; returns the finished process with its output as text."""
        environment = os.environ | {"PYTHONPATH": str(self.project / "workflow")}
        return subprocess.run(
            self.command(*arguments), capture_output=True, text=True, cwd=self.folder, env=environment, check=False
        )

    def run(self, *arguments):
        """Run snakemake and demand that it ends well; returns its output."""
        done = self.call(*arguments)
        output = done.stdout + done.stderr
        assert done.returncode == 0, output
        return output
