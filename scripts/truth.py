"""Say how a truth table and the images of a data set match."""

import argparse
from pathlib import Path

from lensrank.cli import run
from lensrank.config.settings import Dataset
from lensrank.matching import match_truth


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--name", required=True, help="of the data set")
    parser.add_argument("--truth", type=Path, required=True, help="truth table")
    parser.add_argument("--dataset", required=True, help="the data set's settings, JSON")
    parser.add_argument("--lists", type=Path, required=True, help="folder of the index's lists")
    parser.add_argument("--bands", nargs="+", required=True, help="names of the bands in order")
    parser.add_argument("--output", type=Path, required=True, help="text file to make; the same as JSON lies beside it")
    options = parser.parse_args()
    dataset = Dataset.model_validate_json(options.dataset)
    match_truth(options.truth, options.name, dataset, options.lists, options.bands, options.output)


if __name__ == "__main__":
    run(main)
