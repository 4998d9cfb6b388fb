"""Which images are found, which shard each lies in and keeps, and what a human is told."""

import gzip
import json
import os
import shutil
from pathlib import Path

import pytest
from surveys import Survey, raw_rows, small_image, tar_bytes, write_files, write_tar

from lensrank.config.settings import Dataset
from lensrank.errors import ArchiveError, ConfigError, DataError, TruthError
from lensrank.fingerprint import fingerprint
from lensrank.flags import Flag, Reason
from lensrank.rejects import merge_rejects
from lensrank.truthfile import find_truth

SDSS = ("SDSS_R", "SDSS_I")


def vis(*numbers: int, folder: str = "Public/Band1") -> dict[str, bytes]:
    return {f"{folder}/imageEUC_VIS-{number}.fits": small_image(number) for number in numbers}


def survey(tmp_path: Path, files: dict[str, bytes], **settings: object) -> Survey:
    return Survey(write_files(tmp_path / "images", files), tmp_path / "out", **settings)


def archived(tmp_path: Path, files: dict[str, bytes], **settings: object) -> Survey:
    return Survey(write_tar(tmp_path / "images.tar", files), tmp_path / "out", **settings)


EITHER = pytest.mark.parametrize("make", [survey, archived])


@EITHER
def test_images_of_any_depth_are_found_in_the_order_of_their_ids(tmp_path: Path, make) -> None:
    files = vis(9, folder="Data_EuclidBig.0/Public/Band1") | vis(10, folder=".") | vis(100, 2, folder="a/b/c/d/e/f/g")
    made = make(tmp_path, files, shard_size=3).index()
    assert {id for ids in made.ids().values() for id in ids} == {"2", "9", "10", "100"}
    assert list(made.ids()) == ["shard-0000", "shard-0001"]
    assert [len(ids) for ids in made.ids().values()] == [3, 1]
    if make is survey:
        assert made.ids() == {"shard-0000": ["2", "9", "10"], "shard-0001": ["100"]}


@EITHER
def test_private_twins_are_never_data(tmp_path: Path, make) -> None:
    private = {name.replace("Public", "Private"): small_image(-1 % 99) for name in vis(1, 2)}
    private |= {"Private/Band1/NoLensImage/imageEUC_VIS-3.fits": b"x", "._imageEUC_VIS-4.fits": b"x", "notes.txt": b"x"}
    made = make(tmp_path, {**vis(1, 2), **private, "0/Private/classifications.csv": b"x"}).index()
    assert [file.path for rows in made.listed().values() for row in rows for file in row.files] == list(vis(1, 2))
    assert made.index_rejects() == []
    summary = json.loads((made.output / "index" / "summary.json").read_text())
    assert summary["passed_over"] == {"Private": 4, "AppleDouble (._*)": 1, ".txt": 1}
    assert summary["truth_among_images"] is None


@EITHER
def test_files_that_make_no_image_are_named(tmp_path: Path, make) -> None:
    files = {
        "Band1/imageSDSS_R-1.fits": b"r1",
        "Band2/imageSDSS_I-1.fits": b"i1",
        "Band1/imageSDSS_R-2.fits": b"r2",
        "Band3/imageSDSS_G-2.fits": b"g2",
        "Band3/imageSDSS_G-1.fits": b"g1",
        "Band3/imageSDSS_G-3.fits": b"g3",
        "Band1/imageSDSS_R-4.fits": b"once",
        "x/imageSDSS_R-4.FITS": b"more",
        "Band2/imageSDSS_I-4.fits": b"i4",
        "preview.fits": b"p",
        "imageSDSS_R-.fits.gz": b"p",
    }
    made = make(tmp_path, files, bands=SDSS).index()
    (row,) = made.listed()["shard-0000"]
    assert (row.id, row.flags, row.others) == ("1", 0, ("Band3/imageSDSS_G-1.fits",))
    assert [file.path for file in row.files] == ["Band1/imageSDSS_R-1.fits", "Band2/imageSDSS_I-1.fits"]
    rejects = {reject.file: (reject.id, reject.reason) for reject in made.index_rejects()}
    assert rejects == {
        "Band1/imageSDSS_R-2.fits": ("2", Reason.MISSING_BAND),
        "Band3/imageSDSS_G-2.fits": ("2", Reason.MISSING_BAND),
        "Band3/imageSDSS_G-3.fits": ("3", Reason.NAME),
        "Band1/imageSDSS_R-4.fits": ("4", Reason.DUPLICATE),
        "x/imageSDSS_R-4.FITS": ("4", Reason.DUPLICATE),
        "Band2/imageSDSS_I-4.fits": ("4", Reason.MISSING_BAND),
        "preview.fits": ("", Reason.NAME),
        "imageSDSS_R-.fits.gz": ("", Reason.NAME),
    }
    details = {reject.file: reject.detail for reject in made.index_rejects()}
    assert "band SDSS_I is missing" in details["Band1/imageSDSS_R-2.fits"]
    assert "x/imageSDSS_R-4.FITS" in details["Band1/imageSDSS_R-4.fits"]
    summary = json.loads((made.output / "index" / "summary.json").read_text())
    assert summary["files_of_other_bands"] == 1


@EITHER
def test_equal_copies_are_one_image(tmp_path: Path, make) -> None:
    files = {"a/imageEUC_VIS-1.fits": b"same", "b/imageEUC_VIS-1.fits": b"same", "c/imageEUC_VIS-1.fits": b"same"}
    made = make(tmp_path, files).index()
    (row,) = made.listed()["shard-0000"]
    assert row.flags == Flag.DUPLICATE
    assert row.files[0].path == "a/imageEUC_VIS-1.fits"
    assert row.others == ("b/imageEUC_VIS-1.fits", "c/imageEUC_VIS-1.fits")
    assert made.index_rejects() == []


def test_an_image_keeps_its_shard(tmp_path: Path) -> None:
    made = survey(tmp_path, vis(*range(10, 20))).index()
    first = made.digests()
    assert made.ids()["shard-0000"] == ["10", "11", "12", "13"]
    assert [len(ids) for ids in made.ids().values()] == [4, 4, 2]

    write_files(made.images, vis(1, 2, 3, 4, 5))
    made.index()
    assert made.ids()["shard-0003"] == ["1", "2", "3", "4"]
    assert made.ids()["shard-0004"] == ["5"]
    assert {name: made.digests()[name] for name in first} == first

    (made.images / "Public/Band1/imageEUC_VIS-12.fits").unlink()
    changed = made.images / "Public/Band1/imageEUC_VIS-15.fits"
    changed.write_bytes(small_image(99))
    os.utime(changed, ns=(1, 1))
    before = made.digests()
    made.index()
    assert made.ids()["shard-0000"] == ["10", "11", "13"]
    assert {name for name, digest in made.digests().items() if digest != before[name]} == {"shard-0000", "shard-0001"}

    for number in (18, 19):
        (made.images / f"Public/Band1/imageEUC_VIS-{number}.fits").unlink()
    write_files(made.images, vis(12, 30))
    made.index()
    assert list(made.ids()) == ["shard-0000", "shard-0001", "shard-0003", "shard-0004", "shard-0005"]
    assert made.ids()["shard-0000"] == ["10", "11", "12", "13"]
    assert made.ids()["shard-0005"] == ["30"]
    assert not (made.lists / "shard-0002.digest").exists()


def test_the_same_images_give_the_same_digests_wherever_they_lie(tmp_path: Path) -> None:
    made = survey(tmp_path, vis(*range(9))).index()
    moved = shutil.copytree(made.images, tmp_path / "elsewhere")
    assert Survey(moved, tmp_path / "out2").index().digests() == made.digests()


@pytest.mark.parametrize("damage", ["", "id,shard\n1,2\n", "id,shard_of_4\n1,two\n", "id,shard_of_4\n1\n"])
def test_a_lost_assignment_costs_time_only(tmp_path: Path, damage: str) -> None:
    made = survey(tmp_path, vis(*range(9))).index()
    before = made.ids()
    (made.memory / "assignment.csv").write_text(damage)
    assert made.index().ids() == before


def test_another_shard_size_assigns_anew(tmp_path: Path) -> None:
    made = survey(tmp_path, vis(*range(9))).index()
    made.shard_size = 5
    assert [len(ids) for ids in made.index().ids().values()] == [5, 4]


def test_an_archive_keeps_shards_and_digests_when_it_is_made_anew(tmp_path: Path) -> None:
    made = archived(tmp_path, vis(*range(10, 20))).index()
    before = made.digests()
    write_tar(made.images, {**vis(1, 2), **dict(reversed(vis(*range(10, 20)).items()))})
    made.index()
    assert {name: made.digests()[name] for name in before} == before
    assert made.ids()["shard-0003"] == ["1", "2"]


def test_inner_archives_and_the_truth_inside(tmp_path: Path) -> None:
    truth = b'"ID","is_lens"\n1,1\n2,0\n3,1\n7,0\n'
    files = {
        "Data.0.tar.gz": gzip.compress(tar_bytes(vis(1, 2))),
        "Data.1.tar": tar_bytes(vis(3, 4) | {"deep/classifications.csv": b"another"}),
        "classifications.csv": truth,
    }
    images = tmp_path / "SpaceBasedTraining.tar.gz"
    images.write_bytes(gzip.compress(tar_bytes(files)))
    made = Survey(images, tmp_path / "out").index()
    assert made.ids() == {"shard-0000": ["1", "2", "3", "4"]}
    (row, *_) = made.listed()["shard-0000"]
    assert row.files[0].path == "Data.0.tar.gz!Public/Band1/imageEUC_VIS-1.fits"
    found = Path(json.loads((made.output / "index" / "truth.json").read_text())["path"])
    assert found == made.output / "index" / "truth" / "classifications.csv"
    assert found.read_bytes() == truth
    labels = made.match(found)
    assert (labels["labels"], labels["matched"]) == (4, 3)
    assert labels["lens_fraction"] == pytest.approx(2 / 3)
    assert labels["labels_without_image"] == {"number": 1, "examples": ["7"]}
    assert labels["images_without_label"] == {"number": 1, "examples": ["4"]}


def test_a_damaged_archive_leaves_nothing_that_looks_whole(tmp_path: Path) -> None:
    made = archived(tmp_path, vis(*range(9)))
    made.images.write_bytes(made.images.read_bytes()[:-30000])
    with pytest.raises(ArchiveError, match="imageEUC_VIS-"):
        made.index()
    assert not (made.output / "index").exists()


def test_the_summary_tells_a_human_what_was_found(tmp_path: Path) -> None:
    truth = b"# made by hand\nID,no_source\n1,1\n2,0\n3,0\n9,1\n"
    extra = {"euclidB_image_catalog.csv": truth, "more.tar.gz": b"x", "README": b"x", "odd.fits": b"x"}
    made = survey(tmp_path, vis(1, 2, folder="A") | vis(3, 4, folder="B") | extra, shard_size=3).index()
    text = (made.output / "index" / "summary.txt").read_text()
    made.match(made.images / "euclidB_image_catalog.csv")
    text += (made.output / "truth.txt").read_text()
    for words in (
        "4 images in 2 shards of at most 3",
        "2 files of EUC_VIS in A/",
        "2 files of EUC_VIS in B/",
        "1 no suffix",
        "more.tar.gz",
        "let `images` name it",
        "Rejected files: 1 (1 name)",
        "euclidB_image_catalog.csv",
        "images with a label: 3, 66.67% of them lenses",
        "images without a label: 1 (4)",
        "labels without an image: 1 (9)",
    ):
        assert words in text


def test_truth_is_no_part_of_the_lists(tmp_path: Path) -> None:
    made = survey(tmp_path, vis(1, 2)).index()
    before = made.digests()
    write_files(made.images, {"classifications.csv": b"ID,is_lens\n1,1\n2,0\n"})
    assert made.index().digests() == before


def test_several_truth_tables_need_a_word(tmp_path: Path) -> None:
    truth = b"ID,is_lens\n1,1\n2,0\n"
    made = survey(tmp_path, vis(1, 2) | {"a/classifications.csv": truth, "b/classifications.csv": truth})
    with pytest.raises(TruthError, match=r"a/classifications.csv, b/classifications.csv.*datasets.survey.truth"):
        made.index()
    write_files(made.images, {"classifications.csv": truth})
    made.index()
    assert json.loads((made.output / "index/truth.json").read_text())["path"] == str(
        made.images / "classifications.csv"
    )
    made.truth = None
    made.index()
    assert json.loads((made.output / "index/truth.json").read_text()) == {"path": None}


def test_the_truth_is_the_one_that_is_named_or_was_found(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("ID,is_lens\n1,1\n")
    assert find_truth("train", Dataset(truth="auto"), Path("found.csv")) == "found.csv"
    assert find_truth("train", Dataset(truth=None), Path("found.csv")) is None
    assert find_truth("train", Dataset(truth=path), Path("found.csv")) == str(path)
    with pytest.raises(TruthError, match=r"datasets.train.truth: nowhere.csv: no such file"):
        find_truth("train", Dataset(truth="nowhere.csv"), None)


def test_a_lost_memory_keeps_images_in_the_shards_that_were_made(tmp_path: Path) -> None:
    made = survey(tmp_path, vis(*range(10, 20)) | {"Public/Band1/imageEUC_VIS-13.fits": b"no image"}).index().ingest()
    write_files(made.images, vis(1, 2))
    before = made.index().ingest().ids()
    assert before["shard-0003"] == ["1", "2"]
    shutil.rmtree(made.memory)
    shards = made.output / "shards"
    shutil.copy(shards / "shard-0003.h5", shards / "shard-0003 (copy).h5")
    assert made.index().ids() == before
    (made.memory / "assignment.csv").write_text('id,shard_of_4\n"1' + 200_000 * "x")
    assert made.index().ids() == before
    shutil.rmtree(made.memory)
    (shards / "shard-0001.rejects.csv").write_text("damaged")
    ids = made.index().ids()
    assert {name: ids[name] for name in ("shard-0000", "shard-0002", "shard-0003")} == {
        name: before[name] for name in ("shard-0000", "shard-0002", "shard-0003")
    }
    assert sorted(id for one in ids.values() for id in one) == sorted(id for one in before.values() for id in one)
    shutil.rmtree(made.memory)
    made.shard_size = 3
    assert [len(ids) for ids in made.index().ids().values()] == [3, 3, 3, 3]


@EITHER
def test_no_image_at_all_is_an_error_that_says_what_there_was(tmp_path: Path, make) -> None:
    with pytest.raises(DataError, match=r"(?s)pattern image.*other-1.fits.*1 files passed over as .png"):
        make(tmp_path, {"other-1.fits": b"x", "a.png": b"x", "Private/b.fits": b"x"}).index()


def test_a_folder_of_archives_says_how_to_read_one(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"images.tgz: to read one, let `images` name it"):
        survey(tmp_path, {"images.tgz": b"x"}).index()


def test_what_images_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "images.zip").write_bytes(b"PK")
    for name, words in (("nowhere", "no such file or folder"), ("images.zip", "Unpack this file")):
        with pytest.raises(ConfigError, match=words):
            Survey(tmp_path / name, tmp_path / "out").index()
        with pytest.raises(ConfigError, match=words):
            fingerprint(tmp_path / name, Dataset())


def test_links_are_followed_and_loops_are_not(tmp_path: Path) -> None:
    elsewhere = write_files(tmp_path / "elsewhere", vis(1, 2))
    made = survey(tmp_path, vis(3, folder="."))
    (made.images / "linked").symlink_to(elsewhere)
    (made.images / "imageEUC_VIS-4.fits").symlink_to(elsewhere / "Public/Band1/imageEUC_VIS-1.fits")
    (made.images / "loop").symlink_to(made.images)
    (made.images / "imageEUC_VIS-5.fits").symlink_to(tmp_path / "nowhere")
    os.mkfifo(made.images / "imageEUC_VIS-6.fits")
    made.index()
    assert made.ids() == {"shard-0000": ["1", "2", "3", "4"]}
    assert [(reject.file, reject.id, reject.reason) for reject in made.index_rejects()] == [
        ("imageEUC_VIS-5.fits", "5", Reason.UNREADABLE),
        ("imageEUC_VIS-6.fits", "6", Reason.UNREADABLE),
    ]


def test_an_unreadable_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = survey(tmp_path, vis(1) | vis(2, folder="closed") | {"Private/x.fits": b"x"})
    real = os.scandir

    def scandir(path: Path):
        if path.name in ("closed", "Private"):
            raise PermissionError(13, "Permission denied")
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    made.index()
    assert [(reject.file, reject.reason) for reject in made.index_rejects()] == [("closed/", Reason.UNREADABLE)]


def test_names_that_are_no_text_survive(tmp_path: Path) -> None:
    made = survey(tmp_path, vis(1))
    names = [b"broken \xff.fits", b'comma, "quote"\nline.fits', b"imageEUC_VIS-\xfe.fits"]
    for name in names:
        (Path(os.fsdecode(os.fsencode(made.images) + b"/" + name))).write_bytes(b"x")
    odd = Path(os.fsdecode(os.fsencode(made.images) + b"/\xfd"))
    write_files(odd, {"imageEUC_VIS-7.fits": small_image(7)})
    made.index()
    rejects = made.index_rejects()
    assert {os.fsencode(reject.file) for reject in rejects} == set(names)
    assert [row.files[0].path for row in made.listed()["shard-0000"]][1] == "\udcfd/imageEUC_VIS-7.fits"
    merge_rejects(made.output / "rejects.csv", [made.output / "index" / "rejects.csv"] * 2)
    assert [row[0] for row in raw_rows(made.output / "rejects.csv")[1:]] == [reject.file for reject in rejects] * 2


def test_the_fingerprint_follows_the_data_and_nothing_else(tmp_path: Path) -> None:
    images = write_files(tmp_path / "images", vis(1, 2) | {"classifications.csv": b"ID,is_lens\n1,1\n"})
    dataset = Dataset(images=images)
    first = fingerprint(images, dataset)
    write_files(images, {"notes.txt": b"x", "Private/imageEUC_VIS-1.fits": b"x", "classifications.csv": b"changed"})
    assert fingerprint(images, dataset) == first
    path = images / "Public/Band1/imageEUC_VIS-1.fits"
    status = path.stat()
    os.utime(path, ns=(0, status.st_mtime_ns + 1))
    second = fingerprint(images, dataset)
    write_files(images, vis(3))
    third = fingerprint(images, dataset)
    write_files(images, {"a_image_catalog.csv": b"x"})
    assert len({first, second, third, fingerprint(images, dataset)}) == 4


def test_the_fingerprint_of_an_archive_is_its_size_and_time(tmp_path: Path) -> None:
    path = write_tar(tmp_path / "images.tar", vis(1))
    first = fingerprint(path, Dataset())
    os.utime(path, ns=(1, 1))
    assert fingerprint(path, Dataset()) != first


def test_a_pattern_with_folders(tmp_path: Path) -> None:
    files = {f"{id}/{band}.fits": b"x" for id in ("J0001+01", "J0002-02") for band in SDSS}
    made = survey(tmp_path, {f"cutouts/{name}": data for name, data in files.items()}, bands=SDSS)
    made.pattern = "{id}/{band}.fits"
    assert made.index().ids() == {"shard-0000": ["J0001+01", "J0002-02"]}
    assert made.index_rejects() == []


def test_many_folders_are_summed_up(tmp_path: Path) -> None:
    files = {f"{of}/{id}/EUC_VIS.fits": b"x" for id in range(100) for of in ("A", "B")}
    made = survey(tmp_path, {name: data for name, data in files.items() if name.startswith("A")})
    made.pattern = "{id}/{band}.fits"
    made.index()
    summary = json.loads((made.output / "index" / "summary.json").read_text())
    assert summary["folders"] == [{"folder": "A/", "band": "EUC_VIS", "files": 100}]
