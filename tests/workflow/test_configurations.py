"""The shipped configurations plan, and a wrong one stops before anything runs."""

from pathlib import Path

import pytest
import yaml

PROJECT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("name", ["report", "challenge"])
def test_a_shipped_configuration_plans_a_run(make_workflow, name):
    values = yaml.safe_load((PROJECT / f"config/{name}.yaml").read_text())
    workflow = make_workflow(name, **{key: value for key, value in values.items() if key != "run"})
    for dataset in values["datasets"].values():
        path = workflow.folder / dataset["images"]
        if path.suffixes:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        else:
            path.mkdir(parents=True)
    plan = workflow.run("--dry-run")
    for dataset in values["datasets"]:
        assert f"index/{dataset}/" in plan
    head = (PROJECT / f"config/{name}.yaml").read_text().splitlines()[:4]
    assert any("datasets.train.images" in line for line in head)


@pytest.mark.parametrize(("name", "compared"), [("demo", True), ("euclid_q1", False)])
def test_a_configuration_that_needs_no_data_plans_a_run(make_workflow, name, compared):
    values = yaml.safe_load((PROJECT / f"config/{name}.yaml").read_text())
    plan = make_workflow(name, **{key: value for key, value in values.items() if key != "run"}).run("--dry-run")
    assert "simulated/train" in plan
    # Only a set with the challenge's camera is compared with the challenge's images.
    assert ("fidelity/train.md" in plan) is compared
    assert "fidelity/challenge.md" not in plan


def test_all_faults_of_a_configuration_are_shown_before_anything_runs(make_workflow):
    workflow = make_workflow("faulty", models={"lastroo": {}}, simulate={"train": {"n": 3000, "sed": 1}}, seedz=[1])
    done = workflow.call()
    assert done.returncode != 0
    message = done.stdout + done.stderr
    assert "config.yaml: 3 to mend" in message
    assert "simulate.train.sed: unknown key; nearest: 'seed'" in message
    assert "seedz: unknown key; nearest: 'seeds'" in message
    assert "models.lastroo: 'lastroo' is not a registered network; nearest: 'lastro'" in message
    assert not workflow.results.exists()
