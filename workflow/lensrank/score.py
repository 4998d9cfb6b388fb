"""Scoring one shard: takes a shard and trained models, gives a score file with one column per model and seed.

Columns that were finished before lie in a cache, by the digests of pixels, model and settings, and are not computed
again; a job that was killed goes on from there. Pixels stream through one model at a time, so that memory grows with
neither the shard nor the number of models.
"""

import json
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeVar

import numpy as np
from pydantic import Field

from lensrank import cache as entries
from lensrank.config.settings import Settings
from lensrank.engines import Engine, EngineName, Precision, make_engine, model_digest, prepare
from lensrank.errors import ConfigError, ModelError, ShardError
from lensrank.files import new_digest, value_digest
from lensrank.progress import progress
from lensrank.scores import Column, Effort, Made, write_scores
from lensrank.shards import ShardTable, iterate_images, read_table
from lensrank.steps import STEP_VERSIONS

T = TypeVar("T")

log = logging.getLogger("lensrank")


class ScoreSettings(Settings):
    """What of the configuration's `scoring` a job needs; the engine is resolved before."""

    symmetries: Literal[1, 8] = 1
    precision: Precision = "float32"
    batch_size: int = Field(128, gt=0)


@dataclass(frozen=True)
class TrainedModel:
    """A model file and the column that its scores go to."""

    name: str
    seed: int
    path: Path

    @property
    def column(self) -> str:
        """Name of the column."""
        return f"{self.name}_{self.seed}"


def score_shard(
    shard: Path,
    models: Sequence[TrainedModel],
    settings: ScoreSettings,
    engine: EngineName,
    cache: Path,
    output: Path,
    threads: int | None = None,
    gpus: int = 0,
) -> None:
    """Score all images of a shard by each model and write the score file.

    Args:
        shard: the shard; its name is that of the file.
        models: in the order of the columns.
        settings: how to score.
        engine: what runs the models.
        cache: folder that keeps finished columns and converted networks.
        output: the score file to make.
        threads: of the engine, or None for as many as the process may use.
        gpus: GPUs that this job was given; Keras scores on them.

    Raises:
        ShardError: the shard is damaged.
        DeviceError: a GPU was given, and Keras sees none.
        ModelError: a model cannot be loaded, or is for other images.
        ConfigError: the engine cannot do what the settings ask for.
    """
    table = read_table(shard)
    if settings.symmetries == 8 and table.shape[0] != table.shape[1]:
        raise ConfigError(f"scoring.symmetries: 8 is for square cutouts; those of {shard} are {table.shape}. Set 1.")
    if engine == "keras" and gpus:
        from lensrank.devices import use_device

        use_device(gpus, False, threads)
    made = {model: _made(model, engine, settings) for model in models}
    job = _Job(shard, len(table), (*table.shape, len(table.bands)), _pixels(table), made, settings, cache, threads)
    digest = table.digest
    # The rows are let go of, and each column: what is held while the next one is scored does not grow.
    del table
    missing = [model for model in models if job.kept(model) is None]
    before = [model for model in models if model not in missing]
    log.info("%s: scored before: %s; now: %s", shard.stem, _names(before), _names(missing))
    prepare([model.path for model in missing], engine, cache)
    for model in missing:
        job.compute(model)
    table = read_table(shard)
    if table.digest != digest:
        raise ShardError(f"{shard}: was made anew while it was scored. Run again.")
    write_scores(output, shard.stem, table, (job.column(model, table) for model in models))


@dataclass(frozen=True)
class _Job:
    """The columns of one shard, each of which is kept in the cache as soon as it is finished.

    Attributes:
        shard: its path.
        n: its images.
        shape: (height, width, bands) of an image.
        pixels: digest of all pixels.
        made: what makes each column.
        settings: how to score.
        cache: folder that keeps finished columns and converted networks.
        threads: of the engine.
    """

    shard: Path
    n: int
    shape: tuple[int, ...]
    pixels: str
    made: Mapping[TrainedModel, Made]
    settings: ScoreSettings
    cache: Path
    threads: int | None

    def kept(self, model: TrainedModel) -> tuple[np.ndarray, Effort] | None:
        """Scores and effort of a column that was finished before, or None."""
        content = entries.fetch(self.cache, self._key(model))
        if content is None:
            return None
        return np.frombuffer(content, "<f8", self.n), Effort(*json.loads(content[8 * self.n :]))

    def compute(self, model: TrainedModel) -> tuple[np.ndarray, Effort]:
        """Score the shard by a model, and keep the column: 8 bytes for each score, then the effort as JSON."""
        settings, engine = self.settings, self.made[model].engine
        run = make_engine(
            model.path, self.shape, engine, settings.precision, settings.batch_size, self.threads, self.cache
        )
        scores, effort = _score_by(run, self.shard, self.n, settings, model)
        entries.store(self.cache, self._key(model), scores.astype("<f8").tobytes() + json.dumps(effort).encode())
        return scores, effort

    def column(self, model: TrainedModel, table: ShardTable) -> Column:
        """A finished column; computed again if somebody has emptied the cache meanwhile."""
        scores, effort = self.kept(model) or self.compute(model)
        _report_missing(self.shard, model.column, table, scores)
        return Column(model.column, scores, self.made[model], effort)

    def _key(self, model: TrainedModel) -> str:
        """Key of a column: the pixels in their order and what scores them, so that new positions cost nothing."""
        made = self.made[model]
        by = [made.model_digest, made.engine, made.precision, made.symmetries]
        return value_digest(["score", STEP_VERSIONS["score"], self.pixels, list(self.shape), by])


def _pixels(table: ShardTable) -> str:
    digest = new_digest()
    digest.update(np.ascontiguousarray(table.pixel_digest).tobytes())
    return digest.hexdigest()


def _names(models: Iterable[TrainedModel]) -> str:
    return ", ".join(model.column for model in models) or "none"


def _made(model: TrainedModel, engine: EngineName, settings: ScoreSettings) -> Made:
    return Made(model_digest(model.path), engine, settings.precision, settings.symmetries)


def _score_by(
    engine: Engine, shard: Path, n: int, settings: ScoreSettings, model: TrainedModel
) -> tuple[np.ndarray, Effort]:
    start = time.monotonic()
    scores = score_images(shard, n, engine, settings, f"score {shard.stem} {model.column}")
    finite = scores[np.isfinite(scores)]
    if ((finite < 0) | (finite > 1)).any():
        raise ModelError(
            f"{model.path}: gives {finite.min():.3g} to {finite.max():.3g}, which are no probabilities. A model ends "
            "in a sigmoid, so that it gives numbers from 0 to 1."
        )
    return scores, Effort(engine.device, round(time.monotonic() - start, 3))


def score_images(shard: Path, n: int, engine: Engine, settings: ScoreSettings, what: str) -> np.ndarray:
    """Stream a shard's images through an engine.

    Args:
        shard: the shard.
        n: its images.
        engine: gives probabilities.
        settings: symmetries and batch size.
        what: to be told in the progress line.

    Returns:
        (n,) float64 probabilities.
    """
    with progress(n, what) as advance:
        scores = score_blocks(_counted(_ahead(iterate_images(shard)), advance), engine, settings.symmetries)
    if not np.isfinite(scores).all():
        for start, images in iterate_images(shard):
            _without_bad_pixels(images, scores[start : start + len(images)], engine, settings.symmetries)
    return scores


def score_batch(images: np.ndarray, engine: Engine, symmetries: int) -> np.ndarray:
    """Score images, those with NaN or infinite pixels too.

    lensrank's own models take such pixels as background. A model from elsewhere may give NaN for them: it gets the
    image once more with zeros there, which is the background level of a survey's cutouts.

    Args:
        images: (m, height, width, band) float32, raw.
        engine: gives probabilities.
        symmetries: 1, or 8 as in `score_blocks`.

    Returns:
        (m,) float64 probabilities; NaN only where a model gives NaN for finite pixels.
    """
    scores = score_blocks([images], engine, symmetries)
    _without_bad_pixels(images, scores, engine, symmetries)
    return scores


def _without_bad_pixels(images: np.ndarray, scores: np.ndarray, engine: Engine, symmetries: int) -> None:
    """Put a score into `scores` where there is none and the image has pixels that are no numbers."""
    odd = ~np.isfinite(scores)
    odd[odd] = ~np.isfinite(images[odd]).all(axis=(1, 2, 3))
    if odd.any():
        scores[odd] = score_blocks([np.nan_to_num(images[odd], nan=0.0, posinf=0.0, neginf=0.0)], engine, symmetries)


def score_blocks(blocks: Iterable[np.ndarray], engine: Engine, symmetries: int) -> np.ndarray:
    """Score one block of images after another, under 1 view or under 8.

    Of 8, the symmetries of the square, it is the geometric mean of the probabilities. The ranking is that of the
    product (Schaefer et al. 2018, arXiv 1705.07132, section 4), on the scale of one probability. An image with a
    probability of exactly 0 under any symmetry has the score 0.

    Args:
        blocks: (m, height, width, band) float32, raw; squares for 8 symmetries.
        engine: gives probabilities.
        symmetries: 1 or 8.

    Returns:
        (n,) float64 of all blocks.
    """
    if symmetries == 1:
        return np.concatenate([np.empty(0), *engine.stream(blocks)])
    scores = engine.stream(view for images in blocks for view in _views(images))
    with np.errstate(divide="ignore"):
        logs = [np.log(np.asarray(part, np.float64)) for part in scores]
    return np.exp(np.concatenate([np.empty(0), *(sum(logs[at : at + 8]) / 8 for at in range(0, len(logs), 8))]))


def _views(images: np.ndarray) -> Iterator[np.ndarray]:
    """The images under the 8 symmetries of the square."""
    for mirrored in (images, images[:, :, ::-1]):
        for turns in range(4):
            yield np.ascontiguousarray(np.rot90(mirrored, turns, axes=(1, 2)))


def _counted(items: Iterable[tuple[int, np.ndarray]], advance: Callable[[int], None]) -> Iterator[np.ndarray]:
    for _, images in items:
        yield images
        advance(len(images))


def _report_missing(shard: Path, column: str, table: ShardTable, scores: np.ndarray) -> None:
    missing = np.flatnonzero(~np.isfinite(scores))
    if len(missing) and len(missing) == len(scores):
        log.warning("%s: %s gives no number for any image: the model has collapsed", shard, column)
    elif len(missing):
        log.warning("%s: %s gives no number for %d images, first %s", shard, column, len(missing), table.id[missing[0]])


def _ahead(items: Iterator[T]) -> Iterator[T]:
    """Iterate in a thread, one item ahead: the disk is read while the engine computes."""
    with ThreadPoolExecutor(1) as thread:
        waiting = thread.submit(next, items, None)
        while (item := waiting.result()) is not None:
            waiting = thread.submit(next, items, None)
            yield item
