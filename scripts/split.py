"""Divide the labelled images of the training data set into training, validation and hold-out images."""

import argparse
from pathlib import Path

from lensrank.cli import run
from lensrank.config.settings import Dataset, Split
from lensrank.split import split_shards


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--truth", type=Path, required=True, help="truth table, or the index's truth.json")
    parser.add_argument("--dataset", required=True, help="settings of the data set, JSON")
    parser.add_argument("--settings", required=True, help="settings of the split, JSON")
    parser.add_argument("--output", type=Path, required=True, help="split.csv; beside it split.digest, split.json")
    parser.add_argument("shards", type=Path, nargs="*", help="shards of the training data set")
    args = parser.parse_args()
    split_shards(
        args.shards,
        args.truth,
        Dataset.model_validate_json(args.dataset),
        Split.model_validate_json(args.settings),
        args.output,
    )


if __name__ == "__main__":
    run(main)
