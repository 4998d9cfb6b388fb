"""Members of an archive that are put by: what cannot be written is told by its name."""

from pathlib import Path

import pytest

from lensrank.errors import Refused
from lensrank.staging import StageWriter

FULL = Path("/dev/full")
pytestmark = pytest.mark.skipif(not FULL.exists(), reason="a device that is always full is one of Linux")


@pytest.mark.parametrize("full", ["shard-0000", "shard-0001"])
def test_a_full_disk_is_told_with_the_file_that_lacks_its_bytes(full, tmp_path):
    # A few bytes reach the disk when the next shard is begun, or at the end: by then another file may be open.
    (tmp_path / "staged").mkdir()
    (tmp_path / f"staged/{full}.bytes").symlink_to(FULL)

    def put_two() -> None:
        with StageWriter(tmp_path) as stage:
            for shard in ("shard-0000", "shard-0001"):
                stage.put(shard, "digest", b"pixels")

    with pytest.raises(Refused, match=rf"{full}\.bytes"):
        put_two()


def test_a_full_disk_is_told_at_once_of_a_large_file(tmp_path):
    (tmp_path / "staged").mkdir()
    (tmp_path / "staged/shard-0001.bytes").symlink_to(FULL)
    with StageWriter(tmp_path) as stage:
        stage.put("shard-0000", "digest", bytes(1 << 20))
        with pytest.raises(Refused, match=r"shard-0001\.bytes"):
            stage.put("shard-0001", "digest", bytes(1 << 20))
