"""HDF5 re-packs of the challenge go through the same index, checks and shards as FITS files."""

import json
from pathlib import Path

import h5py
import numpy as np
import pytest
from surveys import SMALL, Survey

from lensrank.errors import DataError
from lensrank.flags import Flag, Reason

BANDS = ("SDSS_R", "SDSS_I")


def noise(n: int, bands: int = 1) -> np.ndarray:
    return np.random.default_rng(n).normal(0, 1e-12, (n, *SMALL.shape, bands)).astype(np.float32)


def repack(tmp_path: Path, bands: tuple[str, ...] = ("EUC_VIS",), **datasets: object) -> Survey:
    path = tmp_path / "train1.h5"
    with h5py.File(path, "w") as file:
        for name, values in datasets.items():
            file[name] = values
    return Survey(path, tmp_path / "out", bands=bands)


@pytest.mark.parametrize(
    "shape", [(10, 5, 4), (10, 5, 4, 1), (10, 20), (200,), (10, 1, 5, 4)], ids=lambda shape: "x".join(map(str, shape))
)
def test_data_of_any_shape_that_is_a_row_of_images(tmp_path: Path, shape: tuple[int, ...]) -> None:
    pixels = noise(10)
    made = repack(tmp_path, data=pixels.reshape(shape), is_lens=np.arange(10) % 2).index().ingest()
    assert made.ids() == {
        "shard-0000": ["0", "1", "2", "3"],
        "shard-0001": ["4", "5", "6", "7"],
        "shard-0002": ["8", "9"],
    }
    found = np.concatenate([made.shard(name)[1] for name in made.ids()])
    assert found.tobytes() == pixels.tobytes()
    table, _ = made.shard()
    assert list(table.flags) == [Flag.NO_POSITION] * 4
    assert np.isnan(table.ra).all()
    assert json.loads((made.output / "index/truth.json").read_text())["path"] == str(made.images)
    truth = made.match(made.images)
    assert (truth["matched"], truth["lens_fraction"]) == (10, 0.5)


@pytest.mark.parametrize("name", ["id", "ID"])
@pytest.mark.parametrize("ids", [np.array([7, 5, 6]), [b"7", b"5", b"6"], ["7", "5", "6"]], ids=["int", "bytes", "str"])
def test_ids(tmp_path: Path, name: str, ids: object) -> None:
    pixels = noise(3)
    made = repack(tmp_path, data=pixels, is_lens=[1, 0, 0], **{name: ids}).index().ingest()
    assert made.ids() == {"shard-0000": ["5", "6", "7"]}
    assert made.shard()[1].tobytes() == pixels[[1, 2, 0]].tobytes()
    assert made.match(made.images)["matched"] == 3


def test_rows_that_are_added_touch_no_other_shard(tmp_path: Path) -> None:
    pixels = noise(10)
    made = repack(tmp_path, data=pixels[:8]).index()
    before = made.digests()
    made.images.unlink()
    repack(tmp_path, data=pixels)
    after = made.index().digests()
    assert {name: after[name] for name in before} == before
    assert list(after) == ["shard-0000", "shard-0001", "shard-0002"]


def test_bands(tmp_path: Path) -> None:
    pixels = noise(3, 2)
    made = repack(tmp_path, BANDS, data=pixels).index().ingest()
    assert made.shard()[1].tobytes() == pixels.tobytes()
    assert json.loads((made.output / "index/truth.json").read_text()) == {"path": None}


def test_pixels_are_judged_as_those_of_fits_files_are(tmp_path: Path) -> None:
    pixels = noise(7).astype(float)
    pixels[1, 2, 2], pixels[2], pixels[3], pixels[4, 0, 0], pixels[5, 0, 0] = np.nan, np.nan, 0, 1e31, 100
    made = repack(tmp_path, data=pixels).index().ingest()
    assert {id: Flag(flag) & ~Flag.NO_POSITION for id, flag in made.flags().items()} == {
        "0": 0,
        "1": Flag.BAD_PIXELS,
        "3": Flag.CONSTANT,
        "5": Flag.MASKED,
        "6": 0,
    }
    assert [tuple(reject[:3]) for reject in made.shard_rejects()] == [
        ("train1.h5[2]", "2", Reason.ALL_NAN),
        ("train1.h5[4]", "4", Reason.HUGE),
    ]


def test_an_image_with_a_bad_band_is_named_once(tmp_path: Path) -> None:
    pixels = noise(3, 2)
    pixels[1, ..., 1] = np.nan
    made = repack(tmp_path, BANDS, data=pixels).index().ingest()
    assert [tuple(reject[:3]) for reject in made.rejects()] == [("train1.h5[1]", "1", Reason.ALL_NAN)]


def test_the_same_id_twice(tmp_path: Path) -> None:
    pixels = noise(5)
    pixels[1] = pixels[0]
    made = repack(tmp_path, data=pixels, id=[1, 1, 2, 2, 3]).index().ingest()
    assert {id: flag & Flag.DUPLICATE for id, flag in made.flags().items()} == {"1": Flag.DUPLICATE, "3": 0}
    assert {tuple(reject[:3]) for reject in made.rejects()} == {
        ("train1.h5[2]", "2", Reason.DUPLICATE),
        ("train1.h5[3]", "2", Reason.DUPLICATE),
    }


def test_an_id_that_no_catalogue_can_hold(tmp_path: Path) -> None:
    made = repack(tmp_path, data=noise(3), id=["a", "", "line\nbreak"]).index().ingest()
    assert list(made.flags()) == ["a"]
    assert [reject.reason for reject in made.rejects()] == [Reason.NAME, Reason.NAME]


@pytest.mark.parametrize(
    ("datasets", "words"),
    [
        ({"images": noise(3)}, "`data`"),
        ({"data": np.zeros((3, 6, 4))}, r"\(3, 6, 4\) is no row of images of \(5, 4, 1\)"),
        ({"data": np.zeros((5, 4, 3))}, "is no row of images"),
        ({"data": noise(3), "id": [1, 2]}, "2 IDs in `id` for 3 images"),
    ],
)
def test_what_is_no_repack(tmp_path: Path, datasets: dict[str, object], words: str) -> None:
    with pytest.raises(DataError, match=words):
        repack(tmp_path, **datasets).index()


def test_what_is_no_hdf5(tmp_path: Path) -> None:
    path = tmp_path / "images.hdf5"
    path.write_bytes(b"<html>")
    with pytest.raises(DataError, match="not an HDF5 file"):
        Survey(path, tmp_path / "out").index()
