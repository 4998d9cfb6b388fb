"""What some tests need of the machine: marks that skip them where it is not there, and say what would bring it."""

import os
from pathlib import Path

import keras
import pytest

REAL_DATA = Path(os.environ.get("LENSRANK_REAL_DATA", Path(__file__).resolve().parents[2] / "shared/data"))
"""Real images and truth table of the challenge, which are not part of the project."""

needs_real_data = pytest.mark.skipif(
    not (REAL_DATA / "samples").is_dir(),
    reason="no real images at hand: LENSRANK_REAL_DATA names no folder that has them",
)
needs_tensorflow = pytest.mark.skipif(
    keras.backend.backend() != "tensorflow",
    reason="OpenVINO converts by way of TensorFlow: KERAS_BACKEND names another backend",
)
