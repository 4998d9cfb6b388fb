"""The state of a training that has not ended: one file, written whole after every epoch, gone when training ends."""

import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
    with replacing(Path(folder) / _NAME) as temporary:
        np.savez(temporary, allow_pickle=False, header=np.frombuffer(header.encode(), np.uint8), **arrays)


def load(folder: str | Path, training: str) -> State | None:
    """Read the state of this training; None where there is none, or only that of another training.

    Args:
        folder: as `save` was given it.
        training: digest of what is trained.
    """
    path = Path(folder) / _NAME
    if not path.is_file():
        return None
    with np.load(path, allow_pickle=False) as file:
        header = json.loads(file["header"].tobytes())
        if header["training"] != training:
            log.warning("%s: the state of another training (settings, data or versions differ); starting afresh", path)
            return None
        groups = {group: _arrays(file, group) for group in _GROUPS}
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
