"""Errors whose text is for the user: what was found, where, and what to do about it."""

import difflib
from collections.abc import Iterable, Sequence
from pathlib import Path

NAMED = 5


class LensrankError(Exception):
    """Something the user can mend; scripts print its text without a traceback and exit with 1."""


class ConfigError(LensrankError):
    """The configuration is wrong; the text lists every fault that was found."""


class TruthError(LensrankError):
    """A truth table cannot be used."""


class ArchiveError(LensrankError):
    """An archive is damaged, or one of its members may not be read."""


class DataError(LensrankError):
    """A data set holds nothing that can be used."""


class ShardError(LensrankError):
    """A shard or a score file is missing rows, damaged, or not the one that was asked for."""


class DamagedFile(ShardError):
    """A result is not what was written; scripts put it aside, so that the next run makes it again.

    Args:
        path: the file.
        what: what was found.
    """

    def __init__(self, path: str | Path, what: str) -> None:
        self.path = Path(path)
        super().__init__(f"{path}: damaged: {what}.")


class TrainingError(LensrankError):
    """A network cannot be trained on this machine or on these data."""


class ModelError(LensrankError):
    """A network cannot be built for these images, or a trained model cannot be loaded."""


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that is most like an unknown one, upper and lower case being the same; None where none is near."""
    folded = {name.lower(): name for name in sorted(known, reverse=True)}
    close = difflib.get_close_matches(word.lower(), folded, n=1, cutoff=0.5)
    return folded[close[0]] if close else None


def first_few(names: Sequence[str]) -> str:
    """The first of a list of names, for a log line or an error."""
    return ", ".join(names[:NAMED]) + (", ..." if len(names) > NAMED else "")
