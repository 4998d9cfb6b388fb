"""What every script shares: log lines on standard error, and errors a user can read."""

import logging
import sys
from collections.abc import Callable

from lensrank.errors import LensrankError


def run(main: Callable[[], None]) -> None:
    """Call `main` and exit: 0 when it returns, 1 with a plain message for a `LensrankError`.

    Any other exception keeps its traceback: it is a fault of lensrank, not of the user's data.
    """
    logging.basicConfig(
        stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(message)s", datefmt="%Y-%m-%d %H:%M:%S"
    )
    try:
        main()
    except LensrankError as error:
        sys.exit(f"Error: {error}")
