"""A step's version and its code: whoever changes the one is asked about the other."""

import json

import pytest
import stepsources

from lensrank.steps import STEP_VERSIONS

NOW = stepsources.current()
MODULE = '''"""What it is."""

LIMIT = 3
"""What it is for."""


def area(side: float) -> float:
    """Square."""
    # A square has four equal sides.
    return side**2 if side < LIMIT else f"{side!r:>{LIMIT}} is too long"
'''


def test_comments_docstrings_and_layout_are_no_code() -> None:
    edited = MODULE.replace("Square.", "Area of a square.").replace("    # A square has four equal sides.\n", "")
    edited = edited.replace('"""What it is for."""\n', "").replace("LIMIT = 3", "LIMIT   =   (3)")
    assert edited != MODULE
    assert stepsources.digest(edited) == stepsources.digest(MODULE)
    # The same on every Python: worked out on 3.11, 3.12 and 3.13.
    assert stepsources.digest(MODULE) == "452e35b7c841201e"


@pytest.mark.parametrize(("old", "new"), [("**2", "**3"), ("<", "<="), ("LIMIT = 3", "LIMIT = 4"), ("too", "very")])
def test_code_is(old: str, new: str) -> None:
    assert stepsources.digest(MODULE.replace(old, new)) != stepsources.digest(MODULE)


def test_a_steps_modules_are_those_that_its_script_uses() -> None:
    assert {"lensrank.ingest", "lensrank.fits", "lensrank.shards"} <= stepsources.step_modules("ingest")
    assert "lensrank.models.lastro" in stepsources.step_modules("train")
    assert "lensrank.engines.openvino_convert" in stepsources.step_modules("score")
    assert not {"lensrank.train", "lensrank.rank"} & stepsources.step_modules("ingest")


@pytest.mark.parametrize("step", STEP_VERSIONS)
def test_a_step_whose_code_changed_has_another_version(step: str) -> None:
    recorded, now = json.loads(stepsources.RECORD.read_text()), NOW
    changed = [
        module
        for module in sorted(stepsources.step_modules(step))
        if now["modules"][module] != recorded["modules"].get(module)
    ]
    assert not changed, (
        f"step {step}: {', '.join(changed)} changed since version {recorded['versions'].get(step)} was recorded. If "
        f"the step can give other results for the same input, raise its version in lensrank.steps (now "
        f"{STEP_VERSIONS[step]}): only then will users' results be made again. In either case run `make steps`."
    )
    assert recorded["versions"].get(step) == STEP_VERSIONS[step], "run `make steps` to record the new version"
