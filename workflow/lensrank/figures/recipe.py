"""The line below each title: which model, which images and how many, which of them chose the epoch, which seeds."""

from collections.abc import Sequence

from lensrank.errors import LensrankError
from lensrank.figures.style import plain
from lensrank.scored import SELECTION, Scored
from lensrank.split import HOLDOUT

EACH_NAMED = 4


def pick(scored: Sequence[Scored], model: str, dataset: str) -> list[Scored]:
    """The trainings of one model on one set.

    Raises:
        LensrankError: there is none.
    """
    found = [one for one in scored if (one.model, one.dataset) == (model, dataset)]
    if not found:
        raise LensrankError(f"no labelled scores of model {model} on {dataset}: name them with --holdout or --scores.")
    return found


def recipe(scored: Sequence[Scored], data: str) -> str:
    """Text of two or three lines about the trainings of one model on one set.

    Args:
        scored: at least one.
        data: what the images are, such as "simulated"; may be empty.
    """
    first = scored[0]
    where = "hold-out" if first.dataset == HOLDOUT else f"data set {plain(first.dataset)}"
    kind = f" ({plain(data)})" if data else ""
    views = f" · geometric mean of {first.symmetries} symmetries" if first.symmetries > 1 else ""
    lines = [
        f"{where}{kind}: {first.n_lens:,} lenses, {first.n_nonlens:,} non-lenses",
        f"{SELECTION[first.selection]} · {seeds_text([one.seed for one in scored])}{views}",
    ]
    collapsed = [one.seed for one in scored if one.collapsed]
    if collapsed:
        lines.append(f"left out, collapsed: {seeds_text(collapsed)}")
    return "\n".join(lines)


def seeds_text(seeds: Sequence[int]) -> str:
    """Seeds in words: each one where they are few."""
    if len(seeds) == 1:
        return f"seed {seeds[0]}"
    if len(seeds) <= EACH_NAMED:
        return f"seeds {', '.join(map(str, seeds))}"
    return f"{len(seeds)} seeds ({min(seeds)} to {max(seeds)})"


def set_name(dataset: str) -> str:
    """A set of images, as a title names it."""
    return "hold-out" if dataset == HOLDOUT else plain(dataset)
