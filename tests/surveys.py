"""Small surveys on disk, and the index and ingest of one, as the scripts call them."""

import csv
import io
import json
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from badinput import image_bytes

from lensrank.config.settings import Cutout, Dataset
from lensrank.index import IndexSettings, index
from lensrank.ingest import IngestSettings, Outputs, ingest
from lensrank.lists import Row, read_list, shard_names
from lensrank.matching import match_truth
from lensrank.rejects import Reject, read_rejects
from lensrank.shards import ShardTable, iterate_images, read_table

SMALL = Cutout(shape=(5, 4))
VIS = ("EUC_VIS",)


def small_image(number: int) -> bytes:
    """A FITS file of 5 x 4 pixels that differs from number to number, at (1, 0.5) rad."""
    values = np.random.default_rng(number).normal(0, 1e-12, SMALL.shape).astype(np.float32)
    return image_bytes(values, RA=1.0, DEC=0.5)


def write_files(folder: Path, files: dict[str, bytes]) -> Path:
    """Write files below a folder; gives the folder."""
    for name, data in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder


def write_tar(path: Path, files: dict[str, bytes], mode: Any = "w") -> Path:
    """Write a tar archive; gives its path."""
    path.write_bytes(tar_bytes(files, mode))
    return path


def tar_bytes(files: dict[str, bytes], mode: Any = "w") -> bytes:
    """A tar archive of files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


@dataclass
class Survey:
    """A data set with a place for its index and its shards."""

    images: Path
    output: Path
    bands: tuple[str, ...] = VIS
    cutout: Cutout = SMALL
    shard_size: int = 4
    pattern: str = "image{band}-{id}.fits"
    truth: Any = "auto"

    @property
    def memory(self) -> Path:
        return self.output / "memory"

    @property
    def lists(self) -> Path:
        return self.output / "index" / "shards"

    def index(self) -> "Survey":
        dataset = Dataset(images=self.images, pattern=self.pattern, truth=self.truth)
        settings = IndexSettings(
            name="survey", dataset=dataset, bands=self.bands, cutout=self.cutout, shard_size=self.shard_size
        )
        index(self.images, settings, self.output / "index", self.memory, self.output / "shards")
        return self

    def match(self, truth: Path, **settings: Any) -> dict[str, Any]:
        """Compare a truth table with the images; gives the summary."""
        output = self.output / "truth.txt"
        match_truth(truth, "survey", Dataset(**settings), self.lists, self.bands, output)
        return json.loads(output.with_suffix(".json").read_text())

    def ingest(self, *names: str) -> "Survey":
        settings = IngestSettings(bands=self.bands, cutout=self.cutout)
        for name in names or shard_names(self.lists):
            shard = self.output / "shards" / name
            outputs = Outputs(*(shard.with_suffix(suffix) for suffix in (".h5", ".digest", ".rejects.csv")))
            ingest(self.output / "index", name, settings, self.memory, outputs)
        return self

    def listed(self) -> dict[str, list[Row]]:
        return {name: list(read_list(self.lists / f"{name}.csv", self.bands)) for name in shard_names(self.lists)}

    def ids(self) -> dict[str, list[str]]:
        return {name: [row.id for row in rows] for name, rows in self.listed().items()}

    def digests(self) -> dict[str, str]:
        return {name: (self.lists / f"{name}.digest").read_text() for name in shard_names(self.lists)}

    def index_rejects(self) -> list[Reject]:
        return list(read_rejects(self.output / "index" / "rejects.csv"))

    def shard_rejects(self) -> list[Reject]:
        paths = sorted((self.output / "shards").glob("*.rejects.csv"))
        return [reject for path in paths for reject in read_rejects(path)]

    def rejects(self) -> list[Reject]:
        return self.index_rejects() + self.shard_rejects()

    def shard(self, name: str = "shard-0000") -> tuple[ShardTable, np.ndarray]:
        path = self.output / "shards" / f"{name}.h5"
        table = read_table(path)
        blocks = [images for _, images in iterate_images(path)]
        return table, np.concatenate([np.empty((0, *table.shape, len(table.bands)), np.float32), *blocks])

    def flags(self) -> dict[str, int]:
        """Flags by ID over all shards."""
        tables = [read_table(path) for path in sorted((self.output / "shards").glob("*.h5"))]
        return {id: int(flag) for table in tables for id, flag in zip(table.id, table.flags, strict=True)}

    def shard_digests(self) -> dict[str, str]:
        return {path.stem: path.read_text() for path in (self.output / "shards").glob("*.digest")}


def raw_rows(path: Path) -> list[list[str]]:
    """All rows of a CSV file as a plain reader sees them."""
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as stream:
        return list(csv.reader(stream))
