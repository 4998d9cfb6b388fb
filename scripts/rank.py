"""Rank a data set by its score files: catalogue in every format asked for, and challenge submission."""

import argparse
from pathlib import Path

from lensrank.cli import run
from lensrank.rank import RankSettings, rank_dataset
from lensrank.score import TrainedModel


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="run, columns, precision, symmetries, provenance, JSON")
    parser.add_argument("--dataset", required=True, metavar="NAME")
    parser.add_argument("--scores", type=Path, nargs="+", required=True, help="score files of the data set")
    parser.add_argument("--catalogue", type=Path, nargs="+", required=True, help="files to make, by their suffixes")
    parser.add_argument("--submission", type=Path)
    parser.add_argument("--training", type=Path, nargs="*", default=[], help="shards of the training data set")
    parser.add_argument(
        "--model",
        nargs=3,
        action="append",
        default=[],
        metavar=("NAME", "SEED", "PATH"),
        help="a model that must have made its column",
    )
    parser.add_argument("--digests", type=Path, nargs="*", default=[], help="digest files of the data set's shards")
    args = parser.parse_args()
    rank_dataset(
        args.dataset,
        RankSettings.model_validate_json(args.settings),
        args.scores,
        args.catalogue,
        args.submission,
        args.training,
        [TrainedModel(name, int(seed), Path(path)) for name, seed, path in args.model],
        args.digests,
    )


if __name__ == "__main__":
    run(main)
