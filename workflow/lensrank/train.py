"""Training one network from one random seed: takes a split and its shards, gives a model, its history and its scores.

The epochs are a plain loop. Everything random in an epoch follows from (seed, epoch): the batches (`sampling`) and the
seeds of all generators on the device, which are set anew when it begins. The state after an epoch (`resume`) is
therefore all that the next ones need, and a training that was interrupted ends in the same weights.
"""

import logging
import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pandas as pd

from lensrank import collapse, provenance, resume, trainingset
from lensrank.config.settings import Normalisation as Constants
from lensrank.devices import use_device
from lensrank.files import file_digest, replacing, value_digest, write_json
from lensrank.history import Epoch, TensorBoardLog, best_epoch, is_over, write_history
from lensrank.metrics import auroc
from lensrank.normalise import Normalisation, measure
from lensrank.split import HOLDOUT, TRAIN, VALIDATION, read_split
from lensrank.steps import STEP_VERSIONS
from lensrank.trainer import Trainer, TrainSettings, predict
from lensrank.trainingset import Part

log = logging.getLogger("lensrank")


def train(
    split: str | Path,
    digest: str | Path,
    shards: Sequence[str | Path],
    settings: TrainSettings,
    seed: int,
    output: str | Path,
    gpus: int = 0,
    resume_folder: str | Path | None = None,
    threads: int | None = None,
) -> None:
    """Train one network and write model.keras, history.csv, holdout.csv, provenance.json and tensorboard/.

    Args:
        split: split.csv.
        digest: file with the digest of the split and the pixels of its images.
        shards: the shards that it names.
        settings: the network and how it is trained.
        seed: of the initial weights, the batches, the augmentation and the dropout.
        output: folder to write to.
        gpus: GPUs that this job was given.
        resume_folder: where the state after each epoch is kept (`resume.remove` removes it); None: nowhere.
        threads: CPU threads; None: as many as the backend finds.

    Raises:
        DeviceError: the GPU that was given is not seen.
        TrainingError: the images cannot train a network.
        ModelError: the network cannot be built for these images.
        ShardError: a shard cannot be used.
    """
    began = time.monotonic()
    device, on_gpu = use_device(gpus, settings.model.allow_cpu, threads)
    parts = trainingset.load(read_split(Path(split)), shards, settings.shape, settings.bands)
    selection = VALIDATION if len(parts[VALIDATION]) else HOLDOUT
    record = _origins(settings, seed, Path(digest), parts)
    record |= {"selection": selection, "precision": _precision(settings, on_gpu)}
    identity = value_digest(record)
    normalisation = _normalisation(settings, parts[TRAIN])
    trainer = Trainer(settings, normalisation, seed, record["precision"])
    weights = trainer.network.count_params()
    what = f"network {settings.network}, {weights:,} weights, {record['precision']}"
    log.info("train %s seed %d: %s on %s with %s", settings.name, seed, what, device, record["backend"])
    history, best = _epochs(trainer, parts[TRAIN], parts[selection], Path(output), resume_folder, identity)
    record |= {
        "shards": trainingset.digests(shards),
        "device": device,
        "gpus_given": gpus,
        "machine": provenance.machine(),
        "weights": weights,
        "normalisation": {"mean": list(normalisation.mean), "std": list(normalisation.std)},
    }
    _write(Path(output), trainer.whole_model(best), history, parts[HOLDOUT], record, began)


def _origins(settings: TrainSettings, seed: int, digest: Path, parts: Mapping[str, Part]) -> dict[str, Any]:
    return {
        "images": {name: len(part) for name, part in parts.items()},
        "step_version": STEP_VERSIONS["train"],
        "settings": settings.model_dump(mode="json"),
        "network": settings.network,
        "seed": seed,
        "split": digest.read_text(encoding="ascii"),
        "backend": keras.backend.backend(),
        "versions": provenance.versions(),
    }


def _epochs(
    trainer: Trainer, part: Part, chooser: Part, output: Path, resume_folder: str | Path | None, identity: str
) -> tuple[list[Epoch], list[np.ndarray]]:
    """Train; gives all epochs and the weights of the best."""
    model = trainer.settings.model
    history, best = _resumed(trainer, resume_folder, identity)
    board = TensorBoardLog(output / "tensorboard", history)
    while not is_over(history, model.epochs, model.patience):
        row = _epoch(trainer, part, chooser, len(history) + 1)
        history.append(row)
        best = _keep(trainer, history, best, resume_folder, identity)
        board.add(row)
        log.info(
            "epoch %d of %d: loss %.4f, AUROC %.4f, validation loss %.4f, AUROC %.4f, %.1f s, %.0f images/s",
            *(row.epoch, model.epochs, row.loss, row.auroc, row.val_loss, row.val_auroc),
            *(row.seconds, row.images_per_second),
        )
    board.close()
    return history, best


def _resumed(trainer: Trainer, resume_folder: str | Path | None, identity: str) -> tuple[list[Epoch], list[np.ndarray]]:
    """Go on where this training was interrupted, if it was; gives the epochs so far and the weights of the best."""
    state = None if resume_folder is None else resume.load(resume_folder, identity)
    if state is None:
        return [], []
    log.info("resumed after epoch %d of %d", len(state.history), trainer.settings.model.epochs)
    trainer.restore(state)
    return state.history, state.best


def _keep(
    trainer: Trainer,
    history: list[Epoch],
    best: list[np.ndarray],
    resume_folder: str | Path | None,
    identity: str,
) -> list[np.ndarray]:
    """Keep the state after an epoch, on disk only; gives the weights of the best epoch so far."""
    weights = trainer.weights()
    if best_epoch(history, trainer.settings.model.best) == history[-1].epoch:
        best = weights
    if resume_folder is not None:
        resume.save(resume_folder, resume.State(history, weights, trainer.optimizer_state(), best), identity)
    return best


def _epoch(trainer: Trainer, part: Part, chooser: Part, number: int) -> Epoch:
    start = time.monotonic()
    loss, train_auroc = trainer.train_epoch(part, number)
    trained = time.monotonic()
    val_loss, val_auroc = _judge(trainer.logits(chooser.images), chooser.labels == 1)
    return Epoch(
        epoch=number,
        loss=loss,
        auroc=train_auroc,
        val_loss=val_loss,
        val_auroc=val_auroc,
        learning_rate=trainer.settings.model.learning_rate,
        seconds=time.monotonic() - start,
        images_per_second=len(part) / (trained - start),
    )


def _judge(logits: np.ndarray, is_lens: np.ndarray) -> tuple[float, float]:
    """Binary cross-entropy and AUROC, both NaN where a logit is no number."""
    if not np.isfinite(logits).all():
        return math.nan, math.nan
    return float(np.mean(np.logaddexp(0.0, np.where(is_lens, -logits, logits)))), auroc(logits, is_lens)


def _normalisation(settings: TrainSettings, part: Part) -> Normalisation:
    constants = settings.model.normalisation
    if isinstance(constants, Constants):
        bands = len(settings.bands)
        return Normalisation((constants.mean,) * bands, (constants.std,) * bands)
    return measure(part.images, settings.masked)


def _precision(settings: TrainSettings, on_gpu: bool) -> str:
    if settings.model.precision != "auto":
        return settings.model.precision
    return "mixed_bfloat16" if on_gpu else "float32"


def _write(
    output: Path,
    whole: keras.Model,
    history: Sequence[Epoch],
    holdout: Part,
    record: dict[str, Any],
    began: float,
) -> None:
    kept = best_epoch(history, record["settings"]["model"]["best"])
    scores = predict(whole, holdout.images)
    collapsed = collapse.reason(history, kept, holdout.labels, scores)
    if collapsed is not None:
        log.warning("%s seed %d has collapsed: %s", record["settings"]["name"], record["seed"], collapsed)
    with replacing(output / "model.keras") as temporary:
        whole.save(temporary)
    write_history(output / "history.csv", history)
    table = pd.DataFrame({"id": holdout.ids, "label": holdout.labels, "score": scores}).iloc[np.argsort(holdout.place)]
    with replacing(output / "holdout.csv") as temporary:
        table.to_csv(temporary, index=False, na_rep="nan", lineterminator="\n")
    record |= {
        "best_epoch": kept,
        "epochs": len(history),
        "collapsed": collapsed,
        "model": file_digest(output / "model.keras"),
        "epochs_seconds": sum(epoch.seconds for epoch in history),
        "wall_seconds": time.monotonic() - began,
        "peak_memory_bytes": provenance.peak_memory(),
    }
    write_json(output / "provenance.json", record)
