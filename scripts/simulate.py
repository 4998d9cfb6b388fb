"""Simulate a survey in the layout of the Strong Gravitational Lens Finding Challenge."""

import argparse
from pathlib import Path

from lensrank.cli import run
from lensrank.simulate.survey import SurveySettings, simulate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: a section of `simulate`, and `shape`")
    parser.add_argument("--bands", nargs="+", required=True, help="names of the bands, in order")
    parser.add_argument("--processes", type=int, default=1, help="processes to use")
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    arguments = parser.parse_args()
    settings = SurveySettings.model_validate_json(arguments.settings)
    simulate(settings.model_copy(update={"bands": tuple(arguments.bands)}), arguments.output, arguments.processes)


if __name__ == "__main__":
    run(main)
