"""Errors whose text is for the user: what was found, where, and what to do about it."""

import difflib
import errno
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

NAMED = 5
REFUSALS = {
    errno.ENOSPC: "Make room on that disk",
    errno.EDQUOT: "Make room within your quota",
    errno.EROFS: "Make it writable, or run in a folder that is",
    errno.EACCES: "Give this account the right to read and write there",
    errno.EPERM: "Give this account the right to read and write there",
}
"""What keeps a file from being written that is the user's to mend, by the system's number, and how to mend it."""


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


class Refused(LensrankError):
    """The system does not let a file be written: no room, or no right.

    Args:
        path: the file, or its folder.
        number: the system's, one of `REFUSALS`.
    """

    def __init__(self, path: str | Path, number: int) -> None:
        super().__init__(f"{path}: {os.strerror(number)}. {REFUSALS[number]}, and run again: what is finished is kept.")


class Superseded(LensrankError):
    """Another process began to write a file while this one did, and the one that began last is to have it."""


class DeviceError(LensrankError):
    """The device that a job was given cannot be used."""


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


def refusal(error: BaseException) -> int | None:
    """The number of `REFUSALS` that an exception stands for; None where it is about something else.

    HDF5 and TensorFlow give the system's words in a text of their own, and no number.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number is not None:
        return number if number in REFUSALS else None
    return next((number for number in REFUSALS if os.strerror(number) in str(error)), None)
