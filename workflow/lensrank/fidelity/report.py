"""The comparison as a table: CSV for programs, text for people. Takes rows, gives files; knows no measurement."""

import math
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path

from lensrank.fidelity.rows import Row
from lensrank.fidelity.tables import SECTION as TRUTH
from lensrank.tables import write_table

COLUMNS = tuple(field.name for field in fields(Row))
BY_CHANCE = 0.05


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Write all rows with all their fields; numbers with 6 digits."""
    write_table(path, COLUMNS, ([_cell(getattr(row, name)) for name in COLUMNS] for row in rows))


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "pass" if value else "fail"
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def as_text(rows: Sequence[Row], title: str) -> str:
    """The table as Markdown that reads well as plain text, and how many rows pass."""
    lines = [f"# {title}", ""]
    for section in dict.fromkeys(row.section for row in rows):
        inside = [row for row in rows if row.section == section]
        lines += [f"## {section}", ""]
        head = ("quantity", "simulated", "95 % interval", "real", "of real", "passes when", "verdict")
        cells = [head, *(_line(row) for row in inside)]
        widths = [max(len(line[i]) for line in cells) for i in range(len(head))]
        ruler = tuple("-" * width for width in widths)
        for line in (head, ruler, *cells[1:]):
            lines.append("| " + " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)) + " |")
        lines.append("")
    return "\n".join([*lines, *_verdict(rows)]) + "\n"


def _line(row: Row) -> tuple[str, ...]:
    unit = f" ({row.unit})" if row.unit else ""
    interval = f"{_short(row.low)} to {_short(row.high)}" if not math.isnan(row.low) else ""
    of = f"{row.images:,}" if row.images else ""
    verdict = "pass" if row.passed else "FAIL"
    return row.name + unit, _short(row.simulated), interval, _short(row.real), of, row.rule, verdict


def _short(value: float) -> str:
    return "" if math.isnan(value) else f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"


def _verdict(rows: Sequence[Row]) -> list[str]:
    failed = [row for row in rows if not row.passed]
    intervals = sum(row.rule == "real within the interval" for row in rows)
    lines = [
        f"{len(rows) - len(failed)} of {len(rows)} rows pass. Of the {intervals} whose rule is a 95 % interval, "
        f"{BY_CHANCE * intervals:.0f} or so would fail if the images were the real ones."
    ]
    for row in failed:
        off = f", {row.simulated / row.real - 1:+.0%}" if row.section == TRUTH and row.real else ""
        lines.append(f"- fails: {row.section}, {row.name}: {_short(row.simulated)}, real {_short(row.real)}{off}")
    return lines
