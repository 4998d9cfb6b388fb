"""Files that appear whole or not at all, whoever is killed and whoever else writes them."""

import errno

import pytest

from lensrank import cache
from lensrank.errors import Refused, Superseded, refusal
from lensrank.files import check_writable, file_digest, replacing, write_text


def killed(path):
    """Leave what a process leaves that is killed while it writes; gives its name."""
    writing = replacing(path)
    temporary = writing.__enter__()
    temporary.write_text("half")
    name = temporary.rename(temporary.with_name(f"{temporary.name}.kept"))
    writing.gen.close()
    return name.rename(temporary)


def test_what_a_killed_process_left_goes_when_the_file_is_written_again(tmp_path):
    left = [killed(tmp_path / name) for name in ("shard.h5", "shard.0.h5", "shard.csv", "shard")]
    assert sorted(tmp_path.iterdir()) == sorted(left)
    write_text(tmp_path / "shard.h5", "whole")
    assert sorted(tmp_path.iterdir()) == sorted([*left[1:], tmp_path / "shard.h5"])


def test_a_folder_that_a_killed_process_left_goes_as_well(tmp_path):
    with replacing(tmp_path / "survey") as temporary:
        (temporary / "images").mkdir(parents=True)
        other = temporary.with_name(".survey.01234567.tmp")
        (other / "images").mkdir(parents=True)
    with pytest.raises(KeyError), replacing(tmp_path / "other"):
        raise KeyError
    assert sorted(path.name for path in tmp_path.iterdir()) == [".survey.01234567.tmp", "survey"]
    with pytest.raises(KeyError), replacing(tmp_path / "survey"):
        raise KeyError
    assert [path.name for path in tmp_path.iterdir()] == ["survey"]


def test_of_two_that_write_a_file_the_one_that_began_last_has_it(tmp_path):
    path = tmp_path / "score.h5"

    def write_while_another_does():
        with replacing(path) as older:
            older.write_text("older")
            write_text(path, "newer")

    with pytest.raises(Superseded, match=r"score\.h5: another process began to write it"):
        write_while_another_does()
    assert path.read_text() == "newer"
    assert list(tmp_path.iterdir()) == [path]


def test_two_jobs_that_keep_the_same_column_do_not_mind_each_other(tmp_path, monkeypatch):
    def another_stores_it_meanwhile(key, content):
        monkeypatch.undo()
        cache.store(tmp_path, key, content)
        return digest(key, content)

    digest = cache._digest
    monkeypatch.setattr(cache, "_digest", another_stores_it_meanwhile)
    cache.store(tmp_path, "key", b"column")
    assert cache.fetch(tmp_path, "key") == b"column"
    assert [path.name for path in (tmp_path / "ke").iterdir()] == ["key"]


def test_what_the_system_refuses_is_told_by_number_or_by_its_words():
    assert refusal(OSError(errno.ENOSPC, "No space left on device")) == errno.ENOSPC
    assert refusal(OSError("write failed (errno = 28, error message = 'No space left on device')")) == errno.ENOSPC
    assert refusal(RuntimeError("Can't decrement id ref count (… 'Read-only file system' …)")) == errno.EROFS
    assert refusal(OSError(errno.ENOENT, "No such file")) is None
    assert refusal(ValueError("3")) is None


def test_a_refusal_names_the_file_and_leaves_errors_about_others_as_they_are(tmp_path):
    with (
        pytest.raises(Refused, match=r"shard\.h5: No space left on device\. Make room"),
        replacing(tmp_path / "shard.h5"),
    ):
        raise OSError(errno.ENOSPC, "No space left on device")
    with pytest.raises(PermissionError, match="image"), replacing(tmp_path / "shard.h5"):
        raise PermissionError(errno.EACCES, "Permission denied", "/survey/image.fits")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_to_be_made_can_be_written_where_the_way_to_it_can(tmp_path):
    check_writable(tmp_path / "results" / "run")
    assert list(tmp_path.iterdir()) == []


def test_a_digest_is_what_b3sum_prints(tmp_path):
    """The first and the last of the test vectors by BLAKE3's authors."""
    (tmp_path / "empty").write_bytes(b"")
    assert file_digest(tmp_path / "empty") == "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262"
    data = bytes(number % 251 for number in range(102400))
    (tmp_path / "vector").write_bytes(data)
    assert file_digest(tmp_path / "vector") == "bc3e3d41a1146b069abffad3c0d44860cf664390afce4d9661f7902e7943e085"
