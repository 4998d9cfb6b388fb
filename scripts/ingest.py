"""Make one shard from its list: pixels, positions and flags of its images, and the table of what is rejected."""

import argparse
from pathlib import Path

from lensrank.cli import run
from lensrank.ingest import IngestSettings, Outputs, ingest


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--index", type=Path, required=True, help="folder of the data set's index")
    parser.add_argument("--name", required=True, help="of the shard, such as shard-0000")
    parser.add_argument("--settings", required=True, help="JSON: bands, cutout")
    parser.add_argument("--memory", type=Path, required=True, help="folder the index keeps between runs")
    parser.add_argument("--shard", type=Path, required=True, help="shard to make")
    parser.add_argument("--digest", type=Path, required=True, help="digest of the shard's content to write")
    parser.add_argument("--rejects", type=Path, required=True, help="table of rejected files to write")
    options = parser.parse_args()
    ingest(
        options.index,
        options.name,
        IngestSettings.model_validate_json(options.settings),
        options.memory,
        Outputs(options.shard, options.digest, options.rejects),
    )


if __name__ == "__main__":
    run(main)
