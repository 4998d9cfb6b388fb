"""Rows 1 to 5: from files to shards."""

import os
import shutil
import subprocess
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from data import BAND, CUTOUT, SHAPE, Data
from method import Goal, Program, Row, in_turns, rate, ratios

from lensrank.config.settings import Dataset
from lensrank.index import IndexSettings
from lensrank.index import index as index_images
from lensrank.ingest import IngestSettings, Outputs
from lensrank.ingest import ingest as ingest_shard
from lensrank.lists import shard_names
from lensrank.shards import iterate_images


def rows(data: Data, n: int, archived: int, repetitions: int) -> list[Row]:
    """Measure rows 1 to 5 on n images, row 4 on `archived`."""
    found = _folder(data, n, repetitions) + _two(data, n, repetitions)
    return [*found, *_archive(data, archived, repetitions), _read(data, n, repetitions)]


def _folder(data: Data, n: int, repetitions: int) -> list[Row]:
    images = data.folder(n)
    ingested = _indexed(data, images, n, "one")
    settings = {"images": images, "n": n}
    seconds = in_turns(
        {
            "ours": Program("ingest.shards", {"folder": ingested}),
            "astropy": Program("ingest.astropy", settings),
            "raw": Program("ingest.raw", settings),
        },
        repetitions,
    )
    ours = rate(n, seconds["ours"])
    costs = {"ingest_core_seconds": median(seconds["ours"]) / n}
    return [
        Row(
            "1",
            "ingest a folder, one process",
            "a loop of `fits.getdata` into an array",
            Goal(">=", 3),
            ours,
            rate(n, seconds["astropy"]),
            ratios(seconds["astropy"], seconds["ours"]),
            costs=costs,
        ),
        Row(
            "2",
            "ingest a folder, one process",
            "reading the same bytes raw",
            Goal(">=", 0.5),
            ours,
            rate(n, seconds["raw"]),
            ratios(seconds["raw"], seconds["ours"]),
        ),
    ]


def _two(data: Data, n: int, repetitions: int) -> list[Row]:
    folder = _indexed(data, data.folder(n), -(-n // 2), "two")
    seconds = in_turns(
        {name: Program("ingest.shards", {"folder": folder, "processes": count}) for name, count in _COUNTS.items()},
        repetitions,
    )
    return [
        Row(
            "3",
            "ingest, two processes",
            "one process, the same two shards",
            Goal(">=", 1.8),
            rate(n, seconds["two"]),
            rate(n, seconds["one"]),
            ratios(seconds["one"], seconds["two"]),
            "needs two free cores",
        )
    ]


_COUNTS = {"one": 1, "two": 2}
FILE_BYTES = 46080
"""Of a challenge cutout: one header block and 15 blocks of pixels."""


def _archive(data: Data, n: int, repetitions: int) -> list[Row]:
    archive = data.archive(n)
    work = data.scratch / "archive"
    ours = Program("ingest.archive", {"archive": archive, "work": work, "shard_size": -(-n // 2)})
    seconds = in_turns({"ours": ours, "tar": Program("ingest.tar", {"archive": archive, "work": work})}, repetitions)
    staged, left = ours.last["staged"], ours.last["left"]
    disk = f"{staged / 1e6:,.0f} MB of members lie on disk between index and ingest, {left / 1e6:,.0f} MB after it"
    return [
        Row(
            "4",
            "index a `.tar.gz`, and ingest it by two processes",
            "`tar xzf` of it",
            Goal("<=", 1.3),
            rate(n, seconds["ours"]),
            rate(n, seconds["tar"]),
            ratios(seconds["ours"], seconds["tar"]),
        ),
        Row(
            "4",
            "second copy on disk of a `.tar.gz` that is ingested",
            "its unpacked files",
            Goal("<=", 0),
            f"{staged / 1e6:,.0f} MB",
            f"{n * FILE_BYTES / 1e6:,.0f} MB",
            [staged / (n * FILE_BYTES)],
            disk,
        ),
    ]


def _read(data: Data, n: int, repetitions: int) -> Row:
    settings = {"shard": data.shard(n)}
    seconds = in_turns(
        {"ours": Program("ingest.read", settings), "copy": Program("ingest.copy", settings)}, repetitions
    )
    return Row(
        "5",
        "read a shard, checksums included",
        "memory copy of the same bytes",
        Goal(">=", 0.5),
        rate(n, seconds["ours"]),
        rate(n, seconds["copy"]),
        ratios(seconds["copy"], seconds["ours"]),
        costs={"shard_bytes": settings["shard"].stat().st_size / n},
    )


def _indexed(data: Data, images: Path, shard_size: int, name: str) -> Path:
    folder = data.scratch / f"ingest-{name}"
    shutil.rmtree(folder, ignore_errors=True)
    _index(images, shard_size, folder)
    return folder


def _index(images: Path, shard_size: int, folder: Path) -> None:
    settings = IndexSettings(
        name="sky", dataset=Dataset(images=images, truth=None), bands=(BAND,), cutout=CUTOUT, shard_size=shard_size
    )
    index_images(images, settings, folder / "index", folder / "memory")


def _ingest(folder: Path, name: str) -> None:
    outputs = Outputs(*(folder / f"{name}.{suffix}" for suffix in ("h5", "digest", "rejects.csv")))
    ingest_shard(folder / "index", name, IngestSettings(bands=(BAND,), cutout=CUTOUT), folder / "memory", outputs)


def _workers(processes: int) -> ProcessPoolExecutor:
    """Processes that have started and imported everything before the clock runs."""
    pool = ProcessPoolExecutor(processes, get_context("spawn"))
    list(pool.map(time.sleep, [0.5] * processes))
    return pool


def _ingest_all(folder: Path, pool: ProcessPoolExecutor) -> None:
    names = shard_names(folder / "index/shards")
    list(pool.map(_ingest, [folder] * len(names), names))


def task_shards(settings: dict[str, Any]) -> Callable[[], Any]:
    """Ingest an indexed folder, in this process or in several."""
    folder, processes = Path(settings["folder"]), settings.get("processes", 1)
    pool = _workers(processes) if processes > 1 else None
    names = shard_names(folder / "index/shards")

    def run() -> float:
        for name in names:
            (folder / f"{name}.h5").unlink(missing_ok=True)  # To give back its pages takes a fifth of the time.
        began = time.perf_counter()
        if pool is None:
            for name in names:
                _ingest(folder, name)
        else:
            _ingest_all(folder, pool)
        return time.perf_counter() - began

    return run


def task_astropy(settings: dict[str, Any]) -> Callable[[], Any]:
    """Read the files as a user's script does."""
    from astropy.io import fits

    files = sorted(Path(settings["images"]).rglob("*.fits"))

    def read() -> None:
        images = np.empty((len(files), *SHAPE[:2]), np.float32)
        for number, file in enumerate(files):
            images[number] = fits.getdata(file)

    return read


def task_raw(settings: dict[str, Any]) -> Callable[[], Any]:
    """Read the files' bytes and do nothing with them."""
    files = sorted(Path(settings["images"]).rglob("*.fits"))
    return lambda: sum(len(_read_raw(file)) for file in files) and None


def _read_raw(path: Path) -> bytes:
    """All bytes of a small file; `Path.read_bytes` takes twice as long."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return os.read(descriptor, 1 << 20)
    finally:
        os.close(descriptor)


def task_archive(settings: dict[str, Any]) -> Callable[[], Any]:
    """Index an archive and ingest it, from nothing."""
    work, pool = Path(settings["work"]) / "ours", _workers(2)

    def run() -> dict[str, float]:
        shutil.rmtree(work, ignore_errors=True)
        began = time.perf_counter()
        _index(Path(settings["archive"]), settings["shard_size"], work)
        between = time.perf_counter()
        staged = _bytes_below(work / "memory/staged")
        resumed = time.perf_counter()
        _ingest_all(work, pool)
        seconds = time.perf_counter() - resumed + between - began
        return {"seconds": seconds, "staged": staged, "left": _bytes_below(work / "memory/staged")}

    return run


def task_tar(settings: dict[str, Any]) -> Callable[[], Any]:
    """Unpack an archive with tar."""
    work = Path(settings["work"]) / "tar"

    def run() -> float:
        shutil.rmtree(work, ignore_errors=True)
        work.mkdir(parents=True)
        began = time.perf_counter()
        subprocess.run(["tar", "xzf", settings["archive"], "-C", work], check=True)
        return time.perf_counter() - began

    return run


def task_read(settings: dict[str, Any]) -> Callable[[], Any]:
    """Read a shard's pixels, as scoring does."""
    return lambda: sum(len(images) for _, images in iterate_images(settings["shard"])) and None


def task_copy(settings: dict[str, Any]) -> Callable[[], Any]:
    """Copy a shard's pixels from one array to another."""
    images = np.concatenate([images for _, images in iterate_images(settings["shard"])])
    into = np.zeros_like(images)
    return lambda: np.copyto(into, images)


def _bytes_below(folder: Path) -> float:
    return float(sum(path.stat().st_size for path in folder.rglob("*") if path.is_file()))
