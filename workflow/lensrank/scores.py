"""A score file: what a shard's images were given by each trained network. Takes a shard's table and columns of scores.

| data set | shape | type | meaning |
|---|---|---|---|
| `id`, `ra`, `dec`, `flags`, `pixel_digest` | (n) | as in the shard | copied, so that ranking needs no shard |
| `scores/<model>_<seed>` | (n) | float64 | probability of a lens; NaN where the network gave none |

Attributes of a column say what made it (`Made`); those of the file, which shard it belongs to. Chunks carry checksums,
and a digest covers rows, scores and attributes.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np

from lensrank.engines import EngineName
from lensrank.errors import DamagedFile, ShardError
from lensrank.files import new_digest
from lensrank.hdf5 import new_file
from lensrank.shards import COLUMNS, ShardTable, opened, write_column

FORMAT_VERSION = 2


@dataclass(frozen=True)
class Made:
    """What made a column of scores."""

    model_digest: str
    """Of the model's file."""
    engine: EngineName
    precision: str
    symmetries: int


class Effort(NamedTuple):
    """What a column took, for the record; columns may differ in it and still be ranked together."""

    device: str
    seconds: float


class Column(NamedTuple):
    """Scores of one trained network: (n,) probabilities, what made them, and what they took."""

    name: str
    scores: np.ndarray
    made: Made
    effort: Effort


@dataclass(frozen=True)
class ScoreTable:
    """Scores of one or more shards, and everything about their images but the pixels.

    Attributes:
        id: (n,) str objects.
        ra: (n,) float64, degrees.
        dec: (n,) float64, degrees.
        flags: (n,) uint32.
        pixel_digest: (n,) uint64.
        shard: (n,) str objects, such as "shard-0003".
        scores: (n,) float64 probabilities by column, "<model>_<seed>".
        made: what made each column.
        efforts: what each column took, one entry per shard.
        shard_digests: content digest of each shard, by its name.
    """

    id: np.ndarray
    ra: np.ndarray
    dec: np.ndarray
    flags: np.ndarray
    pixel_digest: np.ndarray
    shard: np.ndarray
    scores: dict[str, np.ndarray]
    made: dict[str, Made]
    efforts: dict[str, list[Effort]]
    shard_digests: dict[str, str]

    def __len__(self) -> int:
        return len(self.id)


def write_scores(path: str | Path, shard: str, table: ShardTable, columns: Iterable[Column]) -> None:
    """Write a score file, whole or not at all.

    Args:
        path: the file to make.
        shard: the shard's name, such as "shard-0003".
        table: the shard's rows.
        columns: in the order in which they are to be read; taken one at a time.
    """
    with new_file(path) as file:
        for name in COLUMNS:
            write_column(file, name, getattr(table, name))
        group, digests = file.create_group("scores", track_order=True), []
        for name, scores, made, effort in columns:
            values = np.asarray(scores, dtype="<f8")
            write_column(group, name, values)
            group[name].attrs.update({**asdict(made), **effort._asdict()})
            digests.append(_column_digest(name, values, made, effort))
        rows = {name: getattr(table, name) for name in COLUMNS}
        file.attrs.update(format_version=FORMAT_VERSION, shard=shard, shard_digest=table.digest)
        file.attrs["digest"] = _digest(shard, table.digest, rows, digests)


def read_scores(paths: Sequence[str | Path], columns: Sequence[str] | None = None) -> ScoreTable:
    """Read score files one after another into one table.

    Args:
        paths: score files of one data set, at least one.
        columns: which columns, in this order; None: those of the first file, which all others must have too.

    Raises:
        ShardError: a file is damaged, lacks a column or has others, a column was not made alike in all files, a shard
            or an ID is in two files.
    """
    if not paths:
        raise ShardError("no score files were given, so there is nothing to rank")
    parts: list[dict[str, Any]] = []
    for path in paths:
        part = _read(Path(path))
        if columns is None:
            columns = list(part["scores"])
        _check_columns(path, part, columns, exact=parts[0] if parts else None)
        part["scores"] = {name: part["scores"][name] for name in columns}
        parts.append(part)
    names = {part["shard"]: path for part, path in zip(parts, paths, strict=True)}
    if len(names) < len(parts):
        raise ShardError(f"{_most_common(part['shard'] for part in parts)}: two score files are of this shard")
    table = ScoreTable(
        **{name: np.concatenate([part[name] for part in parts]) for name in COLUMNS},
        shard=np.repeat(np.array(list(names), dtype=object), [len(part["id"]) for part in parts]),
        scores={name: np.concatenate([part["scores"][name] for part in parts]) for name in columns or ()},
        made={name: parts[0]["made"][name] for name in columns or ()},
        efforts={name: [part["efforts"][name] for part in parts] for name in columns or ()},
        shard_digests={part["shard"]: part["shard_digest"] for part in parts},
    )
    _check_ids(table, names)
    return table


def _read(path: Path) -> dict[str, Any]:
    with opened(path, FORMAT_VERSION) as file:
        found = _contents(file)
        digests = [
            _column_digest(name, values, found["made"][name], found["efforts"][name])
            for name, values in found["scores"].items()
        ]
        if _digest(found["shard"], found["shard_digest"], found, digests) != file.attrs["digest"]:
            raise DamagedFile(path, "its content does not have the digest that was written with it")
    return found


def _contents(file: h5py.File) -> dict[str, Any]:
    group = file["scores"]
    return {
        **{name: file[name].asstr()[:] if name == "id" else file[name][:] for name in COLUMNS},
        "shard": str(file.attrs["shard"]),
        "shard_digest": str(file.attrs["shard_digest"]),
        "scores": {name: group[name][:] for name in group},
        "made": {name: Made(**_attributes(group[name], [field.name for field in fields(Made)])) for name in group},
        "efforts": {name: Effort(**_attributes(group[name], Effort._fields)) for name in group},
    }


def _attributes(dataset: h5py.Dataset, names: Sequence[str]) -> dict[str, Any]:
    values = {name: dataset.attrs[name] for name in names}
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in values.items()}


def _digest(shard: str, shard_digest: str, rows: Mapping[str, np.ndarray], columns: Sequence[str]) -> str:
    """Digest of a file, from those of its columns of scores."""
    digest = new_digest()
    digest.update(repr((FORMAT_VERSION, shard, shard_digest, list(columns))).encode())
    digest.update("\0".join(rows["id"]).encode())
    for name in COLUMNS[1:]:
        digest.update(np.ascontiguousarray(rows[name]).tobytes())
    return digest.hexdigest()


def _column_digest(name: str, values: np.ndarray, made: Made, effort: Effort) -> str:
    digest = new_digest()
    digest.update(repr((name, asdict(made), tuple(effort))).encode())
    digest.update(np.ascontiguousarray(values).tobytes())
    return digest.hexdigest()


def _check_columns(path: Any, part: dict[str, Any], columns: Sequence[str], exact: dict[str, Any] | None) -> None:
    if missing := [name for name in columns if name not in part["scores"]]:
        there = ", ".join(part["scores"]) or "none"
        raise ShardError(
            f"{path}: has no column {', '.join(missing)}; there are: {there}. Delete the file and run again."
        )
    if exact is None:
        return
    if differing := [name for name in columns if part["made"][name] != exact["made"][name]]:
        name = differing[0]
        raise ShardError(
            f"{path}: column {name} was made by {part['made'][name]}, that of {exact['shard']} by "
            f"{exact['made'][name]}. They cannot be ranked together: delete the older file and run again."
        )


def _check_ids(table: ScoreTable, names: Mapping[str, Any]) -> None:
    if len(set(table.id)) == len(table):
        return
    repeated = _most_common(table.id)
    where = ", ".join(str(names[shard]) for shard in dict.fromkeys(table.shard[table.id == repeated]))
    raise ShardError(f"{where}: the ID {repeated} has more than one row. Run the index again.")


def _most_common(values: Iterable[str]) -> str:
    return Counter(values).most_common(1)[0][0]
