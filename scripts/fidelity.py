"""Compare simulated images and their truth table with the challenge's real ones: a table and a figure."""

import argparse
from pathlib import Path

from lensrank.cli import run
from lensrank.fidelity.compare import compare


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--band", default="EUC_VIS", help="name of the band")
    parser.add_argument("--processes", type=int, default=1, help="processes to use")
    parser.add_argument("--output", type=Path, required=True, help="path without a suffix: .csv, .md, .png, .svg")
    parser.add_argument("folder", type=Path, help="simulated set, in the challenge's layout")
    arguments = parser.parse_args()
    print(compare(arguments.folder, arguments.band, arguments.processes, arguments.output))


if __name__ == "__main__":
    run(main)
