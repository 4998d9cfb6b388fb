"""Workflows in folders of their own."""

import pytest
from workflows import Workflow


@pytest.fixture(scope="module")
def make_workflow(tmp_path_factory):
    def make(name, **config):
        return Workflow(tmp_path_factory.mktemp(name), {"run": name, **config})

    return make
