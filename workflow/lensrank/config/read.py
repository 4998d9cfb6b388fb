"""From what YAML gave to a `Config`, or one error that lists every fault with the nearest valid word."""

import types
import typing
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from lensrank.config.settings import Augmentation, Config, Model
from lensrank.contents import check_images
from lensrank.errors import ConfigError, nearest
from lensrank.models.recipes import NETWORKS, RECIPES

RESERVED = {"holdout"}

Location = tuple[str | int, ...]


def read_config(raw: Mapping[str, Any], source: str = "configuration") -> Config:
    """Check a configuration and fill in the defaults.

    Args:
        raw: nested mapping, as YAML gives it.
        source: name of the file, for the error's text.

    Returns:
        The configuration. Data sets that stand only under `simulate` are among its `datasets`.

    Raises:
        ConfigError: all faults at once: unknown keys, wrong types, paths that do not exist, names that are not known.
    """
    values = _with_simulated(deepcopy(dict(raw)))
    faults: list[str] = []
    config = None
    try:
        config = Config.model_validate(values)
    except ValidationError as error:
        wrong = [(_own_keys(fault["loc"], values, fault["type"] == "missing"), fault) for fault in error.errors()]
        # Of a union's members, the one that got furthest into the value knows best what is wrong with it.
        locations = {location for location, _ in wrong}
        wrong = [
            (where, fault) for where, fault in wrong if not any(where == o[: len(where)] for o in locations - {where})
        ]
        faults += [_describe(location, fault) for location, fault in wrong]
        for location, fault in wrong:
            # Of a section that lacks a key, nothing can be checked.
            _remove(values, location[:-1] if fault["type"] == "missing" else location)
        # What is left is checked as well, so that the user sees every fault in one go.
        try:
            config = Config.model_validate(values)
        except ValidationError:
            config = None
    if config is not None:
        faults += list(_faults(config))
    if faults:
        lines = "\n".join(f"  {fault}" for fault in dict.fromkeys(faults))
        raise ConfigError(f"{source}: {len(set(faults))} to mend:\n{lines}")
    assert config is not None
    return config


def resolve_model(config: Config, name: str) -> Model:
    """A model's settings after all defaults: the code's < the network's recipe < `training` < the model's own entry."""
    model = config.models[name]
    recipe = RECIPES.get(model.network or name, {})
    own = model.model_dump(exclude_unset=True)
    augmentation = Augmentation.model_validate(
        recipe.get("augmentation", {})
        | config.augmentation.model_dump(exclude_unset=True)
        | own.pop("augmentation", {})
    )
    values = recipe | config.training.model_dump(exclude_unset=True) | own
    return Model.model_validate(values | {"network": model.network or name, "augmentation": augmentation})


def _hint(word: str, known: Iterable[str]) -> str:
    """A hint such as "; nearest: 'seeds'", or the choice where nothing is near."""
    choice = sorted(known)
    close = nearest(word, choice)
    if close is not None:
        return f"; nearest: '{close}'"
    return f"; known: {', '.join(choice)}" if 0 < len(choice) <= 12 else ""


def _with_simulated(values: dict[str, Any]) -> dict[str, Any]:
    simulated = values.get("simulate")
    values |= {name: {} for name in ("datasets", "simulate", "models") if name in values and values[name] is None}
    datasets = values.get("datasets") or {}
    if isinstance(simulated, dict) and isinstance(datasets, dict):
        values["datasets"] = datasets | {name: {} for name in simulated if name not in datasets}
    return values


def _own_keys(location: Location, values: Any, missing: bool) -> Location:
    """The part of pydantic's location that the user wrote: pydantic also names the members of a union."""
    keys: list[str | int] = []
    for step, key in enumerate(location):
        inside = isinstance(values, dict) and key in values
        inside |= isinstance(values, list | tuple) and isinstance(key, int) and key < len(values)
        if inside:
            values = values[key]
        if inside or (missing and step == len(location) - 1):
            keys.append(key)
    return tuple(keys)


def _describe(location: Location, fault: Any) -> str:
    where = ".".join(map(str, location))
    if fault["type"] == "extra_forbidden":
        section = _section(location[:-1])
        return f"{where}: unknown key{_hint(str(location[-1]), section.model_fields)}"
    if fault["type"] == "missing":
        return f"{where}: required, and not given"
    text = fault["msg"].removeprefix("Value error, ")
    found = fault["input"]
    if fault["type"] == "literal_error" and isinstance(found, str):
        return f"{where}: {text}; found {found!r}{_hint(found, _words(fault['ctx']['expected']))}"
    return f"{where}: {text}; found {found!r}" if where else text


def _words(expected: str) -> list[str]:
    return [word.strip(" '") for word in expected.replace(" or ", ",").split(",")]


def _section(location: Location) -> type[BaseModel]:
    """The settings class that a location lies in."""
    section: type[BaseModel] = Config
    step: Any = None
    for key in location:
        annotation = section.model_fields[str(key)].annotation if step is None else step
        arguments = typing.get_args(annotation)
        if typing.get_origin(annotation) is dict:
            step = arguments[1]
            continue
        classes = [member for member in (annotation, *arguments) if isinstance(member, type)]
        step = None
        section = next(
            (c for c in classes if not isinstance(c, types.GenericAlias) and issubclass(c, BaseModel)), section
        )
    if isinstance(step, type) and issubclass(step, BaseModel):
        return step
    return section


def _remove(values: Any, location: Location) -> None:
    """Take out what is wrong: the innermost key of a mapping, with the whole list where the fault is in one."""
    for step, key in enumerate(location):
        inner = values.get(key) if isinstance(values, dict) else None
        if not isinstance(inner, dict) or step == len(location) - 1:
            values.pop(key, None)
            return
        values = inner


def _faults(config: Config) -> Iterator[str]:
    yield from _dataset_faults(config)
    yield from _model_faults(config)
    yield from _scoring_faults(config)
    if config.trained_models and "train" not in config.datasets:
        names = ", ".join(config.trained_models)
        yield (f"datasets.train: missing, and {names} must be trained; name the training images, or give models a path")
    train = config.simulate.get("train")
    held = config.split.holdout + config.split.validation
    if train is not None and config.trained_models and held >= train.n:
        yield (
            f"split.holdout: {held} images are to be held out (with split.validation), but simulate.train.n is "
            f"{train.n}. Hold out fewer, or simulate more."
        )


def _scoring_faults(config: Config) -> Iterator[str]:
    yield from _strangers("datasets", config.scoring.datasets, config.datasets)
    yield from _strangers("models", config.scoring.models, config.models)
    if config.scoring.models == () and config.scored_datasets:
        yield "scoring.models: names none. Leave it out to score with all, or set scoring.datasets to []."
    if config.scoring.engine == "keras" and config.scoring.precision == "bfloat16":
        yield "scoring.precision: bfloat16 is for engine openvino; engine keras computes in float32"
    if config.scoring.symmetries == 8 and len(set(config.cutout.shape)) > 1:
        yield f"scoring.symmetries: 8 needs square images; cutout.shape is {list(config.cutout.shape)}"
    sets = ("holdout", *config.datasets)
    figures = Counter(f"{model}_{images}" for model in config.models for images in sets)
    for name in (name for name, count in figures.items() if count > 1):
        yield f"models, datasets: two pairs of them would share the figures *_{name}; rename one"


def _strangers(section: str, names: Iterable[str] | None, known: Iterable[str]) -> Iterator[str]:
    for name in names or ():
        if name not in known:
            yield f"scoring.{section}: '{name}' is not among {section}{_hint(name, known)}"


def _dataset_faults(config: Config) -> Iterator[str]:
    for name in RESERVED & config.datasets.keys():
        yield f"datasets.{name}: tables and figures use this name for part of the training set; choose another"
    for name, dataset in config.datasets.items():
        key = f"datasets.{name}"
        if name in config.simulate:
            if dataset.images is not None:
                yield f"{key}.images: {dataset.images} is given, and simulate.{name} makes this data set; keep one"
        elif dataset.images is None:
            yield f"{key}.images: required, and not given (nor does simulate.{name} make them)"
        else:
            yield from _missing(f"{key}.images", dataset.images) or _unreadable(f"{key}.images", dataset.images)
        if isinstance(dataset.truth, Path):
            yield from _missing(f"{key}.truth", dataset.truth, file=True)
        if name == "train" and dataset.truth is None and config.trained_models:
            yield f"{key}.truth: null, but {', '.join(config.trained_models)} must learn from labels; name the table"
        if len(config.bands) > 1 and "{band}" not in dataset.pattern:
            yield f"{key}.pattern: {dataset.pattern!r} has no {{band}}, but bands names {len(config.bands)}"


def _model_faults(config: Config) -> Iterator[str]:
    if not config.models:
        yield "models: required, and not given"
    if "all" in config.models:
        yield "models.all: tables use this name for the ensemble of all models; choose another"
    for name, model in config.models.items():
        for field in ("path", "weights"):
            value = getattr(model, field)
            if value is not None:
                yield from _missing(f"models.{name}.{field}", value, file=True)
        network = model.network or name
        if model.path is None and network not in NETWORKS:
            yield (
                f"models.{name}: '{network}' is not a registered network{_hint(network, NETWORKS)} "
                f"(models.{name}.network names one, models.{name}.path a trained model)"
            )


def _missing(key: str, path: Path, file: bool = False) -> list[str]:
    if path.is_dir() and file:
        return [f"{key}: {path} is a folder; name the file"]
    if path.exists():
        return []
    if path.parts[:1] == ("~",):
        return [f"{key}: {path} does not exist; ~ is not expanded, write {path.expanduser()}"]
    folder = next(parent for parent in (path.parent, *path.parent.parents) if parent.exists())
    part = path.relative_to(folder).parts[0] if folder != Path() or not path.is_absolute() else path.parts[0]
    hint = _hint(part, (entry.name for entry in folder.iterdir())) if folder.is_dir() else ""
    return [f"{key}: {path} does not exist (looked from {Path().resolve()}){hint}"]


def _unreadable(key: str, images: Path) -> list[str]:
    try:
        check_images(images)
    except ConfigError as error:
        return [f"{key}: {error}"]
    return []
