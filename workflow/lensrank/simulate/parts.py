"""A large survey in parts: jobs side by side make some of its images each, one more puts them together."""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from lensrank.errors import ConfigError

PART = 10000
"""Images that one job makes: some minutes on one core, against seconds that a job takes to start."""


def parts(n: int) -> dict[str, range]:
    """Names of the parts of a survey of `n` images, and which images are whose; none where one job makes it whole."""
    if n <= PART:
        return {}
    return {f"part-{number:04d}": range(n)[start : start + PART] for number, start in enumerate(range(0, n, PART))}


def gather(folders: Sequence[Path], n: int, table: str, output: Path) -> None:
    """Put parts together in one folder, by hard links: the images are on disk once, and a part is whole until deleted.

    Args:
        folders: of the parts, in their order.
        n: images of all of them.
        table: name of the truth table.
        output: folder to fill; it is there and empty.

    Raises:
        ConfigError: the parts have not `n` images together.
    """
    tables = [(folder / table).read_text(encoding="ascii").splitlines() for folder in folders]
    # Rows begin with an ID; what is above them is the same in every part.
    head = [line for line in tables[0] if not line[0].isdigit()]
    rows = [line for lines in tables for line in lines[len(head) :]]
    if len(rows) != n:
        raise ConfigError(f"{len(folders)} parts have {len(rows)} images, expected {n}. Name every part once.")
    # Not the table, and not what Snakemake notes in a folder.
    others = shutil.ignore_patterns(table, ".*")
    for folder in folders:
        shutil.copytree(folder, output, copy_function=_link, ignore=others, dirs_exist_ok=True)
    (output / table).write_text("\n".join([*head, *rows]) + "\n", encoding="ascii")


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without hard links; any other fault copying meets, too
        shutil.copyfile(source, target)
