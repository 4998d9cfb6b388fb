"""What each step is told: the part of the configuration that its result depends on, as JSON text.

Rules carry these texts in `params`, so that a step runs again when its own settings change and not for others.
"""

import json
from typing import Any

from lensrank.config.read import resolve_model
from lensrank.config.settings import Config


def simulate(config: Config, dataset: str) -> str:
    """For `scripts/simulate.py`."""
    return config.simulate[dataset].model_dump_json()


def index(config: Config, dataset: str) -> str:
    """For `scripts/index.py`."""
    return _json(
        name=dataset,
        dataset=config.datasets[dataset].model_dump(mode="json", exclude={"images"}),
        bands=config.bands,
        cutout=config.cutout.model_dump(mode="json"),
        shard_size=config.shard_size,
    )


def ingest(config: Config, dataset: str) -> str:
    """For `scripts/ingest.py`."""
    return _json(
        bands=config.bands,
        cutout=config.cutout.model_dump(mode="json"),
        pattern=config.datasets[dataset].pattern,
    )


def dataset(config: Config, name: str) -> str:
    """How to read a data set's truth table."""
    return config.datasets[name].model_dump_json(exclude={"images"})


def split(config: Config) -> str:
    """For `scripts/split.py`."""
    return config.split.model_dump_json()


def train(config: Config, model: str) -> str:
    """For `scripts/train.py`."""
    return _json(
        name=model,
        model=resolve_model(config, model).model_dump(mode="json"),
        bands=config.bands,
        shape=config.cutout.shape,
        masked=config.cutout.masked,
    )


def score(config: Config) -> str:
    """For `scripts/score.py`."""
    return config.scoring.model_dump_json(include={"symmetries", "engine", "precision", "batch_size"})


def _json(**values: Any) -> str:
    return json.dumps(values)
