"""Linking the profiles into the user's Snakemake configuration."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from lensrank.errors import ConfigError
from lensrank.profiles import link_profiles

PROJECT = Path(__file__).resolve().parents[2]


def test_snakemake_finds_the_linked_profile_by_its_name(tmp_path):
    environment = {name: value for name, value in os.environ.items() if name != "XDG_CONFIG_HOME"}
    environment["HOME"] = str(tmp_path)
    link = [sys.executable, "scripts/link_profiles.py", "profiles"]
    for _ in range(2):  # the second time finds its own links
        subprocess.run(link, cwd=PROJECT, env=environment, check=True, capture_output=True)
    for name in ("local", "slurm"):
        command = [sys.executable, "-m", "snakemake", "--profile", name, "--cores", "1", "--dry-run"]
        command += ["--configfile", PROJECT / "config/demo.yaml", "--snakefile", PROJECT / "Snakefile"]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"Using profile {name}" in done.stdout + done.stderr


def test_xdg_config_home_is_followed(tmp_path):
    environment = os.environ | {"XDG_CONFIG_HOME": str(tmp_path)}
    command = [sys.executable, PROJECT / "scripts/link_profiles.py", PROJECT / "profiles"]
    subprocess.run(command, env=environment, check=True, capture_output=True)
    assert (tmp_path / "snakemake/slurm/config.yaml").samefile(PROJECT / "profiles/slurm/config.yaml")


@pytest.mark.parametrize("own", ["folder", "link", "broken link"])
def test_a_profile_of_the_users_own_is_left_alone(tmp_path, own):
    profile = tmp_path / "slurm"
    if own == "folder":
        profile.mkdir()
        (profile / "config.yaml").write_text("jobs: 7\n")
    else:
        (tmp_path / "mine").mkdir()
        profile.symlink_to(tmp_path / ("mine" if own == "link" else "gone"))
    before = profile.readlink() if profile.is_symlink() else (profile / "config.yaml").read_text()
    with pytest.raises(ConfigError, match=r"slurm: there already.*Nothing was changed.*--profile"):
        link_profiles(PROJECT / "profiles", tmp_path)
    assert (profile.readlink() if profile.is_symlink() else (profile / "config.yaml").read_text()) == before
    assert not (tmp_path / "local").exists()
