"""Convert trained models for the engine of the run, once for all jobs that score by them."""

import argparse
import json
from pathlib import Path

from lensrank.cli import run
from lensrank.engines import model_digest, prepare
from lensrank.files import write_json


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--engine", type=Path, required=True, help="engine.json of the run")
    parser.add_argument("--model", nargs=3, action="append", required=True, metavar=("NAME", "SEED", "PATH"))
    parser.add_argument("--cache", type=Path, required=True, help="folder that keeps converted networks")
    parser.add_argument("--output", type=Path, required=True, help="record of the networks that are ready, JSON")
    args = parser.parse_args()
    models = [Path(path) for _, _, path in args.model]
    engine = json.loads(args.engine.read_text(encoding="utf-8"))["engine"]
    prepare(models, engine, args.cache)
    write_json(args.output, {"engine": engine, "models": {str(model): model_digest(model) for model in models}})


if __name__ == "__main__":
    run(main)
