"""A survey for faults to happen to: as small as lets every step write all that it may write."""

import os
import subprocess

from weekly import Survey
from workflows import PROJECT

CONFIG = {
    "run": "weekly",
    "cutout": {"shape": [16, 16]},
    "datasets": {"train": {"images": "images/train", "truth": "auto"}, "sky": {"images": "images/sky", "truth": None}},
    "shard_size": 600,
    "split": {"holdout": 20},
    "models": {"tiny": {}},
    "seeds": [0, 1],
    "training": {"epochs": 4, "learning_rate": 0.01, "batch_size": 8},
}


class SmallSurvey(Survey):
    """A survey whose run ends with the catalogue."""

    target = "results/weekly/submission/sky.csv"
    arguments = ("--set-threads", "train=1", "score=1", "--cores", "2", target)

    def start(self, log, *program):
        """Give the command and leave it running in a process group of its own; what it prints goes to a file.

        Args:
            log: the file.
            program: a Python program that is to be given snakemake's arguments; Snakemake itself where left out.
        """
        python, *words = self.command(*self.arguments)
        if program:
            words = [*map(str, program), *words[2:]]
        environment = os.environ | {"PYTHONPATH": str(PROJECT / "workflow")}
        with log.open("w") as output:
            return subprocess.Popen(
                [python, *words],
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def again_after_kill(self, log):
        """What a user does when Snakemake was killed: one command. It is left running as by `start`."""
        return self.start(log, PROJECT / "scripts/restart.py")


def small_survey(folder):
    """80 images to train on, 1,200 to score in two shards; one tiny network, two seeds."""
    survey = SmallSurvey(folder, CONFIG)
    survey.write("train", *range(100, 180))
    survey.write_truth("images/train/classifications.csv", range(100, 180))
    survey.write("sky", *range(10000, 11200))
    return survey
