"""What it costs to plan a run: wall time and memory of `snakemake --dry-run`, on empty and on finished results.

    python benchmarks/planning.py --shards 20 200 2000 20000 --folder scratch

A data set of one file a shard is indexed by the workflow itself. For finished results the files that a run would make
are made empty, and `snakemake --touch` notes them as made; then a dry run must find nothing to do.
"""

import argparse
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

PROJECT = Path(__file__).resolve().parents[1]


class Cost(NamedTuple):
    """Of one run of snakemake."""

    seconds: float
    megabytes: float
    text: str


def snakemake(folder: Path, *arguments: str) -> Cost:
    """Run snakemake on the data set in a folder."""
    command = [sys.executable, "-m", "snakemake", "--snakefile", PROJECT / "Snakefile", "--directory", folder]
    command += ["--workflow-profile", PROJECT / "profiles/local", "--configfile", folder / "config.yaml", *arguments]
    log = folder / "snakemake.log"
    began = time.monotonic()
    with log.open("w") as stream:
        process = subprocess.Popen(list(map(str, command)), stdout=stream, stderr=stream)
        _, status, usage = os.wait4(process.pid, 0)
    text = log.read_text()
    if status:
        raise SystemExit(f"snakemake {' '.join(arguments)} failed:\n{text[-4000:]}")
    return Cost(time.monotonic() - began, usage.ru_maxrss / 1024, text)


def prepare(folder: Path, shards: int) -> None:
    """A data set with as many images as shards, and its index."""
    shutil.rmtree(folder, ignore_errors=True)
    images = folder / "images"
    images.mkdir(parents=True)
    for number in range(shards):
        (images / f"imageEUC_VIS-{number}.fits").touch()
    (folder / "model.keras").touch()
    (folder / "config.yaml").write_text(
        "run: plan\nshard_size: 1\ndatasets: {sky: {images: images, truth: null}}\n"
        "models: {frozen: {path: model.keras}}\ncatalogue: {formats: [csv]}\n"
    )
    snakemake(folder, "--until", "index")


def finish(folder: Path, shards: int) -> None:
    """Make empty files of everything that a run would make, and let snakemake take them for made."""
    results = folder / "results/plan"
    names = [
        "engine.json",
        "converted.json",
        "catalogue/sky.csv",
        "submission/sky.csv",
        "rejects/sky.csv",
        "report/summary.txt",
    ]
    for number in range(shards):
        shard = f"sky/shard-{number:04d}"
        names += [f"shards/{shard}{suffix}" for suffix in (".h5", ".digest", ".rejects.csv")] + [f"scores/{shard}.h5"]
    for name in names:
        (results / name).parent.mkdir(parents=True, exist_ok=True)
        (results / name).touch()
    snakemake(folder, "--touch")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shards", type=int, nargs="+", default=[20, 200, 2000, 20000])
    parser.add_argument("--folder", type=Path, required=True, help="scratch folder; its content is deleted")
    args = parser.parse_args()
    print("| shards | jobs | empty: s | MB | finished: s | MB |\n|---|---|---|---|---|---|")
    for shards in args.shards:
        folder = args.folder.resolve() / str(shards)
        prepare(folder, shards)
        empty = snakemake(folder, "--dry-run", "--quiet", "all")
        finish(folder, shards)
        finished = snakemake(folder, "--dry-run")
        if "Nothing to be done" not in finished.text:
            raise SystemExit(f"finished results are not taken for finished:\n{finished.text[-4000:]}")
        costs = [f"{cost.seconds:.1f} | {cost.megabytes:.0f}" for cost in (empty, finished)]
        print(f"| {shards:,} | {2 * shards + 6:,} | {' | '.join(costs)} |", flush=True)
        shutil.rmtree(folder)


if __name__ == "__main__":
    main()
