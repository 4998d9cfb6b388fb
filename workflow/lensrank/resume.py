"""The state of a training: one file, written whole after every epoch, removed when the trained network is in use.

It outlives the training itself: a job that is killed after its last epoch, before its files were taken, loses nothing.
"""

import json
import logging
import os
import zlib
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np

from lensrank.errors import Superseded
from lensrank.files import replacing
from lensrank.history import Epoch

log = logging.getLogger("lensrank")

_NAME = "state.npz"
_GROUPS = ("weights", "optimizer", "best")


@dataclass
class State:
    """Everything the next epoch depends on but (seed, epoch).

    Attributes:
        history: the epochs so far.
        weights: variables of the network.
        optimizer: variables of the optimizer.
        best: variables of the network at its best epoch so far.
    """

    history: list[Epoch]
    weights: list[np.ndarray]
    optimizer: list[np.ndarray]
    best: list[np.ndarray]


def save(folder: str | Path, state: State, training: str) -> None:
    """Write the state, whole or not at all.

    Args:
        folder: made if it is not there.
        state: after an epoch.
        training: digest of what is trained; `load` gives the state to no other training.
    """
    header = json.dumps({"training": training, "history": [asdict(epoch) for epoch in state.history]})
    arrays: dict[str, Any] = {
        f"{group}-{number}": values for group in _GROUPS for number, values in enumerate(getattr(state, group))
    }
    # Who writes it meanwhile is the same training, started again.
    with suppress(Superseded), replacing(Path(folder) / _NAME) as temporary, temporary.open("wb") as stream:
        np.savez(stream, allow_pickle=False, header=np.frombuffer(header.encode(), np.uint8), **arrays)
        # A node that loses power after the renaming would otherwise leave an empty file, and no older state.
        stream.flush()
        os.fsync(stream.fileno())


def load(folder: str | Path, training: str) -> State | None:
    """Read the state of this training; None where there is none, or only that of another training.

    Args:
        folder: as `save` was given it.
        training: digest of what is trained.
    """
    path = Path(folder) / _NAME
    if not path.is_file():
        return None
    try:
        # Opened here: of a damaged file numpy would leave it open.
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as file:
            header = json.loads(file["header"].tobytes())
            if header["training"] != training:
                log.warning("%s: the state of another training (settings, data or versions differ); not used", path)
                return None
            groups = {group: _arrays(file, group) for group in _GROUPS}
    except (ValueError, KeyError, EOFError, BadZipFile, zlib.error) as error:
        log.warning("%s: damaged, as after a power cut (%s); the training starts afresh", path, error)
        return None
    return State(history=[Epoch(**epoch) for epoch in header["history"]], **groups)


def remove(folder: str | Path) -> None:
    """Delete the state, and the folder if nothing else is in it."""
    folder = Path(folder)
    (folder / _NAME).unlink(missing_ok=True)
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()


def _arrays(file: Any, group: str) -> list[np.ndarray]:
    count = sum(name.startswith(f"{group}-") for name in file.files)
    return [file[f"{group}-{number}"] for number in range(count)]
