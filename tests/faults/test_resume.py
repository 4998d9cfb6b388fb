"""A training that is killed between epochs and in the middle of one, and resumed, ends in the same weights, bit by bit.

On the CPU, for both networks of the report. The images are few and as small as the networks take, which leaves all that
an epoch may depend on in play: batch norm, dropout, augmentation, Adam's state, the best epoch and patience.
"""

import json
import shlex
import time

import numpy as np
import pandas as pd
import pytest
from contents import content, temporaries
from steps import Step, kill

from lensrank.config.read import read_config, resolve_model
from lensrank.shards import ShardWriter
from lensrank.trainer import TrainSettings

SIDES = {"lastro": 69, "efficientnetb0": 33}
EPOCHS = 4
KILLED_AFTER = 2
"""Epochs after which the training is killed, in the middle of the next one."""
IMAGES = 40


def write_survey(folder, side):
    """A shard of galaxies, half of them with a ring, and a split: 24 to train on, 8 to choose the epoch, 8 held out."""
    random = np.random.default_rng(0)
    labels = np.arange(IMAGES) % 2
    y, x = np.mgrid[:side, :side] - (side - 1) / 2
    radius = np.hypot(x, y)
    images = random.normal(0, 7.75e-13, (IMAGES, side, side)) + 2e-11 * np.exp(-(radius**2) / 4)
    images += labels[:, None, None] * 4e-12 * np.exp(-((radius - 6) ** 2) / 2)
    zeros = np.zeros(IMAGES)
    with ShardWriter(folder / "shard-0000.h5", ("VIS",), (side, side), "test") as shard:
        shard.append(
            images[..., None].astype(np.float32), [str(n) for n in range(IMAGES)], zeros, zeros, zeros.astype(int)
        )
    part = ["validation" if n % 10 in (2, 3) else "holdout" if n % 10 in (6, 7) else "train" for n in range(IMAGES)]
    table = {
        "id": range(IMAGES),
        "shard": "shard-0000",
        "row": range(IMAGES),
        "label": labels,
        "part": part,
        "group": "",
    }
    pd.DataFrame(table).to_csv(folder / "split.csv", index=False)
    (folder / "split.digest").write_text("5" * 64)


def training(network):
    """The program that trains, with the network's own recipe."""
    changes = {"epochs": EPOCHS, "batch_size": 8, "patience": 3, "best": "loss"}
    config = read_config(
        {"run": "resume", "simulate": {"train": {"n": 3000}}, "models": {network: changes}}, source="test"
    )
    model = resolve_model(config, network)
    settings = TrainSettings(name=network, model=model, bands=("VIS",), shape=(SIDES[network],) * 2)
    words = ["--split", "split.csv", "--digest", "split.digest", "--seed", "3", "--threads", "1", "--resume", "state"]
    words += ["--settings", settings.model_dump_json(), "--output", "trained", "shard-0000.h5"]
    outputs = [f"trained/{name}" for name in ("model.keras", "history.csv", "holdout.csv", "provenance.json")]
    return Step("train", f'python "$SCRIPTS/train.py" {shlex.join(words)} > train.log 2>&1', outputs)


# EfficientNetB0 takes two minutes of computing, most of it for tracing it three times.
@pytest.mark.parametrize("network", ["lastro", pytest.param("efficientnetb0", marks=pytest.mark.faults)])
def test_a_training_that_was_killed_and_resumed_ends_in_the_same_weights(network, tmp_path, fault_row):
    step = training(network)
    places = [tmp_path / name for name in ("undisturbed", "killed")]
    for place in places:
        place.mkdir()
        write_survey(place, SIDES[network])
    undisturbed, killed = places
    whole, process = step.start(undisturbed), step.start(killed)
    while f"epoch {KILLED_AFTER} of {EPOCHS}:" not in step.log(killed):
        assert process.poll() is None, step.log(killed)
        time.sleep(0.01)
    assert kill(process)
    assert (killed / "state/state.npz").exists()
    assert not (killed / "trained/model.keras").exists()
    assert f"resumed after epoch {KILLED_AFTER} of {EPOCHS}" in step.run(killed)
    assert whole.wait() == 0, step.log(undisturbed)
    for output in step.outputs:
        assert content(killed / output) == content(undisturbed / output), output
    assert temporaries(killed) == []
    record = json.loads((killed / "trained/provenance.json").read_text())
    assert record["epochs"] > KILLED_AFTER
    happened = f"resumed after epoch {KILLED_AFTER} of {record['epochs']}"
    lost = f"less than an epoch; {record['weights']:,} weights equal, bit by bit"
    fault_row("SIGKILL of a training in an epoch", network, 1, happened, lost)
