"""What every script shares: log lines on standard error, errors a user can read, and damaged results put aside."""

import logging
import os
import sys
from collections.abc import Callable
from pathlib import Path

from lensrank.errors import DamagedFile, LensrankError, Refused, refusal

TENSORFLOW = {"TF_CPP_MIN_LOG_LEVEL": "2", "TF_ENABLE_ONEDNN_OPTS": "1"}
"""Environment in which programs here train, and score with Keras. By itself TensorFlow leaves oneDNN aside where there
is no AVX-512."""


def set_up_tensorflow() -> None:
    """Set the variables that TensorFlow reads, where they are not set. To be called before Keras is imported."""
    for name, value in TENSORFLOW.items():
        os.environ.setdefault(name, value)


def run(main: Callable[[], None]) -> None:
    """Call `main` and exit: 0 when it returns, 1 with a plain message for a `LensrankError`, and for a file that
    the system does not let be written.

    Any other exception keeps its traceback: it is a fault of lensrank, not of the user's data.
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
    )
    try:
        main()
    except DamagedFile as error:
        sys.exit(f"Error: {error} {_put_aside(error.path)}")
    except LensrankError as error:
        sys.exit(f"Error: {error}")
    except OSError as error:
        if (number := refusal(error)) is None or error.filename is None:
            raise
        sys.exit(f"Error: {Refused(error.filename, number)}")


def _put_aside(path: Path) -> str:
    """Rename a damaged result, so that the next run finds none and makes it again; says so."""
    aside = path.with_name(f"{path.name}.damaged")
    try:
        path.replace(aside)
    except OSError as error:
        return f"It could not be put aside ({error.strerror}): delete it and run again, and it will be made anew."
    return f"It was put aside as {aside.name}, which may be deleted. Run again: it will be made anew."
