"""Engines give the network's scores, for pixels of 1e-12 and for pixels that are no numbers."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

import keras
import numpy as np
import pytest
from needs import needs_tensorflow

from lensrank import engines
from lensrank.config.settings import Model
from lensrank.engines import make_engine, prepare, resolve_engine
from lensrank.errors import ConfigError, ModelError
from lensrank.models import build
from lensrank.normalise import Normalisation
from lensrank.shards import ShardWriter

PROJECT = Path(__file__).resolve().parents[2]
MEAN, STD, MASKED = 4.337e-13, 5.504e-12, 100.0
SHAPE = (21, 21, 2)


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A network whose weights are large enough for scores between 0 and 1, trained in mixed precision."""
    path = tmp_path_factory.mktemp("model") / "model.keras"
    keras.utils.set_random_seed(3)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        network = build("tiny", Model(), SHAPE[:2], 2, Normalisation((MEAN, MEAN), (STD, STD)), MASKED)
    finally:
        keras.config.set_dtype_policy("float32")
    for weights in network.get_layer("network").trainable_weights:
        weights.assign(np.random.default_rng(0).normal(0, 0.25, weights.shape))
    network.save(path)
    return path


@pytest.fixture(scope="module")
def cache(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def pixels() -> np.ndarray:
    images = np.random.default_rng(1).normal(0, 7.75e-13, (37, *SHAPE)).astype(np.float32)
    images += 3e-11 * np.random.default_rng(2).random((37, 1, 1, 2), dtype=np.float32)
    images[0, :4] = np.nan
    images[1, 5] = np.inf
    images[2, :, 3] = -np.inf
    images[3, :9] = MASKED
    images[4] = 0
    images[5] = 1e-40
    images[6, 10, 10] = 1e30
    images[7] *= 1e-20
    return images


def by_hand(model: Path, images: np.ndarray) -> np.ndarray:
    """The network `tiny` in float64 numpy."""
    network = keras.saving.load_model(model, compile=False).get_layer("network")
    usable = np.isfinite(images) & (images != MASKED)
    x = np.where(usable, np.clip((images.astype(np.float64) - MEAN) / STD, -1e4, 1e4), 0)
    weights = iter([np.asarray(value, dtype=np.float64) for value in network.get_weights()])
    for _ in range(2):
        x = np.maximum(_convolution(x, next(weights), next(weights)), 0)
        gamma, beta, mean, variance = (next(weights) for _ in range(4))
        x = (x - mean) / np.sqrt(variance + 1e-3) * gamma + beta
    return 1 / (1 + np.exp(-(x.mean(axis=(1, 2)) @ next(weights) + next(weights))[:, 0]))


def _convolution(x: np.ndarray, kernel: np.ndarray, bias: np.ndarray) -> np.ndarray:
    side = (x.shape[1] + 1) // 2
    before = ((side - 1) * 2 + 3 - x.shape[1]) // 2
    after = (side - 1) * 2 + 3 - x.shape[1] - before
    x = np.pad(x, ((0, 0), (before, after), (before, after), (0, 0)))
    parts = [
        x[:, i : i + 2 * side - 1 : 2, j : j + 2 * side - 1 : 2] @ kernel[i, j] for i in range(3) for j in range(3)
    ]
    return sum(parts) + bias


@pytest.mark.parametrize("name", ["keras", pytest.param("openvino", marks=needs_tensorflow)])
def test_float32_scores_are_the_networks(name, model, pixels, cache):
    expected = by_hand(model, pixels)
    assert expected.std() > 0.05
    engine = make_engine(model, SHAPE, name, "float32", 16, 2, cache)
    assert np.abs(engine(pixels) - expected).max() < 1e-5
    assert engine.device


@pytest.mark.parametrize("name", ["keras", pytest.param("openvino", marks=needs_tensorflow)])
def test_a_score_does_not_depend_on_how_images_are_batched(name, model, pixels, cache):
    engine = make_engine(model, SHAPE, name, "float32", 16, 2, cache)
    parts = [pixels[:5], pixels[5:6], pixels[6:6], pixels[6:]]
    assert np.array_equal(engine(pixels), np.concatenate([engine(part) for part in parts]))
    streamed = engine.stream(part.copy() for part in parts)
    assert [len(scores) for scores in streamed] == [len(part) for part in parts]
    assert np.array_equal(engine(pixels), np.concatenate(streamed))
    assert engine.stream([]) == []


@pytest.mark.parametrize("name", ["keras", pytest.param("openvino", marks=needs_tensorflow)])
def test_a_block_that_cannot_be_read_ends_a_stream_and_not_the_engine(name, model, pixels, cache):
    def blocks():
        yield pixels
        yield np.concatenate([pixels] * 20)
        raise OSError("gone")

    engine = make_engine(model, SHAPE, name, "float32", 16, 2, cache)
    expected = engine(pixels)
    with pytest.raises(OSError, match="gone"):
        engine.stream(blocks())
    assert np.array_equal(engine(pixels), expected)


@needs_tensorflow
@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2, reason="needs Linux and two cores"
)
def test_jobs_side_by_side_are_not_bound_to_the_same_cores(model, pixels, cache):
    free, bound = os.sched_getaffinity(0), set()

    def blocks():
        for _ in range(100):
            yield np.concatenate([pixels] * 10)
            for task in Path("/proc/self/task").iterdir():
                with suppress(ProcessLookupError):  # it has ended
                    bound.add(frozenset(os.sched_getaffinity(int(task.name))))

    make_engine(model, SHAPE, "openvino", "float32", 16, threads=1, cache=cache).stream(blocks())
    assert bound == {frozenset(free)}


@needs_tensorflow
def test_a_job_that_scores_with_keras_uses_onednn(model, pixels, tmp_path):
    shard = tmp_path / "shard-0000.h5"
    with ShardWriter(shard, ("A", "B"), SHAPE[:2], "test") as writer:
        writer.append(pixels[10:12], ["1", "2"], [0.0] * 2, [0.0] * 2, [0] * 2)
    (tmp_path / "engine.json").write_text('{"engine": "keras"}')
    command = [sys.executable, PROJECT / "scripts/score.py", "--shard", shard, "--engine", tmp_path / "engine.json"]
    command += ["--model", "tiny", "0", model, "--cache", tmp_path / "cache", "--output", tmp_path / "scores.h5"]
    environment = {name: value for name, value in os.environ.items() if name != "TF_ENABLE_ONEDNN_OPTS"}
    environment["ONEDNN_VERBOSE"] = "1"
    done = subprocess.run(list(map(str, command)), env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert any("exec" in line and "convolution" in line for line in done.stdout.splitlines())


@needs_tensorflow
def test_a_converted_network_is_kept_and_remade_when_damaged(model, pixels, cache, monkeypatch, caplog):
    scores = make_engine(model, SHAPE, "openvino", "float32", 128, 2, cache)(pixels)
    runs = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda *args, **kwargs: (runs.append(args), run(*args, **kwargs))[1])
    make_engine(model, SHAPE, "openvino", "float32", 128, 2, cache)
    assert not runs
    (entry,) = (path for path in cache.rglob("*") if path.is_file())
    data = bytearray(entry.read_bytes())
    data[-100] ^= 1
    entry.write_bytes(data)
    again = make_engine(model, SHAPE, "openvino", "float32", 128, 2, cache)(pixels)
    assert len(runs) == 1
    assert str(entry) in caplog.text
    assert np.array_equal(again, scores)


@needs_tensorflow
def test_several_networks_are_converted_at_once_and_a_bad_one_is_named(model, pixels, cache, tmp_path, monkeypatch):
    twin = shutil.copy(model, tmp_path / "twin.keras")
    keras.models.load_model(model, compile=False).save(tmp_path / "other.keras")
    bad = tmp_path / "bad.keras"
    bad.write_bytes(b"no model")
    with pytest.raises(ModelError, match=r"bad\.keras: cannot be converted"):
        prepare([model, bad], "openvino", cache)
    prepare([model, Path(twin), tmp_path / "other.keras"], "openvino", cache)
    monkeypatch.setattr(subprocess, "run", None)
    for path in (model, twin, tmp_path / "other.keras"):
        scores = make_engine(path, SHAPE, "openvino", "float32", 128, 2, cache)(pixels)
        assert np.abs(scores - by_hand(model, pixels)).max() < 1e-5
    prepare([tmp_path / "gone.keras"], "keras", cache)


@pytest.mark.parametrize("name", ["keras", pytest.param("openvino", marks=needs_tensorflow)])
def test_a_model_for_other_images_is_refused(name, model, cache):
    with pytest.raises(ModelError, match=r"model\.keras.*(?s:.)*cutout\.shape"):
        make_engine(model, (21, 20, 2), name, "float32", 16, 2, cache)


@pytest.mark.parametrize("name", ["keras", "openvino"])
def test_a_missing_model_is_named(name, tmp_path):
    with pytest.raises(ModelError, match=r"gone\.keras"):
        make_engine(tmp_path / "gone.keras", SHAPE, name, "float32", 16)


def test_auto_takes_openvino_on_cpus_and_keras_on_gpus(monkeypatch):
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert resolve_engine("auto", "float32", gpus=0) == "openvino"
    assert resolve_engine("auto", "float32", gpus=1) == "keras"
    assert resolve_engine("keras", "float32", gpus=0) == "keras"
    monkeypatch.setenv("KERAS_BACKEND", "jax")
    assert resolve_engine("auto", "float32", gpus=0) == "keras"
    assert resolve_engine("openvino", "float32", gpus=0) == "openvino"


def test_what_cannot_be_had_is_named_with_its_key(monkeypatch, tmp_path):
    with pytest.raises(ConfigError, match=r"scoring\.precision: bfloat16"):
        resolve_engine("keras", "bfloat16", gpus=0)
    with pytest.raises(ConfigError, match=r"scoring\.precision: bfloat16"):
        make_engine(tmp_path / "model.keras", SHAPE, "keras", "bfloat16", 16)
    monkeypatch.setattr(engines.importlib.util, "find_spec", lambda _: None)
    monkeypatch.delenv("KERAS_BACKEND", raising=False)
    assert resolve_engine("auto", "float32", gpus=0) == "keras"
    with pytest.raises(ConfigError, match=r"scoring\.engine: openvino needs openvino and tensorflow"):
        resolve_engine("openvino", "float32", gpus=0)


def test_importing_the_engines_loads_neither():
    code = "import sys, lensrank.rank, lensrank.score; sys.exit(any(m in sys.modules for m in ('keras', 'openvino')))"
    subprocess.run([sys.executable, "-c", code], check=True)
