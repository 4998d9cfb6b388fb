"""Figures of merit of a run. Takes labelled scores, gives seeds.csv, summary.csv, comparison.csv, lensed_pixels.csv.

- seeds: one row per training and set of images.
- summary: one row per model and set: mean and standard deviation over the sound trainings, and the ensemble, whose
  score is the mean probability of the sound trainings. With several models, a last row is the ensemble of all of them.
- comparison: for every model with a hold-out and a labelled data set, whether the 95 % interval of its hold-out AUROC
  contained the AUROC on the data set.
- lensed_pixels: one row per model, set and bin of lensed pixels, where the truth table counts them: the AUROC of these
  lenses among all non-lenses.

Beside each AUROC stands its ceiling, which the lenses that cannot be seen set; empty where nobody knows which they are.
"""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from lensrank.errors import LensrankError
from lensrank.files import replacing
from lensrank.metrics import Confusion, auroc, auroc_error, auroc_interval, confusion, tpr_at
from lensrank.scored import TRAINING_SET, Scored
from lensrank.split import HOLDOUT
from lensrank.visibility import COLUMNS, invisible, visibility_rows

FALSE_POSITIVES = {"tpr0": 0, "tpr10": 10, "tpr_lt10": 9}
"""Non-lenses admitted by each figure of merit: none, ten or fewer, fewer than ten."""
MEANS = ("auroc", *FALSE_POSITIVES, *Confusion._fields)
ALL_MODELS = "all"
COMPARISON = (
    "model",
    "dataset",
    "quantity",
    "holdout_auroc",
    "holdout_low",
    "holdout_high",
    "auroc",
    "auroc_low",
    "auroc_high",
    "contained",
    "holdout_ceiling",
    "ceiling",
)
COUNTS = (*Confusion._fields, "best_epoch", "n_invisible")

log = logging.getLogger("lensrank")


@dataclass(frozen=True)
class Tables:
    """The tables of an evaluation; see the module's text."""

    seeds: pd.DataFrame
    summary: pd.DataFrame
    comparison: pd.DataFrame
    lensed_pixels: pd.DataFrame


def evaluate(scored: Sequence[Scored], threshold: float) -> Tables:
    """Judge all trainings on all sets.

    Args:
        scored: one per training and set.
        threshold: score from which an image counts as a lens in the confusion matrix.

    Raises:
        LensrankError: there is nothing to judge, or the seeds of a model were scored on different images.
    """
    if not scored:
        raise LensrankError("nothing to evaluate: no training was made here, and no scored data set has a truth table.")
    seeds = pd.DataFrame([_seed_row(one, threshold) for one in scored])
    seeds = seeds.astype(dict.fromkeys(COUNTS, "Int64"))
    for one in scored:
        if one.collapsed:
            log.warning("%s seed %s on %s is left out: %s", one.model, one.seed, one.dataset, one.collapsed)
    groups = _groups(scored)
    models = [_model_row(group, seeds) for group in groups]
    ensembles = [_all_row(group) for group in _across_models(groups)]
    summary = pd.DataFrame(models + ensembles).astype({"n_invisible": "Int64"})
    parts = [row for group in groups if sound(group) for row in _visibility(group)]
    by_pixels = pd.DataFrame(parts, columns=list(COLUMNS)).astype({"lensed_pixels_max": "Int64"})
    return Tables(seeds, summary, _comparison(models), by_pixels)


def write_tables(folder: Path, tables: Tables) -> None:
    """Write each table as <folder>/<name>.csv."""
    for field in fields(tables):
        with replacing(folder / f"{field.name}.csv") as temporary:
            getattr(tables, field.name).to_csv(temporary, index=False)


def sound(scored: Sequence[Scored]) -> list[Scored]:
    """The trainings that did not collapse."""
    return [one for one in scored if not one.collapsed]


def ensemble(scored: Sequence[Scored]) -> Scored:
    """Mean probability of several trainings on one set.

    Args:
        scored: at least one, all on the same images.

    Returns:
        As the first of them, with the mean of the scores.

    Raises:
        LensrankError: they were scored on different images.
    """
    first = scored[0]
    for one in scored:
        if not np.array_equal(one.id, first.id):
            raise LensrankError(
                f"{one.dataset}: {one.model} seed {one.seed} was scored on {len(one.id)} images, and {first.model} "
                f"seed {first.seed} on {len(first.id)} that are not the same. Run again, so that both are made anew."
            )
    values = {field.name: getattr(first, field.name) for field in fields(first)}
    return Scored(**values | {"scores": np.mean([one.scores for one in scored], axis=0)})


def _visibility(group: Sequence[Scored]) -> list[dict[str, Any]]:
    kept = sound(group)
    return visibility_rows(kept[0].model, kept, ensemble(kept))


def _ceiling(one: Scored) -> dict[str, Any]:
    unseen, ceiling = invisible(one)
    return {"n_invisible": unseen, "ceiling": ceiling}


def _seed_row(one: Scored, threshold: float) -> dict[str, Any]:
    row: dict[str, Any] = {
        "model": one.model,
        "seed": one.seed,
        "dataset": one.dataset,
        "n_lens": one.n_lens,
        "n_nonlens": one.n_nonlens,
    }
    row |= dict.fromkeys(("auroc", "auroc_error", *FALSE_POSITIVES), math.nan) | dict.fromkeys(Confusion._fields)
    if np.isfinite(one.scores).all():
        row |= _merits(one)
        row["auroc_error"] = auroc_error(row["auroc"], one.n_lens, one.n_nonlens)
        row |= confusion(one.scores, one.labels, threshold)._asdict()
    return row | {
        "threshold": threshold,
        "selection": one.selection,
        "best_epoch": one.best_epoch,
        "symmetries": one.symmetries,
        "collapsed": one.collapsed,
        "origin": one.origin,
        "recipe": one.recipe,
        **_ceiling(one),
    }


def _merits(one: Scored) -> dict[str, float]:
    rates = {name: tpr_at(one.scores, one.labels, count) for name, count in FALSE_POSITIVES.items()}
    return {"auroc": auroc(one.scores, one.labels)} | rates


def _groups(scored: Sequence[Scored]) -> list[list[Scored]]:
    """Trainings of one model on one set, in the order they came."""
    groups: dict[tuple[str, str], list[Scored]] = {}
    for one in scored:
        groups.setdefault((one.model, one.dataset), []).append(one)
    return list(groups.values())


def _across_models(groups: Sequence[Sequence[Scored]]) -> list[list[Scored]]:
    """Trainings of all models on one set, for each set that several models were scored on."""
    datasets: dict[str, list[Sequence[Scored]]] = {}
    for group in groups:
        datasets.setdefault(group[0].dataset, []).append(group)
    return [[one for group in parts for one in group] for parts in datasets.values() if len(parts) > 1]


def _model_row(group: Sequence[Scored], seeds: pd.DataFrame) -> dict[str, Any]:
    first = group[0]
    mine = seeds[(seeds["model"] == first.model) & (seeds["dataset"] == first.dataset) & (seeds["collapsed"] == "")]
    values = mine[list(MEANS)].astype(float)
    means = {f"{name}_mean": values[name].mean() for name in MEANS}
    return _summary_row(first.model, group, means | {f"{name}_std": values[name].std(ddof=1) for name in MEANS})


def _all_row(group: Sequence[Scored]) -> dict[str, Any]:
    """The ensemble of several models: means over networks of different kinds would say nothing."""
    name = ALL_MODELS if all(one.model != ALL_MODELS for one in group) else f"{ALL_MODELS} models"
    return _summary_row(name, group, {})


def _summary_row(model: str, group: Sequence[Scored], means: dict[str, float]) -> dict[str, Any]:
    first, kept = group[0], sound(group)
    mean = means.get("auroc_mean", math.nan)
    names = [f"{name}_{kind}" for name in MEANS for kind in ("mean", "std")]
    row: dict[str, Any] = {
        "model": model,
        "dataset": first.dataset,
        "n_lens": first.n_lens,
        "n_nonlens": first.n_nonlens,
        "n_seeds": len(kept),
    }
    row |= dict.fromkeys(names, math.nan) | means
    row["auroc_sampling_error"] = math.nan if math.isnan(mean) else auroc_error(mean, first.n_lens, first.n_nonlens)
    return (
        row
        | _ensemble_columns(kept)
        | {
            "n_collapsed": len(group) - len(kept),
            "collapsed_seeds": "; ".join(f"{one.model}_{one.seed}: {one.collapsed}" for one in group if one.collapsed),
            "selection": " ".join(sorted({one.selection for one in group} - {""})),
            "symmetries": first.symmetries,
            "without_label": first.without_label,
            "without_image": first.without_image,
            "origin": first.origin,
            "recipe": "; ".join(dict.fromkeys(one.recipe for one in group if one.recipe)),
            **_ceiling(first),
        }
    )


def _ensemble_columns(kept: Sequence[Scored]) -> dict[str, float]:
    names = ("auroc", "low", "high", *FALSE_POSITIVES)
    if not kept:
        return {f"ensemble_{name}": math.nan for name in names}
    whole = ensemble(kept)
    merits = _merits(whole)
    low, high = auroc_interval(merits["auroc"], whole.n_lens, whole.n_nonlens)
    values = merits | {"low": low, "high": high}
    return {f"ensemble_{name}": values[name] for name in names}


def _comparison(models: Sequence[dict[str, Any]]) -> pd.DataFrame:
    """Hold-out against each labelled data set, for the mean over the seeds and for the ensemble of each model."""
    holdouts = {row["model"]: row for row in models if row["dataset"] == HOLDOUT}
    rows = []
    for other in models:
        if other["dataset"] in (HOLDOUT, TRAINING_SET) or other["model"] not in holdouts:
            continue
        holdout = holdouts[other["model"]]
        for quantity, column in (("mean", "auroc_mean"), ("ensemble", "ensemble_auroc")):
            ours, theirs = holdout[column], other[column]
            if math.isnan(ours) or math.isnan(theirs):
                continue
            low, high = auroc_interval(ours, holdout["n_lens"], holdout["n_nonlens"])
            interval = auroc_interval(theirs, other["n_lens"], other["n_nonlens"])
            name = (other["model"], other["dataset"], quantity)
            ceilings = (holdout["ceiling"], other["ceiling"])
            rows.append((*name, ours, low, high, theirs, *interval, low <= theirs <= high, *ceilings))
    return pd.DataFrame(rows, columns=list(COMPARISON))
