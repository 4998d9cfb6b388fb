"""The comparison as one figure: pixels, the truth table, lensed pixels against the Einstein radius, shortcuts."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes

from lensrank.fidelity import baselines, pixels, tables
from lensrank.fidelity.rows import Row
from lensrank.figures.style import BLUE, GREY, VERMILLION, drawing

SMALL = 11


def draw_fidelity(rows: Sequence[Row], data: str, output: Path) -> None:
    """Draw simulated beside real: dots with 95 % intervals are simulated, diamonds are real.

    Args:
        rows: of the comparison.
        data: what the simulated images are, for the line below the title.
        output: path without a suffix.
    """
    passed = sum(row.passed for row in rows)
    subtitle = f"{data}; {passed} of {len(rows)} rows of the table pass\n"
    subtitle += "bars: 95 % of what as many simulated images as there are real ones show"
    with drawing(output, "Simulated beside real", subtitle) as figure:
        (percentile, decile), (radius, shortcut) = figure.subplots(2, 2)
        _percentiles(percentile, _starting(rows, pixels.SECTION, "percentile"))
        _deciles(decile, rows)
        _by_radius(radius, _starting(rows, tables.SECTION, "lensed pixels, θ_E"))
        _shortcuts(shortcut, [row for row in rows if row.section == baselines.SECTION and row.unit == "AUROC"])
        for axes in (percentile, decile, radius, shortcut):
            axes.tick_params(labelsize=10)
        percentile.legend(loc="upper left", fontsize=10)
        decile.legend(loc="lower left", fontsize=10)


def _starting(rows: Sequence[Row], section: str, name: str) -> list[Row]:
    return [row for row in rows if row.section == section and row.name.startswith(name)]


def _bars(axes: Axes, at: np.ndarray, rows: Sequence[Row], scale: float = 1.0) -> None:
    values, low, high = (
        np.array([getattr(row, name) for row in rows]) / scale for name in ("simulated", "low", "high")
    )
    axes.vlines(at, low, high, color=BLUE, linewidth=4, alpha=0.35)
    axes.plot(at, values, "o", color=BLUE, markersize=6, label="simulated")
    axes.plot(at, np.array([row.real for row in rows]) / scale, "D", color=VERMILLION, markersize=5, label="real")


def _percentiles(axes: Axes, rows: Sequence[Row]) -> None:
    at = np.arange(len(rows))
    _bars(axes, at, rows, 1e-12)
    axes.set_xticks(at, [row.name.split()[1] for row in rows])
    axes.set_yscale("symlog", linthresh=3)
    axes.set_yticks([-2, 0, 2, 10, 30, 100], ["-2", "0", "2", "10", "30", "100"])
    axes.set_xlabel("percentile of pixels (%)", fontsize=SMALL)
    axes.set_ylabel("pixel (1e-12)", fontsize=SMALL)


def _deciles(axes: Axes, rows: Sequence[Row]) -> None:
    axes.axhspan(-100 * tables.WITHIN, 100 * tables.WITHIN, color=GREY, alpha=0.15, linewidth=0)
    styles = (("θ_E, ", GREY, "s"), ("lensed pixels, ", BLUE, "o"), ("lensed flux, ", VERMILLION, "D"))
    for name, colour, marker in styles:
        inside = [row for row in _starting(rows, tables.SECTION, name) if row.name.endswith(" %")]
        off = [100 * (row.simulated / row.real - 1) for row in inside]
        at = [float(row.name.removeprefix(name).removesuffix(" %")) for row in inside]
        axes.plot(
            at,
            off,
            color=colour,
            marker=marker,
            markersize=5,
            linewidth=1.5,
            label=name.rstrip(", ").replace("θ_E", "Einstein radius"),
        )
    axes.set_ylim(-60, 40)
    axes.set_xlabel("percentile of the lenses (%)", fontsize=SMALL)
    axes.set_ylabel("simulated over real (%)", fontsize=SMALL)


def _by_radius(axes: Axes, rows: Sequence[Row]) -> None:
    at = np.arange(len(rows))
    _bars(axes, at, rows)
    axes.set_xticks(at, [row.name.rpartition("θ_E ")[2].split()[0] for row in rows])
    axes.set_ylim(0)
    axes.set_xlabel("Einstein radius, lower edge of the bin (″)", fontsize=SMALL)
    axes.set_ylabel("median lensed pixels", fontsize=SMALL)


def _shortcuts(axes: Axes, rows: Sequence[Row]) -> None:
    at = -np.arange(len(rows))
    axes.axvline(0.5, color=GREY, linestyle=(0, (4, 3)), linewidth=1.5)
    for y, row in zip(at, rows, strict=True):
        axes.hlines(y, row.low, row.high, color=BLUE, linewidth=4, alpha=0.35)
        axes.plot(row.simulated, y, "o", color=BLUE, markersize=6)
        if row.images:
            axes.plot(row.real, y, "D", color=VERMILLION, markersize=5)
    axes.set_yticks(at, [row.name.removesuffix(" of files") for row in rows])
    axes.set_xlim(0.3, 1.0)
    axes.set_xlabel("AUROC", fontsize=SMALL)
