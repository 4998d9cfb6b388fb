"""Where ingest spends its time, by step of an image: what rows 2 and 4 of the benchmark lack.

    python benchmarks/profile_ingest.py --images 3000              ingest of a folder
    python benchmarks/profile_ingest.py --images 3000 --archive    index of a `.tar.gz`, which unpacks it

The profiler costs time itself, most of all where functions are many and short; the shares are a guide.
"""

import argparse
import cProfile
import pstats
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from data import Data
from ingest import _index, _indexed, task_raw, task_shards, task_tar
from method import machine

INGEST = {
    "read_timed": "read the file",
    "bytes_digest": "digest of the file, by which a later run knows it again",
    "hdus": "parse the header",
    "_values": "pixels in native byte order",
    "judge_pixels": "look for pixels that are no numbers, masked, all alike",
    "_position": "position",
    "pixel_digest": "hash of the pixels",
    "_Patient.write": "write the pixels to disk",
}
INDEX = {
    "readinto": "unzip, checksum of gzip included",
    "fromtarfile": "parse the header of a member",
    "bytes_digest": "digest of the file, by which a later run knows it again",
    "put": "put the bytes by for `ingest`",
    "match": "whose image it is, by its name",
}
"""Functions of lensrank, and below it of Python, that do not call one another."""


def seconds(run: Callable[[], object]) -> float:
    """Of the second time; a number that `run` gives stands for it."""
    run()
    began = time.perf_counter()
    given = run()
    return given if isinstance(given, float) else time.perf_counter() - began


def profiled(run: Callable[[], object], steps: dict[str, str]) -> list[str]:
    """Share of each step in the time of `run`, a line each, the rest last."""
    profile = cProfile.Profile()
    profile.enable()
    run()
    profile.disable()
    stats = pstats.Stats(profile)
    known, lines = 0.0, []
    for (_, _, name), (_, _, _, cumulative, _) in stats.stats.items():
        # What HDF5 calls is named "<function _Patient.write at 0x...>".
        for step in steps:
            if name == step or f" {step} at " in name:
                known += cumulative
                lines.append(f"  {cumulative / stats.total_tt:5.0%}  {steps[step]}")
    return [*lines, f"  {1 - known / stats.total_tt:5.0%}  the rest: lists, HDF5, the loop"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--images", type=int, default=3000)
    parser.add_argument("--archive", action="store_true")
    args = parser.parse_args()
    n = args.images
    with tempfile.TemporaryDirectory(prefix="lensrank-bench-") as scratch:
        data = Data(Path(scratch), min(n, 300))
        if args.archive:
            run, steps, their = _index_of(data.archive(n), n, data.scratch / "index"), INDEX, "`tar xzf` of it"
            theirs = seconds(task_tar({"archive": data.archive(n), "work": data.scratch}))
        else:
            folder = _indexed(data, data.folder(n), n, "profile")
            run, steps, their = task_shards({"folder": folder}), INGEST, "its bytes alone"
            theirs = seconds(task_raw({"images": data.folder(n)}))
        ours = seconds(run)
        print(f"{1e6 * ours / n:.0f} us an image, {1e6 * theirs / n:.0f} us {their}; {machine()['CPU']}")
        print("\n".join(profiled(run, steps)))


def _index_of(archive: Path, n: int, folder: Path) -> Callable[[], float]:
    def run() -> float:
        shutil.rmtree(folder, ignore_errors=True)
        began = time.perf_counter()
        _index(archive, n, folder)
        return time.perf_counter() - began

    return run


if __name__ == "__main__":
    main()
