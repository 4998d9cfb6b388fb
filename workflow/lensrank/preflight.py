"""A minute's look at a machine: does Keras see its GPU, train on it, and score on it as a CPU does?"""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lensrank import provenance
from lensrank.errors import TrainingError

if TYPE_CHECKING:
    import keras

DIFFERENCE = 0.01
"""Largest difference of a score that arithmetic explains: a GPU's TF32 keeps ten bits, an eighth of what float32's
rounding to bfloat16 costs, and that was seen to change scores by up to 0.013."""

_PIXELS = (101, 101, 1)
_IMAGES = 64

_SCORE = "from lensrank.preflight import score_file; import sys; score_file(*sys.argv[1:])"


def preflight(gpus: int, network: str = "efficientnetb0", threads: int | None = None) -> Iterator[str]:
    """Try the machine, a line of text for each thing that was found.

    Args:
        gpus: GPUs that this job asked for.
        network: registered network to train for a step.
        threads: CPU threads; None: as many as the backend finds.

    Raises:
        DeviceError: a GPU was asked for and Keras sees none.
        TrainingError: the step changed nothing or gave no number; or the
            scores are not those of a CPU.
    """
    yield from _machine()
    from lensrank.devices import use_device

    device, on_gpu = use_device(gpus, False, threads)
    yield f"computes on: {device} ({'GPU' if on_gpu else 'CPU: no GPU was seen, and none was asked for'})"
    images, labels = _images()
    with tempfile.TemporaryDirectory(prefix="lensrank-preflight-") as folder:
        model = Path(folder) / "model.keras"
        yield _train(images, labels, network, on_gpu, model)
        yield from _compare(images, model, on_gpu)


def score_file(model: str, images: str, scores: str) -> None:
    """Score an array of images, all files `.npy`, on whatever device this process sees."""
    np.save(scores, _score(np.load(images), Path(model))[0])


def _machine() -> Iterator[str]:
    yield f"host: {platform.node()}, {platform.platform()}"
    yield "versions: " + ", ".join(f"{name} {version}" for name, version in provenance.versions().items())
    yield f"driver: {_driver()}"
    shown = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURM_JOB_PARTITION", "SLURM_STEP_GPUS", "KERAS_BACKEND")
    yield "environment: " + ", ".join(f"{name}={os.environ.get(name, '(not set)')}" for name in shown)


def _driver() -> str:
    if shutil.which("nvidia-smi") is None:
        return "no nvidia-smi here"
    query = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, check=False)
    return "; ".join((done.stdout if done.returncode == 0 else done.stdout + done.stderr).strip().splitlines())


def _images() -> tuple[np.ndarray, np.ndarray]:
    """A galaxy in noise, every other one within a ring: (n, height, width, 1) in the challenge's unit, labels (n,)."""
    labels = np.arange(_IMAGES) % 2
    y, x = np.mgrid[: _PIXELS[0], : _PIXELS[1]] - 50
    radius = np.hypot(x, y)
    images = np.random.default_rng(0).normal(0, 7.75e-13, (_IMAGES, *_PIXELS))
    images[..., 0] += 3e-11 * np.exp(-((radius / 4) ** 2))
    images[..., 0] += 4e-12 * labels[:, None, None] * np.exp(-(((radius - 15) / 2) ** 2))
    return images.astype(np.float32), labels.astype(np.int8)


def _train(images: np.ndarray, labels: np.ndarray, network: str, on_gpu: bool, path: Path) -> str:
    from lensrank.config.settings import Model
    from lensrank.normalise import measure
    from lensrank.trainer import Trainer, TrainSettings
    from lensrank.trainingset import Part

    model = Model(network=network, batch_size=_IMAGES)
    settings = TrainSettings(name=network, model=model, bands=("VIS",), shape=_PIXELS[:2])
    precision = "mixed_bfloat16" if on_gpu else "float32"
    trainer = Trainer(settings, measure(images, None), 0, precision)
    before, numbers = trainer.weights(), np.arange(_IMAGES)
    began = time.monotonic()
    loss, _ = trainer.train_epoch(Part(images, labels, numbers.astype(str).astype(object), numbers), 1)
    seconds = time.monotonic() - began
    unchanged = all(np.array_equal(*pair) for pair in zip(before, trainer.weights(), strict=True))
    if not np.isfinite(loss) or unchanged:
        what = "changed no weight" if unchanged else f"gave a loss of {loss}"
        raise TrainingError(f"a training step of {network} in {precision} {what}: this backend cannot train here")
    whole = trainer.whole_model(trainer.weights())
    _settle(whole, images)
    whole.save(path)
    what = f"a step of {network}, {_IMAGES} images, {precision}"
    return f"trained: {what}: loss {loss:.4f}, {seconds:.1f} s with compiling"


def _settle(model: "keras.Model", images: np.ndarray) -> None:
    """Give batch normalisation the statistics of these images, which training takes many steps for.

    Without them all scores of a new network are alike, and would agree on any device.
    """
    import keras

    waiting: list[keras.Layer] = [model]
    while waiting:
        layer = waiting.pop()
        waiting += getattr(layer, "layers", [])
        if isinstance(layer, keras.layers.BatchNormalization):
            layer.momentum = 0.0
    model(images, training=True)


def _compare(images: np.ndarray, model: Path, on_gpu: bool) -> Iterator[str]:
    began = time.monotonic()
    here, device = _score(images, model)
    yield f"scored: {len(here)} images on {device}, {time.monotonic() - began:.1f} s with loading and compiling"
    files = [model.with_name(name) for name in ("images.npy", "scores.npy")]
    np.save(files[0], images)
    # In a process that sees no GPU: nothing of the computation can stay on it.
    hidden = os.environ | {"CUDA_VISIBLE_DEVICES": "-1", "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", _SCORE, model, *files], env=hidden, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        raise TrainingError(f"the model that was trained here could not be scored on the CPU: {done.stderr.strip()}")
    difference = float(np.max(np.abs(here - np.load(files[1]))))
    what = "GPU and CPU" if on_gpu else "two processes on the CPU"
    if not difference <= DIFFERENCE:
        raise TrainingError(f"scores of {what} differ by up to {difference:.2g}, more than {DIFFERENCE}: {device}")
    if not np.ptp(here) > 5 * DIFFERENCE:
        raise TrainingError(f"all scores lie within {np.ptp(here):.2g} of each other: that they agree tells nothing")
    yield f"compared: scores of {what} differ by at most {difference:.2g}; they span {np.ptp(here):.2g}"


def _score(images: np.ndarray, model: Path) -> tuple[np.ndarray, str]:
    from lensrank.engines import make_engine

    engine = make_engine(model, _PIXELS, "keras", "float32", _IMAGES)
    return engine(images), engine.device
