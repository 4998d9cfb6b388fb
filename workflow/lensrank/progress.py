"""Telling how far a long step is: a bar where a terminal watches, plain lines in a log."""

import logging
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 10.0

log = logging.getLogger("lensrank")


@contextmanager
def progress(total: int | None, what: str, unit: str = "images") -> Iterator[Callable[[int], None]]:
    """Report progress through `total` items; the block calls what it gets with the number of items just done.

    Args:
        total: items to come, or None where that is not known.
        what: what is being done, such as "ingest shard-0003".
        unit: plural name of an item.
    """
    if sys.stderr.isatty():
        with tqdm(total=total, desc=what, unit=f" {unit}", dynamic_ncols=True) as bar:
            yield lambda done: (bar.update(done), None)[1]
        return
    start = last = time.monotonic()
    count = 0

    def line() -> None:
        seconds = max(time.monotonic() - start, 1e-9)
        of_total = "" if total is None else f" of {total:,}"
        log.info("%s: %s%s %s, %.0f %s/s", what, f"{count:,}", of_total, unit, count / seconds, unit)

    def advance(done: int) -> None:
        nonlocal count, last
        count += done
        if time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            line()

    yield advance
    line()
