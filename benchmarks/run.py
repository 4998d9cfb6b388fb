"""Measure ratios: ours beside what people use and beside the limit, in turns on this machine.

    python benchmarks/run.py                     what `make bench` does: all rows but those that take long, 15 minutes
    python benchmarks/run.py --rows 1 2 8        some rows, written down only with --output
    python benchmarks/run.py --rows 15 --images 100000
    python benchmarks/run.py --rows 9 10 --fit 3000 --epochs 10
    python benchmarks/run.py --quick             every row on few images, to see that it works

A Python with torch and numpy, named by LENSRANK_BENCH_TORCH_PYTHON, lets PyTorch take part.
"""

import argparse
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path

import ingest
import scoring
import training
import whole
from data import NETWORKS, PROJECT, Data
from method import Goal, Row, machine

import report


@dataclass(frozen=True)
class Sizes:
    """Images that the rows are measured on, and rounds.

    Attributes:
        base: different images that are simulated.
        ingest, archive: rows 1 to 3 and 5; 4.
        catalogue, runtime, agreement: rows 6 and 7; 8 and 17, by network; 9 and 10.
        few, many, job: row 13.
        epoch, step, rounds: rows 11 and 12, by network; PyTorch's steps; rounds.
        training: row 14.
        fit, epochs: images and epochs of the networks that scoring is measured with.
        run, flat, network: row 15; row 16; the network of both.
        repetitions: rounds, or more: where others use the host, many short rounds tell more than a few long ones.
    """

    base: int = 320
    ingest: int = 2000
    archive: int = 2000
    catalogue: int = 384
    runtime: tuple[int, int] = (512, 1536)
    agreement: int = 10000
    few: int = 10000
    many: int = 100000
    job: int = 128
    epoch: tuple[int, int] = (128, 180)
    step: tuple[int, int] = (32, 90)
    rounds: tuple[int, int] = (13, 21)
    training: int = 20000
    fit: int = 160
    epochs: int = 1
    run: int = 100000
    flat: tuple[int, ...] = (10000, 100000)
    network: str = "efficientnetb0"
    repetitions: int = 5


QUICK = Sizes(
    base=60,
    ingest=128,
    archive=128,
    catalogue=64,
    runtime=(64, 64),
    agreement=128,
    few=128,
    many=640,
    job=32,
    epoch=(130, 90),
    step=(32, 60),
    rounds=(1, 1),
    training=300,
    fit=64,
    run=200,
    flat=(100, 200),
    repetitions=1,
)
APART = {
    "9": ("float32 engine against Keras, trained networks", Goal("<=", 1e-5), "--rows 9 10 --fit 3000 --epochs 10"),
    "10": ("bfloat16 engine against Keras, trained networks", Goal("<=", 5e-4), "--rows 9 10 --fit 3000 --epochs 10"),
    "15": ("whole run, folder to catalogue", Goal("<=", 1.3), "--rows 15 --images 100000"),
    "16": ("cost per image", Goal("<=", 1.1), "--rows 16 --images 1000000"),
}
"""Rows that take many minutes, with 10⁶ images an hour: what they are, and what asks for them."""

Group = tuple[tuple[str, ...], Callable[[Data, Sizes], list[Row]]]
TIMED: tuple[Group, ...] = (
    (("1", "2", "3", "4", "5"), lambda data, of: ingest.rows(data, of.ingest, of.archive, 2 + of.repetitions)),
    (("6", "7"), lambda data, of: scoring.rows_catalogue(data, of.catalogue, of.repetitions)),
    (
        ("8", "17"),
        lambda data, of: scoring.rows_runtime(data, dict(zip(NETWORKS, of.runtime, strict=True)), 3 * of.repetitions),
    ),
    (
        ("11", "12"),
        lambda data, of: training.rows_speed(
            data, *(dict(zip(NETWORKS, n, strict=True)) for n in (of.epoch, of.step, of.rounds))
        ),
    ),
    (("15",), lambda data, of: whole.rows_run(data, of.run, of.network)),
    (("16",), lambda data, of: whole.rows_flat(data, of.flat, of.network)),
)
UNTIMED: tuple[Group, ...] = (
    (("14",), lambda data, of: training.rows_memory(data, of.training)),
    (("13",), lambda data, of: scoring.rows_memory(data, of.few, of.many, of.job)),
    (("9", "10"), lambda data, of: scoring.rows_agreement(data, of.agreement, (of.fit, of.epochs))),
)
"""Scores and memory do not depend on what else the machine does: these are measured at once."""
WITH_NETWORKS = {"6", "7", "8", "9", "10", "13", "15", "16", "17"}


def measure(data: Data, sizes: Sizes, wanted: set[str]) -> list[Row]:
    """Measure the rows that are wanted, and say each as soon as it is known."""
    if wanted & WITH_NETWORKS and data.given is None:
        training.make_networks(data, sizes.fit, sizes.epochs)

    def rows_of(group: Group) -> list[Row]:
        _, found = group
        began = time.monotonic()
        rows = [row for row in found(data, sizes) if row.number in wanted]
        lines = [" | ".join(report.line(row)) for row in rows]
        print("\n".join([*lines, f"({time.monotonic() - began:.0f} s)"]), flush=True)
        return rows

    timed = [group for group in TIMED if wanted & set(group[0])]
    untimed = [group for group in UNTIMED if wanted & set(group[0])]
    parts = [rows_of(group) for group in timed]
    if untimed:
        # Before two need the same one at once.
        of = {"9": [sizes.agreement], "13": [sizes.few, sizes.many, sizes.job], "14": [sizes.training]}
        for number in wanted & set(of):
            for n in of[number]:
                data.shard(n)
        with ThreadPoolExecutor(len(untimed)) as threads:
            parts += threads.map(rows_of, untimed)
    return sorted((row for rows in parts for row in rows), key=lambda row: int(row.number))


def main() -> None:
    known = [number for numbers, _ in TIMED + UNTIMED for number in numbers]
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--rows", nargs="+", choices=sorted(known, key=int), help="rows to measure; else those that do not take long"
    )
    parser.add_argument("--quick", action="store_true", help="few images: shows that a row works, and nothing else")
    parser.add_argument("--images", type=int, help="of row 15, and the most of row 16")
    parser.add_argument("--network", choices=NETWORKS, default=NETWORKS[0], help="of rows 15 and 16")
    parser.add_argument("--models", type=Path, help="folder of trained efficientnetb0.keras and lastro.keras")
    parser.add_argument("--fit", type=int, help="else: simulated images that they are trained on; 160 by itself")
    parser.add_argument("--epochs", type=int, help="of it")
    parser.add_argument(
        "--scratch", type=Path, help="folder for images, shards and networks, kept, for one --fit; else temporary"
    )
    parser.add_argument("--output", type=Path, help="path without suffix; docs/results/bench-<date> of all rows")
    args = parser.parse_args()
    wanted = set(args.rows or (known if args.quick else [number for number in known if number not in APART]))
    sizes = replace(QUICK if args.quick else Sizes(), network=args.network)
    if args.images:
        flat = tuple(n for n in (10000, 100000, 1000000) if n < args.images)
        sizes = replace(sizes, run=args.images, flat=(*flat, args.images))
    if args.fit:
        sizes = replace(sizes, base=args.fit, fit=args.fit)
    if args.epochs:
        sizes = replace(sizes, epochs=args.epochs)
    about = machine()
    scratch = args.scratch or Path(tempfile.mkdtemp(prefix="lensrank-bench-"))
    scratch.mkdir(parents=True, exist_ok=True)
    began = time.monotonic()
    try:
        rows = measure(Data(scratch.resolve(), sizes.base, args.models and args.models.resolve()), sizes, wanted)
    finally:
        if args.scratch is None:
            shutil.rmtree(scratch)
    if not args.rows and not args.quick:
        rows += [Row(n, what, "", goal, note=f"asked for by {options}") for n, (what, goal, options) in APART.items()]
        rows.sort(key=lambda row: int(row.number))
    output = args.output
    if output is None and not args.rows and not args.quick:
        output = PROJECT / f"docs/results/bench-{about['date'][:10]}"
    command = shlex.join(["python", "benchmarks/run.py", *sys.argv[1:]])
    about["took"] = f"{(time.monotonic() - began) / 60:.0f} minutes"
    if output is not None:
        report.write(rows, about, command, sizes.repetitions, output)
    print(report.markdown(rows, about, command, sizes.repetitions))


if __name__ == "__main__":
    main()
