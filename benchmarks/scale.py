"""What a survey costs: writes docs/scale.md from the table of a benchmark.

python benchmarks/scale.py docs/results/bench-<date>.csv [docs/results/gpu-<date>.csv] --output docs/scale.md
"""

import argparse
import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from ingest import FILE_BYTES

from lensrank import resources
from lensrank.config.settings import Config, Model
from lensrank.files import write_text


class Plan(NamedTuple):
    """How a survey is parted.

    Attributes:
        shard: images per shard.
        datasets: data sets, each with an index and a catalogue of its own.
        runs: runs, each planned on its own.
    """

    shard: int
    datasets: int
    runs: int


SURVEYS = {
    10**6: Plan(10000, 1, 1),
    10**7: Plan(10000, 1, 1),
    10**8: Plan(50000, 5, 1),
    10**9: Plan(50000, 50, 5),
}
"""By images: so that a catalogue is made on a node of 64 GB, and a run is planned within minutes."""
PLAN_SECONDS, LOOK_SECONDS, INDEX_BYTES = 0.002, 12e-6, 514
"""A job when a run is planned; a file that a dry run looks at; memory of indexing a file (planning-2026-11-22.md)."""
NETWORKS = ("efficientnetb0", "lastro")
PRECISIONS = ("float32", "bfloat16")


def read_costs(paths: Sequence[Path]) -> dict[str, float]:
    """Costs that the rows of benchmarks carry."""
    costs: dict[str, float] = {}
    for path in paths:
        with path.open(newline="") as stream:
            for line in csv.DictReader(stream):
                costs |= json.loads(line["costs"] or "{}")
    return costs


def size(number: float) -> str:
    """Bytes in words."""
    for unit, scale in (("PB", 1e15), ("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= scale:
            return f"{number / scale:.3g} {unit}"
    return f"{number:.0f} B"


def hours(seconds: float | None) -> str:
    """Hours in words; empty where nothing was measured."""
    if seconds is None:
        return ""
    return f"{seconds / 3600:,.0f}" if seconds >= 360000 else f"{seconds / 3600:.3g}"


def table(heads: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (heads, ["---"] * len(heads), *lines))


def stage_seconds(costs: Mapping[str, float], network: str, precision: str) -> dict[str, float]:
    """Core seconds of an image by stage; those stages that were measured."""
    cores = costs.get("cores", 1)
    found = {
        "ingest": costs.get("ingest_core_seconds"),
        "score": _times(costs.get(f"score_seconds_{network}_{precision}"), cores),
        "index": costs.get("run_index_seconds"),
        "rank": costs.get("run_rank_seconds"),
    }
    return {stage: seconds for stage, seconds in found.items() if seconds is not None}


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def cpu_table(costs: Mapping[str, float]) -> str:
    """CPU-hours of a survey for each network and precision, with the stage that limits it."""
    lines = []
    for n, plan in SURVEYS.items():
        for network in NETWORKS:
            for precision in PRECISIONS:
                stages = stage_seconds(costs, network, precision)
                if "score" not in stages:
                    continue
                start = n / plan.shard * costs.get("score_start_seconds", 0) * costs.get("cores", 1)
                total = n * sum(stages.values()) + start
                limiting = max(stages, key=lambda stage: stages[stage])
                share = n * stages[limiting] / total
                parts = [hours(n * stages.get(stage, 0)) for stage in ("ingest", "score")]
                lines.append(
                    [f"{n:,}", network, precision, *parts, hours(start), hours(total), f"{limiting} ({share:.0%})"]
                )
    heads = ("images", "network", "precision", "ingest", "score", "start of jobs", "all", "limited by")
    return table(heads, lines)


def gpu_table(costs: Mapping[str, float]) -> str:
    """GPU-hours to score a survey, and to train on the challenge's set; empty where no GPU was measured."""
    lines = [
        [
            f"{n:,}",
            *(hours(_times(costs.get(f"gpu_score_seconds_{network}"), n)) for network in NETWORKS),
        ]
        for n in SURVEYS
    ]
    return table(("images", *(f"score by {network}" for network in NETWORKS)), lines)


def storage_table(costs: Mapping[str, float]) -> str:
    """Storage of a survey."""
    names = ("shard_bytes", "score_bytes", "catalogue_bytes", "cache_bytes")
    lines = [
        [f"{n:,}", size(n * FILE_BYTES), *(size(n * costs[name]) if name in costs else "" for name in names)]
        for n in SURVEYS
    ]
    return table(("images", "FITS", "shards", "scores, a column", "catalogue, 4 formats", "cache"), lines)


def jobs_table(costs: Mapping[str, float]) -> str:
    """How a survey is parted, and what planning, indexing and ranking then take."""
    lines = []
    for n, plan in SURVEYS.items():
        jobs, rows = 2 * n // plan.shard, n // plan.datasets
        planning = jobs / plan.runs * PLAN_SECONDS
        ranking = resources.tables(ONE_COLUMN, rows).memory
        lines.append(
            [
                f"{n:,}",
                f"{plan.shard:,}",
                size(plan.shard * costs["shard_bytes"]) if "shard_bytes" in costs else "",
                f"{plan.datasets} in {plan.runs}",
                f"{jobs:,}",
                f"{planning:,.0f} s",
                f"{n / plan.runs * LOOK_SECONDS:,.0f} s",
                size(rows * INDEX_BYTES),
                size(ranking),
            ]
        )
    heads = (
        *("images", "`shard_size`", "of a shard", "data sets in runs", "jobs", "to plan a run", "to look at its files"),
        *("memory to index a data set", "to rank it"),
    )
    return table(heads, lines)


ONE_COLUMN = Config(models={"frozen": Model(path=Path("frozen.keras"))})


def page(costs: Mapping[str, float], command: str, sources: Sequence[Path]) -> str:
    """The page."""
    named = ", ".join(f"[{path.stem}](results/{path.with_suffix('.md').name})" for path in sources)
    gpu = any(name.startswith("gpu_") for name in costs)
    return f"""# From a million to a billion images

Written by `{command}`
from {named}; all hours are those of one core of that machine, and
taken to grow with the images; row 16 of the benchmark says how far that holds.

## CPU-hours

{cpu_table(costs)}

Indexing and ranking are in "all" where a whole run was measured (row 15). Every further seed adds one "score"; every
symmetry multiplies it.

## GPU-hours

{gpu_table(costs)}

{"" if gpu else "No GPU was measured, so the columns are empty: `benchmarks/gpu.py` fills them."}

## Storage

{storage_table(costs)}

## Jobs and memory

{jobs_table(costs)}

Memory to rank is what the job asks for (`workflow/lensrank/resources.py`), more than it was seen to take. Indexing asks
for 3 GB, and for as much more at each attempt: for more than five million images in a data set, say so
(`set-resources: {{index: {{mem_mb: 16000}}}}` in the profile). A run looks at every file of a folder whenever it is
planned; of an archive, at the archive alone.

## What to set

- `shard_size`: 10,000 up to ten million images. Beyond that 50,000: the start of jobs and planning fall to a fifth, a
  job still ends within the hour on a node of 8 cores, and memory does not grow with it (row 13).
- Part a survey beyond twenty million into data sets by field or delivery: each is indexed and ranked on its own. Beyond
  two hundred million, into runs; trained networks go from one to the next by their `path`.
- Leave images in archives of some ten thousand: planning looks at each file of a folder, 20 minutes for 10⁸ of them.
- `scoring.precision: bfloat16` where all nodes have AVX-512 BF16 or AMX; rows 9 and 10 say what it does to scores.
- `catalogue.formats`: one of `fits` or `parquet` beyond ten million rows; text is the largest and the slowest to read.
- Keep: `catalogue/`, `scores/`, `train/*/*/model.keras`, `index/*/assignment.csv`, and the shards as long as other
  networks are to score them: they are read at the speed of the disk, FITS files are not. `cache/` may go at any time;
  an archive's members lie there between index and ingest, as large as the unpacked archive.
"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("tables", type=Path, nargs="+", help="CSV files of benchmarks/run.py and gpu.py")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    command = f"python benchmarks/scale.py {' '.join(map(str, args.tables))} --output {args.output}"
    write_text(args.output, page(read_costs(args.tables), command, args.tables))


if __name__ == "__main__":
    main()
