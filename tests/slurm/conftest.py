"""A SLURM that is started for the tests, and runs of the workflow on it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from clusters import Cluster, Run
from workflows import PROJECT


@pytest.fixture(scope="session")
def cluster() -> Iterator[Cluster]:
    folder = Path(os.environ.get("LENSRANK_SLURM_DIR", "/var/lib/lensrank-slurm"))
    # As on a login node: outside of any job, with SLURM's commands and this Python's on the path.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("SLURM_", "SBATCH_"))}
    environment["PATH"] = f"{Path(sys.executable).parent}:{environment['PATH']}"
    environment["SLURM_CONF"] = str(folder / "etc/slurm.conf")
    cluster = Cluster(folder, environment)
    cluster.start()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def make_run(cluster, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    subprocess.run(
        [sys.executable, PROJECT / "scripts/link_profiles.py", PROJECT / "profiles"],
        env=cluster.environment | {"XDG_CONFIG_HOME": str(home)},
        check=True,
    )

    def make(name: str, **config: object) -> Run:
        folder = tmp_path_factory.mktemp(name)
        for part in ("Snakefile", "workflow"):
            (folder / part).symlink_to(PROJECT / part)
        return Run(folder, {"run": name, **config}, cluster, home)

    return make


@pytest.fixture(scope="session")
def survey(make_run):
    """A finished run of the whole chain: two trainings of a tiny network, one data set scored."""
    run = make_run(
        "survey",
        simulate={
            "train": {"n": 300, "seed": 1},
            "challenge": {"n": 100, "layout": "challenge", "lens_fraction": 0.4, "seed": 2, "first_id": 300000},
        },
        split={"method": "grouped", "holdout": 100, "validation": 40},
        shard_size=200,
        models={"tiny": {}},
        seeds=[0, 1],
        # The GPUs here are device files without hardware.
        training={"epochs": 2, "allow_cpu": True},
    )
    run.run()
    return run


@pytest.fixture(scope="session")
def training(survey, make_run):
    """The same survey, with its trainings still to be made, long ones."""

    def make(epochs: int, seeds: list[int]) -> Run:
        run = make_run("again")
        run.config = survey.config | {"training": {"epochs": epochs, "allow_cpu": True}, "seeds": seeds}
        for part in ("simulated", "index", "shards", "split.csv", "split.digest", "split.json", "cache/index"):
            source, target = survey.results / part, run.results / part
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copytree(source, target) if source.is_dir() else shutil.copy2(source, target)
        return run

    return make
