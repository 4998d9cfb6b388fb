"""Rows 11, 12 and 14: training on a CPU against the bare step, against PyTorch, and in memory."""

import os
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from data import BAND, CUTOUT, NETWORKS, SHAPE, Data
from method import Goal, Program, Row, in_turns, once, peak_memory, rate, ratios

from lensrank.cli import TENSORFLOW

TORCH = "LENSRANK_BENCH_TORCH_PYTHON"
NO_TORCH = f"no PyTorch: {TORCH} names a Python that has torch and numpy"
VALIDATION_SHARE = 9
"""Training images for each one that chooses the epoch: 18,000 and 2,000 in the report."""
EPOCH = 18000
"""Training images of the report: those of an epoch. Its steps are measured on fewer of them."""
VALIDATED = 64
"""Images of two whole calls of a network that is not trained."""
MEMORY_GOAL = 0.3 * 2**30
"""Bytes above the array and the bare step."""
NORMALISATION = (4.337e-13, 5.504e-12)


def make_networks(data: Data, n: int, epochs: int) -> None:
    """Train the networks that scoring is measured with, where they are not there yet."""
    for network in NETWORKS:
        if not data.network(network).exists():
            settings = data.training(network, n, epochs=epochs)
            settings["model"] |= {"batch_size": min(16, settings["model"]["batch_size"])}
            found = once(Program("training.fit", settings, environment=TENSORFLOW))
            print(
                f"{network}: trained on {n:,} images, {epochs} epochs, AUROC on them {found['auroc']:.4f}", flush=True
            )


def rows_speed(data: Data, epochs: dict[str, int], steps: dict[str, int], rounds: dict[str, int]) -> list[Row]:
    """Measure row 11 on so many images of an epoch, by network, and row 12; PyTorch's steps go through `steps`.

    All three in turns, with batches that let three EfficientNetB0 in training lie in the memory of a small machine.
    """
    rows = []
    for network in NETWORKS:
        n = epochs[network]
        settings = _steps(data, network, n) | {"validation": str(data.array(VALIDATED))}
        tasks = {"ours": "training.epoch", "bare": "training.step"}
        programs = {name: Program(task, settings, environment=TENSORFLOW) for name, task in tasks.items()}
        peer = _steps(data, network, steps[network]) | {"compiled": False}
        if torch := os.environ.get(TORCH):
            programs["torch"] = Program("torchpeer.train", peer, python=torch)
        seconds = in_turns(programs, rounds[network])
        done = {"ours": EPOCH, "bare": settings["batch"] * settings["steps"], "torch": peer["batch"] * peer["steps"]}
        each = {name: [time / done[name] for time in times] for name, times in seconds.items()}
        rows += [_epoch_row(network, settings, each), _step_row(network, settings, each)]
    return rows


def _epoch_row(network: str, settings: dict[str, Any], each: dict[str, list[float]]) -> Row:
    """Row 11, from seconds an image."""
    row = Row("11", f"train {network}: an epoch, augmented, with validation", "the bare step on one batch", _EPOCH)
    row.ours, row.theirs, row.ratios = rate(1, each["ours"]), rate(1, each["bare"]), ratios(each["bare"], each["ours"])
    batch, steps = settings["batch"], settings["steps"]
    row.note = f"{EPOCH:,} images, from epochs of {batch * steps:,}; batches of {batch}"
    row.costs = {f"train_seconds_{network}": median(each["ours"])}
    return row


def _step_row(network: str, settings: dict[str, Any], each: dict[str, list[float]]) -> Row:
    """Row 12, from seconds an image."""
    row = Row("12", f"train {network}: the step, TensorFlow", "the same in PyTorch, channels_last", _PEER)
    row.note = NO_TORCH
    if "torch" in each:
        row.ours, row.theirs = rate(1, each["bare"]), rate(1, each["torch"])
        row.note = f"batches of {settings['batch']}, no torch.compile"
        row.ratios = ratios(each["torch"], each["bare"])
    return row


def _steps(data: Data, network: str, n: int) -> dict[str, Any]:
    """Settings of steps through n images: in batches of 32 at most, as long steps cannot be repeated often."""
    settings = data.training(network, n)
    batch = min(settings["model"]["batch_size"], 32, n)
    settings["model"] |= {"batch_size": batch}
    return settings | {"batch": batch, "steps": -(-n // batch), "threads": len(os.sched_getaffinity(0))}


_EPOCH, _PEER = Goal(">=", 0.9), Goal(">=", 0.9)


def rows_memory(data: Data, n: int) -> list[Row]:
    """Measure row 14: peak memory of training on n images, read from a shard, 10 % of them held out."""
    rows = []
    for network in NETWORKS:
        settings = data.training(network, n, shard=data.shard(n))
        settings |= {"batch": min(settings["model"]["batch_size"], n // 2), "steps": 2}
        bare = once(Program("training.step", settings, environment=TENSORFLOW))["peak"]
        ours = once(Program("training.memory", settings, environment=TENSORFLOW))["peak"]
        array = 4 * n * int(np.prod(SHAPE))
        row = Row("14", f"peak memory of training {network} on {n:,} images", "array and bare step, + 0.3 GiB", _MEMORY)
        row.ours, row.theirs = f"{ours / 2**30:.2f} GiB", f"{array / 2**30:.2f} + {bare / 2**30:.2f} GiB"
        row.ratios, row.note = [ours / (array + bare + MEMORY_GOAL)], f"{(ours - array - bare) / 2**30:+.2f} GiB"
        rows.append(row)
    return rows


_MEMORY = Goal("<=", 1.0)


def _trainer(settings: dict[str, Any]) -> Any:
    from lensrank.config.settings import Model
    from lensrank.normalise import Normalisation
    from lensrank.trainer import Trainer, TrainSettings

    model = Model.model_validate(settings["model"])
    described = TrainSettings(name=settings["network"], model=model, bands=(BAND,), shape=CUTOUT.shape)
    mean, std = NORMALISATION
    return Trainer(described, Normalisation((mean,), (std,)), 0, "float32")


def _part(images: np.ndarray, labels: list[int]) -> Any:
    from lensrank.trainingset import Part

    n = len(images)
    return Part(images, np.resize(np.array(labels, np.int8), n), np.arange(n).astype(str).astype(object), np.arange(n))


def task_epoch(settings: dict[str, Any]) -> Callable[[], float]:
    """An epoch of `EPOCH` images as `train` goes through it, its state written to disk; from one that is shorter.

    An image takes what it takes between the end of the first batch and that of the last, one that is validated its
    share of whole calls. The rest, such as the first batch (counted again among all images) and the state, an epoch
    takes once.
    """
    from lensrank import resume

    images, validation = np.load(settings["images"]), np.load(settings["validation"])
    part, trainer, epochs = _part(images, settings["labels"]), _trainer(settings), iter(range(1, 1000))
    folder = Path(settings["save"]).with_suffix(".state")
    ends = _note_ends_of_batches(trainer.model)

    def run() -> float:
        ends.clear()
        began = time.perf_counter()
        trainer.train_epoch(part, next(epochs))
        trained = time.perf_counter()
        trainer.logits(validation)
        validated = time.perf_counter()
        weights = trainer.weights()
        resume.save(folder, resume.State([], weights, trainer.optimizer_state(), weights), "benchmark")
        saved = time.perf_counter()
        batches, steady = len(ends), ends[-1] - ends[0]
        each = steady / (len(images) * (batches - 1) / batches)
        once = (trained - began - steady) + (saved - validated)
        return once + EPOCH * each + EPOCH / VALIDATION_SHARE * (validated - trained) / len(validation)

    return run


def _note_ends_of_batches(model: Any) -> list[float]:
    """Have `fit` note when each batch has ended; gives the list that it notes them in."""
    import keras

    ends: list[float] = []
    fit = model.fit
    watch = keras.callbacks.LambdaCallback(on_train_batch_end=lambda *_, **__: ends.append(time.perf_counter()))
    model.fit = lambda *args, callbacks, **more: fit(*args, callbacks=[*callbacks, watch], **more)
    return ends


def task_fit(settings: dict[str, Any]) -> Callable[[], dict[str, float]]:
    """Train a network for some epochs and keep it; gives its AUROC on the images it was trained on."""
    from lensrank.metrics import auroc

    def run() -> dict[str, float]:
        part, trainer = _part(np.load(settings["images"]), settings["labels"]), _trainer(settings)
        for epoch in range(settings["epochs"]):
            trainer.train_epoch(part, epoch + 1)
        Path(settings["save"]).parent.mkdir(parents=True, exist_ok=True)
        trainer.whole_model(trainer.weights()).save(settings["save"])
        return {"auroc": auroc(trainer.logits(part.images), part.labels == 1)}

    return run


def task_step(settings: dict[str, Any]) -> Callable[[], None]:
    """TensorFlow's training step alone, on one batch, as many times as an epoch has steps; it keeps memory as ours."""
    import keras
    import tensorflow as tf

    from lensrank.config.settings import Model
    from lensrank.memory import keep_freed_memory
    from lensrank.models import build_network

    keep_freed_memory()
    network = build_network(settings["network"], Model.model_validate(settings["model"]), CUTOUT.shape, 1)
    optimizer = keras.optimizers.Adam(1e-3)
    optimizer.build(network.trainable_variables)
    loss = keras.losses.BinaryCrossentropy(from_logits=True)
    mean, std = NORMALISATION
    images = np.load(settings["images"], mmap_mode="r")[: settings["batch"]]
    batch = tf.constant((images - mean) / std, tf.float32)
    labels = tf.constant(np.array(settings["labels"][: len(images)], np.float32)[:, None])

    @tf.function
    def step() -> None:
        with tf.GradientTape() as tape:
            value = loss(labels, network(batch, training=True))
        gradients = tape.gradient(value, network.trainable_variables)
        optimizer.apply(gradients, network.trainable_variables)

    def run() -> None:
        for _ in range(settings["steps"]):
            step()

    return run


def task_memory(settings: dict[str, Any]) -> Callable[[], dict[str, int]]:
    """What `train` does, with an epoch cut to a few batches: the rest of it holds no more."""
    import pandas as pd

    from lensrank import resume, trainingset
    from lensrank.shards import read_table
    from lensrank.split import HOLDOUT, TRAIN
    from lensrank.trainingset import Part

    shard = Path(settings["shard"])
    ids = read_table(shard).id
    labels = np.resize(np.array(settings["labels"]), len(ids))
    parts = np.where(np.arange(len(ids)) < len(ids) * VALIDATION_SHARE // (VALIDATION_SHARE + 1), TRAIN, HOLDOUT)
    columns = {"id": ids, "label": labels, "part": parts, "shard": shard.stem, "row": np.arange(len(ids))}
    folder = Path(settings["save"]).with_suffix(".state")

    def run() -> dict[str, int]:
        loaded = trainingset.load(pd.DataFrame(columns), [shard], CUTOUT.shape, (BAND,))
        part, trainer = loaded[TRAIN], _trainer(settings)
        few = slice(0, settings["steps"] * settings["batch"])
        first = Part(part.images[few], part.labels[few], part.ids[few], part.place[few])
        best = trainer.weights()
        for epoch in (1, 2):
            trainer.train_epoch(first, epoch)
            trainer.logits(loaded[HOLDOUT].images[:256])
            resume.save(folder, resume.State([], trainer.weights(), trainer.optimizer_state(), best), "benchmark")
        return {"peak": peak_memory()}

    return run
