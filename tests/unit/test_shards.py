"""A shard gives back what was written, or says that it is damaged; a script then puts it aside."""

import logging
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from lensrank.cli import run
from lensrank.errors import DamagedFile, ShardError
from lensrank.shards import ShardWriter, iterate_images, read_table

IDS = [str(number) for number in range(70)]
PIXELS = np.random.default_rng(0).normal(0, 1e-12, (70, 3, 4, 1)).astype(np.float32)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    path = tmp_path / "shard-0000.h5"
    with ShardWriter(path, ["VIS"], (3, 4), "test") as writer:
        writer.append(PIXELS, IDS, [1.5] * 70, [-0.5] * 70, [4] * 70)
    return path


def content(path: Path) -> tuple[list[str], bytes, bytes]:
    table = read_table(path)
    pixels = np.concatenate([images for _, images in iterate_images(path, 1)])
    return list(table.id), table.ra.tobytes() + table.dec.tobytes() + table.flags.tobytes(), pixels.tobytes()


def test_a_flipped_byte_is_noticed_or_does_not_matter(shard: Path) -> None:
    whole, expected = shard.read_bytes(), content(shard)
    assert expected[2] == PIXELS.tobytes()
    noticed = 0
    for position in range(0, len(whole), 29):
        shard.write_bytes(whole[:position] + bytes([whole[position] ^ 0x10]) + whole[position + 1 :])
        try:
            found = content(shard)
        except ShardError:
            noticed += 1
            continue
        assert found == expected
    assert noticed > 100


def test_a_script_puts_a_damaged_file_aside_and_says_so(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    data = shard.read_bytes()
    position = data.find(PIXELS[40].tobytes())
    shard.write_bytes(data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :])
    with pytest.raises(SystemExit, match=r"shard-0000\.h5: damaged: .* as shard-0000\.h5\.damaged, .*Run again"):
        run(lambda: print(content(shard)))
    assert [path.name for path in shard.parent.iterdir()] == ["shard-0000.h5.damaged"]


def test_a_file_that_another_process_writes_to_is_not_damaged(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    hold = "import h5py, sys; file = h5py.File(sys.argv[1], 'r+'); print('open', flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", hold, str(shard)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "open\n"
        with pytest.raises(SystemExit, match="cannot be read"):
            run(lambda: print(read_table(shard)))
        holder.communicate()
    assert len(read_table(shard)) == 70


def test_what_is_not_damaged_stays_where_it_is(shard: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logging, "basicConfig", lambda **_: None)
    with h5py.File(shard, "a") as file:
        file.attrs["format_version"] = 99
    with pytest.raises(SystemExit, match="format version 99, expected 2"):
        run(lambda: print(content(shard)))
    assert shard.exists()
    with pytest.raises(SystemExit, match=r"gone\.h5: cannot be read: No such file"):
        run(lambda: print(read_table(shard.with_name("gone.h5"))))

    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(h5py, "File", refuse)
    with pytest.raises(ShardError, match="Permission denied") as caught:
        read_table(shard)
    assert not isinstance(caught.value, DamagedFile)
