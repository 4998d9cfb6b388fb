"""A small survey and its undisturbed run; disks that are full or may not be written."""

import os
import subprocess
from contextlib import contextmanager
from pathlib import Path

import pytest
from smallsurvey import small_survey
from steps import find_steps


@pytest.fixture(scope="session")
def undisturbed(tmp_path_factory):
    """The survey after a run that nothing happened to."""
    survey = small_survey(tmp_path_factory.mktemp("undisturbed"))
    survey.run(*survey.arguments)
    return survey


@pytest.fixture(scope="session")
def steps(undisturbed):
    """Its jobs by rule."""
    return find_steps(undisturbed)


@contextmanager
def mounted(*command):
    """Mount something for a while; skips the test where that is not permitted."""
    done = subprocess.run(["mount", *map(str, command)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        # Not passed over where the table of all faults is asked for.
        give_up = pytest.fail if os.environ.get("LENSRANK_ALL_FAULTS") else pytest.skip
        give_up(f"needs a file system of its own, and mounting one is not permitted: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", command[-1]], check=True)


class Disk:
    """A small file system of its own in a folder, with what was in the folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def fill(self, leave: int) -> None:
        """Leave so many bytes free."""
        status = os.statvfs(self.folder)
        with (self.folder / "filler").open("wb") as stream:
            os.posix_fallocate(stream.fileno(), 0, status.f_bavail * status.f_frsize - leave)

    def make_room(self) -> None:
        """Remove what fills it."""
        (self.folder / "filler").unlink()


@pytest.fixture
def disk():
    """A function that puts a disk of 4 MB in the place of a folder."""

    @contextmanager
    def make(folder):
        folder.mkdir(parents=True, exist_ok=True)
        kept = folder.with_name(f"{folder.name}-kept")
        folder.rename(kept)
        folder.mkdir()
        with mounted("-t", "tmpfs", "-o", "size=4m", "tmpfs", folder):
            subprocess.run(["cp", "-a", f"{kept}/.", folder], check=True)
            yield Disk(folder)
            subprocess.run(["cp", "-a", f"{folder}/.", kept], check=True)
        folder.rmdir()
        kept.rename(folder)

    return make


@pytest.fixture
def read_only():
    """A function that makes a folder one that nobody may write to, root neither."""

    @contextmanager
    def make(folder):
        with mounted("--bind", folder, folder):
            subprocess.run(["mount", "-o", "remount,bind,ro", folder], check=True)
            yield

    return make
