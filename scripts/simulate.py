"""Simulate a survey in the layout of the Strong Gravitational Lens Finding Challenge."""

import argparse
from pathlib import Path

from lensrank.cli import run
from lensrank.simulate.survey import SurveySettings, put_together, simulate


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--settings", required=True, help="JSON: a section of `simulate`, and `shape`")
    parser.add_argument("--bands", nargs="+", required=True, help="names of the bands, in order")
    parser.add_argument("--processes", type=int, default=1, help="processes to use")
    which = parser.add_mutually_exclusive_group()
    which.add_argument("--images", type=int, nargs=2, metavar=("FIRST", "END"), help="make these alone, END not")
    which.add_argument(
        "--parts", type=Path, nargs="*", help="folders made with --images: put them together; of none: all"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to make")
    arguments = parser.parse_args()
    settings = SurveySettings.model_validate_json(arguments.settings)
    settings = settings.model_copy(update={"bands": tuple(arguments.bands)})
    if arguments.parts:
        put_together(settings, arguments.parts, arguments.output)
    else:
        images = range(*arguments.images) if arguments.images else None
        simulate(settings, arguments.output, arguments.processes, images)


if __name__ == "__main__":
    run(main)
