"""A network in training: takes a batch plan per epoch, changes its weights, gives them and its state away.

The network is trained on logits, in the precision that is configured; the whole model it leaves holds the same
weights, gives the probability, and computes in float32.
"""

import random
import sys
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import keras
import numpy as np

from lensrank import resume, sampling
from lensrank.augment import Augment
from lensrank.config.settings import Model, Settings
from lensrank.memory import keep_freed_memory
from lensrank.models import build
from lensrank.normalise import Normalisation
from lensrank.progress import progress
from lensrank.trainingset import Part

IMAGES_AT_A_TIME = 32
"""Images per call where nothing is trained; changes a score by rounding alone. With these no piece of EfficientNetB0 at
101 x 101 is above 32 MiB, from which on glibc asks the system for memory: on a CPU a fifth faster than 64 of them."""


class TrainSettings(Settings):
    """What `train` needs of the configuration."""

    name: str
    model: Model
    bands: tuple[str, ...]
    shape: tuple[int, int]
    masked: float | None = None

    @property
    def network(self) -> str:
        """Registered name of the network."""
        return (self.model.network or self.name).lower()


class EpochBatches(keras.utils.PyDataset):
    """Feeds the batches of one epoch to `fit`.

    Args:
        part: the training images.
        batches: indices of the images of each batch.
    """

    def __init__(self, part: Part, batches: Sequence[np.ndarray]) -> None:
        # With two threads Keras sets tf.data's tuning aside. The tuning's thread sleeps twice as long each time, up to
        # a minute (TensorFlow 2.21), and the end of an epoch would wait for it: half of a short epoch's time.
        super().__init__(workers=2, max_queue_size=2)
        self.part = part
        self.batches = batches

    def __len__(self) -> int:
        return len(self.batches)

    def __getitem__(self, index: int) -> tuple[np.ndarray, np.ndarray]:
        chosen = self.batches[index]
        return self.part.images[chosen], self.part.labels[chosen].astype(np.float32)[:, None]


class _Watch(keras.callbacks.Callback):
    def __init__(self, batches: Sequence[np.ndarray], advance: Callable[[int], None]) -> None:
        super().__init__()
        self.batches, self.advance = batches, advance

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        del logs
        self.advance(len(self.batches[batch]))


class _KeepFreedMemory(keras.callbacks.Callback):
    def on_train_batch_begin(self, batch: int, logs: Any = None) -> None:
        # Not before: TensorFlow changes how memory is handled while it prepares the first batch.
        del logs
        if batch == 0:
            keep_freed_memory()


class Trainer:
    """A network in training.

    Args:
        settings: the model's.
        normalisation: constants of the training images.
        seed: of the initial weights and of every epoch.
        precision: data type policy of Keras.
    """

    def __init__(self, settings: TrainSettings, normalisation: Normalisation, seed: int, precision: str) -> None:
        self.settings, self.seed = settings, seed
        self.whole = self._build(normalisation, "float32")
        shared = self.whole if precision == "float32" else self._build(normalisation, precision)
        augment = Augment(settings.model.augmentation)
        inputs = keras.Input(shared.input_shape[1:], dtype="float32")
        logits = shared.get_layer("network")(augment(shared.get_layer("normalise")(inputs)))
        self.network = shared.get_layer("network")
        self.model = keras.Model(inputs, logits)
        self.model.compile(
            optimizer=keras.optimizers.Adam(settings.model.learning_rate),
            loss=keras.losses.BinaryCrossentropy(from_logits=True),
            metrics=[keras.metrics.AUC(from_logits=True, name="auroc")],
        )
        self.model.optimizer.build(self.model.trainable_variables)

    def _build(self, normalisation: Normalisation, precision: str) -> keras.Model:
        settings, before = self.settings, keras.config.dtype_policy()
        _seed(self.seed)
        keras.config.set_dtype_policy(precision)
        try:
            return build(
                settings.network,
                settings.model,
                settings.shape,
                len(settings.bands),
                normalisation,
                settings.masked,
            )
        finally:
            keras.config.set_dtype_policy(before)

    def train_epoch(self, part: Part, epoch: int) -> tuple[float, float]:
        """Go through the training images once.

        Args:
            part: the training images.
            epoch: its number, from 1.

        Returns:
            (loss, AUROC) over the epoch.
        """
        self._reseed(epoch)
        model = self.settings.model
        batches = sampling.batches(part.labels, model.batch_size, model.balanced_batches, self.seed, epoch)
        images = sum(map(len, batches))
        what = f"{self.settings.name} seed {self.seed} epoch {epoch}"
        # A log gets one line per epoch, which says as much.
        with progress(images, what) if sys.stderr.isatty() else nullcontext() as advance:
            watch = [] if advance is None else [_Watch(batches, advance)]
            called = [_KeepFreedMemory(), *watch]
            result = self.model.fit(EpochBatches(part, batches), verbose=0, shuffle=False, callbacks=called)
        return float(result.history["loss"][0]), float(result.history["auroc"][0])

    def _reseed(self, epoch: int) -> None:
        generators = [v for v in self.model.non_trainable_variables if v.name == "seed_generator_state"]
        first, *seeds = sampling.device_seeds(1 + len(generators), self.seed, epoch)
        _seed(first)
        for generator, value in zip(generators, seeds, strict=True):
            generator.assign(np.array([value, 0], generator.dtype))

    def logits(self, images: np.ndarray) -> np.ndarray:
        """Logits (n,) float64 of raw images in the precision of the training."""
        return predict(self.model, images)

    def weights(self) -> list[np.ndarray]:
        """Copies of all variables of the network that training changes."""
        return [np.array(keras.ops.convert_to_numpy(v)) for v in _weight_variables(self.network)]

    def optimizer_state(self) -> list[np.ndarray]:
        """Copies of all variables of the optimizer."""
        return [np.array(keras.ops.convert_to_numpy(v)) for v in self.model.optimizer.variables]

    def restore(self, state: resume.State) -> None:
        """Go back to where a state was taken."""
        _assign(_weight_variables(self.network), state.weights)
        _assign(self.model.optimizer.variables, state.optimizer)

    def whole_model(self, weights: Sequence[np.ndarray]) -> keras.Model:
        """Whole model in float32 with these weights."""
        _assign(_weight_variables(self.whole.get_layer("network")), weights)
        return self.whole


def _seed(seed: int) -> None:
    """Seed what Keras draws initial weights from, and PyTorch's own generator, from which its dropout draws.

    Not by `keras.utils.set_random_seed`: it seeds TensorFlow's generators, which Keras does not use, and TensorFlow
    then prepares every compiled function anew, which takes seconds in each epoch; it does so under any backend.
    """
    random.seed(seed)
    if keras.backend.backend() == "torch":
        import torch

        torch.manual_seed(seed)


def _weight_variables(network: keras.Model) -> list[Any]:
    return [v for v in network.variables if v.name != "seed_generator_state"]


def _assign(variables: Sequence[Any], values: Sequence[np.ndarray]) -> None:
    for variable, value in zip(variables, values, strict=True):
        variable.assign(value)


def predict(model: keras.Model, images: np.ndarray) -> np.ndarray:
    """What a model gives for each image.

    Args:
        model: of (n, height, width, band) to (n, 1).
        images: (n, height, width, band) float32.

    Returns:
        (n,) float64.
    """
    outputs = [
        model.predict_on_batch(images[start : start + IMAGES_AT_A_TIME])
        for start in range(0, len(images), IMAGES_AT_A_TIME)
    ]
    return np.concatenate(outputs)[:, 0].astype(np.float64)
