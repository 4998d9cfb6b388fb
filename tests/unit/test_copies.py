"""Files of a folder that were copied anew are told from files that changed."""

import os
from pathlib import Path

from surveys import Survey, small_image, write_files


def made(tmp_path: Path, *numbers: int) -> Survey:
    files = {f"Public/Band1/imageEUC_VIS-{number}.fits": small_image(number) for number in numbers}
    return Survey(write_files(tmp_path / "images", files), tmp_path / "out").index().ingest()


def copy_anew(path: Path) -> None:
    """Write a file's bytes again, with another time."""
    data = path.read_bytes()
    path.unlink()
    path.write_bytes(data)
    os.utime(path, ns=(1, 1))


def test_files_that_were_copied_anew_change_no_list(tmp_path: Path) -> None:
    survey = made(tmp_path, *range(9))
    before = survey.digests()
    for path in survey.images.rglob("*.fits"):
        copy_anew(path)
    assert survey.index().digests() == before
    changed = survey.images / "Public/Band1/imageEUC_VIS-5.fits"
    changed.write_bytes(small_image(99))
    after = survey.index().digests()
    assert {name for name in before if after[name] != before[name]} == {"shard-0001"}
    # A shard that is read again notes its files anew.
    survey.ingest("shard-0001")
    for path in survey.images.rglob("*.fits"):
        copy_anew(path)
        os.utime(path, ns=(2, 2))
    assert survey.index().digests() == after


def test_a_copy_that_cannot_be_read_is_listed_as_changed(tmp_path: Path) -> None:
    survey = made(tmp_path, 1, 2)
    before = survey.digests()
    (survey.memory / "read/shard-0000.csv").write_text("damaged")
    for path in survey.images.rglob("*.fits"):
        copy_anew(path)
    assert survey.index().digests() != before


def test_an_older_file_that_comes_back_with_its_time_is_read_again(tmp_path: Path) -> None:
    survey = made(tmp_path, 1, 2)
    path = survey.images / "Public/Band1/imageEUC_VIS-1.fits"
    old, time = path.read_bytes(), path.stat().st_mtime_ns
    # The file changes after it was listed and before it is read.
    path.write_bytes(small_image(99))
    survey.ingest()
    listed = survey.digests()
    path.write_bytes(old)
    os.utime(path, ns=(time, time))
    assert survey.index().digests() != listed
    survey.ingest()
    assert survey.index().digests() == survey.index().digests()
    assert survey.shard()[1][0].tobytes() == made(tmp_path / "again", 1, 2).shard()[1][0].tobytes()
