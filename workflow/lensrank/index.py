"""Finding a data set's images and deciding which shard each lies in. Gives lists, rejects and a summary."""

import logging
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lensrank.archives import Member, members
from lensrank.assignment import Assignment, read_assignment
from lensrank.config.settings import Cutout, Dataset, Name, Settings
from lensrank.contents import DataFile, Found, check_images, is_repack
from lensrank.copies import same_as_before
from lensrank.errors import TruthError
from lensrank.files import bytes_digest, remove_left, replacing, write_json, write_text
from lensrank.fits import LARGEST, read_bytes
from lensrank.flags import Reason
from lensrank.folders import scan
from lensrank.grouping import Grouping
from lensrank.index_summary import FileCounts, check_any_images, describe, summarise
from lensrank.lists import shard_name, shard_names, write_list
from lensrank.names import NamePattern, id_order, is_id, is_truth
from lensrank.progress import progress
from lensrank.rejects import Reject, write_rejects
from lensrank.repack import Repack, has_labels
from lensrank.staging import StageReader, StageWriter, clear, was_taken

log = logging.getLogger("lensrank")


class IndexSettings(Settings):
    """What an index depends on, beside the files.

    `cutout` tells the rows of a re-pack; and when it changes, an archive is staged again once, by the index, not once
    for every shard.
    """

    name: Name
    dataset: Dataset
    """Its truth table is looked for among the images where `truth` is auto; of another one the index need not know."""
    bands: tuple[Name, ...]
    cutout: Cutout
    shard_size: int


@dataclass
class _Index:
    """The state of one indexing."""

    images: Path
    settings: IndexSettings
    memory: Path
    found: Found
    grouping: Grouping
    assignment: Assignment
    pattern: NamePattern

    def add(self, path: str, file: DataFile) -> str | None:
        """Take a data file; gives the ID when it may be read. `path` has slashes only."""
        name = self.pattern.match(path)
        if name is None:
            self.grouping.rejects.append(Reject(file.path, "", Reason.NAME, self.pattern.fault(path)))
            return None
        return name.id if self.grouping.add(name, file) else None

    def with_id(self, fault: Reject) -> Reject:
        """A file that cannot be read, with the ID that its name gives."""
        name = self.pattern.match(fault.file)
        return fault if name is None else fault._replace(id=name.id)


def index(images: Path, settings: IndexSettings, output: Path, memory: Path, shards: Path | None = None) -> None:
    """Index a data set.

    Args:
        images: folder, archive or re-pack.
        settings: what to look for.
        output: folder for `shards/`, `assignment.csv`, `rejects.csv`, `truth.json` and the summary.
        memory: folder that is kept between runs, for the assignment, for what was read of the files, and for an
            archive's staged members.
        shards: folder of the shards of earlier runs, which tell the assignment where the memory was lost.

    Raises:
        ConfigError: `images` does not exist, or is nothing that can be read.
        ArchiveError: the archive is damaged, or may not be read.
        DataError: the re-pack cannot be read, or there is not one image.
        TruthError: the truth table cannot be told from another.
    """
    check_images(images)
    state = _Index(
        images,
        settings,
        memory,
        Found(),
        Grouping(settings.bands),
        read_assignment(memory / "assignment.csv", settings.shard_size, shards),
        NamePattern(settings.dataset.pattern, settings.bands),
    )
    content = _find(state)
    state.grouping.settle(content)
    truth = _truth(state, output / "truth")
    counts = FileCounts()
    number = _write_lists(state, output / "shards", counts)
    rejects = sorted({*(state.with_id(fault) for fault in state.found.faults), *state.grouping.rejects})
    state.assignment.write(memory / "assignment.csv")
    with replacing(output / "assignment.csv") as temporary:
        shutil.copyfile(memory / "assignment.csv", temporary)
    write_rejects(output / "rejects.csv", rejects)
    write_json(output / "truth.json", {"path": None if truth is None else str(truth)})
    summary = summarise(images, settings.name, truth, state.found, state.grouping, counts, rejects)
    summary |= {"shards": number, "shard_size": settings.shard_size}
    write_json(output / "summary.json", summary)
    text = describe(summary)
    write_text(output / "summary.txt", text)
    log.info("%s", text)
    check_any_images(images, settings.dataset, settings.bands, state.found, rejects, len(state.grouping))


def _find(state: _Index) -> Callable[[DataFile], str]:
    """Find all files; gives a function that tells a file's content by a digest, for comparing copies."""
    if state.images.is_dir():
        return _find_in_folder(state)
    if is_repack(state.images):
        return _find_in_repack(state)
    return _find_in_archive(state)


def _find_in_folder(state: _Index) -> Callable[[DataFile], str]:
    with progress(None, f"index {state.settings.name}", "files") as advance:
        for file in scan(state.images, state.found):
            state.add(file.path, file)
            advance(1)
    return lambda file: bytes_digest(read_bytes(state.images / file.path))


def _find_in_repack(state: _Index) -> Callable[[DataFile], str]:
    with (
        Repack(state.images, state.settings.bands, state.settings.cutout) as repack,
        progress(None, f"index {state.settings.name}", "images") as advance,
    ):
        for name, file in repack.files():
            advance(1)
            if is_id(name.id):
                state.grouping.add(name, file)
            else:
                detail = f"the ID {name.id!r} is blank or holds characters that cannot be printed"
                state.grouping.rejects.append(Reject(file.path, "", Reason.NAME, detail))

    return lambda file: str(file.version)


def _find_in_archive(state: _Index) -> Callable[[DataFile], str]:
    clear(state.memory)
    with progress(None, f"index {state.settings.name}", "files") as advance, StageWriter(state.memory) as stage:
        for member in members(state.images):
            if state.found.is_data(member.inside):
                # What is too large is rejected by its size.
                data = member.read() if member.size <= LARGEST else b""
                digest = bytes_digest(data)
                id = state.add(member.inside, DataFile(member.path, member.size, digest))
                if id is not None:
                    stage.put(shard_name(state.assignment.shard(id)), digest, data)
            elif is_truth(member.inside) and state.settings.dataset.truth == "auto":
                _stage_truth(state.memory, member)
            advance(1)
    return lambda file: str(file.version)


def _write_lists(state: _Index, folder: Path, counts: FileCounts) -> int:
    """Write the lists of all shards that have images, and remove those of others; gives the number of shards."""
    shards = state.assignment.by_shard(sorted(state.grouping.ids, key=id_order))
    folder.mkdir(parents=True, exist_ok=True)
    remove_left(folder)
    for name in set(shard_names(folder)) - {shard_name(number) for number in shards}:
        (folder / f"{name}.csv").unlink()
        (folder / f"{name}.digest").unlink(missing_ok=True)

    for number, ids in shards.items():
        name = shard_name(number)
        rows = [state.grouping.row(id) for id in ids]
        for row in rows:
            counts.add(row, state.settings.bands)
        if state.images.is_dir():
            rows = same_as_before(state.images, state.memory, name, rows)
        digest = write_list(folder, name, state.settings.bands, rows)
        if was_taken(state.memory, name, digest, state.settings.bands, state.settings.cutout):
            with StageReader(state.memory, name) as stage:
                stage.discard()
    return len(shards)


def _truth(state: _Index, folder: Path) -> Path | None:
    """The truth table among the images, taken out of an archive into `folder`; None where none is wanted or found."""
    shutil.rmtree(folder, ignore_errors=True)
    if state.settings.dataset.truth != "auto":
        return None
    if is_repack(state.images):
        return state.images if has_labels(state.images) else None
    if not state.found.truths:
        return None
    found = _shallowest(state)
    if state.images.is_dir():
        return state.images / found
    target = folder / PurePosixPath(found).name
    with replacing(target) as temporary:
        shutil.copyfile(_staged_truth(state.memory, found), temporary)
    return target


def _shallowest(state: _Index) -> str:
    """The truth table that lies least deep."""
    depth = min(path.count("/") for path in state.found.truths)
    candidates = sorted(path for path in state.found.truths if path.count("/") == depth)
    if len(candidates) > 1:
        raise TruthError(
            f"{state.images}: several truth tables, {', '.join(candidates)}. Say which one in "
            f"datasets.{state.settings.name}.truth, or write null for none."
        )
    return candidates[0]


def _stage_truth(memory: Path, member: Member) -> None:
    with replacing(_staged_truth(memory, member.inside)) as temporary, temporary.open("wb") as file:
        member.copy_to(file)


def _staged_truth(memory: Path, path: str) -> Path:
    """Where a truth table in an archive is put by until all have been seen: one for each depth."""
    return memory / "staged" / f"truth-{path.count('/')}"
