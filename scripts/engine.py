"""Decide once per run which engine scores, and record it."""

import argparse
from pathlib import Path

from lensrank.cli import run
from lensrank.engines import resolve_engine
from lensrank.files import write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", choices=("auto", "keras", "openvino"), default="auto")
    parser.add_argument("--precision", choices=("float32", "bfloat16"), default="float32")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs of each scoring job")
    parser.add_argument("--output", type=Path, required=True, help="engine.json")
    args = parser.parse_args()
    write_json(args.output, {"engine": resolve_engine(args.engine, args.precision, args.gpus)})


if __name__ == "__main__":
    run(main)
