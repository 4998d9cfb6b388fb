"""Where the ingest of a folder spends its time, by step of an image: what row 2 of the benchmark lacks.

    python benchmarks/profile_ingest.py --images 3000

The profiler costs time itself, most of all where functions are many and short; the shares are a guide.
"""

import argparse
import cProfile
import pstats
import tempfile
import time
from pathlib import Path

from data import Data
from ingest import _indexed, task_raw, task_shards
from method import machine

STEPS = {
    "read_timed": "read the file",
    "bytes_digest": "digest of the file, by which a later run knows it again",
    "hdus": "parse the header",
    "_values": "pixels in native byte order",
    "judge_pixels": "look for pixels that are no numbers, masked, all alike",
    "_position": "position",
    "pixel_digest": "hash of the pixels",
    "_Patient.write": "write the pixels to disk",
}
"""Functions of lensrank that do not call one another."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=3000)
    n = parser.parse_args().images
    with tempfile.TemporaryDirectory(prefix="lensrank-bench-") as scratch:
        data = Data(Path(scratch), min(n, 300))
        images = data.folder(n)
        ingest = task_shards({"folder": _indexed(data, images, n, "profile")})
        ingest()
        plain = float(ingest())
        raw = task_raw({"images": images})
        raw()
        began = time.perf_counter()
        raw()
        bytes_alone = time.perf_counter() - began
        profile = cProfile.Profile()
        profile.enable()
        ingest()
        profile.disable()
    about = machine()
    print(f"{1e6 * plain / n:.0f} us an image, {1e6 * bytes_alone / n:.0f} us its bytes alone; {about['CPU']}")
    stats = pstats.Stats(profile)
    total = stats.total_tt
    known = 0.0
    for (_, _, name), (_, _, _, cumulative, _) in stats.stats.items():
        # What HDF5 calls is named "<function _Patient.write at 0x...>".
        for step in STEPS:
            if name == step or f" {step} at " in name:
                known += cumulative
                print(f"  {cumulative / total:4.0%}  {STEPS[step]}")
    print(f"  {1 - known / total:4.0%}  the rest: lists, HDF5, the loop")


if __name__ == "__main__":
    main()
