"""A large simulated survey is made by jobs side by side, and is the one that a single job makes."""

import json
import shutil

import pytest
from workflows import copy_project

SURVEY = {"n": 25, "layout": "challenge", "seed": 5, "pixel_scale": 0.5}
CONFIG = {"cutout": {"shape": [21, 21]}, "split": {"holdout": 5}, "models": {"tiny": {}}}
UNTIL = ("--cores", "2", "--until", "simulate")


def images(workflow):
    """Every file of the simulated data set but Snakemake's."""
    folder = workflow.results / "simulated"
    files = [path for path in folder.rglob("[!.]*") if path.is_file()]
    return {path.relative_to(folder): path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def whole(make_workflow):
    workflow = make_workflow("whole", simulate={"train": SURVEY}, **CONFIG)
    assert "simulate_part" not in workflow.run(*UNTIL)
    return workflow


@pytest.fixture
def parted(make_workflow, tmp_path):
    """A checkout in which a job makes ten images, not ten thousand."""
    workflow = make_workflow("parted", simulate={"train": SURVEY}, **CONFIG)
    workflow.project = copy_project(tmp_path / "project")
    module = workflow.project / "workflow/lensrank/simulate/parts.py"
    text = module.read_text()
    assert "PART = 10000" in text
    module.write_text(text.replace("PART = 10000", "PART = 10"))
    return workflow


def test_parts_make_the_same_survey_and_are_gone_when_it_is_indexed(whole, parted):
    assert parted.run(*UNTIL).count("rule simulate_part:") == 3
    assert len(images(whole)) == 26
    assert images(parted) == images(whole)
    folder = parted.results / "cache/simulated/train"
    (gone, *others) = sorted(folder.iterdir())
    assert len(others) == 2
    shutil.rmtree(gone)
    assert "rule simulate" not in parted.run(*UNTIL)
    before = images(parted)
    parted.config["simulate"] = {"train": SURVEY | {"seed": 6}}
    target = parted.results / "index/train/summary.txt"
    assert parted.run("--cores", "2", target.relative_to(parted.folder)).count("rule simulate_part:") == 3
    assert images(parted).keys() == before.keys()
    assert images(parted).items().isdisjoint(before.items())
    assert json.loads((target.with_suffix(".json")).read_text())["images"] == 25
    assert not list(folder.glob("*"))
