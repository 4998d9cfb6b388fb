"""A small survey of a galaxy with or without a ring, and what each run of the workflow did to its results."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from badinput import image_bytes
from workflows import Workflow

SIDE = 16
NO_RESULTS = {"cache", "logs", "benchmarks", "tensorboard"}
"""Folders of what is no result."""


@dataclass
class Done:
    """A finished run of snakemake: its jobs, such as "score sky shard-0003", and what it printed."""

    jobs: set[str]
    outputs: set[str]
    text: str


def read_log(text):
    """The jobs that ran, and their outputs, from what snakemake prints when a job starts."""
    jobs, outputs, rule, words = set(), set(), None, ""
    for line in (*text.splitlines(), ""):
        kind, _, rest = line.partition(" ")
        if kind in ("rule", "localrule", "checkpoint", "localcheckpoint") and rest.endswith(":"):
            rule, words = rest.rstrip(":"), ""
        elif rule and line.startswith("    wildcards: "):
            words = " ".join(pair.partition("=")[2] for pair in line.partition(": ")[2].split(", "))
        elif rule and line.startswith("    output: "):
            outputs |= {path.partition(" (")[0] for path in line.partition(": ")[2].split(", ")}
        elif rule and not line.startswith("    "):
            jobs.add(f"{rule} {words}".strip())
            rule = None
    return jobs - {"all"}, outputs


@dataclass
class Survey(Workflow):
    def files(self):
        """Inode and digest of every result."""
        paths = [path for path in self.results.rglob("*") if path.is_file()]
        names = {str(path.relative_to(self.results)): path for path in paths}
        return {
            name: (path.stat().st_ino, hashlib.sha256(path.read_bytes()).hexdigest())
            for name, path in names.items()
            if NO_RESULTS.isdisjoint(Path(name).parts)
        }

    def again(self, *arguments):
        """Run, and check that only the outputs of the jobs that ran were written."""
        before = self.files()
        text = self.run("--cores", "2", "--set-threads", "train=1", "score=1", *arguments)
        jobs, outputs = read_log(text)
        made = tuple(output.removeprefix(f"results/{self.config['run']}/") for output in outputs)
        after = self.files()
        touched = {name for name in before.keys() | after.keys() if before.get(name) != after.get(name)}
        assert {name for name in touched if not name.startswith(made)} == set()
        return Done(jobs, outputs, text)

    def nothing_to_do(self):
        done = self.again()
        assert done.jobs == set()
        assert "Nothing to be done" in done.text

    def catalogue(self):
        table = pd.read_parquet(self.results / "catalogue/sky.parquet").set_index("id")
        return table.drop(columns="rank").sort_index()

    def log(self, path):
        return (self.results / "logs" / f"{path}.log").read_text()

    def path(self, dataset, number):
        return self.folder / f"images/{dataset}/imageEUC_VIS-{number}.fits"

    def write(self, dataset, *numbers, noise=0):
        """Write images: a galaxy, and around it a ring that is brighter in lenses, which have odd numbers."""
        y, x = np.mgrid[:SIDE, :SIDE] - (SIDE - 1) / 2
        radius = np.hypot(x, y)
        for number in numbers:
            random = np.random.default_rng([number, noise])
            pixels = random.normal(0, 7.75e-13, (SIDE, SIDE)) + 2e-11 * np.exp(-(radius**2) / 4)
            pixels += random.uniform(2e-12, 6e-12) * (number % 2) * np.exp(-((radius - 5) ** 2) / 2)
            path = self.path(dataset, number)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(image_bytes(pixels.astype(np.float32), RA=number * 1e-3, DEC=0.5))

    def write_truth(self, path, numbers, wrong=()):
        lines = [f"{number},{(number % 2) ^ (number in wrong)}\n" for number in numbers]
        (self.folder / path).write_text("ID,is_lens\n" + "".join(lines))
