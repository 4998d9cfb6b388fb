"""Start a run again whose Snakemake was killed: takes the arguments that snakemake was given, and gives them to it.

Jobs that the killed Snakemake left on SLURM or on this host are ended first, and its lock is removed. What they had not
finished is done again; a training goes on from its last epoch.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from lensrank import restart
from lensrank.cli import run


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, usage="restart.py ...", allow_abbrev=False)
    parser.add_argument("-d", "--directory", type=Path, default=Path(), help="working directory, as for snakemake")
    parser.add_argument("-n", "--dry-run", "--dryrun", action="store_true", help="not here: give it to snakemake")
    args = parser.parse_known_args()[0]
    if args.dry_run:
        parser.error("a dry run needs no restart: give -n to snakemake itself")
    snakemake = [sys.executable, "-m", "snakemake"]
    restart.check_dead(args.directory)
    # Before anything is cancelled: it fails where the arguments or the configuration are wrong.
    unlocked = subprocess.run([*snakemake, "--unlock", *sys.argv[1:]], check=False)
    if unlocked.returncode != 0:
        sys.exit(unlocked.returncode)
    restart.clear(args.directory)
    # In place of this process, so that a signal reaches Snakemake alone.
    os.execv(sys.executable, [*snakemake, "--rerun-incomplete", *sys.argv[1:]])


if __name__ == "__main__":
    run(main)
