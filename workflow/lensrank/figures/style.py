"""What all figures share: size, fonts, colours, a title that states the recipe, and files that come out the same twice.

Text is never read as mathematics, so that a `$` or `_` in a name stays what it is; in SVG files it stays text.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from matplotlib import font_manager, style
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from lensrank.files import replacing

SIZE = (8.0, 6.0)
"""Inches, 4:3."""
DPI = 150
FONT = "DejaVu Sans"
LONGEST_NAME = 40

# Colours that stay apart for colour-blind eyes: Okabe & Ito (2008), "Color universal design".
BLUE, VERMILLION, GREY = "#0072B2", "#D55E00", "#7F7F7F"

_RC = {
    "font.family": FONT,
    "font.size": 14,
    "axes.labelsize": 15,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.grid": True,
    "grid.color": "#E3E3E3",
    "legend.framealpha": 0.85,
    "legend.edgecolor": "none",
    "legend.fontsize": 12,
    "lines.solid_capstyle": "round",
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "lensrank",
}


@contextmanager
def drawing(output: Path, title: str, subtitle: str) -> Iterator[Figure]:
    """Give an empty figure; when the block ends well, write it to <output>.png and <output>.svg.

    Args:
        output: path without a suffix.
        title: one line.
        subtitle: the recipe: model, images, which of them chose the epoch, seeds. At most three lines.
    """
    with style.context(["default", _RC]):
        lines = subtitle.count("\n") + 1
        top = 0.9 - 0.036 * lines
        layout = ConstrainedLayoutEngine(rect=(0.01, 0.01, 0.98, top - 0.01))
        figure = Figure(figsize=SIZE, dpi=DPI, layout=layout)
        figure.text(0.025, 0.972, title, fontsize=19, fontweight="bold", va="top")
        figure.text(0.025, 0.905, subtitle, fontsize=11.5, color="#444444", va="top", linespacing=1.25)
        yield figure
        for suffix, metadata in ((".png", {"Software": None}), (".svg", {"Date": None})):
            with replacing(output.with_name(output.name + suffix)) as temporary:
                figure.savefig(temporary, metadata=metadata)


def plain(name: str) -> str:
    """A name as a figure can show it: not too long, and without characters that the font has not got."""
    known = font_manager.get_font(font_manager.findfont(FONT)).get_charmap()
    shown = name if len(name) <= LONGEST_NAME else name[: LONGEST_NAME - 1] + "…"
    return "".join(letter if ord(letter) in known and letter.isprintable() else "?" for letter in shown)


def unit_axes(axes: Axes, x: str, y: str) -> None:
    """Label axes that both run from 0 to 1."""
    axes.set(xlabel=x, ylabel=y, xlim=(0, 1), ylim=(0, 1.005))
