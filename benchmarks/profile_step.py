"""Where TensorFlow's training step on a CPU spends its time: inside oneDNN, by kind of primitive, and outside of it.

    python benchmarks/profile_step.py --network efficientnetb0 --batch 64

oneDNN tells of each of its primitives how long it took; what is left of the step's wall time is TensorFlow's own
arithmetic (activations and their gradients, batch normalisation, dropout, the optimizer) and waiting. Primitives that
run side by side are counted in full, so that the shares are a guide and no sum.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path

from data import NETWORKS, Data
from method import HERE, machine

from lensrank.cli import TENSORFLOW

MARK = "benchmark: a step"


def child(settings: str) -> None:
    """Compute one step unseen, and one between two marks."""
    import time

    from training import task_step

    run = task_step(json.loads(settings))
    run()
    print(MARK, flush=True)
    began = time.perf_counter()
    run()
    print(f"{MARK} {time.perf_counter() - began}", flush=True)


def read(output: str) -> tuple[float, Counter[str]]:
    """Milliseconds of a step, and of oneDNN's primitives in it by kind and pass."""
    _, step, end = output.split(MARK)
    found: Counter[str] = Counter()
    for line in step.splitlines():
        words = line.split(",")
        if words[0] == "onednn_verbose" and "exec" in words:
            kind, way = (words[words.index("exec") + place] for place in (2, 4))
            depthwise = " (depthwise)" if re.search(r"g\d", words[-2]) else ""
            found[f"{kind} {way}{depthwise}".replace("_", " ").replace(" undef", "")] += float(words[-1])
    return 1000 * float(end), found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--network", choices=NETWORKS, default="efficientnetb0")
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--step", help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.step:
        child(args.step)
        return
    with tempfile.TemporaryDirectory(prefix="lensrank-bench-") as scratch:
        settings = Data(Path(scratch), 60).training(args.network, args.batch) | {"batch": args.batch, "steps": 1}
        done = subprocess.run(
            [sys.executable, HERE / "profile_step.py", "--step", json.dumps(settings)],
            env=os.environ | TENSORFLOW | {"ONEDNN_VERBOSE": "1"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
    wall, primitives = read(done.stdout)
    about = machine()
    print(f"{args.network}, a step of {args.batch} images: {wall:.0f} ms; {about['CPU']}, {about['cores']} cores")
    for kind, ms in primitives.most_common(10):
        print(f"  {ms:7.0f} ms  {ms / wall:4.0%}  {kind}")
    inside = sum(primitives.values())
    print(f"  {wall - inside:7.0f} ms  {1 - inside / wall:4.0%}  outside oneDNN")


if __name__ == "__main__":
    main()
