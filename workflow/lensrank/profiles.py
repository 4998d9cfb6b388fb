"""Linking the profiles into the user's Snakemake configuration, so that `snakemake --profile slurm` finds them."""

from pathlib import Path

from lensrank.errors import ConfigError


def link_profiles(profiles: Path, target: Path) -> list[Path]:
    """Link each profile into a folder, or none of them.

    Args:
        profiles: folder with a folder per profile.
        target: the user's Snakemake configuration; made if it is not there.

    Returns:
        The links, those that were there before included.

    Raises:
        ConfigError: something else already has a profile's name there. It is left alone.
    """
    links = {target / path.parent.name: path.parent.resolve() for path in sorted(profiles.glob("*/config.yaml"))}
    taken = [link for link, profile in links.items() if _exists(link) and link.resolve() != profile]
    if taken:
        raise ConfigError(
            f"{', '.join(map(str, taken))}: there already, and no link to {profiles}. Nothing was changed. Rename "
            f"it, or name the profile by its path: snakemake --profile {profiles / taken[0].name} ..."
        )
    target.mkdir(parents=True, exist_ok=True)
    for link, profile in links.items():
        if not _exists(link):
            link.symlink_to(profile, target_is_directory=True)
    return list(links)


def _exists(path: Path) -> bool:
    """Whether anything has this name, a link that leads nowhere included."""
    return path.is_symlink() or path.exists()
