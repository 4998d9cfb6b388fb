"""Link the profiles into the user's Snakemake configuration."""

import argparse
from pathlib import Path

import platformdirs

from lensrank.cli import run
from lensrank.profiles import link_profiles


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("profiles", type=Path, help="folder with a folder per profile")
    arguments = parser.parse_args()
    # Where Snakemake itself looks a profile's name up.
    target = Path(platformdirs.user_config_dir("snakemake", "snakemake"))
    for link in link_profiles(arguments.profiles.resolve(), target):
        print(f"{link} -> {link.resolve()}")


if __name__ == "__main__":
    run(main)
