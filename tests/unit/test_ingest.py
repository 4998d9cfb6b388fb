"""From lists to shards: pixels as astropy reads them, every file in a shard or in the rejects as its row says."""

import gzip
import io
import json
import os
import subprocess
import sys
import tarfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path

import badinput
import numpy as np
import pytest
from astropy.io import fits
from surveys import SMALL, Survey, small_image, tar_bytes, write_files, write_tar

from lensrank.config.settings import Cutout
from lensrank.errors import ArchiveError, ShardError
from lensrank.flags import Flag, Reason
from lensrank.shards import read_table

SCRIPTS = Path(__file__).parents[2] / "scripts"
SDSS = ("SDSS_R", "SDSS_I")


def vis(*numbers: int) -> dict[str, bytes]:
    return {f"Public/Band1/imageEUC_VIS-{number}.fits": small_image(number) for number in numbers}


def folder(tmp_path: Path, files: dict[str, bytes], **settings: object) -> Survey:
    return Survey(write_files(tmp_path / "images", files), tmp_path / "out", **settings)


def archive(tmp_path: Path, files: dict[str, bytes], **settings: object) -> Survey:
    return Survey(write_tar(tmp_path / "images.tar", files), tmp_path / "out", **settings)


def nested(tmp_path: Path, files: dict[str, bytes], **settings: object) -> Survey:
    path = write_tar(tmp_path / "images.tar.gz", {"Data.0.tar.gz": gzip.compress(tar_bytes(files))}, "w:gz")
    return Survey(path, tmp_path / "out", **settings)


ANY = pytest.mark.parametrize("make", [folder, archive, nested])


def astropy_pixels(data: bytes) -> np.ndarray:
    with fits.open(io.BytesIO(data)) as hdus:
        return hdus[0].data.astype(np.float32)


@ANY
def test_pixels_are_bit_for_bit_those_that_astropy_reads(tmp_path: Path, make) -> None:
    files = vis(*range(70))
    made = make(tmp_path, files, shard_size=100).index().ingest()
    table, images = made.shard()
    assert list(table.id) == [str(number) for number in range(70)]
    expected = np.stack([astropy_pixels(data) for data in files.values()])[..., None]
    assert images.tobytes() == expected.tobytes()
    np.testing.assert_allclose(table.ra, np.degrees(1.0), rtol=1e-15)
    np.testing.assert_allclose(table.dec, np.degrees(0.5), rtol=1e-15)
    assert not table.flags.any()
    assert made.shard_digests() == {"shard-0000": table.digest}


@pytest.mark.parametrize("bands", [badinput.ONE_BAND, badinput.TWO_BANDS])
@pytest.mark.parametrize("source", ["folder", "archive", "nested"])
def test_every_file_of_the_bad_input_table_ends_as_its_row_says(
    tmp_path: Path, source: str, bands: Sequence[str]
) -> None:
    rows = [row for row in badinput.ROWS if row.bands == bands]
    if source != "folder":
        # An archive with a link is refused as a whole.
        rows = [row for row in rows if badinput.DANGLING not in row.files.values()]
    for row in rows:
        badinput.write(row, tmp_path / "images")
    images, prefix = tmp_path / "images", ""
    if source != "folder":
        images, prefix = tmp_path / "images.tar", "" if source == "archive" else "inner.tar!"
        with tarfile.open(images, "w") as tar:
            tar.add(tmp_path / "images", "")
        if source == "nested":
            images.write_bytes(tar_bytes({"inner.tar": images.read_bytes()}))
    made = Survey(images, tmp_path / "out", bands=tuple(bands), cutout=Cutout(), shard_size=16).index().ingest()

    rejects = defaultdict(list)
    for reject in made.rejects():
        rejects[reject.file].append(reject.reason)
        assert reject.detail
    flags = made.flags()
    for row in rows:
        if isinstance(row.code, Reason):
            assert {name: rejects.pop(prefix + name) for name in row.files} == {name: [row.code] for name in row.files}
            assert row.id not in flags
        else:
            assert flags.pop(row.id) == int(row.code or 0), row.name
    assert not rejects
    assert not flags


def bands_of(id: int, **changed: bytes) -> dict[str, bytes]:
    files = {"SDSS_R": small_image(id), "SDSS_I": small_image(1000 + id), "SDSS_G": small_image(2000 + id)} | changed
    return {f"{band}/image{band}-{id}.fits": data for band, data in files.items()}


def by_band(*images: dict[str, bytes]) -> dict[str, bytes]:
    """All of the first band before all of the second, as in the challenge's archives."""
    files = {name: data for image in images for name, data in image.items()}
    return dict(sorted(files.items(), key=lambda item: ("SDSS_R", "SDSS_I", "SDSS_G").index(item[0].split("/")[0])))


@ANY
def test_several_bands(tmp_path: Path, make) -> None:
    files = by_band(*(bands_of(id) for id in range(9)))
    made = make(tmp_path, files, bands=("SDSS_I", "SDSS_R")).index().ingest()
    for name, ids in {"shard-0000": range(4), "shard-0001": range(4, 8), "shard-0002": [8]}.items():
        table, images = made.shard(name)
        assert list(table.id) == [str(id) for id in ids]
        assert table.bands == ("SDSS_I", "SDSS_R")
        expected = [
            np.stack([astropy_pixels(files[f"{band}/image{band}-{id}.fits"]) for band in table.bands], axis=-1)
            for id in ids
        ]
        assert images.tobytes() == np.stack(expected).tobytes()
    assert made.rejects() == []


@ANY
def test_all_files_of_an_image_with_a_bad_band_are_named(tmp_path: Path, make) -> None:
    files = by_band(bands_of(1), bands_of(2, SDSS_I=b"<html>"), bands_of(3, SDSS_R=b"", SDSS_I=b""))
    files["copy/imageSDSS_R-2.fits"] = files["SDSS_R/imageSDSS_R-2.fits"]
    made = make(tmp_path, files, bands=SDSS).index().ingest()
    prefix = "Data.0.tar.gz!" if make is nested else ""
    assert {(reject.file.removeprefix(prefix), reject.id, reject.reason) for reject in made.shard_rejects()} == {
        ("SDSS_I/imageSDSS_I-2.fits", "2", Reason.NOT_FITS),
        ("SDSS_R/imageSDSS_R-2.fits", "2", Reason.MISSING_BAND),
        ("copy/imageSDSS_R-2.fits", "2", Reason.MISSING_BAND),
        ("SDSS_G/imageSDSS_G-2.fits", "2", Reason.MISSING_BAND),
        ("SDSS_R/imageSDSS_R-3.fits", "3", Reason.EMPTY),
        ("SDSS_I/imageSDSS_I-3.fits", "3", Reason.EMPTY),
        ("SDSS_G/imageSDSS_G-3.fits", "3", Reason.MISSING_BAND),
    }
    assert made.index_rejects() == []
    details = {reject.file.removeprefix(prefix): reject.detail for reject in made.shard_rejects()}
    assert "band SDSS_I was rejected (not-fits" in details["SDSS_R/imageSDSS_R-2.fits"]
    assert made.flags() == {"1": 0}


def test_the_position_is_that_of_the_first_band_that_has_one(tmp_path: Path) -> None:
    values = np.random.default_rng(0).normal(0, 1e-12, SMALL.shape).astype(np.float32)
    nowhere = badinput.image_bytes(values, RA=None, DEC=None)
    there = badinput.image_bytes(values, RA=0.25, DEC=-0.5)
    files = by_band(bands_of(1, SDSS_R=nowhere, SDSS_I=there), bands_of(2, SDSS_R=nowhere, SDSS_I=nowhere))
    table, _ = folder(tmp_path, files, bands=SDSS).index().ingest().shard()
    np.testing.assert_allclose(table.ra, [np.degrees(0.25), np.nan])
    np.testing.assert_allclose(table.dec, [np.degrees(-0.5), np.nan])
    assert list(table.flags) == [0, Flag.NO_POSITION]


def test_flags_of_all_bands_and_of_the_index_are_kept(tmp_path: Path) -> None:
    values = np.full(SMALL.shape, 1e-12, np.float32)
    masked = np.random.default_rng(0).normal(0, 1e-12, SMALL.shape).astype(np.float32)
    masked[0, 0] = 100
    files = bands_of(1, SDSS_R=badinput.image_bytes(values), SDSS_I=badinput.image_bytes(masked))
    files["copy/imageSDSS_I-1.fits"] = files["SDSS_I/imageSDSS_I-1.fits"]
    assert folder(tmp_path, files, bands=SDSS).index().ingest().flags() == {
        "1": Flag.CONSTANT | Flag.MASKED | Flag.DUPLICATE
    }


@ANY
def test_copies_in_archives_and_folders(tmp_path: Path, make) -> None:
    files = vis(1, 2, 3, 4, 5)
    files |= {"copy/imageEUC_VIS-2.fits": small_image(2), "copy/imageEUC_VIS-3.fits": small_image(33)}
    made = make(tmp_path, files).index().ingest()
    assert made.flags() == {"1": 0, "2": Flag.DUPLICATE, "4": 0, "5": 0}
    assert [reject.reason for reject in made.rejects()] == [Reason.DUPLICATE] * 2


@ANY
def test_a_shard_of_which_all_is_rejected_is_empty(tmp_path: Path, make) -> None:
    made = make(tmp_path, dict.fromkeys(vis(1, 2), b"junk")).index().ingest()
    table, images = made.shard()
    assert len(table) == 0
    assert images.shape == (0, 5, 4, 1)
    assert len(made.shard_rejects()) == 2


def test_folder_and_archive_give_the_same_shards(tmp_path: Path) -> None:
    files = vis(*range(9))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    digests = [
        make(tmp_path / at, files).index().ingest().shard_digests() for make, at in ((folder, "a"), (archive, "b"))
    ]
    assert digests[0] == digests[1]
    assert len(digests[0]) == 3


def test_a_file_that_vanished_is_rejected(tmp_path: Path) -> None:
    made = folder(tmp_path, vis(1, 2)).index()
    (made.images / "Public/Band1/imageEUC_VIS-1.fits").unlink()
    assert [(reject.id, reject.reason) for reject in made.ingest().shard_rejects()] == [("1", Reason.UNREADABLE)]


def test_a_file_that_changed_is_named_in_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    made = folder(tmp_path, vis(1, 2)).index()
    path = made.images / "Public/Band1/imageEUC_VIS-1.fits"
    path.write_bytes(path.read_bytes() + bytes(2880))
    made.ingest()
    assert "imageEUC_VIS-1.fits: has 8,640 bytes, and had 5,760 when it was indexed" in caplog.text


def staged(made: Survey) -> set[str]:
    return {path.name for path in (made.memory / "staged").iterdir()}


@pytest.mark.parametrize("make", [archive, nested])
def test_what_is_staged_goes_when_it_was_taken_and_comes_back_from_the_archive(tmp_path: Path, make) -> None:
    files = vis(*range(9))
    made = make(tmp_path, files).index()
    assert len(staged(made)) == 6
    made.ingest("shard-0001")
    assert len(staged(made)) == 4
    before = made.shard_digests()
    (made.output / "shards" / "shard-0001.h5").unlink()
    made.ingest("shard-0001")
    assert made.shard_digests() == before
    # The index knows which shards nobody will ask for again.
    made.index()
    assert staged(made) == {"shard-0000.bytes", "shard-0000.csv", "shard-0002.bytes", "shard-0002.csv"}
    made.cutout = SMALL.model_copy(update={"masked": 7.0})
    made.index()
    assert len(staged(made)) == 6


@pytest.mark.parametrize("damage", ["flipped", "cut", "table"])
def test_damage_to_what_is_staged_is_noticed(tmp_path: Path, damage: str) -> None:
    made = archive(tmp_path, vis(*range(4))).index().ingest()
    before = made.shard_digests()
    made.cutout = SMALL.model_copy(update={"masked": 7.0})
    made.index()
    blob, table = made.memory / "staged/shard-0000.bytes", made.memory / "staged/shard-0000.csv"
    data = blob.read_bytes()
    if damage == "flipped":
        blob.write_bytes(badinput.flipped(data, len(data) // 2))
    elif damage == "cut":
        blob.write_bytes(data[:-1000])
    else:
        table.write_bytes(table.read_bytes()[:-10])
    assert made.ingest().shard_digests() == before


def test_an_archive_that_changed_since_the_index_is_an_error(tmp_path: Path) -> None:
    made = archive(tmp_path, vis(*range(4))).index().ingest()
    write_tar(made.images, vis(0, 1, 2))
    with pytest.raises(ArchiveError, match="changed since it was indexed"):
        made.ingest()


def test_a_list_for_other_bands_is_an_error(tmp_path: Path) -> None:
    made = folder(tmp_path, bands_of(1), bands=SDSS).index()
    made.bands = ("SDSS_R",)
    with pytest.raises(ShardError, match=r"shard-0000.csv.*Run the index again"):
        made.ingest("shard-0000")


@pytest.mark.parametrize("source", ["folder", "archive"])
def test_the_programs_memory_does_not_grow_with_the_images(tmp_path: Path, source: str) -> None:
    """1,000 images are 46 MB of files and 41 MB of pixels."""
    peaks = {n: peak_of_programs(tmp_path / str(n), source, n) for n in (10, 1000)}
    assert max(peaks[1000]) - max(peaks[10]) < 20_000


def peak_of_programs(folder: Path, source: str, n: int) -> list[int]:
    """Run the programs over n images; gives the most memory that each took, in kB."""
    noise = np.random.default_rng(0).normal(0, 1e-12, (101, 101)).astype(np.float32)
    for id in range(n):
        write_files(folder / "images", {f"imageEUC_VIS-{id}.fits": badinput.image_bytes(np.roll(noise, id))})
    images = folder / "images"
    if source == "archive":
        images = folder / "images.tar"
        with tarfile.open(images, "w") as tar:
            tar.add(folder / "images", "")
    common = {"bands": ["EUC_VIS"], "cutout": {}}
    settings = json.dumps(common | {"name": "survey", "dataset": {}, "shard_size": 10000})
    out, memory = folder / "index", folder / "memory"
    shard, digest, rejects = folder / "s.h5", folder / "s.digest", folder / "s.csv"
    peaks = [
        run_script("index", "--images", images, "--settings", settings, "--output", out, "--memory", memory),
        run_script(
            *("ingest", "--index", out, "--name", "shard-0000", "--settings", json.dumps(common)),
            *("--memory", memory, "--shard", shard, "--digest", digest, "--rejects", rejects),
        ),
        run_script("rejects", "--output", folder / "rejects.csv", out / "rejects.csv", rejects),
    ]
    assert len(read_table(shard)) == n
    assert (folder / "rejects.csv").read_text() == "file,id,reason,detail\n"
    return peaks


def run_script(name: str, *arguments: object) -> int:
    """Run a program of `scripts/`; gives the most memory it took, in kB."""
    process = subprocess.Popen([sys.executable, str(SCRIPTS / f"{name}.py"), *map(str, arguments)])
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0
    return usage.ru_maxrss
