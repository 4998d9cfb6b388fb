"""Finished trainings that will be repeated: takes what a run asks for and what was trained, says which, and why."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lensrank.files import file_digest, stamp
from lensrank.steps import STEP_VERSIONS


def repeats(results: Path, wanted: Mapping[tuple[str, int], str], split: Mapping[str, Any]) -> list[str]:
    """Say which finished trainings fit the run no more, before GPU hours are spent on them again.

    Args:
        results: folder of the run's results.
        wanted: settings of each training of the run, JSON, by model and seed.
        split: what the run asks of the split, to be compared with its record: settings, label, and truth where the
            configuration names it.

    Returns:
        Lines of text, none where nothing is to be said.
    """
    records = {training: _record(results, *training) for training in wanted}
    finished = {training: record for training, record in records.items() if record is not None}
    reasons = {
        training: tuple(_reasons(record, json.loads(wanted[training]), _digest(results)))
        for training, record in finished.items()
    }
    unfit = {training: why for training, why in reasons.items() if why}
    lines = []
    if unfit:
        lines.append(f"{_count(len(unfit))} will be repeated: {'; '.join(_by_model(unfit))}")
    rest = dict.fromkeys(finished.keys() - unfit.keys(), ())
    if rest and (why := list(_split_changes(_read(results / "split.json"), split))):
        lines.append(
            f"{_count(len(rest))} will be repeated if the split changes, because of {', '.join(why)}: "
            f"{'; '.join(_by_model(rest))}"
        )
    return lines


def _read(path: Path) -> dict[str, Any] | None:
    """A record; None where there is none that can be read, so that nothing is known: it must not stop a run."""
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return record if isinstance(record, dict) else None


def _record(results: Path, model: str, seed: int) -> dict[str, Any] | None:
    folder = results / f"train/{model}/seed-{seed}"
    return _read(folder / "provenance.json") if (folder / "model.keras").exists() else None


def _digest(results: Path) -> str | None:
    path = results / "split.digest"
    return path.read_text(encoding="ascii") if path.exists() else None


def _split_changes(record: Mapping[str, Any] | None, wanted: Mapping[str, Any]) -> Iterator[str]:
    """What the split that is there was made from and will not be made from again."""
    if record is None:
        return
    for key, value in wanted.items():
        yield from _differences(f"datasets.train.{key}" if key != "settings" else "split", record.get(key), value)
    truth = Path(record.get("truth", ""))
    if wanted.get("truth", str(truth)) != str(truth) or not truth.is_file():
        return
    # A re-pack holds the truth and all images: it is read only where it may have changed.
    if stamp(truth) != record.get("truth_stamp") and file_digest(truth) != record.get("truth_digest"):
        yield f"{truth}, which has changed"


def _reasons(record: Mapping[str, Any], settings: Mapping[str, Any], digest: str | None) -> Iterator[str]:
    """What differs between a training that was made and the one that is asked for."""
    # The first version did not note itself.
    version = record.get("step_version", 1)
    if version != STEP_VERSIONS["train"]:
        yield f"version of the step {version} -> {STEP_VERSIONS['train']}"
    elif digest is not None and record.get("split") != digest:
        yield "other training images or labels"
    yield from _differences("", record.get("settings"), settings)


def _differences(name: str, old: Any, new: Any) -> Iterator[str]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            # "model" is but the place where a network's own settings lie.
            yield from _differences(
                f"{name}.{key}".removeprefix(".").removeprefix("model."), old.get(key), new.get(key)
            )
    elif old != new:
        yield f"{name} {json.dumps(old)} -> {json.dumps(new)}"


def _by_model(trainings: Mapping[tuple[str, int], tuple[str, ...]]) -> Iterator[str]:
    """Models with their seeds, those with the same reasons together."""
    groups: dict[tuple[str, tuple[str, ...]], list[int]] = {}
    for (model, seed), why in sorted(trainings.items()):
        groups.setdefault((model, why), []).append(seed)
    for (model, why), seeds in groups.items():
        numbers = f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}"
        yield f"{model} {numbers}" + (f" ({', '.join(why)})" if why else "")


def _count(number: int) -> str:
    return f"{number} finished training{'s' if number > 1 else ''}"
