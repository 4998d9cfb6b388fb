"""Archives are read to their last byte, or refused with the name of the member where they go wrong."""

import gzip
import io
import random
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lensrank.archives import MAX_DEPTH, members
from lensrank.errors import ArchiveError

NAMES = [f"Public/Band1/imageEUC_VIS-{number}.fits" for number in range(1, 6)]


def content(name: str) -> bytes:
    """Bytes that no compression makes small, as noise is."""
    return random.Random(name).randbytes(3000)


def tar_bytes(
    files: dict[str, bytes], *others: tarfile.TarInfo, format: int = tarfile.PAX_FORMAT, prefix: str = ""
) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=format) as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(prefix + name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info in others:
            tar.addfile(info)
    return stream.getvalue()


def plain() -> bytes:
    return tar_bytes({name: content(name) for name in NAMES})


def read(path: Path) -> dict[str, bytes]:
    return {member.path: member.read() for member in members(path)}


def write(folder: Path, data: bytes, name: str = "images.tar") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT, tarfile.USTAR_FORMAT])
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("prefix", ["", "./"])
def test_members_of_every_kind_of_tar(
    tmp_path: Path, format: int, compress: Callable[[bytes], bytes], prefix: str
) -> None:
    files = {name: content(name) for name in [*NAMES, "classifications.csv"]}
    path = write(tmp_path, compress(tar_bytes(files, format=format, prefix=prefix)), "images.tar.gz")
    assert read(path) == files


@pytest.mark.parametrize("format", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_and_odd_names(tmp_path: Path, format: int) -> None:
    files = {f"{'deep/' * 60}é-{'x' * 120}.fits": b"1", "line\nbreak.fits": b"2", "not utf-8 \udcff.fits": b"3"}
    assert read(write(tmp_path, tar_bytes(files, format=format))) == files


def test_inner_archives_are_followed_and_members_know_both_paths(tmp_path: Path) -> None:
    inner = gzip.compress(tar_bytes({NAMES[0]: b"one"}))
    files = {"README": b"read me", "Data.0.tar.gz": inner, "more/Data.1.tar": tar_bytes({"x.fits": b"two"})}
    found = [(member.path, member.inside, member.read()) for member in members(write(tmp_path, tar_bytes(files)))]
    assert found == [
        ("README", "README", b"read me"),
        (f"Data.0.tar.gz!{NAMES[0]}", f"Data.0.tar.gz/{NAMES[0]}", b"one"),
        ("more/Data.1.tar!x.fits", "more/Data.1.tar/x.fits", b"two"),
    ]


def test_archives_that_are_never_data_are_not_followed(tmp_path: Path) -> None:
    files = {"Private/Data.tar": b"anything", "._Data.0.tar.gz": b"of macOS"}
    assert read(write(tmp_path, tar_bytes(files))) == files


def test_members_may_be_left_unread(tmp_path: Path) -> None:
    assert [member.path for member in members(write(tmp_path, plain()))] == NAMES


def test_sparse_members_are_read_whole(tmp_path: Path) -> None:
    path = tmp_path / "images.tar"
    hole, data = 1 << 16, b"x" * 512
    info = tarfile.TarInfo("sparse.fits")
    info.size = len(data)
    info.pax_headers = {
        "GNU.sparse.major": "0",
        "GNU.sparse.minor": "1",
        "GNU.sparse.name": "sparse.fits",
        "GNU.sparse.size": str(hole + len(data)),
        "GNU.sparse.map": f"{hole},{len(data)}",
    }
    with tarfile.open(path, "w") as tar:
        tar.addfile(info, io.BytesIO(data))
    assert read(path) == {"sparse.fits": bytes(hole) + data}


def test_an_archive_without_members_is_whole(tmp_path: Path) -> None:
    assert read(write(tmp_path, tar_bytes({}))) == {}


def special(name: str, type: bytes, target: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = type, target
    return info


@pytest.mark.parametrize(
    "member",
    [
        special("/etc/passwd.fits", tarfile.REGTYPE),
        special("../outside.fits", tarfile.REGTYPE),
        special("Public/../../outside.fits", tarfile.REGTYPE),
        special("Public/..", tarfile.DIRTYPE),
        special("link.fits", tarfile.SYMTYPE, "/etc/passwd"),
        special("hard.fits", tarfile.LNKTYPE, NAMES[0]),
        special("pipe.fits", tarfile.FIFOTYPE),
        special("disk.fits", tarfile.BLKTYPE),
        special("terminal.fits", tarfile.CHRTYPE),
        special("unknown.fits", b"Z"),
    ],
    ids=lambda member: member.name,
)
@pytest.mark.parametrize("nested", [False, True])
def test_hostile_members_are_refused_by_name(tmp_path: Path, member: tarfile.TarInfo, nested: bool) -> None:
    data = tar_bytes({NAMES[0]: b"one"}, member)
    if nested:
        data = tar_bytes({"Data.0.tar": data})
    path = write(tmp_path, data)
    with pytest.raises(ArchiveError) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert member.name in str(caught.value)
    assert ("Data.0.tar" in str(caught.value)) == nested
    assert [found.name for found in tmp_path.iterdir()] == ["images.tar"]


def test_nesting_is_bounded(tmp_path: Path) -> None:
    data = tar_bytes({"x.fits": b"1"})
    for _ in range(MAX_DEPTH):
        data = tar_bytes({"inner.tar": data})
    assert len(read(write(tmp_path, data))) == 1
    with pytest.raises(ArchiveError, match="more than 4 archives"):
        read(write(tmp_path, tar_bytes({"inner.tar": data})))


# Each member takes 512 bytes of header and 3,072 of data: 5 of them end at 17,920, and two blocks of zeros follow.
SIZE = 3584
END = 5 * SIZE


@pytest.mark.parametrize(
    ("length", "last"),
    [
        (0, None),
        (100, None),
        (511, None),
        (512, NAMES[0]),
        (512 + 1000, NAMES[0]),
        (SIZE, NAMES[0]),
        (SIZE + 200, NAMES[0]),
        (SIZE + 512, NAMES[1]),
        (3 * SIZE - 100, NAMES[2]),
        (END, NAMES[4]),
        (END + 100, NAMES[4]),
        (END + 512, NAMES[4]),
        (END + 1023, NAMES[4]),
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize("reads", [False, True])
def test_a_tar_that_is_cut_anywhere_is_refused(
    tmp_path: Path, length: int, last: str | None, compress: Callable[[bytes], bytes], nested: bool, reads: bool
) -> None:
    data = compress(plain()[:length])
    path = write(tmp_path, tar_bytes({"Data.0.tar": data}) if nested else data)
    with pytest.raises(ArchiveError) as caught:
        _ = [member.read() if reads else None for member in members(path)]
    assert str(path) in str(caught.value)
    assert (last or "before its first member") in str(caught.value)
    assert ("Data.0.tar" in str(caught.value)) == nested


@pytest.mark.parametrize("missing", [1, 4, 8, 9, 100, 5000, 10000])
@pytest.mark.parametrize("nested", [False, True])
def test_a_gzip_that_is_cut_is_refused(tmp_path: Path, missing: int, nested: bool) -> None:
    data = gzip.compress(plain())[:-missing]
    path = write(tmp_path, tar_bytes({"Data.0.tar.gz": data}) if nested else data, "images.tar.gz")
    with pytest.raises(ArchiveError, match="cut short"):
        read(path)


@pytest.mark.parametrize("at", [3000, 9000, -3, -7])
def test_a_gzip_with_a_flipped_bit_is_refused(tmp_path: Path, at: int) -> None:
    data = bytearray(gzip.compress(plain()))
    data[at] ^= 4
    with pytest.raises(ArchiveError, match="damaged"):
        read(write(tmp_path, bytes(data), "images.tar.gz"))


def test_a_damaged_header_in_the_middle_is_refused(tmp_path: Path) -> None:
    """`tarfile` takes it for the end of the archive."""
    data = bytearray(plain())
    data[2 * SIZE] ^= 1
    path = write(tmp_path, bytes(data))
    with tarfile.open(path) as tar:
        assert len(tar.getmembers()) == 2
    with pytest.raises(ArchiveError, match=NAMES[1]):
        read(path)


@pytest.mark.parametrize("behind", [plain(), b"x", bytes(600) + b"x"])
def test_data_behind_the_end_are_refused(tmp_path: Path, behind: bytes) -> None:
    """As in `cat a.tar b.tar`, whose second half would be lost."""
    with pytest.raises(ArchiveError, match="more data"):
        read(write(tmp_path, plain() + behind))


@pytest.mark.parametrize(
    "data", [b"<!DOCTYPE html>" * 100, b"\x1f\x8b", b"\x1f\x8bnot gzip" * 100, gzip.compress(b"", mtime=0)]
)
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    with pytest.raises(ArchiveError, match="before its first member"):
        read(write(tmp_path, data, "images.tar.gz"))


def test_a_header_that_points_back_or_is_huge_is_refused(tmp_path: Path) -> None:
    info = tarfile.TarInfo("x.fits")
    info.size = -1024
    with pytest.raises(ArchiveError):
        read(write(tmp_path, info.tobuf(format=tarfile.GNU_FORMAT) + bytes(1024)))
    long_name = tarfile.TarInfo("././@LongLink")
    long_name.type, long_name.size = tarfile.GNUTYPE_LONGNAME, 1 << 40
    with pytest.raises(ArchiveError, match="a header of"):
        read(write(tmp_path, long_name.tobuf(format=tarfile.GNU_FORMAT) + bytes(10240)))
