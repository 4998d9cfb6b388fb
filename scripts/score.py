"""Score all images of a shard by trained models; finished columns come from the cache."""

import argparse
import json
from pathlib import Path

from lensrank.cli import run, set_up_tensorflow
from lensrank.score import ScoreSettings, TrainedModel, score_shard


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--shard", type=Path, required=True)
    parser.add_argument("--settings", default="{}", help="symmetries, precision and batch size, JSON")
    parser.add_argument("--engine", type=Path, required=True, help="engine.json of the run")
    parser.add_argument("--model", nargs=3, action="append", required=True, metavar=("NAME", "SEED", "PATH"))
    parser.add_argument("--cache", type=Path, required=True, help="folder of finished columns and converted networks")
    parser.add_argument("--threads", type=int, help="as many as the process may use where left out")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs this job was given")
    parser.add_argument("--output", type=Path, required=True)
    args = parser.parse_args()
    set_up_tensorflow()
    score_shard(
        args.shard,
        [TrainedModel(name, int(seed), Path(path)) for name, seed, path in args.model],
        ScoreSettings.model_validate_json(args.settings),
        json.loads(args.engine.read_text(encoding="utf-8"))["engine"],
        args.cache,
        args.output,
        args.threads,
        args.gpus,
    )


if __name__ == "__main__":
    run(main)
