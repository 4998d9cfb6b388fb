"""Test trained models on labelled images, as they are and under changes that make no lens: flux, place, noise."""

import argparse
from pathlib import Path

from lensrank.cli import run, set_up_tensorflow
from lensrank.config.settings import Cutout, Dataset
from lensrank.robustness import margins, read_labelled, write_margins


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder, archive or re-pack")
    parser.add_argument("--truth", type=Path, required=True, help="table of labels")
    parser.add_argument("--dataset", default="{}", help="names of files, column or expression of the label, JSON")
    parser.add_argument("--bands", nargs="+", default=["EUC_VIS"], help="in the order of the models' channels")
    parser.add_argument("--cutout", default="{}", help="shape of the images and value of masked pixels, JSON")
    parser.add_argument("--symmetries", type=int, choices=(1, 8), default=1, help="8: mean over those of the square")
    parser.add_argument("--engine", choices=("keras", "openvino"), default="keras")
    parser.add_argument("--output", type=Path, required=True, help="CSV table to make")
    parser.add_argument("models", type=Path, nargs="+", help="trained models, .keras")
    args = parser.parse_args()
    set_up_tensorflow()
    dataset, cutout = Dataset.model_validate_json(args.dataset), Cutout.model_validate_json(args.cutout)
    labelled = read_labelled(args.images, args.truth, dataset, args.bands, cutout)
    print(write_margins(margins(args.models, labelled, args.symmetries, args.engine), args.output))


if __name__ == "__main__":
    run(main)
