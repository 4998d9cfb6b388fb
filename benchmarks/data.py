"""What is measured on: simulated cutouts repeated with other pixels, archives and shards of them, trained networks.

Shards of repeated images would be found in the cache of scores, which goes by pixels. So each image is multiplied by a
factor of its own within 5 % of 1, and the work is that of new images.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lensrank.config.settings import Cutout, Model
from lensrank.models.recipes import recipe
from lensrank.shards import CHUNK_IMAGES, ShardWriter

PROJECT = Path(__file__).resolve().parents[1]
BAND = "EUC_VIS"
CUTOUT = Cutout()
SHAPE = (*CUTOUT.shape, 1)
HEADER_BYTES = 2880
PIXELS = CUTOUT.shape[0] * CUTOUT.shape[1]
NETWORKS = ("efficientnetb0", "lastro")


@dataclass(frozen=True)
class Data:
    """Where the benchmark's data lie, and how they are made when they are first asked for.

    Attributes:
        scratch: folder.
        base: different images to start from.
        given: folder of trained networks, `<network>.keras`; None: those of `training.py`.
    """

    scratch: Path
    base: int
    given: Path | None = None

    def simulated(self) -> list[Path]:
        """The images that all others are made of."""
        folder = self.scratch / f"simulated-{self.base}"
        if not folder.exists():
            settings = json.dumps({"n": self.base, "seed": 1})
            command = [sys.executable, PROJECT / "scripts/simulate.py", "--settings", settings, "--bands", BAND]
            subprocess.run([*map(str, command), "--processes", "2", "--output", str(folder)], check=True)
        return sorted(folder.rglob("*.fits"))

    def labels(self) -> np.ndarray:
        """(base,) 0 or 1, of `simulated`."""
        table = next((self.scratch / f"simulated-{self.base}").rglob("classifications.csv"))
        return np.loadtxt(table, delimiter=",", skiprows=1, usecols=1, dtype=float).astype(np.int8)

    def folder(self, n: int) -> Path:
        """A folder of n FITS files, 10,000 to a folder within it, all with different pixels."""
        folder = self.scratch / f"images-{n}"
        if not folder.exists():
            for number, content in enumerate(self._files(n)):
                path = folder.with_suffix(".part") / f"{number // 10000:03d}" / f"image{BAND}-{number}.fits"
                if number % 10000 == 0:
                    path.parent.mkdir(parents=True)
                path.write_bytes(content)
            folder.with_suffix(".part").rename(folder)
        return folder

    def archive(self, n: int) -> Path:
        """A `.tar.gz` of `folder`."""
        path = self.scratch / f"images-{n}.tar.gz"
        if not path.exists():
            subprocess.run(["tar", "czf", path, "-C", self.folder(n), "."], check=True)
        return path

    def shard(self, n: int) -> Path:
        """A shard of n images."""
        path = self.scratch / f"shards-{n}/shard-0000.h5"
        if not path.exists():
            with ShardWriter(path, (BAND,), CUTOUT.shape, "benchmark") as writer:
                for start, images in self._blocks(n):
                    ids = [str(start + row) for row in range(len(images))]
                    writer.append(images, ids, [0.0] * len(ids), [0.0] * len(ids), [0] * len(ids))
        return path

    def array(self, n: int) -> Path:
        """The images of `shard` as a `.npy` file, for programs that have no lensrank."""
        path = self.scratch / f"images-{n}.npy"
        if not path.exists():
            np.save(path, np.concatenate([images for _, images in self._blocks(n)]))
        return path

    def network(self, name: str) -> Path:
        """A trained network."""
        if self.given is not None:
            return self.given / f"{name}.keras"
        return self.scratch / f"models/{name}.keras"

    def training(self, name: str, n: int, **more: Any) -> dict[str, Any]:
        """Settings of the tasks that train."""
        return {
            "network": name,
            "images": str(self.array(n)),
            "labels": np.resize(self.labels(), n).tolist(),
            "model": Model.model_validate(recipe(name)).model_dump(mode="json"),
            "save": str(self.scratch / f"models/{name}.keras"),
            **more,
        }

    def _blocks(self, n: int) -> Iterator[tuple[int, np.ndarray]]:
        pixels = self._pixels()
        for start in range(0, n, CHUNK_IMAGES):
            rows = range(start, min(n, start + CHUNK_IMAGES))
            yield start, np.stack([pixels[row % self.base] * _factor(row) for row in rows]).reshape(-1, *SHAPE)

    def _pixels(self) -> np.ndarray:
        path = self.scratch / f"simulated-{self.base}.npy"
        if not path.exists():
            files = self.simulated()
            np.save(path, np.stack([_plane(file.read_bytes()) for file in files]).astype(np.float32))
        return np.load(path, mmap_mode="r")

    def _files(self, n: int) -> Iterator[bytes]:
        contents = [path.read_bytes() for path in self.simulated()]
        for number in range(n):
            content = contents[number % self.base]
            plane = (_plane(content) * _factor(number)).astype(">f4")
            yield content[:HEADER_BYTES] + plane.tobytes() + content[HEADER_BYTES + plane.nbytes :]


def _plane(content: bytes) -> np.ndarray:
    return np.frombuffer(content, ">f4", PIXELS, HEADER_BYTES)


def _factor(number: int) -> np.float32:
    """Near 1, and another for each of 10 million numbers, as far as float32 can tell them apart."""
    return np.float32(0.95 + 0.1 * ((number * 7919 + 1) % 10_000_019) / 10_000_019)
