"""Find the images of a data set, decide which shard each lies in, and say what was found before hours are spent."""

import argparse
from pathlib import Path

from lensrank.cli import run
from lensrank.index import IndexSettings, index


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--images", type=Path, required=True, help="folder, archive or re-pack")
    parser.add_argument("--settings", required=True, help="JSON: name, dataset, bands, cutout, shard_size")
    parser.add_argument("--output", type=Path, required=True, help="folder for lists, rejects and summary")
    parser.add_argument("--memory", type=Path, required=True, help="folder that is kept between runs")
    parser.add_argument("--shards", type=Path, help="folder of the shards of earlier runs")
    options = parser.parse_args()
    settings = IndexSettings.model_validate_json(options.settings)
    index(options.images, settings, options.output, options.memory, options.shards)


if __name__ == "__main__":
    run(main)
