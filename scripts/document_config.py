"""Write config/README.md and config/schema.json from the config model."""

import argparse
from pathlib import Path

from lensrank.cli import run
from lensrank.config.document import write_documents


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--readme", type=Path, required=True, help="the page to write")
    parser.add_argument("--schema", type=Path, required=True, help="the JSON schema to write")
    arguments = parser.parse_args()
    write_documents(arguments.readme, arguments.schema)


if __name__ == "__main__":
    run(main)
