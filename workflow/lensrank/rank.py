"""Ranking a data set: takes score files, gives the catalogue, best first, and the challenge submission."""

import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import Field

from lensrank.catalogue import Catalogue, Column, remove_other_formats, write_catalogue, write_submission
from lensrank.config.settings import Settings
from lensrank.engines import Precision
from lensrank.errors import ShardError
from lensrank.files import file_digest, value_digest
from lensrank.flags import Flag
from lensrank.names import id_order
from lensrank.provenance import versions
from lensrank.score import TrainedModel
from lensrank.scores import ScoreTable, read_scores
from lensrank.shards import read_table

log = logging.getLogger("lensrank")


class RankSettings(Settings):
    """What the run asks of a catalogue."""

    run: str
    columns: tuple[str, ...] = Field(min_length=1)
    """"<model>_<seed>", in the order of the catalogue."""
    precision: Precision | None = None
    """Columns of another precision are refused; None: any, as long as all shards agree."""
    symmetries: Literal[1, 8] | None = None
    """Likewise."""
    provenance: dict[str, Any] = Field({})
    """What the catalogue is to say of the run, such as the digest of its configuration."""


def rank_dataset(
    dataset: str,
    settings: RankSettings,
    scores: Sequence[Path],
    catalogues: Sequence[Path],
    submission: Path | None = None,
    training: Iterable[Path] = (),
    models: Iterable[TrainedModel] = (),
    shard_digests: Iterable[Path] = (),
) -> None:
    """Merge score files, rank the images and write the catalogue in each format asked for.

    Args:
        dataset: its name.
        settings: what the run asks for.
        scores: the data set's score files.
        catalogues: files to make; the suffix says the format.
        submission: challenge submission to make, or None.
        training: shards of the training data set, whose images are flagged.
        models: trained models that must have made the columns; a `provenance.json` beside a model says whether its
            training collapsed.
        shard_digests: files with the digests of the shards that must have been scored.

    Raises:
        ShardError: a score file is damaged or is not what the run asks for, or no column can be used.
    """
    models = list(models)
    table = read_scores(scores, settings.columns)
    check_made(table, settings, {model.column: file_digest(model.path) for model in models})
    check_shards(table, {path.stem: path.read_text(encoding="ascii").strip() for path in shard_digests})
    collapsed = find_collapsed(table, models)
    sound = sound_columns(table, collapsed)
    mean, std = combine(table, sound)
    in_training = np.isin(table.pixel_digest, _pixel_digests(training))
    catalogue = _catalogue(
        dataset, table, mean, std, in_training, _provenance(dataset, settings, table, collapsed) | {"in_score": sound}
    )
    for path in catalogues:
        write_catalogue(path, catalogue)
    remove_other_formats(catalogues)
    if submission is not None:
        order = sorted(range(len(table)), key=lambda row: id_order(str(table.id[row])))
        # A submission must have a number for every image; one without a score is the last to be looked at.
        write_submission(submission, table.id[order], np.nan_to_num(mean[order], nan=0.0))


def check_made(table: ScoreTable, settings: RankSettings, model_digests: Mapping[str, str]) -> None:
    """Refuse columns that were made by other models or in another way than the run asks for.

    Args:
        table: scores.
        settings: what the run asks for.
        model_digests: digests of the models' files by column; columns without one are not checked.

    Raises:
        ShardError: naming the column, what is there and what was asked for.
    """
    for column in settings.columns:
        made = table.made[column]
        asked = {
            "model_digest": model_digests.get(column),
            "precision": settings.precision,
            "symmetries": settings.symmetries,
        }
        for name, value in asked.items():
            if value is not None and getattr(made, name) != value:
                raise ShardError(
                    f"score column {column} has {name} {getattr(made, name)}, but the run asks for {value}. Delete the "
                    "data set's score files and run again; what has not changed is not computed again."
                )


def check_shards(table: ScoreTable, digests: Mapping[str, str]) -> None:
    """Refuse scores of other shards than those of the run.

    Args:
        table: scores.
        digests: content digests by shard; where empty, nothing is checked.

    Raises:
        ShardError: naming the shards that are missing, too many, or of other content.
    """
    if not digests:
        return
    differing = sorted(
        name
        for name in digests.keys() | table.shard_digests.keys()
        if digests.get(name) != table.shard_digests.get(name)
    )
    if differing:
        raise ShardError(
            f"scores of {', '.join(differing)} are missing, or are of other images than the shard now holds. Delete "
            "their score files and run again."
        )


def find_collapsed(table: ScoreTable, models: Iterable[TrainedModel]) -> dict[str, str]:
    """Say which columns come from a training that came to nothing, and why.

    Args:
        table: scores.
        models: a `provenance.json` beside a model's file is asked for its `collapsed`.

    Returns:
        Reasons by column; sound columns are not in it.
    """
    reasons = {}
    for model in models:
        record = model.path.with_name("provenance.json")
        if record.is_file() and (reason := json.loads(record.read_text(encoding="utf-8")).get("collapsed")):
            reasons[model.column] = str(reason)
    for name, values in table.scores.items():
        if len(values) and not np.isfinite(values).any():
            reasons.setdefault(name, "no image has a score that is a number")
    return {name: reasons[name] for name in table.scores if name in reasons}


def sound_columns(table: ScoreTable, collapsed: Mapping[str, str]) -> list[str]:
    """Columns that enter the mean: those of sound trainings.

    Where no training is sound, those that give numbers are taken, so that a run over a small or hard set ends with a
    catalogue; the log and the catalogue say that its order is no better than chance.

    Args:
        table: scores.
        collapsed: columns of trainings that collapsed, and why.

    Raises:
        ShardError: no column holds a number.
    """
    for name, reason in collapsed.items():
        log.warning("%s: its training collapsed (%s)", name, reason)
    sound = [name for name in table.scores if name not in collapsed]
    if sound:
        return sound
    sound = [name for name, values in table.scores.items() if np.isfinite(values).any()]
    if not sound:
        raise ShardError(f"there is nothing to rank by: all trainings collapsed ({'; '.join(collapsed.values())})")
    log.warning("all trainings collapsed: the images are ranked by %s, no better than chance", ", ".join(sound))
    return sound


def combine(table: ScoreTable, columns: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and standard deviation of some columns, over those that have a number for an image.

    Args:
        table: scores.
        columns: their names.

    Returns:
        (n,) mean, NaN where there is no number; (n,) standard deviation (ddof 1), NaN where there are fewer than two.
    """
    values = np.array([table.scores[name] for name in columns])
    there = np.isfinite(values)
    count = there.sum(axis=0)
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.where(there, values, 0).sum(axis=0) / count
        squares = (np.where(there, values - mean, 0) ** 2).sum(axis=0)
        std = np.sqrt(squares / (count - 1))
    return mean, np.where(count > 1, std, np.nan)


def ranking(ids: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Rows from the best to the worst: by score, equal scores by ID, images without a score last.

    Args:
        ids: (n,) str objects.
        scores: (n,) float64.

    Returns:
        (n,) int, rows in the order of their ranks.
    """
    place = np.empty(len(ids), dtype=np.int64)
    place[sorted(range(len(ids)), key=lambda row: id_order(str(ids[row])))] = np.arange(len(ids))
    return np.lexsort((place, -scores))


def _pixel_digests(shards: Iterable[Path]) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype=np.uint64), *(read_table(shard).pixel_digest for shard in shards)])


def _catalogue(
    dataset: str,
    table: ScoreTable,
    mean: np.ndarray,
    std: np.ndarray,
    in_training: np.ndarray,
    provenance: dict[str, Any],
) -> Catalogue:
    order = ranking(table.id, mean)
    flags = table.flags.astype(np.int64) | np.where(in_training, int(Flag.IN_TRAINING), 0)
    sound = provenance["in_score"]
    meaning = ", ".join(f"{flag.value} {flag.name}" for flag in Flag)
    each = [
        Column(
            f"score_{name}",
            values[order],
            f"Probability of a lens by {name}" + ("" if name in sound else " (collapsed; not in score)"),
            ucd="stat.probability",
        )
        for name, values in table.scores.items()
    ]
    columns = [
        Column(
            "rank", np.arange(1, len(order) + 1), "Rank by score, 1 is the best; equal scores by ID", ucd="meta.number"
        ),
        Column("id", table.id[order], "ID of the image, from its file name", ucd="meta.id;meta.main"),
        Column("ra", table.ra[order], "Right ascension from the header; NaN: unknown", "deg", "pos.eq.ra;meta.main"),
        Column("dec", table.dec[order], "Declination from the header; NaN: unknown", "deg", "pos.eq.dec;meta.main"),
        Column(
            "score", mean[order], "Mean probability of a lens over models and seeds", ucd="stat.probability;meta.main"
        ),
        Column("score_std", std[order], "Standard deviation over the same (ddof 1)", ucd="stat.stdev;stat.probability"),
        *each,
        Column("flags", flags[order], f"Sum of: {meaning}", ucd="meta.code"),
        Column("shard", table.shard[order], "Shard that holds the pixels", ucd="meta.id"),
    ]
    return Catalogue(dataset, columns, provenance)


def _provenance(
    dataset: str, settings: RankSettings, table: ScoreTable, collapsed: Mapping[str, str]
) -> dict[str, Any]:
    made = [table.made[name] for name in settings.columns]
    return {
        "run": settings.run,
        "dataset": dataset,
        "images": len(table),
        "images_digest": value_digest(table.shard_digests),
        "engine": "+".join(sorted({column.engine for column in made})),
        "precision": "+".join(sorted({column.precision for column in made})),
        "symmetries": "+".join(sorted({str(column.symmetries) for column in made})),
        "columns": {
            name: {
                "model_digest": table.made[name].model_digest,
                "devices": sorted({effort.device for effort in table.efforts[name]}),
                "seconds": round(sum(effort.seconds for effort in table.efforts[name]), 3),
            }
            for name in settings.columns
        },
        "collapsed": dict(collapsed),
        "versions": versions(),
        **settings.provenance,
    }
