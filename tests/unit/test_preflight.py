"""The look at a machine before hours are spent on it."""

import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest

from lensrank import preflight
from lensrank.errors import TrainingError

PROJECT = Path(__file__).resolve().parents[2]


def call(*arguments):
    command = [sys.executable, PROJECT / "scripts/preflight.py", "--network", "tiny", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_it_trains_scores_compares_and_says_on_what():
    done = call("--threads", "2")
    assert done.returncode == 0, done.stderr
    for word in (
        "host:",
        f"keras {keras.__version__}",
        "driver:",
        "computes on:",
        "a step of tiny",
        "scored: 64 images",
    ):
        assert word in done.stdout
    assert "differ by at most" in done.stdout


def test_a_gpu_that_was_asked_for_and_is_not_seen_ends_it_with_1(monkeypatch):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "-1")
    done = call("--gpus", "1")
    assert done.returncode == 1
    assert "was given a GPU (--gpus 1)" in done.stderr
    assert "versions:" in done.stdout
    assert "trained:" not in done.stdout


def test_scores_that_are_not_those_of_another_process_end_it(tmp_path):
    images, labels = preflight._images()
    path = tmp_path / "model.keras"
    preflight._train(images, labels, "tiny", False, path)
    assert any("differ by at most" in line for line in preflight._compare(images, path, False))

    def brighter(images, model):
        scores, device = score(images, model)
        return np.clip(scores + 2 * preflight.DIFFERENCE, 0, 1), device

    score = preflight._score
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(preflight, "_score", brighter)
        with pytest.raises(TrainingError, match=r"differ by up to 0\.02"):
            list(preflight._compare(images, path, False))
