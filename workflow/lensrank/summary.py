"""The end message of a run: takes its tables, gives a page of text: what came out, from which recipe, where."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lensrank.config.settings import Settings, Split
from lensrank.files import write_text
from lensrank.rejects import read_rejects
from lensrank.scored import SELECTION
from lensrank.split import HOLDOUT, PARTS, TRAIN, read_split

WIDTH = 100
LONGEST_NAME = 22
MOST_MODELS = 8
MOST_COLLAPSED = 2
MOST_COMPARED = 4
MOST_CATALOGUES = 2
MOST_REJECTS = 2
CANDIDATES = 5


class SummarySettings(Settings):
    """What the summary needs to know of the run."""

    run: str
    split: Split = Split()
    simulated: tuple[str, ...] = ()
    """Data sets that were made here instead of read."""

    def kind(self, dataset: str) -> str:
        """A set of images and where it comes from; the hold-out is part of the training data set."""
        origin = TRAIN if dataset == HOLDOUT else dataset
        return f"{_cut(dataset, LONGEST_NAME)}{' (simulated)' if origin in self.simulated else ''}"


def write_summary(
    settings: SummarySettings,
    metrics: Path | None,
    split: Path | None,
    catalogues: Sequence[Path],
    rejects: Sequence[Path],
    output: Path,
) -> str:
    """Write the end message of a run.

    Args:
        settings: of the run.
        metrics: folder of the evaluation's tables; None where nothing could be judged.
        split: split.csv; None where nothing was trained.
        catalogues: files of any format; the one of each data set that is read quickest is read.
        rejects: the data sets' tables of rejects.
        output: text file to make, in a folder of the results.

    Returns:
        The text: at most 60 lines, of at most 100 characters but for the path of the results.
    """
    sections = [[f"Run {settings.run}: what came out"]]
    if split is not None:
        sections.append(_recipe(settings, read_split(split)))
    if metrics is not None:
        summary = pd.read_csv(metrics / "summary.csv", dtype={"model": str, "dataset": str})
        sections.append(_merits(settings, summary))
        sections.append(_collapsed(summary))
        sections.append(_comparison(pd.read_csv(metrics / "comparison.csv", dtype={"model": str, "dataset": str})))
    sections += _catalogues(settings, catalogues)
    sections.append(_rejected(rejects))
    sections.append(_places(output.parent.parent))
    lines = [line for section in sections if section for line in (*section, "")]
    text = "\n".join(lines[:-1]) + "\n"
    write_text(output, text)
    return text


def _cut(text: str, width: int = WIDTH) -> str:
    shown = "".join(letter if letter.isprintable() else "?" for letter in text)
    return shown if len(shown) <= width else f"{shown[: width - 3]}..."


def _recipe(settings: SummarySettings, split: pd.DataFrame) -> list[str]:
    method = {
        "ordered": "the last in the order of their IDs are held out",
        "random": f"drawn at random (seed {settings.split.seed}), with the same share of lenses",
        "grouped": f"drawn by halo (equal {settings.split.group}, seed {settings.split.seed})",
    }[settings.split.method]
    counts = []
    for part in PARTS:
        label = split.loc[split["part"] == part, "label"]
        if len(label):
            counts.append(f"{part} {len(label):,} images ({label.sum():,} lenses)")
    return [f"Data set {settings.kind(TRAIN)}:", *(f"  {count}" for count in counts), _cut(f"  {method}")]


def _merits(settings: SummarySettings, summary: pd.DataFrame) -> list[str]:
    rows: list[tuple[str, ...]] = [("model", "images", "seeds", "AUROC", "error", "ceiling", "ensemble, 95 % interval")]
    for row in summary.head(MOST_MODELS).to_dict("records"):
        std = "" if np.isnan(row["auroc_std"]) else f" ± {row['auroc_std']:.4f}"
        interval = f"[{row['ensemble_low']:.4f}, {row['ensemble_high']:.4f}]"
        rows.append(
            (
                _cut(row["model"], LONGEST_NAME),
                settings.kind(row["dataset"]),
                str(row["n_seeds"]),
                f"{_number(row['auroc_mean'])}{std}",
                _number(row["auroc_sampling_error"]),
                _number(row["ceiling"]),
                "-" if np.isnan(row["ensemble_auroc"]) else f"{row['ensemble_auroc']:.4f} {interval}",
            )
        )
    lines = ["AUROC: mean ± standard deviation over the seeds, and the error from the number of images"]
    lines += _aligned(rows)
    if len(summary) > MOST_MODELS:
        lines.append(f"  and {len(summary) - MOST_MODELS} more rows in metrics/summary.csv")
    if summary["ceiling"].notna().any():
        lines.append("  ceiling: 1 - u/2, all that a ranking can reach where a share u of the lenses cannot be seen")
    selections = sorted(set(summary["selection"].dropna()) & set(SELECTION))
    return [*lines, _cut(f"  {'; '.join(SELECTION[selection] for selection in selections)}")] if selections else lines


def _number(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.4f}"


def _aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows)
    return [_cut(f"  {line}".rstrip()) for line in lines]


def _collapsed(summary: pd.DataFrame) -> list[str]:
    found = summary.loc[(summary["n_collapsed"] > 0) & (summary["auroc_mean"].notna() | (summary["n_seeds"] == 0))]
    if found.empty:
        return []
    named = dict.fromkeys(
        f"{_cut(row['dataset'], LONGEST_NAME)}: {text}"
        for row in found.to_dict("records")
        for text in row["collapsed_seeds"].split("; ")
    )
    lines = [_cut(f"  {text}") for text in list(named)[:MOST_COLLAPSED]]
    more = [f"  and {len(named) - MOST_COLLAPSED} more in metrics/seeds.csv"] if len(named) > MOST_COLLAPSED else []
    return ["Collapsed, and in no mean above:", *lines, *more]


def _comparison(comparison: pd.DataFrame) -> list[str]:
    if comparison.empty:
        return []
    lines = ["Did the 95 % interval of the hold-out contain the AUROC on the other images?"]
    for row in comparison.head(MOST_COMPARED).to_dict("records"):
        lines.append(
            _cut(
                f"  {_cut(row['model'], LONGEST_NAME)}, {row['quantity']}: {'yes' if row['contained'] else 'no'}; "
                f"hold-out [{row['holdout_low']:.4f}, {row['holdout_high']:.4f}], "
                f"{_cut(row['dataset'], LONGEST_NAME)} {row['auroc']:.4f}"
            )
        )
    if len(comparison) > MOST_COMPARED:
        lines.append(f"  and {len(comparison) - MOST_COMPARED} more in metrics/comparison.csv")
    return lines


def _catalogues(settings: SummarySettings, paths: Sequence[Path]) -> list[list[str]]:
    quickest: dict[str, Path] = {}
    for path in sorted(paths, key=lambda path: (path.stem, _SUFFIXES.index(path.suffix))):
        quickest.setdefault(path.stem, path)
    sections = [_candidates(settings, path) for path in list(quickest.values())[:MOST_CATALOGUES]]
    others = list(quickest)[MOST_CATALOGUES:]
    if others:
        sections.append([_cut(f"Catalogues of {len(others)} more data sets: {', '.join(others)}")])
    return sections


def _candidates(settings: SummarySettings, path: Path) -> list[str]:
    table = read_catalogue(path)
    rows: list[tuple[str, ...]] = [("rank", "id", "score", "ra (deg)", "dec (deg)")]
    for row in table.sort_values("rank").head(CANDIDATES).to_dict("records"):
        position = ("-" if np.isnan(row[name]) else f"{row[name]:.5f}" for name in ("ra", "dec"))
        rows.append((str(row["rank"]), _cut(str(row["id"]), 40), f"{row['score']:.5f}", *position))
    title = f"Best of {len(table):,} images in the catalogue of {settings.kind(path.stem)}:"
    return [_cut(title), *_aligned(rows)]


_SUFFIXES = (".parquet", ".csv", ".fits", ".vot")


def read_catalogue(path: Path) -> pd.DataFrame:
    """Read rank, id, ra, dec and score of a catalogue.

    Args:
        path: ends in .parquet, .csv, .fits or .vot.

    Returns:
        These columns; id as text.
    """
    columns = ["rank", "id", "ra", "dec", "score"]
    if path.suffix == ".parquet":
        return pd.read_parquet(path, columns=columns)
    if path.suffix == ".csv":
        numbers = dict.fromkeys(("ra", "dec", "score"), "NaN")
        types: Any = {"id": str}
        return pd.read_csv(path, usecols=columns, dtype=types, keep_default_na=False, na_values=numbers)
    from astropy.table import Table  # seconds to import, and rarely needed

    kind = {".fits": "fits", ".vot": "votable"}[path.suffix]
    table = Table.read(path, format=kind)[columns].to_pandas()
    if kind == "fits":  # the inverse of how `catalogue` writes text
        table["id"] = [value if isinstance(value, str) else value.decode("ascii") for value in table["id"]]
        table["id"] = [value.encode("ascii").decode("unicode_escape") for value in table["id"]]
    return table


def _rejected(paths: Sequence[Path]) -> list[str]:
    lines = []
    for path in paths:
        reasons = Counter(reject.reason for reject in read_rejects(path))
        if reasons:
            named = ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common())
            lines.append(_cut(f"  {_cut(path.stem, LONGEST_NAME)}: {reasons.total():,} files ({named})"))
    if not lines:
        return ["No file was rejected."] if paths else []
    more = [f"  and {len(lines) - MOST_REJECTS} more data sets"] if len(lines) > MOST_REJECTS else []
    return ["Rejected, each named with its reason in rejects/:", *lines[:MOST_REJECTS], *more]


def _places(root: Path) -> list[str]:
    about = {
        "catalogue": "every image that could be read, best first",
        "submission": "the same as ID,score",
        "metrics": "AUROC, TPR0, TPR10 and confusion, per seed and in the mean",
        "figures": "PNG and SVG",
        "train": "trained models, histories and provenance",
        "rejects": "files that could not be used",
    }
    there = [(f"{name}/", text) for name, text in about.items() if (root / name).is_dir()]
    return [f"Results: {root}/", *(_aligned(there) if there else [])]
