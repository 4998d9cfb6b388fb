"""Memory that a training frees and takes again, counted by the system as page faults."""

import os
import platform
import subprocess
import sys

import pytest

from lensrank.trainer import TrainSettings

PIECES = (1, 8, 24)
ROUNDS = 10

PROGRAM = """
import ctypes, resource, sys
import numpy as np
from lensrank import trainer
from lensrank.normalise import Normalisation
from lensrank.trainer import Trainer, TrainSettings
from lensrank.trainingset import Part

settings, how, rounds, *pieces = sys.argv[1:]
if how == "handed back":
    trainer.keep_freed_memory = lambda: None
settings = TrainSettings.model_validate_json(settings)
images = np.random.default_rng(0).normal(0, 1, (16, *settings.shape, 1)).astype(np.float32)
labels = np.arange(16) % 2
part = Part(images, labels.astype(np.int8), labels.astype(str).astype(object), labels)
Trainer(settings, Normalisation((0.0,), (1.0,)), 0, "float32").train_epoch(part, 1)

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
def take_and_free():
    sizes = [int(piece) << 20 for piece in pieces]
    taken = [ctypes.c_void_p(libc.malloc(size)) for size in sizes]
    for address, size in zip(taken, sizes):
        ctypes.memset(address, 1, size)
        libc.free(address)
take_and_free()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(int(rounds)):
    take_and_free()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the thresholds are those of glibc")
def test_what_a_training_frees_it_takes_again_without_asking_the_system():
    settings = TrainSettings(name="tiny", model={"batch_size": 8}, bands=("VIS",), shape=(16, 16)).model_dump_json()

    def page_faults(how: str) -> int:
        command = [sys.executable, "-c", PROGRAM, settings, how, str(ROUNDS), *map(str, PIECES)]
        environment = os.environ | {"KERAS_BACKEND": "tensorflow"}
        return int(subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True, env=environment).stdout)

    pages = ROUNDS * (sum(PIECES) << 20) // 4096
    # Else TensorFlow no longer does what `keep_freed_memory` is there for.
    assert page_faults("handed back") > 0.9 * pages
    assert page_faults("kept") < 0.1 * pages
