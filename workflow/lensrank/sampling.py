"""What is random about an epoch: which images make which batch, and the seeds of everything drawn on the device.

All of it follows from (seed, epoch), so that a training that was interrupted goes on as if it had not been.
"""

import numpy as np

# Keeps the streams of one epoch apart.
_ORDER, _DEVICE = 0, 1


def batches(labels: np.ndarray, batch_size: int, balanced: bool, seed: int, epoch: int) -> list[np.ndarray]:
    """Choose the images of each batch of an epoch.

    Args:
        labels: (n,) 0 or 1.
        batch_size: images per batch, at most.
        balanced: half of each batch (the lenses the greater half) from either class. The class that has too few is
            gone through again, in another order, as often as it takes; of the other, some sit the epoch out.
        seed: of the training.
        epoch: from 1.

    Returns:
        ceil(n / batch_size) arrays of indices into `labels`. Balanced ones hold `batch_size` each; others hold every
        image once and differ in size by at most one, since a small last batch would upset batch normalisation.
    """
    random = np.random.default_rng([seed, epoch, _ORDER])
    steps = -(-len(labels) // batch_size)
    if not balanced:
        return np.array_split(random.permutation(len(labels)), steps)
    non_lenses = batch_size // 2
    halves = [
        _repeated(np.flatnonzero(labels == label), steps * share, random).reshape(steps, share)
        for label, share in ((1, batch_size - non_lenses), (0, non_lenses))
    ]
    return list(np.concatenate(halves, axis=1))


def device_seeds(n: int, seed: int, epoch: int) -> list[int]:
    """Seeds of `n` random generators for an epoch, each in [0, 2**31)."""
    return [int(value) >> 1 for value in np.random.SeedSequence([seed, epoch, _DEVICE]).generate_state(n)]


def _repeated(indices: np.ndarray, n: int, random: np.random.Generator) -> np.ndarray:
    rounds = [random.permutation(indices) for _ in range(-(-n // len(indices)))]
    return np.concatenate(rounds)[:n]
