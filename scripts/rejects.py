"""Put the rejected files of a data set, from its index and its shards, into one table."""

import argparse
from pathlib import Path

from lensrank.cli import run
from lensrank.rejects import merge_rejects


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True, help="table to make")
    parser.add_argument("tables", type=Path, nargs="+", help="tables of rejects, the index's first")
    options = parser.parse_args()
    merge_rejects(options.output, options.tables)


if __name__ == "__main__":
    run(main)
