"""Labelled example images with colour bars: a row of lenses above a row of non-lenses."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import AsinhNorm, Normalize
from matplotlib.figure import Figure
from matplotlib.patheffects import Normal, Stroke
from matplotlib.ticker import FixedLocator, MaxNLocator, NullLocator

from lensrank.figures.style import GREY, drawing, plain
from lensrank.shards import read_images, read_table

PER_KIND = 4
EINSTEIN_AREA = "Einstein_area"
ARCSEC = math.degrees(1) * 3600
"""Arcseconds in a radian."""
TICKS_APART = 0.16
"""Least distance of two labels of a colour bar, as a share of its length."""
NOISE_OF_MAD = 1.4826
"""Standard deviation of a normal distribution in units of its median absolute deviation."""


@dataclass(frozen=True)
class Example:
    """One image.

    Attributes:
        id: of the image.
        lens: whether it is one.
        einstein_radius: arcseconds, NaN where unknown.
        pixels: (height, width) float, NaN where masked.
        band: name of the channel.
    """

    id: str
    lens: bool
    einstein_radius: float
    pixels: np.ndarray
    band: str


def choose(split: pd.DataFrame, truth: pd.DataFrame) -> pd.DataFrame:
    """Choose images of either kind: spread evenly over the Einstein radii where they are known, else over the IDs.

    Args:
        split: as `split.read_split` gives it; training images only are chosen.
        truth: as `truth.read_truth` gives it.

    Returns:
        Rows of the split, lenses first, with a column `einstein_radius` (arcseconds, NaN where unknown).
    """
    area = truth[EINSTEIN_AREA] if EINSTEIN_AREA in truth else pd.Series(np.nan, index=truth.index)
    radius = np.sqrt(area.reindex(split["id"]).to_numpy(dtype=float) / np.pi) * ARCSEC
    table = split.assign(einstein_radius=radius)[lambda rows: (rows["part"] == "train").to_numpy()]
    chosen = []
    for label in (1, 0):
        kind = table[table["label"] == label].sort_values(["einstein_radius", "id"])
        places = (np.arange(PER_KIND) + 0.5) / PER_KIND * len(kind)
        chosen.append(kind.iloc[np.unique(places.astype(int))])
    return pd.concat(chosen, ignore_index=True)


def read_examples(rows: pd.DataFrame, shards: Sequence[Path], masked: float | None) -> list[Example]:
    """Read the pixels of chosen images in the first band.

    Args:
        rows: as `choose` gives them.
        shards: files among which theirs are.
        masked: pixels of this value are not shown; None: all are.

    Returns:
        One per row, in order.

    Raises:
        ShardError: a shard is damaged.
    """
    paths = {path.stem: path for path in shards}
    examples: dict[str, Example] = {}
    for shard, mine in rows.sort_values("row").groupby("shard"):
        table = read_table(paths[str(shard)])
        images = np.empty((len(mine), *table.shape, len(table.bands)), np.float32)
        read_images(paths[str(shard)], mine["row"].to_numpy(), images, np.arange(len(mine)))
        for row, image in zip(mine.to_dict("records"), images, strict=True):
            pixels = image[:, :, 0].astype(float)
            pixels[(pixels == masked) | ~np.isfinite(pixels)] = np.nan
            example = Example(row["id"], row["label"] == 1, row["einstein_radius"], pixels, table.bands[0])
            examples[example.id] = example
    return [examples[id] for id in rows["id"]]


def draw_examples(examples: Sequence[Example], pixel_scale: float | None, data: str, output: Path) -> None:
    """Draw lenses in the upper row and non-lenses in the lower one.

    Each image has its own stretch, given by its colour bar: linear near zero, logarithmic well above the noise.

    Args:
        examples: up to `PER_KIND` of either kind.
        pixel_scale: arcseconds per pixel; None: axes are in pixels.
        data: what the images are, such as "simulated".
        output: path without a suffix.
    """
    unit = _unit(examples)
    kind = f"{plain(data)} · " if data else ""
    subtitle = (
        f"{kind}training images, band {plain(examples[0].band)}\n"
        f"colour: flux in units of {unit:g}, linear near zero and logarithmic above"
    )
    with drawing(output, "Lenses (above) and non-lenses (below)", subtitle) as figure:
        grid = figure.subplots(2, PER_KIND, squeeze=False)
        for row, lens in enumerate((True, False)):
            mine = [example for example in examples if example.lens == lens]
            for axes, example in zip(grid[row], mine, strict=False):
                _panel(figure, axes, example, unit, pixel_scale)
            for axes in grid[row][len(mine) :]:
                axes.set_visible(False)
            grid[row, 0].set_ylabel("pixels" if pixel_scale is None else "arcsec", fontsize=11)
            for axes in grid[row, 1:]:
                axes.set_yticklabels([])
        for axes in grid[0]:
            axes.set_xticklabels([])


def _panel(figure: Figure, axes: Axes, example: Example, unit: float, pixel_scale: float | None) -> None:
    flux = example.pixels / unit
    noise = _noise(flux) or 1.0
    top = max(float(np.max(flux, initial=0.0, where=np.isfinite(flux))), 5 * noise)
    norm = AsinhNorm(linear_width=3 * noise, vmin=-3 * noise, vmax=top)
    height, width = np.array(flux.shape) * (pixel_scale or 1.0) / 2
    image = axes.imshow(flux, norm=norm, cmap="magma", origin="lower", extent=(-width, width, -height, height))
    axes.set_facecolor(GREY)
    axes.grid(visible=False)
    axes.tick_params(labelsize=9)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(4, symmetric=True))
    axes.set_title(plain(example.id), fontsize=11, pad=4)
    if example.lens and not math.isnan(example.einstein_radius):
        outline = [Stroke(linewidth=2, foreground="black"), Normal()]
        text = rf"$\theta_E$ = {example.einstein_radius:.2f}″"
        place: dict[str, Any] = {"transform": axes.transAxes, "va": "top", "path_effects": outline, "parse_math": True}
        axes.text(0.04, 0.96, text, color="white", fontsize=10, **place)
    bar = figure.colorbar(image, ax=axes, orientation="horizontal", aspect=16, pad=0.02)
    bar.ax.xaxis.set_major_locator(FixedLocator(_legible(_ticks(top), norm)))
    bar.ax.xaxis.set_minor_locator(NullLocator())
    bar.ax.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    bar.ax.tick_params(labelsize=9)


def _noise(pixels: np.ndarray) -> float:
    """Standard deviation of the background, 0 where no pixel is known."""
    known = pixels[np.isfinite(pixels)]
    return NOISE_OF_MAD * float(np.median(np.abs(known - np.median(known)))) if known.size else 0.0


def _unit(examples: Sequence[Example]) -> float:
    """Power of a thousand near the noise of the images: 1e-12 for those of the challenge."""
    noise = max(_noise(example.pixels) for example in examples)
    return 10.0 ** (3 * round(math.log10(noise) / 3)) if noise > 0 else 1.0


def _ticks(top: float) -> list[float]:
    """Zero and three round numbers: about a tenth of the largest value, a third of it, and nearly all."""
    return [0.0, *(_rounded_down(top * share) for share in (0.1, 0.35, 0.95))]


def _legible(ticks: Sequence[float], norm: Normalize) -> list[float]:
    """Ticks whose labels do not touch; the largest and zero matter most."""
    places: dict[float, float] = {}
    for tick in (ticks[-1], *ticks[:-1]):
        place = float(np.asarray(norm(np.array([tick])))[0])
        if all(abs(place - other) >= TICKS_APART for other in places.values()):
            places[tick] = place
    return sorted(places)


def _rounded_down(value: float) -> float:
    power = 10.0 ** math.floor(math.log10(value))
    return max(step for step in (1, 2, 5) if step * power <= value * (1 + 1e-9)) * power
