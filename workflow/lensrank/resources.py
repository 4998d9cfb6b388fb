"""What a job needs of its machine: memory, CPU time and cores, from the size of its work.

The figures were measured on two cores of a server (AVX-512) with single-band cutouts of 101 x 101 pixels; an image with
more pixels takes as much more. They are meant to be too high rather than too low, and a job that needs more still is
given more at its next attempt. Nothing here changes a result.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from lensrank.config.read import resolve_model
from lensrank.config.settings import Config
from lensrank.simulate.parts import parts

SNAKEMAKE = 0.4e9
"""Bytes of the two Snakemake processes in each SLURM job, which count as the job's: 0.15e9 each were seen."""

MEMORY_MARGIN = 1.3
TIME_MARGIN = 3
START = 600
"""Seconds for starting, and for a file system that is slow to answer."""

MOST_CORES = 8
SECONDS_PER_CORE = 300
"""Work that is worth a core more: scoring takes a quarter of what is set down here for it, so that a job computes for a
minute or more. SLURM and Snakemake take 8 s of every job, lensrank 2 s, measured on two busy cores."""

CHALLENGE_PIXELS = 101 * 101

BATCH_BYTES = {"lastro": 9e6}
"""Bytes per image of a batch in training: 2.15 GiB at a batch of 256."""
BATCH_BYTES_OTHER = 25e6
"""The same of efficientnetb0, which stands for all other networks: 6.9 GiB at a batch of 256."""
STEP_SECONDS = {"lastro": 0.010}
"""Core seconds per image and epoch: 200 images/s on two cores."""
STEP_SECONDS_OTHER = 0.055
"""The same of efficientnetb0: 37 images/s."""


class Need(NamedTuple):
    """What a job needs at its first attempt.

    Attributes:
        memory: bytes at the peak, Snakemake's own processes and margins aside.
        seconds: CPU seconds on one core.
        memory_per_core: bytes that each core adds.
        least_cores: cores for work that is worth no more.
    """

    memory: float
    seconds: float
    memory_per_core: float = 0
    least_cores: int = 2

    def cores(self) -> int:
        """Cores that the work is worth."""
        return min(max(math.ceil(self.seconds / SECONDS_PER_CORE), self.least_cores), MOST_CORES)

    def mem_mb(self, cores: int, attempt: int) -> int:
        """Megabytes to ask for."""
        peak = self.memory + cores * self.memory_per_core
        return math.ceil((SNAKEMAKE + MEMORY_MARGIN * peak) * attempt / 1e6)

    def runtime(self, cores: int, attempt: int) -> int:
        """Minutes to ask for."""
        return math.ceil((START + TIME_MARGIN * self.seconds / cores) * attempt / 60)


def simulate(config: Config, images: int) -> Need:
    """Making images, or measuring as many: 68 images/s on a core; 0.35e9 bytes a process."""
    return Need(0.3e9, images * _size(config) / 68, 0.35e9)


def simulated(config: Config, dataset: str) -> Need:
    """Making a data set, or putting it together from its parts: 1 ms for a link on a slow file system."""
    n = config.simulate[dataset].n
    return Need(0.1e9 + 200 * n, 0.001 * n * len(config.bands)) if parts(n) else simulate(config, n)


def index() -> Need:
    """Listing a data set, whose size is not known before: 100,000 files take 0.13e9 bytes and 3 s."""
    return Need(2e9, 2400)


def ingest(config: Config) -> Need:
    """Reading the images of a shard: 4 ms an image where other jobs read as well; the memory does not grow."""
    return Need(0.3e9, config.shard_size * _size(config) * 0.004)


def tables(config: Config, images: int) -> Need:
    """Work on tables with a row per image, figures included: some 2 kB an image, and 200 bytes a column of scores."""
    return Need(0.6e9 + images * _row_bytes(config), 60 + images * 1e-4 * (1 + _columns(config)))


def train(config: Config, model: str, shards: Sequence[str | Path]) -> Need:
    """Training one network.

    Keras and the network take 1e9 bytes on a CPU; 3e9 leave room for CUDA's libraries, which was not measured. The
    images are held once, and once more while they are put in order.

    Raises:
        FileNotFoundError: a shard is not there yet.
    """
    settings = resolve_model(config, model)
    network = (settings.network or model).lower()
    size = len(config.bands) * settings.image_size**2 / CHALLENGE_PIXELS if settings.image_size else _size(config)
    pixels = _bytes_of(shards)
    batch = settings.batch_size * size * BATCH_BYTES.get(network, BATCH_BYTES_OTHER)
    steps = images_in(config, shards) * settings.epochs * size
    return Need(3e9 + batch + 2 * pixels, steps * STEP_SECONDS.get(network, STEP_SECONDS_OTHER))


def convert(config: Config) -> Need:
    """Converting networks for OpenVINO: 1.3e9 bytes; 5 s for TensorFlow to start and 7 s for an efficientnetb0."""
    return Need(1.5e9, 15 * _columns(config))


def score(config: Config) -> Need:
    """Scoring a shard: 10 ms per image, symmetry and column; 0.25e9 bytes.

    Or 1.3e9 bytes, where the cache is gone and networks are converted once more. Two jobs of a core each end sooner
    than one after the other with two, as one computes while the other starts.
    """
    evaluations = config.shard_size * config.scoring.symmetries * _columns(config)
    return Need(2e9, evaluations * _size(config) * 0.010, least_cores=1)


def images_in(config: Config, shards: Sequence[str | Path]) -> int:
    """Images in shards, by the size of the files.

    Raises:
        FileNotFoundError: a shard is not there yet.
    """
    image = 4 * math.prod(config.cutout.shape) * len(config.bands)
    return _bytes_of(shards) // image


def _bytes_of(shards: Sequence[str | Path]) -> int:
    return sum(Path(shard).stat().st_size for shard in shards)


def _size(config: Config) -> float:
    """Pixels of an image over those of the challenge's."""
    return math.prod(config.cutout.shape) * len(config.bands) / CHALLENGE_PIXELS


def _columns(config: Config) -> int:
    return sum(len(config.model_seeds(model)) for model in config.scoring_models)


def _row_bytes(config: Config) -> float:
    return 2000 + 200 * _columns(config)
