"""Train one network from one random seed."""

import argparse
from pathlib import Path

from lensrank.cli import run, set_up_tensorflow


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("shards", type=Path, nargs="+", metavar="SHARD", help="shards that the split names")
    parser.add_argument("--split", type=Path, required=True, help="split.csv")
    parser.add_argument("--digest", type=Path, required=True, help="digest of the split and its images")
    parser.add_argument("--settings", required=True, help="JSON of lensrank.train.TrainSettings")
    parser.add_argument("--seed", type=int, required=True)
    parser.add_argument("--output", type=Path, required=True, help="folder of the model and what belongs to it")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs this job was given")
    parser.add_argument("--resume", type=Path, help="folder of the state after each epoch; stays")
    parser.add_argument("--threads", type=int, help="CPU threads; all where left out")
    arguments = parser.parse_args()
    set_up_tensorflow()

    from lensrank.train import TrainSettings, train

    train(
        arguments.split,
        arguments.digest,
        arguments.shards,
        TrainSettings.model_validate_json(arguments.settings),
        arguments.seed,
        arguments.output,
        arguments.gpus,
        arguments.resume,
        arguments.threads,
    )


if __name__ == "__main__":
    run(main)
