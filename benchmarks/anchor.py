"""Write the page of the anchor: the challenge's winner, with its own recipe, on simulated images.

    snakemake --workflow-profile profiles/local --configfile config/anchor.yaml
    python scripts/robustness.py --images FOLDER --truth labels.csv --output margins.csv \\
        results/anchor/train/lastro/seed-0/model.keras
    python benchmarks/anchor.py results/anchor --margins margins.csv --output docs/results/anchor-<date>
"""

import argparse
import math
import shutil
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from lensrank.config.settings import Dataset
from lensrank.devices import cpu_name
from lensrank.evaluate import evaluate
from lensrank.files import write_text
from lensrank.models.recipes import recipe
from lensrank.scored import TRAINING_SET, read_holdout, read_record
from lensrank.scores import read_scores
from lensrank.split import HOLDOUT, TRAIN
from lensrank.truth import lensed_pixels, read_truth

MODEL, SEED = "lastro", 0
REAL = {"holdout": 0.973, "challenge": 0.93253}
"""AUROC on real images, under the 8 symmetries: of 3,000 held out of the training set (the winner's own report), and of
the challenge's 100,000 (the organisers' ranking; the challenge: Metcalf et al. 2019, A&A 625, A119)."""
LIKE = 8
"""Symmetries that the winner's numbers are under."""
BATCH = recipe(MODEL)["batch_size"]
RECIPE = (50_000, 700_000)
"""Batches that the winner's networks were trained for, at least and at most (Schaefer et al. 2018)."""
SETTLED = 10
"""Epoch from which the learning curve is read."""
FIGURES = (f"auroc_epochs_{MODEL}", f"lensed_pixels_{MODEL}_challenge")
NEAR = 0.02
"""How near to the real one an AUROC on simulated images has to come."""


def table(frame: pd.DataFrame) -> str:
    """A table in Markdown."""
    rows = [list(frame.columns), ["---"] * frame.shape[1], *frame.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def symmetric_holdout(results: Path, truth: pd.DataFrame) -> pd.DataFrame:
    """Row of a summary for the hold-out under the symmetries that data sets are scored under, from scores of `train`.

    Args:
        results: of the run, whose `scoring.datasets` names the training set.
        truth: of the training set, as `truth.read_truth` gives it.
    """
    held = read_holdout(MODEL, SEED, results / "train" / MODEL / f"seed-{SEED}")
    column = f"{MODEL}_{SEED}"
    found = read_scores(sorted((results / "scores" / TRAINING_SET).glob("*.h5")), [column])
    scores = pd.Series(found.scores[column], found.id).loc[held.id].to_numpy()
    symmetries = found.made[column].symmetries
    pixels = lensed_pixels(truth, held.id)
    return evaluate([replace(held, scores=scores, symmetries=symmetries, lensed_pixels=pixels)], 0.5).summary


def areas(summary: pd.DataFrame) -> pd.DataFrame:
    """AUROC of each set beside its ceiling and the real one."""
    rows = []
    for row in summary[(summary["model"] == MODEL) & (summary["dataset"] != TRAINING_SET)].itertuples():
        real = REAL.get(row.dataset, math.nan) if row.symmetries == LIKE else math.nan
        near = "yes" if abs(row.auroc_mean - real) <= NEAR else "NO"
        rows.append(
            {
                "set": f"{row.dataset}, simulated",
                "symmetries": row.symmetries,
                "lenses": f"{row.n_lens:,}",
                "non-lenses": f"{row.n_nonlens:,}",
                "AUROC, simulated": f"{row.auroc_mean:.4f}",
                "sampling error": f"{row.auroc_sampling_error:.4f}",
                "invisible lenses": f"{row.n_invisible:,}",
                "ceiling 1 - u/2": f"{row.ceiling:.4f}",
                "TPR0": f"{row.tpr0_mean:.4f}",
                "the winner's AUROC, real images": "" if math.isnan(real) else f"{real:.4f}",
                f"within {NEAR:g}": "" if math.isnan(real) else near,
            }
        )
    return pd.DataFrame(rows)


def by_pixels(found: pd.DataFrame) -> pd.DataFrame:
    """AUROC of each set by the lensed pixels of the lenses."""
    mine = found[(found["model"] == MODEL) & (found["dataset"] != TRAINING_SET)]
    ends = zip(mine["lensed_pixels_min"], mine["lensed_pixels_max"], strict=True)
    bins = [
        f"{first} or more" if pd.isna(last) else f"{first}" if first == last else f"{first} to {last:.0f}"
        for first, last in ends
    ]
    cells = mine["auroc_mean"].map("{:.3f}".format) + " (" + mine["n_lens"].map("{:,}".format) + ")"
    shown = pd.DataFrame({"lensed pixels": bins, "set": mine["dataset"], "cell": cells})
    return shown.pivot_table("cell", "lensed pixels", "set", "first", sort=False).reset_index().fillna("")


def curve(history: pd.DataFrame) -> pd.DataFrame:
    """AUROC after 1, 2, 5 … epochs, and the last, which is kept."""
    wanted = [1, 2, 5, 10, 15, *range(20, 1000, 10), len(history)]
    chosen = history[history["epoch"].isin(wanted)]
    return pd.DataFrame(
        {
            "epoch": chosen["epoch"],
            "AUROC, training images as augmented": chosen["auroc"].map("{:.4f}".format),
            "AUROC, hold-out images, 1 symmetry": chosen["val_auroc"].map("{:.4f}".format),
            "seconds": chosen["seconds"].map("{:.0f}".format),
        }
    )


def outlook(history: pd.DataFrame, ceiling: float, batches: int) -> str:
    """Where the learning curve goes: its distance from the ceiling, as a power of the epoch.

    Args:
        history: of the training.
        ceiling: of the hold-out.
        batches: of an epoch.
    """
    late = history[history["epoch"] >= SETTLED]
    if len(late) < SETTLED:
        return "The training was too short to say where it goes."
    power, start = np.polyfit(np.log(late["epoch"]), np.log(ceiling - late["val_auroc"]), 1)
    ends = {number: ceiling - math.exp(start) * (number / batches) ** power for number in RECIPE}
    told = " and ".join(f"{area:.3f} after {number:,} batches" for number, area in ends.items())
    return (
        f"From epoch {SETTLED} on, the distance of the hold-out's AUROC (1 symmetry) from its ceiling falls as the "
        f"epoch to the power {power:.2f}. If that went on, which is an extrapolation, it would come to {told}."
    )


def margins(paths: Sequence[Path]) -> str:
    """Margins of the real images, a table per file."""
    parts = []
    for path in paths:
        found = pd.read_csv(path)
        failed = int((~found["passed"]).sum())
        shown = found[["change", "margin", "lens", "lens_logit", "nonlens", "nonlens_logit"]].round(2)
        parts.append(f"`{path.stem}`: {failed} of {len(found)} margins are below 1.\n\n{table(shown)}")
    return "\n\n".join(parts) or "Not measured."


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("results", type=Path, help="results/anchor")
    parser.add_argument("--margins", type=Path, nargs="*", default=[], help="tables by scripts/robustness.py")
    parser.add_argument("--output", type=Path, required=True, help="path without suffix")
    args = parser.parse_args()
    metrics, training = args.results / "metrics", args.results / "train" / MODEL / f"seed-{SEED}"
    history, record = pd.read_csv(training / "history.csv"), read_record(training)
    truth = read_truth(args.results / "simulated" / TRAINING_SET / "classifications.csv", Dataset(images=args.results))
    sets = pd.concat([symmetric_holdout(args.results, truth), pd.read_csv(metrics / "summary.csv")])
    batches = len(history) * math.ceil(record.images[TRAIN] / BATCH)
    page = f"""# The anchor: LASTRO EPFL's network with its own recipe, simulated images alone

{datetime.now(UTC):%Y-%m-%d}, {cpu_name()}:

    snakemake --workflow-profile profiles/local --configfile config/anchor.yaml

Trained on {record.images[TRAIN]:,} simulated images for {len(history)} epochs: {batches:,} batches of {BATCH}; the
recipe has {RECIPE[0]:,} to {RECIPE[1]:,}. The last epoch is kept. Seed {SEED}. As the winner did, we hold out
{record.images[HOLDOUT]:,} images in the order of IDs, so that halos of theirs are among the training images, and take
scores over the 8 symmetries of the square, in a mean that ranks as the winner's product does. `challenge` shows the
training set's halos too, as the real sets come from one light cone; `other_halos` is the same survey with halos that
the network has never seen.
The network saw no real image; the real AUROC beside each is that of a network trained on real images.

{table(areas(sets))}

## By lensed pixels (simulated; number of lenses in brackets; hold-out: 1 symmetry)

{table(by_pixels(pd.read_csv(metrics / "lensed_pixels.csv")))}

![AUROC against lensed pixels]({args.output.name}-{FIGURES[1]}.png)

## Learning curve (simulated)

{table(curve(history))}

{outlook(history, sets["ceiling"].iloc[0], math.ceil(record.images[TRAIN] / BATCH))}

![AUROC against the epoch]({args.output.name}-{FIGURES[0]}.png)

## Real images, ranked by the network that saw simulated ones only

The margin is the least logit of a lens less the greatest of a non-lens.

{margins(args.margins)}
"""
    write_text(args.output.with_suffix(".md"), page)
    for name in FIGURES:
        shutil.copyfile(args.results / f"figures/{name}.png", args.output.with_name(f"{args.output.name}-{name}.png"))


if __name__ == "__main__":
    main()
