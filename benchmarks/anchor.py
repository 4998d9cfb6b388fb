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
from datetime import UTC, datetime
from pathlib import Path

import pandas as pd

from lensrank.devices import cpu_name
from lensrank.files import write_text
from lensrank.models.recipes import recipe
from lensrank.scored import read_record
from lensrank.split import TRAIN, VALIDATION

MODEL = "lastro"
REAL = {"holdout": 0.973, "challenge": 0.93253}
"""AUROC on real images: of 3,000 held out of the training set (the winner's own report), and of the challenge's 100,000
(the organisers' ranking; the challenge: Metcalf et al. 2019, A&A 625, A119)."""
BATCH = recipe(MODEL)["batch_size"]
FIGURES = (f"auroc_epochs_{MODEL}", f"lensed_pixels_{MODEL}_challenge")
NEAR = 0.02
"""How near to the real one an AUROC on simulated images has to come."""


def table(frame: pd.DataFrame) -> str:
    """A table in Markdown."""
    rows = [list(frame.columns), ["---"] * frame.shape[1], *frame.astype(str).to_numpy().tolist()]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def areas(summary: pd.DataFrame) -> pd.DataFrame:
    """AUROC of each set beside its ceiling and the real one."""
    return pd.DataFrame(
        [
            {
                "set": f"{row.dataset}, simulated",
                "lenses": f"{row.n_lens:,}",
                "non-lenses": f"{row.n_nonlens:,}",
                "AUROC, simulated": f"{row.auroc_mean:.4f}",
                "symmetries": row.symmetries,
                "sampling error": f"{row.auroc_sampling_error:.4f}",
                "invisible lenses": f"{row.n_invisible:,}",
                "ceiling 1 - u/2": f"{row.ceiling:.4f}",
                "TPR0": f"{row.tpr0_mean:.4f}",
                "the winner's AUROC, real images": f"{REAL[row.dataset]:.4f}",
                f"within {NEAR:g}": "yes" if abs(row.auroc_mean - REAL[row.dataset]) <= NEAR else "NO",
            }
            for row in summary.itertuples()
            if row.model == MODEL and row.dataset in REAL
        ]
    )


def by_pixels(lensed_pixels: pd.DataFrame) -> pd.DataFrame:
    """AUROC of each set by the lensed pixels of the lenses."""
    mine = lensed_pixels[lensed_pixels["model"] == MODEL]
    ends = zip(mine["lensed_pixels_min"], mine["lensed_pixels_max"], strict=True)
    bins = [
        f"{first} or more" if pd.isna(last) else f"{first}" if first == last else f"{first} to {last:.0f}"
        for first, last in ends
    ]
    cells = mine["auroc_mean"].map("{:.3f}".format) + " (" + mine["n_lens"].map("{:,}".format) + ")"
    shown = pd.DataFrame({"lensed pixels": bins, "set": mine["dataset"], "cell": cells})
    return shown.pivot_table("cell", "lensed pixels", "set", "first", sort=False).reset_index().fillna("")


def curve(history: pd.DataFrame, kept: int) -> pd.DataFrame:
    """AUROC after 1, 2, 5 … epochs, the one that is kept, and the last."""
    wanted = [1, 2, 5, 10, 15, *range(20, 1000, 10), kept, len(history)]
    chosen = history[history["epoch"].isin(wanted)]
    return pd.DataFrame(
        {
            "epoch": chosen["epoch"],
            "AUROC, training images as augmented": chosen["auroc"].map("{:.4f}".format),
            "AUROC, validation images": chosen["val_auroc"].map("{:.4f}".format),
            "seconds": chosen["seconds"].map("{:.0f}".format),
        }
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
    metrics, training = args.results / "metrics", args.results / "train" / MODEL / "seed-0"
    history = pd.read_csv(training / "history.csv")
    record = read_record(training)
    batches = len(history) * math.ceil(record.images[TRAIN] / BATCH)
    page = f"""# The anchor: LASTRO EPFL's network with its own recipe, simulated images alone

{datetime.now(UTC):%Y-%m-%d}, {cpu_name()}:

    snakemake --workflow-profile profiles/local --configfile config/anchor.yaml

Trained on {record.images[TRAIN]:,} simulated images for {len(history)} epochs: {batches:,} batches of {BATCH}; the
recipe has 50,000 to 700,000. Epoch {record.best_epoch} is kept, by the AUROC of
{record.images[VALIDATION]:,} validation images. Seed 0.
The network saw no real image; the real AUROC beside each is that of a network trained on real images.

{table(areas(pd.read_csv(metrics / "summary.csv")))}

## By lensed pixels (simulated; number of lenses in brackets)

{table(by_pixels(pd.read_csv(metrics / "lensed_pixels.csv")))}

![AUROC against lensed pixels]({args.output.name}-{FIGURES[1]}.png)

## Learning curve (simulated)

{table(curve(history, record.best_epoch))}

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
