"""Rows 15 and 16: whole runs of the workflow, from a folder to a catalogue, by trained networks."""

import csv
import shutil
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path
from statistics import median
from typing import NamedTuple

from data import BAND, PROJECT, Data
from method import Goal, Program, Row, in_turns
from scoring import DEFAULT_SHARD

STAGES = ("index", "convert", "ingest", "score", "rank")
RUNS = 3
REPEATED = 10000
"""Different files that the links of row 16 point to."""


class Run(NamedTuple):
    """One run.

    Attributes:
        seconds: wall time.
        stages: seconds of all jobs of a stage, and how many there were.
        memory: most that a job held, bytes.
        sizes: bytes of shards, of score files and of catalogues.
    """

    seconds: float
    stages: dict[str, tuple[float, int]]
    memory: float
    sizes: dict[str, int]

    def describe(self) -> str:
        """Stage by stage, in words."""
        stages = "; ".join(f"{name} {seconds:,.0f} s in {jobs:,} jobs" for name, (seconds, jobs) in self.stages.items())
        return f"{self.seconds:,.0f} s: {stages}; most memory of a job {self.memory / 2**30:.2f} GiB"


def rows_run(data: Data, n: int, network: str) -> list[Row]:
    """Measure row 15 on n images that are all different, `RUNS` times, each between rounds of the bare runtime."""
    images = data.folder(n)
    raw = in_turns({"raw": Program("ingest.raw", {"images": images})}, 1)["raw"][0]  # from the page cache
    bare, runs = [_bare(data, network, n)], []
    for _ in range(RUNS):
        runs.append(_run(data, images, network))
        bare.append(_bare(data, network, n))
    limits = [raw / 2 + n * median(before + after) for before, after in pairwise(bare)]
    run, limit = sorted(zip(runs, limits, strict=True), key=lambda pair: pair[0].seconds / pair[1])[RUNS // 2]
    row = Row("15", f"whole run of {n:,} images, {network}, float32, 2 cores", "sum of the limits", Goal("<=", 1.3))
    row.ours, row.theirs = f"{run.seconds:,.0f} s", f"{limit:,.0f} s: reading {raw / 2:.1f}, bare runtime the rest"
    row.ratios = [run.seconds / limit for run, limit in zip(runs, limits, strict=True)]
    row.note = f"the run in the middle: {run.describe()}; {_pace(bare)}"
    row.costs = {"run_images": n, "run_seconds": run.seconds}
    row.costs |= {f"run_{name}_seconds": seconds / n for name, (seconds, _) in run.stages.items() if name != "convert"}
    row.costs |= {f"{name}_bytes": size / n for name, size in run.sizes.items()}
    return [row]


def rows_flat(data: Data, numbers: tuple[int, ...], network: str) -> list[Row]:
    """Measure row 16: whole runs of so many images each; files repeat beyond `REPEATED`.

    Judged by the seconds of all jobs, their starts included, in either direction: the cost of the most expensive number
    of images over that of the cheapest. The conversion of a network is a cost of the network and not of an image, so it
    is left out. Snakemake's own start, the same for all of them, stands in the wall time. How fast the machine was
    between the runs stands in the note.
    """
    bare, runs = [_bare(data, network, min(numbers))], {}
    for n in sorted(numbers):
        runs[n] = _run(data, _links(data, n), network)
        bare.append(_bare(data, network, min(numbers)))
    cost = {n: sum(run.stages[stage][0] for stage in run.stages if stage != "convert") / n for n, run in runs.items()}
    images = ", ".join(f"{n:,}" for n in runs)
    row = Row(
        "16",
        f"cost per image, {images} images, {network}, float32, its conversion aside",
        "the cheapest",
        Goal("<=", 1.1),
    )
    row.ours = "; ".join(f"{1000 * seconds:.2f} ms" for seconds in cost.values())
    row.theirs = f"{1000 * min(cost.values()):.2f} ms"
    row.ratios = [max(cost.values()) / min(cost.values())]
    described = "; ".join(f"{n:,} images: {run.describe()}" for n, run in runs.items())
    row.note = f"{described}; {_pace(bare)}"
    return [row]


def _bare(data: Data, network: str, n: int) -> list[float]:
    """Seconds per image of the bare runtime, in rounds as long as a job that scores a shard of n images."""
    images = min(n, DEFAULT_SHARD)
    settings = {"network": data.network(network), "shard": data.shard(2048), "scratch": data.scratch}
    bare = Program("scoring.bare", {**settings, "precision": "float32", "n": images})
    return [seconds / images for seconds in in_turns({"bare": bare}, 3)["bare"]]


def _pace(bare: list[list[float]]) -> str:
    rates = "; ".join(", ".join(f"{1 / seconds:,.0f}" for seconds in rounds) for rounds in bare)
    return f"bare before, between and after the runs, images/s: {rates}"


def _run(data: Data, images: Path, network: str) -> Run:
    folder = data.scratch / "run"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    config = f"run: bench\ndatasets: {{sky: {{images: '{images}', truth: null}}}}\n"
    (folder / "config.yaml").write_text(f"{config}models: {{frozen: {{path: '{data.network(network)}'}}}}\n")
    command = [sys.executable, "-m", "snakemake", "--snakefile", PROJECT / "Snakefile", "--directory", folder]
    command += ["--workflow-profile", PROJECT / "profiles/local", "--cores", "2", "--quiet", "all"]
    began = time.monotonic()
    with (folder / "log").open("w") as log:
        done = subprocess.run(
            [*map(str, command), "--configfile", str(folder / "config.yaml")], stdout=log, stderr=log, check=False
        )
    seconds = time.monotonic() - began
    if done.returncode:
        raise SystemExit((folder / "log").read_text()[-4000:])
    return Run(seconds, *_jobs(folder / "results/bench"), _sizes(folder / "results/bench"))


def _jobs(results: Path) -> tuple[dict[str, tuple[float, int]], float]:
    """Seconds and number of the jobs of each stage, and the most memory of one, from Snakemake's own notes."""
    seconds: Counter[str] = Counter()
    jobs: Counter[str] = Counter()
    memory = 0.0
    for path in (results / "benchmarks").rglob("*.tsv"):
        stage = path.relative_to(results / "benchmarks").with_suffix("").parts[0]
        with path.open(newline="") as stream:
            for line in csv.DictReader(stream, delimiter="\t"):
                seconds[stage] += float(line["s"])
                jobs[stage] += 1
                if line["max_rss"] not in ("-", "NA"):
                    memory = max(memory, float(line["max_rss"]) * 2**20)
    order = sorted(seconds, key=lambda stage: STAGES.index(stage) if stage in STAGES else len(STAGES))
    return {stage: (seconds[stage], jobs[stage]) for stage in order}, memory


def _sizes(results: Path) -> dict[str, int]:
    return {
        name: sum(path.stat().st_size for path in (results / name).rglob("*") if path.is_file())
        for name in ("shards", "scores", "catalogue", "cache")
    }


def _links(data: Data, n: int) -> Path:
    """n names for `REPEATED` files, in another order in each shard, so that none is found in the cache of scores."""
    source = data.folder(min(n, REPEATED))
    if n <= REPEATED:
        return source
    files = sorted(source.rglob("*.fits"))
    folder = data.scratch / f"links-{n}"
    if not folder.exists():
        for number in range(n):
            turn, place = divmod(number, REPEATED)
            path = folder.with_suffix(".part") / f"{turn:03d}" / f"image{BAND}-{number}.fits"
            if place == 0:
                path.parent.mkdir(parents=True)
            path.symlink_to(files[(place + turn) % REPEATED])
        folder.with_suffix(".part").rename(folder)
    return folder
