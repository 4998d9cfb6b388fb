"""What every script shares."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
from lensrank.cli import set_up_tensorflow
set_up_tensorflow()
from tensorflow.python.util import _pywrap_util_port
print(_pywrap_util_port.IsMklEnabled())
"""


@pytest.mark.parametrize(("chosen", "used"), [(None, "True"), ("0", "False")])
def test_onednn_is_used_on_every_processor_unless_the_user_says_no(chosen, used):
    name = "TF_ENABLE_ONEDNN_OPTS"
    environment = {key: value for key, value in os.environ.items() if key != name}
    environment |= {} if chosen is None else {name: chosen}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.strip() == used
