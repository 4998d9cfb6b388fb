"""Writing the benchmark down: table on the screen, dated Markdown, CSV and figure."""

import csv
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap

import numpy as np
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter
from method import Row

from lensrank.figures.style import BLUE, GREY, VERMILLION, drawing
from lensrank.files import write_text

HEADER = ("row", "what", "against", "ours", "peer or limit", "ratio", "goal", "verdict", "note")
BOLD = ("6", "7", "8", "11", "13", "15")
"""Rows that may not fail."""


def line(row: Row) -> tuple[str, ...]:
    """A row's cells as text."""
    number = f"**{row.number}**" if row.number in BOLD else row.number
    return (number, row.what, row.against, row.ours, row.theirs, ratio(row), str(row.goal), row.verdict, row.note)


def ratio(row: Row) -> str:
    """Median, and least and greatest where there are several."""
    if not row.ratios:
        return ""
    spread = f" ({min(row.ratios):.3g} to {max(row.ratios):.3g})" if len(row.ratios) > 1 else ""
    return f"{row.ratio:.3g}{spread}"


def markdown(rows: Sequence[Row], machine: Mapping[str, str], command: str, repetitions: int) -> str:
    """The page."""
    about = "\n".join(f"- {name}: {value}" for name, value in machine.items())
    table = "\n".join(f"| {' | '.join(cells)} |" for cells in (HEADER, ["---"] * len(HEADER), *map(line, rows)))
    missed = [row.number for row in rows if row.verdict == "MISSED"]
    return f"""# Benchmark, {machine["date"]}

    {command}

Each ratio is the median of {repetitions} rounds or more in which ours and the other took turns (row 15: of three runs,
each between rounds of the other), with the least and the greatest in brackets; what was asked once has no brackets.
Rows in bold may not fail. Files are in the page cache.

{about}

{table}

Missed: {len(missed)} of {len(rows)} ({", ".join(missed) or "none"}).
"""


def write(rows: Sequence[Row], machine: Mapping[str, str], command: str, repetitions: int, output: Path) -> None:
    """Write <output>.md, .csv, .png and .svg."""
    write_text(output.with_suffix(".md"), markdown(rows, machine, command, repetitions))
    with output.with_suffix(".csv").open("w", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(["row", "what", "against", "ours", "other", *_NUMBERS, "goal", "verdict", "note", "costs"])
        for row in rows:
            numbers = [row.ratio, min(row.ratios), max(row.ratios)] if row.ratios else [""] * len(_NUMBERS)
            costs = json.dumps(row.costs) if row.costs else ""
            writer.writerow(
                [
                    row.number,
                    row.what,
                    row.against,
                    row.ours,
                    row.theirs,
                    *numbers,
                    row.goal,
                    row.verdict,
                    row.note,
                    costs,
                ]
            )
    _draw([row for row in rows if row.ratios and row.goal.number], machine, output)


_NUMBERS = ("ratio", "least", "greatest")


def _draw(rows: Sequence[Row], machine: Mapping[str, str], output: Path) -> None:
    """How far each row is beyond its goal, or short of it."""
    subtitle = f"{machine['CPU']}, {machine['cores']} cores; {machine['date']}\n"
    subtitle += "median, least and greatest; right of the line: met; bold: may not fail"
    with drawing(output, "Ratios over their goals", subtitle) as figure:
        axes = figure.add_subplot()
        for place, row in enumerate(reversed(rows)):
            over = np.array([row.ratio, min(row.ratios), max(row.ratios)]) / row.goal.number
            over = np.clip(over if row.goal.sense == ">=" else 1 / np.maximum(over, 1e-9), 1e-2, 1e2)
            colour = BLUE if row.verdict == "met" else VERMILLION
            axes.plot(over[1:], [place, place], color=colour, lw=2)
            axes.plot(over[0], place, "o", color=colour, ms=5)
        names = [f"{row.number}  {row.what}".replace("`", "") for row in reversed(rows)]
        axes.set_yticks(range(len(rows)), ["\n".join(wrap(name, 50)) for name in names], fontsize=6)
        for row, label in zip(reversed(rows), axes.get_yticklabels(), strict=True):
            label.set_fontweight("bold" if row.number in BOLD else "normal")
        axes.axvline(1, color=GREY)
        axes.set(xscale="log")
        axes.set_xlabel("ratio over goal (inverse where less is better)", fontsize=9)
        axes.tick_params(axis="x", labelsize=9)
        # The figures' style takes no text for mathematics, as the usual labels of powers are, of minor ticks too.
        least, greatest = axes.get_xlim()
        few = MaxNLocator(6, steps=(1, 2, 10))
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)) if greatest > 5 * least else few)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.xaxis.set_minor_formatter(NullFormatter())
