"""What is recorded about the machine and the software."""

import platform
import subprocess
import sys
from importlib import metadata

from lensrank import provenance


def test_versions_name_python_and_what_is_installed():
    versions = provenance.versions()
    assert versions["python"] == platform.python_version()
    assert versions["numpy"] == metadata.version("numpy")
    assert "lensrank" in versions


def test_peak_memory_grows_with_what_is_held():
    before = provenance.peak_memory()
    held = bytearray(before + 50_000_000)
    held[::1024] = b"x" * len(held[::1024])
    assert provenance.peak_memory() - before > 40_000_000


def test_asking_does_not_load_keras():
    code = "import sys, lensrank.provenance, lensrank.models.recipes; sys.exit('keras' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
