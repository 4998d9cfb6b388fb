"""Training and scoring on a GPU, under Keras's JAX or PyTorch backend, beside PyTorch itself and beside the floors.

    KERAS_BACKEND=jax python benchmarks/gpu.py --output docs/results/gpu-jax-<date>
    KERAS_BACKEND=jax python benchmarks/gpu.py --device cpu --quick        that it works, without a GPU

Needs torch in the Python that LENSRANK_BENCH_TORCH_PYTHON names, or in this one. Simulated cutouts are not needed: the
time does not depend on what the pixels show. Where no GPU is seen, every row says that it was not measured.
"""

import argparse
import os
import shlex
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from data import BAND, CUTOUT, NETWORKS, SHAPE
from method import Goal, Program, Row, in_turns, machine, once, rate, ratios

import report
from lensrank.config.settings import Model
from lensrank.models.recipes import recipe
from lensrank.shards import ShardWriter

MEMORY_ON_DEMAND = {"XLA_PYTHON_CLIENT_PREALLOCATE": "false", "TF_FORCE_GPU_ALLOW_GROWTH": "true"}
"""The programs share the GPU, one computing at a time."""
NO_AUGMENTATION = {"flip": False, "symmetries": False, "rotation_degrees": 0.0, "zoom": None}
REPORTED = {"flip": True, "symmetries": False, "rotation_degrees": 90.0, "zoom": [0.6, 1.4]}
"""The most costly of the recipes' augmentations."""


def rows(
    scratch: Path, networks: Sequence[str], device: str, batch: int, steps: int, repetitions: int, compiled: bool
) -> list[Row]:
    """Measure all rows."""
    images, labels, shard = _data(scratch, batch * steps)
    common = {"images": images, "labels": labels, "batch": batch, "steps": steps, "device": device, "shard": shard}
    found = []
    for network in networks:
        floor = _floor(network, device)
        settings = {
            **common,
            "network": network,
            "model": Model.model_validate(recipe(network)).model_dump(mode="json"),
        }
        found += _training(settings, floor, repetitions, compiled) + _scoring(settings, floor, repetitions, compiled)
        found.append(_side_by_side(settings, repetitions))
    return found


def _training(settings: dict[str, Any], floor: dict[str, float], repetitions: int, compiled: bool) -> list[Row]:
    network, n = settings["network"], settings["batch"] * settings["steps"]
    seconds = in_turns(
        {
            "ours": _program("gpu.train", {**settings, "augmentation": REPORTED}),
            "plain": _program("gpu.train", {**settings, "augmentation": NO_AUGMENTATION}),
            "peer": _peer("torchpeer.train", settings, compiled),
        },
        repetitions,
    )
    ours = rate(n, seconds["ours"])
    peer = Row("GPU", f"train {network}, augmented, an epoch", _PEER, Goal(">=", 1.0), ours)
    peer.theirs, peer.ratios = rate(n, seconds["peer"]), ratios(seconds["peer"], seconds["ours"])
    peer.note = _floor_text(floor, 3)
    peer.costs = {f"gpu_train_seconds_{network}": median(seconds["ours"]) / n}
    augmentation = Row("GPU", f"train {network}, augmented", "the same without augmentation", Goal(">=", 0.9), ours)
    augmentation.theirs = rate(n, seconds["plain"])
    augmentation.ratios = ratios(seconds["plain"], seconds["ours"])
    return [peer, augmentation]


def _scoring(settings: dict[str, Any], floor: dict[str, float], repetitions: int, compiled: bool) -> list[Row]:
    network, n = settings["network"], settings["batch"] * settings["steps"]
    seconds = in_turns(
        {
            "shard": _program("gpu.score", {**settings, "source": "shard"}),
            "device": _program("gpu.score", {**settings, "source": "device"}),
            "peer": _peer("torchpeer.score", settings, compiled),
        },
        repetitions,
    )
    peer = Row("GPU", f"score {network}, batch on the device", _PEER, Goal(">=", 1.0), rate(n, seconds["device"]))
    peer.theirs, peer.ratios = rate(n, seconds["peer"]), ratios(seconds["peer"], seconds["device"])
    peer.note = f"ours in float32; {_floor_text(floor, 1)}"
    busy = Row("GPU", f"score {network} from shards: share of the time computing", "a batch on the device", _BUSY)
    busy.ours, busy.theirs = rate(n, seconds["shard"]), rate(n, seconds["device"])
    busy.ratios = ratios(seconds["device"], seconds["shard"])
    busy.costs = {f"gpu_score_seconds_{network}": median(seconds["shard"]) / n}
    return [peer, busy]


def _side_by_side(settings: dict[str, Any], repetitions: int) -> Row:
    """Whether trainings of several seeds on one GPU take less together than one after another."""
    programs = [_program("gpu.train", {**settings, "augmentation": REPORTED}) for _ in range(SEEDS)]
    alone, together = [], []
    with ExitStack() as stack, ThreadPoolExecutor(SEEDS) as pool:
        for program in programs:
            stack.enter_context(program)
            program()
        for _ in range(repetitions):
            alone.append(programs[0]())
            began = time.perf_counter()
            list(pool.map(lambda program: program(), programs))
            together.append(time.perf_counter() - began)
    n, one_by_one = settings["batch"] * settings["steps"], [SEEDS * seconds for seconds in alone]
    what = f"train {settings['network']}, {SEEDS} seeds side by side on one GPU"
    row = Row("GPU", what, "one after another", Goal(">=", 1.1), rate(SEEDS * n, together), rate(n, alone))
    row.ratios = ratios(one_by_one, together)
    return row


SEEDS = 3
_PEER = "PyTorch: batch on the device, channels_last, AMP, torch.compile"
_BUSY = Goal(">=", 0.9)


def _program(task: str, settings: dict[str, Any]) -> Program:
    return Program(task, settings, environment=MEMORY_ON_DEMAND)


def _peer(task: str, settings: dict[str, Any], compiled: bool) -> Program:
    return Program(task, {**settings, "compiled": compiled, "low": True}, python=_torch())


def _torch() -> str:
    return os.environ.get("LENSRANK_BENCH_TORCH_PYTHON", sys.executable)


def _floor(network: str, device: str) -> dict[str, float]:
    settings = {"network": network, "size": SHAPE[0], "device": device, "side": 8192 if device == "cuda" else 256}
    return once(Program("torchpeer.floor", settings, python=_torch()))


def _floor_text(floor: dict[str, float], passes: int) -> str:
    """The two floors in words; a training step passes three times through the network."""
    arithmetic = floor["rate"] / floor["operations"] / passes
    moving = floor["bandwidth"] / floor["bytes"] / passes
    return f"floors, images/s: arithmetic {arithmetic:,.0f}, bytes moved {moving:,.0f}"


def _data(scratch: Path, n: int) -> tuple[Path, list[int], Path]:
    """Noise with a bright middle, in an array and in a shard, with labels."""
    rng = np.random.default_rng(0)
    images = rng.normal(0, 7.75e-13, (n, *SHAPE)).astype(np.float32)
    images[:, 40:60, 40:60] += 1e-11 * rng.random((n, 1, 1, 1), dtype=np.float32)
    np.save(scratch / "gpu.npy", images)
    with ShardWriter(scratch / "shard-0000.h5", (BAND,), CUTOUT.shape, "benchmark") as writer:
        writer.append(images, [str(row) for row in range(n)], [0.0] * n, [0.0] * n, [0] * n)
    return scratch / "gpu.npy", (np.arange(n) % 2).tolist(), scratch / "shard-0000.h5"


def task_train(settings: dict[str, Any]) -> Callable[[], Any]:
    """Epochs by lensrank's trainer, in the precision that it takes on a GPU."""
    from lensrank.config.settings import Augmentation
    from lensrank.normalise import Normalisation
    from lensrank.trainer import Trainer, TrainSettings
    from lensrank.trainingset import Part

    images, labels = np.load(settings["images"]), np.array(settings["labels"], np.int8)
    part = Part(images, labels, np.arange(len(labels)).astype(str).astype(object), np.arange(len(labels)))
    changed = {"batch_size": settings["batch"], "augmentation": Augmentation.model_validate(settings["augmentation"])}
    model = Model.model_validate(settings["model"]).model_copy(update=changed)
    described = TrainSettings(name=settings["network"], model=model, bands=(BAND,), shape=CUTOUT.shape)
    precision = "mixed_bfloat16" if settings["device"] == "cuda" else "float32"
    trainer = Trainer(described, Normalisation((4.337e-13,), (5.504e-12,)), 0, precision)
    epochs = iter(range(1, 1000))
    return lambda: trainer.train_epoch(part, next(epochs)) and None


def task_score(settings: dict[str, Any]) -> Callable[[], Any]:
    """Scores of a shard as a job computes them, or of one batch that lies on the device."""
    from lensrank.engines.keras_engine import KerasEngine
    from lensrank.models import build
    from lensrank.normalise import Normalisation
    from lensrank.score import ScoreSettings, score_images

    # The programs start together, so each keeps a network of its own.
    path = Path(settings["shard"]).with_name(f"{settings['network']}-{settings['source']}.keras")
    normalisation = Normalisation((4.337e-13,), (5.504e-12,))
    model = Model.model_validate(settings["model"])
    build(settings["network"], model, CUTOUT.shape, 1, normalisation).save(path)
    engine = KerasEngine(path, SHAPE, settings["batch"], os.cpu_count() or 1)
    n = settings["batch"] * settings["steps"]
    if settings["source"] == "shard":
        asked = ScoreSettings(batch_size=settings["batch"])
        return lambda: score_images(Path(settings["shard"]), n, engine, asked, "score") is None and None
    return _on_device(engine.model, np.load(settings["images"])[: settings["batch"]], settings["steps"])


def _on_device(model: Any, batch: np.ndarray, steps: int) -> Callable[[], float]:
    """The compiled network on one batch that lies on the device."""
    import keras

    pixels = keras.ops.convert_to_tensor(batch)
    if keras.backend.backend() == "jax":
        import jax

        values = [variable.value for variable in model.trainable_variables]
        others = [variable.value for variable in model.non_trainable_variables]
        compute = jax.jit(
            lambda values, others, pixels: model.stateless_call(values, others, pixels, training=False)[0]
        )

        def run() -> float:
            began = time.perf_counter()
            jax.block_until_ready([compute(values, others, pixels) for _ in range(steps)])
            return time.perf_counter() - began

        return run
    import torch

    def run_torch() -> float:
        began = time.perf_counter()
        with torch.inference_mode():
            for _ in range(steps):
                model(pixels, training=False)
        if pixels.is_cuda:
            torch.cuda.synchronize()
        return time.perf_counter() - began

    return run_torch


def _not_measured(why: str) -> list[Row]:
    against = (
        ("train {}, augmented, an epoch", _PEER, Goal(">=", 1.0)),
        ("train {}, augmented", "the same without augmentation", Goal(">=", 0.9)),
        ("score {}, batch on the device", _PEER, Goal(">=", 1.0)),
        ("score {} from shards: share of the time computing", "a batch on the device", _BUSY),
        (f"train {{}}, {SEEDS} seeds side by side on one GPU", "one after another", Goal(">=", 1.1)),
    )
    return [Row("GPU", what.format(name), peer, goal, note=why) for name in NETWORKS for what, peer, goal in against]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda")
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=NETWORKS)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--steps", type=int, default=40, help="batches in an epoch, and in a shard")
    parser.add_argument("--repetitions", type=int, default=5)
    parser.add_argument("--quick", action="store_true", help="batches of 8, nothing compiled by PyTorch")
    parser.add_argument("--output", type=Path, help="path without suffix; written only where it is given")
    args = parser.parse_args()
    if os.environ.get("KERAS_BACKEND", "tensorflow") == "tensorflow":
        raise SystemExit("Set KERAS_BACKEND to jax or torch: this script has no peer for TensorFlow.")
    from lensrank.devices import gpus

    about = machine()
    seen = gpus()
    about["GPU"] = seen[0] if seen else "none"
    if args.device == "cuda" and not seen:
        found = _not_measured(f"Keras with its {os.environ['KERAS_BACKEND']} backend sees no GPU")
    else:
        batch, steps, repetitions = (8, 2, 2) if args.quick else (args.batch, args.steps, args.repetitions)
        with tempfile.TemporaryDirectory(prefix="lensrank-gpu-") as scratch:
            found = rows(Path(scratch), args.networks, args.device, batch, steps, repetitions, not args.quick)
    command = (
        f"KERAS_BACKEND={os.environ['KERAS_BACKEND']} {shlex.join(['python', 'benchmarks/gpu.py', *sys.argv[1:]])}"
    )
    if args.output is not None:
        report.write(found, about, command, args.repetitions, args.output)
    print(report.markdown(found, about, command, args.repetitions))


if __name__ == "__main__":
    main()
