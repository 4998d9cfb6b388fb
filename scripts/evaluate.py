"""Judge every training on its hold-out and on every scored data set that has a truth table."""

import argparse
from pathlib import Path

from lensrank.cli import run
from lensrank.evaluate import evaluate, write_tables
from lensrank.scored import add_arguments, from_arguments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    add_arguments(parser)
    parser.add_argument("--output", type=Path, required=True, help="folder of the tables")
    args = parser.parse_args()
    scored, settings = from_arguments(args)
    write_tables(args.output, evaluate(scored, settings.threshold))


if __name__ == "__main__":
    run(main)
