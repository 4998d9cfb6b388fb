"""SLURM's own program of a name, for those of this folder that stand before it on the path."""

import os
import shutil
import sys
from pathlib import Path


def find(name):
    """Path of SLURM's own program."""
    here = Path(__file__).resolve().parent
    path = [folder for folder in os.environ["PATH"].split(os.pathsep) if folder and Path(folder).resolve() != here]
    program = shutil.which(name, path=os.pathsep.join(path))
    if program is None:
        sys.exit(f"{name}: SLURM's own is not on the path")
    return program
