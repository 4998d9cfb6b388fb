"""Write the end message of a run: what came out, from which recipe, and where it is."""

import argparse
from pathlib import Path

from lensrank.cli import run
from lensrank.summary import SummarySettings, write_summary


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="run, split and simulated data sets, JSON")
    parser.add_argument("--metrics", type=Path, help="folder of the evaluation's tables; left out: nothing was judged")
    parser.add_argument("--split", type=Path, help="split.csv; left out: nothing was trained")
    parser.add_argument("--catalogue", type=Path, nargs="*", default=[], help="catalogues, in any formats")
    parser.add_argument("--rejects", type=Path, nargs="*", default=[], help="tables of rejects")
    parser.add_argument("--output", type=Path, required=True, help="text file to make, in a folder of the results")
    args = parser.parse_args()
    settings = SummarySettings.model_validate_json(args.settings)
    print(write_summary(settings, args.metrics, args.split, args.catalogue, args.rejects, args.output))


if __name__ == "__main__":
    run(main)
