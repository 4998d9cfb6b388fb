"""What scoring takes beside the network: a network so small that reading, feeding and writing show.

    python benchmarks/profile_score.py --images 20000

Shards to score files against OpenVINO on a batch in memory, in turns, as in row 8 of the benchmark. What is left over
is the same for every network and precision, so that it says what row 8 comes to where a network is quicker than here.
"""

import argparse
import tempfile
from pathlib import Path
from statistics import median

import scoring
from data import Data
from method import Program, in_turns, machine

REPETITIONS = 9
RATES = (500, 1000, 2000, 4000)
"""Images/s of a bare network; LASTRO in bfloat16 does 1,840 on two cores (docs/results/bench-2026-11-29.md)."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=20000)
    n = parser.parse_args().images
    with tempfile.TemporaryDirectory(prefix="lensrank-bench-") as scratch:
        data = Data(Path(scratch), min(n, 300))
        (network,) = scoring._small_networks(data.scratch, 1)
        settings = {"network": network, "shard": data.shard(n), "scratch": scratch, "precision": "float32", "n": n}
        programs = {name: Program(f"scoring.{name}", settings) for name in ("stream", "bare")}
        seconds = in_turns(programs, REPETITIONS)
    rest = sorted((ours - bare) / n for ours, bare in zip(seconds["stream"], seconds["bare"], strict=True))
    about = machine()
    print(f"{n:,} images, a small network: {n / median(seconds['stream']):,.0f} images/s, bare ", end="")
    print(f"{n / median(seconds['bare']):,.0f}; {about['CPU']}, {about['cores']} cores")
    print(f"beside the network: {1e6 * median(rest):.1f} us an image ({1e6 * rest[0]:.1f} to {1e6 * rest[-1]:.1f})")
    for rate in RATES:
        print(f"  row 8 of a network that does {rate:,} images/s bare: {1 / (1 + rate * median(rest)):.3f}")


if __name__ == "__main__":
    main()
