"""Draw figures of a run, as PNG and SVG."""

import argparse
from pathlib import Path

from lensrank import figures
from lensrank.cli import run
from lensrank.config.settings import Dataset
from lensrank.scored import add_arguments, from_arguments


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    kinds = parser.add_subparsers(dest="kind", required=True)
    for kind, about in figures.KINDS.items():
        _add_kind(kinds, kind, about)
    args = parser.parse_args()
    if args.kind == "examples":
        dataset = Dataset.model_validate_json(args.dataset)
        figures.examples(
            args.split, args.shards, args.truth, dataset, args.masked, args.pixel_scale, args.data, args.output
        )
    elif args.kind == "auroc_epochs":
        figures.auroc_epochs(args.model, args.train, args.data, args.output)
    else:
        scored, settings = from_arguments(args)
        figures.judged(scored, settings, args.model, args.images, args.data, args.output)


def _add_kind(kinds: "argparse._SubParsersAction[argparse.ArgumentParser]", kind: str, about: str) -> None:
    parser = kinds.add_parser(kind, help=about, description=about)
    parser.add_argument("--output", type=Path, required=True, help="path without a suffix; of judged ones, a folder")
    parser.add_argument("--data", default="", help="what the images are, such as 'simulated'; goes below the title")
    if kind == "examples":
        parser.add_argument("--split", type=Path, required=True, help="split.csv")
        parser.add_argument("--truth", type=Path, required=True, help="truth table, or the index's truth.json")
        parser.add_argument("--dataset", default="{}", help="settings of the data set, JSON")
        parser.add_argument("--masked", type=float, help="pixels of this value are not shown")
        parser.add_argument("--pixel-scale", type=float, help="arcseconds per pixel")
        parser.add_argument("shards", type=Path, nargs="+", help="shards of the training data set")
        return
    parser.add_argument("--model", required=True)
    if kind == "auroc_epochs":
        parser.add_argument("--train", nargs=2, action="append", required=True, metavar=("SEED", "FOLDER"))
        return
    parser.add_argument("--images", required=True, help="holdout, or the name of a scored data set")
    add_arguments(parser)


if __name__ == "__main__":
    run(main)
