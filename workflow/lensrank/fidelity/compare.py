"""The whole comparison: from a folder of simulated images to the table, its CSV and the figure."""

import logging
from pathlib import Path

from lensrank.fidelity.baselines import shortcut_rows
from lensrank.fidelity.draw import draw_fidelity
from lensrank.fidelity.images import read_survey
from lensrank.fidelity.objects import object_rows
from lensrank.fidelity.pixels import pixel_rows
from lensrank.fidelity.report import as_text, write_csv
from lensrank.fidelity.tables import table_rows
from lensrank.files import write_text

log = logging.getLogger("lensrank")


def compare(folder: Path, band: str, processes: int, output: Path) -> str:
    """Compare a simulated set with the challenge's real training set.

    Args:
        folder: the set, in the challenge's layout.
        band: name of the band.
        processes: processes to use.
        output: path without a suffix; .csv, .md, .png and .svg are written.

    Returns:
        The table as text, which is what the .md holds.

    Raises:
        DataError: as `read_survey`.
    """
    survey = read_survey(folder, band, processes)
    rows = [row for make in (pixel_rows, object_rows, table_rows, shortcut_rows) for row in make(survey)]
    lenses = int(survey.images["is_lens"].sum())
    data = f"{len(survey.images):,} simulated images, {lenses:,} of them lenses"
    text = as_text(rows, f"Fidelity: {data}")
    write_csv(output.with_name(f"{output.name}.csv"), rows)
    write_text(output.with_name(f"{output.name}.md"), text)
    draw_fidelity(rows, data, output)
    log.info("fidelity: %s of %s rows pass", sum(row.passed for row in rows), len(rows))
    return text
