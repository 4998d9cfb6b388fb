"""A saved model in a fresh process, and one step of training, under each backend of Keras.

PyTorch is looked for beside the other two, or in the Python that LENSRANK_TEST_TORCH_PYTHON names (an environment that
holds torch and sees lensrank with its other packages).
"""

import importlib.util
import os
import random
import subprocess
import sys

import numpy as np
import pytest

from lensrank.config.settings import Augmentation, Model
from lensrank.models import build
from lensrank.normalise import Normalisation

SCORE = """
import sys
import numpy as np
from lensrank.models import load
folder = sys.argv[1]
images = np.load(f"{folder}/images.npy")
for name in sys.argv[2:]:
    np.save(f"{folder}/{name}.npy", load(f"{folder}/{name}.keras", images.shape[1:]).predict_on_batch(images))
"""

TRAIN = """
import sys
import numpy as np
from lensrank.config.settings import Model
from lensrank.normalise import Normalisation
from lensrank.trainer import Trainer, TrainSettings
from lensrank.trainingset import Part
settings = TrainSettings.model_validate_json(sys.argv[1])
images = np.random.default_rng(0).normal(0, 5e-12, (8, *settings.shape, 1)).astype(np.float32)
labels = np.arange(8) % 2
part = Part(images, labels.astype(np.int8), labels.astype(str).astype(object), labels)
def weights():
    trainer = Trainer(settings, Normalisation((0.0,), (5e-12,)), 3, "float32")
    before = trainer.weights()
    loss, auroc = trainer.train_epoch(part, 1)
    assert np.isfinite(loss) and 0 <= auroc <= 1, (loss, auroc)
    assert any((old != new).any() for old, new in zip(before, trainer.weights()))
    # What LASTRO's own layers count, which steers their constants and their rate.
    counters = {float(v) for v in trainer.network.variables if v.name == "batches"}
    assert counters == ({1.0} if settings.network == "lastro" else set()), counters
    return trainer.weights()
for first, second in zip(weights(), weights(), strict=True):
    np.testing.assert_array_equal(first, second)
"""


def python_of(backend):
    if backend != "torch":
        if importlib.util.find_spec(backend) is None:
            pytest.skip(f"{backend} is not installed")
        return sys.executable
    if importlib.util.find_spec("torch") is not None:
        return sys.executable
    if "LENSRANK_TEST_TORCH_PYTHON" not in os.environ:
        pytest.skip("torch is not installed, and LENSRANK_TEST_TORCH_PYTHON names no Python that has it")
    return os.environ["LENSRANK_TEST_TORCH_PYTHON"]


def run(backend, code, *arguments):
    environment = {**os.environ, "KERAS_BACKEND": backend, "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(
        [python_of(backend), "-c", code, *map(str, arguments)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def real_scale_images():
    generator = np.random.default_rng(0)
    y, x = np.mgrid[:101, :101] - 50
    images = generator.normal(0, 7.75e-13, (6, 101, 101, 1)) + 3e-11 * np.exp(-(x**2 + y**2) / 20)[..., None]
    images[1, 10:20, 10:20] = np.nan
    images[2, 5], images[2, 6] = np.inf, -np.inf
    images[3, 40:60, 40:60] = 100
    images[4] = 0
    return images.astype(np.float32)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Two models with the scores that this process gives them."""
    folder = tmp_path_factory.mktemp("backends")
    images = real_scale_images()
    np.save(folder / "images.npy", images)
    challenge = Normalisation((4.337e-13,), (5.504e-12,))
    random.seed(0)  # Keras draws the initial weights from it
    for name in ("lastro", "tiny"):
        model = build(name, Model(), (101, 101), 1, challenge, masked=100)
        model.save(folder / f"{name}.keras")
        np.save(folder / f"{name}.expected.npy", model.predict_on_batch(images))
    return folder


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
def test_a_saved_model_gives_the_same_scores_in_a_fresh_process(folder, backend):
    run(backend, SCORE, folder, "lastro", "tiny")
    for name in ("lastro", "tiny"):
        expected, found = np.load(folder / f"{name}.expected.npy"), np.load(folder / f"{name}.npy")
        assert found.shape == (6, 1)
        assert np.ptp(expected) > 1e-4, "the scores do not differ, so that agreement would prove nothing"
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5)
        (folder / f"{name}.npy").unlink()


@pytest.mark.parametrize("backend", ["tensorflow", "jax", "torch"])
@pytest.mark.parametrize(("network", "side"), [("tiny", 16), ("lastro", 69)])
def test_an_epoch_of_training_runs_and_a_seed_decides_its_outcome(backend, network, side):
    every = Augmentation(symmetries=True, brightness=(0.8, 1.2), offset=(-0.1, 0.1))
    model = Model(network=network, batch_size=8, learning_rate=0.01, augmentation=every).model_dump_json()
    shape = f'"bands": ["VIS"], "shape": [{side}, {side}], "masked": 100'
    run(backend, TRAIN, f'{{"name": "{network}", "model": {model}, {shape}}}')
