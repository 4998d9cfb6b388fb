"""Scoring with OpenVINO on a CPU, faster than Keras there. TensorFlow is needed to convert only.

The converted network is kept in the cache by the digest of the model file, so that a job that finds it starts within
a second.
"""

import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np

from lensrank import cache as entries
from lensrank.engines import Engine, model_digest, padded
from lensrank.errors import ConfigError, ModelError
from lensrank.files import value_digest

BATCH = 16
"""Images per request. One fixed shape for all runs, so that a score does not depend on how images are batched. Small
batches stay in the CPU's caches: for EfficientNetB0 on 2 cores 580 images/s, against 510 for 128 and 405 for 128 with
a shape that may vary."""

MODELS_PER_PROCESS = 3
"""Networks that a process converts. Its peak with 1, 3 and 6 EfficientNetB0 is 1.20, 1.28 and 1.36 GB, as TensorFlow
keeps what it took; its start takes some seconds."""

CONVERSION_VERSION = 1
HINTS = {"float32": "f32", "bfloat16": "bf16"}

log = logging.getLogger("lensrank")


class OpenvinoEngine(Engine):
    """A network compiled for this CPU, with as many requests under way as keep all threads busy.

    Args:
        model: a whole model, `.keras`.
        shape: (height, width, bands) of the images.
        precision: "float32" or "bfloat16". Always set, because OpenVINO takes bfloat16 by itself where a CPU has it.
        threads: of the arithmetic.
        cache: folder that keeps converted networks, or None.

    Raises:
        ConfigError: this CPU cannot compute in the precision.
        ModelError: the model cannot be loaded or converted, or is for images of another shape.
    """

    def __init__(self, model: Path, shape: Sequence[int], precision: str, threads: int, cache: Path | None) -> None:
        openvino = import_openvino()
        core = openvino.Core()
        network = core.read_model(*_converted(model, cache))
        if not network.input(0).partial_shape.compatible(openvino.PartialShape([-1, *shape])):
            raise ModelError(
                f"{model}: takes images of {network.input(0).partial_shape} (height, width and bands after the first "
                f"number), but these are {tuple(shape)}. Correct cutout.shape or bands, or use another model."
            )
        network.reshape([BATCH, *shape])
        hint = HINTS[precision]
        properties = {
            "INFERENCE_PRECISION_HINT": hint,
            "PERFORMANCE_HINT": "THROUGHPUT",
            "INFERENCE_NUM_THREADS": threads,
            # OpenVINO would bind its threads to the first cores, in each of the jobs that run side by side.
            "ENABLE_CPU_PINNING": False,
        }
        compiled = core.compile_model(network, "CPU", properties)
        if (used := compiled.get_property("INFERENCE_PRECISION_HINT").to_string()) != hint:
            raise ConfigError(
                f"scoring.precision: {precision} cannot be had on this CPU ({used} instead). Set float32, or send the "
                "job to nodes with AVX-512 BF16 or AMX."
            )
        self.device = str(core.get_property("CPU", "FULL_DEVICE_NAME"))
        self._queue = openvino.AsyncInferQueue(compiled)
        self._queue.set_callback(_take)

    def stream(self, blocks: Iterable[np.ndarray]) -> list[np.ndarray]:
        """Score blocks of (m, height, width, band) float32; gives (m,) float32 for each."""
        try:
            return [self._start(np.ascontiguousarray(pixels, dtype=np.float32)) for pixels in blocks]
        finally:
            # Also where a block cannot be read: what is under way has to end before its arrays do.
            self._queue.wait_all()

    def _start(self, pixels: np.ndarray) -> np.ndarray:
        """Begin to score a block; gives the array that its scores will be in."""
        scores = np.empty(len(pixels), dtype=np.float32)
        for start in range(0, len(pixels), BATCH):
            batch = padded(pixels[start : start + BATCH], BATCH)
            # OpenVINO reads the batch where it lies, and does not keep it: the request's own data do.
            self._queue.start_async({0: batch}, (batch, scores[start : start + BATCH]), share_inputs=True)
        return scores


def _take(request: Any, begun: tuple[np.ndarray, np.ndarray]) -> None:
    _, scores = begun
    scores[:] = request.get_output_tensor(0).data[: len(scores), 0]


def import_openvino() -> Any:
    """Import OpenVINO without its telemetry, which reports each import to a server and waits for the network."""
    cast(dict[str, Any], sys.modules).setdefault("openvino_telemetry", None)
    import openvino

    return openvino


def convert(models: Iterable[Path], cache: Path) -> None:
    """Convert those of several networks that are not in the cache, together: TensorFlow takes seconds to start.

    Args:
        models: whole models, `.keras`.
        cache: folder that keeps converted networks.

    Raises:
        ModelError: a model is not there, or cannot be converted.
    """
    keys = {model: _key(model) for model in models}
    missing = [model for model, key in keys.items() if not entries.is_kept(cache, key)]
    for start in range(0, len(missing), MODELS_PER_PROCESS):
        for model, content in _convert(missing[start : start + MODELS_PER_PROCESS]):
            entries.store(cache, keys[model], content)


def _converted(model: Path, cache: Path | None) -> tuple[bytes, bytes]:
    """Give the network's description and weights, converted now or before."""
    key = _key(model)
    content = None if cache is None else entries.fetch(cache, key)
    if content is None:
        ((_, content),) = _convert([model])
        if cache is not None:
            entries.store(cache, key, content)
    end = 8 + int.from_bytes(content[:8], "little")
    return content[8:end], content[end:]


def _key(model: Path) -> str:
    """Key of a converted network in the cache."""
    return value_digest(["openvino", CONVERSION_VERSION, import_openvino().__version__, model_digest(model)])


def _convert(models: Sequence[Path]) -> Iterator[tuple[Path, bytes]]:
    """Convert in a process of its own; gives the description's length in 8 bytes, the description, the weights."""
    environment = {**os.environ, "KERAS_BACKEND": "tensorflow", "CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"}
    with tempfile.TemporaryDirectory(prefix="lensrank-") as folder:
        outputs = {model: Path(folder) / f"{number}.xml" for number, model in enumerate(models)}
        words = [str(word) for pair in outputs.items() for word in pair]
        log.info("converting for OpenVINO: %s", ", ".join(map(str, models)))
        command = [sys.executable, "-m", "lensrank.engines.openvino_convert", *words]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        for model, output in outputs.items():
            weights = output.with_suffix(".bin")
            if not weights.is_file():
                reason = done.stderr.strip().splitlines()[-1:] or [f"exit status {done.returncode}"]
                log.info("%s", done.stderr)
                raise ModelError(
                    f"{model}: cannot be converted for OpenVINO ({reason[0]}). Set scoring.engine to keras."
                )
            description = output.read_bytes()
            yield model, len(description).to_bytes(8, "little") + description + weights.read_bytes()
