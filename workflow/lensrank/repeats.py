"""Finished trainings that will be repeated: takes what a run asks for and what was trained, says which, and why."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lensrank.files import file_digest
from lensrank.steps import STEP_VERSIONS


def repeats(results: Path, wanted: Mapping[tuple[str, int], str]) -> list[str]:
    """Say which finished trainings fit the run no more, before GPU hours are spent on them again.

    Args:
        results: folder of the run's results.
        wanted: settings of each training of the run, JSON, by model and seed.

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
    if rest and (truth := _changed_truth(results)):
        lines.append(
            f"{truth}: the truth table has changed since the split was made from it. {_count(len(rest))} will be "
            f"repeated if a label did: {'; '.join(_by_model(rest))}"
        )
    return lines


def _record(results: Path, model: str, seed: int) -> dict[str, Any] | None:
    folder = results / f"train/{model}/seed-{seed}"
    if not (folder / "model.keras").exists() or not (folder / "provenance.json").exists():
        return None
    record: dict[str, Any] = json.loads((folder / "provenance.json").read_text(encoding="utf-8"))
    return record


def _digest(results: Path) -> str | None:
    path = results / "split.digest"
    return path.read_text(encoding="ascii") if path.exists() else None


def _changed_truth(results: Path) -> str | None:
    """The truth table that the split was made from, where it is another one now."""
    path = results / "split.json"
    if not path.exists():
        return None
    record = json.loads(path.read_text(encoding="utf-8"))
    truth: str = record["truth"]
    return truth if not Path(truth).exists() or file_digest(truth) != record["truth_digest"] else None


def _reasons(record: Mapping[str, Any], settings: Mapping[str, Any], digest: str | None) -> Iterator[str]:
    """What differs between a training that was made and the one that is asked for."""
    if record["step_version"] != STEP_VERSIONS["train"]:
        yield f"version of the step {record['step_version']} -> {STEP_VERSIONS['train']}"
    if digest is not None and record["split"] != digest:
        yield "other training images or labels"
    yield from _differences("", record["settings"], settings)


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
