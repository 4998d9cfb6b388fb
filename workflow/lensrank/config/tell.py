"""What each step is told: the part of the configuration that its result depends on, as JSON text.

Rules carry these texts in `params`, so that a step runs again when its own settings change and not for others.
"""

import json
from typing import Any

from lensrank.config.read import resolve_model
from lensrank.config.settings import Config, Simulate

CHALLENGE_BAND = "EUC_VIS"
ENOUGH = 1000
"""Images below which a comparison with the real ones says little."""


def simulate(config: Config, dataset: str) -> str:
    """For `scripts/simulate.py`."""
    return _json(**config.simulate[dataset].model_dump(mode="json"), shape=config.cutout.shape, bands=config.bands)


def index(config: Config, dataset: str) -> str:
    """For `scripts/index.py`: nothing about labels, so that another truth table does not list the images again."""
    settings = config.datasets[dataset].model_dump(mode="json", include={"pattern"})
    wanted = "auto" if config.datasets[dataset].truth == "auto" else None
    return _json(
        name=dataset,
        dataset=settings | {"truth": wanted},
        bands=config.bands,
        cutout=config.cutout.model_dump(mode="json"),
        shard_size=config.shard_size,
    )


def ingest(config: Config) -> str:
    """For `scripts/ingest.py`."""
    return _json(bands=config.bands, cutout=config.cutout.model_dump(mode="json"))


def dataset(config: Config, name: str) -> str:
    """How to read a data set's truth table."""
    return config.datasets[name].model_dump_json(exclude={"images"})


def split(config: Config) -> str:
    """For `scripts/split.py`."""
    return config.split.model_dump_json()


def split_record(config: Config) -> dict[str, Any]:
    """What the split's record holds of the configuration."""
    dataset = config.datasets["train"]
    named = {} if dataset.truth in ("auto", None) else {"truth": str(dataset.truth)}
    return {"settings": config.split.model_dump(mode="json"), "label": dataset.label, **named}


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
    return config.scoring.model_dump_json(include={"symmetries", "precision", "batch_size"})


def rank(config: Config, dataset: str) -> str:
    """For `scripts/rank.py`."""
    columns = [f"{model}_{seed}" for model in config.scoring_models for seed in config.model_seeds(model)]
    return _json(
        run=config.run,
        columns=columns,
        precision=config.scoring.precision,
        symmetries=config.scoring.symmetries,
        provenance={"config": _made_from(config, dataset)},
    )


def evaluate(config: Config) -> str:
    """For `scripts/evaluate.py`."""
    return _json(threshold=config.evaluation.threshold, simulated=list(config.simulate))


def imitations(config: Config) -> list[str]:
    """Simulated data sets that stand in for the challenge's training set, and are large enough to be compared with it.

    They have its layout, band and camera; the settings that decide what is in the images may differ, and the comparison
    shows what that does.
    """
    if config.bands[0] != CHALLENGE_BAND or config.cutout.shape != Config().cutout.shape:
        return []
    challenge = Simulate()
    camera = ("layout", "pixel_scale", "psf_fwhm", "noise", "noise_correlation", "zero_point")
    return [
        name
        for name, made in config.simulate.items()
        if made.n >= ENOUGH
        and 0.1 <= made.lens_fraction <= 0.9
        and all(getattr(made, key) == getattr(challenge, key) for key in camera)
    ]


def summary(config: Config) -> str:
    """For `scripts/summary.py`."""
    return _json(run=config.run, split=config.split.model_dump(mode="json"), simulated=list(config.simulate))


def origin(config: Config, images: str) -> list[str]:
    """What a figure says of a set of images, as arguments; the hold-out is part of the training data set."""
    dataset = "train" if images == "holdout" else images
    return ["--data", "simulated"] if dataset in config.simulate else []


def example_options(config: Config) -> list[str]:
    """What the figure of examples needs to know of the images, as arguments."""
    words = origin(config, "train")
    if config.cutout.masked is not None:
        words += ["--masked", str(config.cutout.masked)]
    if "train" in config.simulate:
        words += ["--pixel-scale", str(config.simulate["train"].pixel_scale)]
    return words


def _made_from(config: Config, dataset: str) -> dict[str, Any]:
    """What of the configuration the scores of a data set depend on: not how they are judged and written, nor others."""
    told = config.model_dump(mode="json", exclude={"catalogue", "evaluation", "datasets", "simulate", "models"})
    sources = [dataset, "train"] if config.trained_models else [dataset]
    told["datasets"] = {name: config.datasets[name].model_dump(mode="json") for name in sources}
    for key in () if dataset == "train" else ("truth", "truth_id", "label"):
        del told["datasets"][dataset][key]
    told["simulate"] = {
        name: config.simulate[name].model_dump(mode="json") for name in sources if name in config.simulate
    }
    told["models"] = {name: config.models[name].model_dump(mode="json") for name in config.scoring_models}
    del told["scoring"]["datasets"]
    return told


def _json(**values: Any) -> str:
    return json.dumps(values)
