"""Errors whose text is for the user: what was found, where, and what to do about it."""


class LensrankError(Exception):
    """Something the user can mend; scripts print its text without a traceback and exit with 1."""


class ConfigError(LensrankError):
    """The configuration is wrong; the text lists every fault that was found."""


class TruthError(LensrankError):
    """A truth table cannot be used."""


class ArchiveError(LensrankError):
    """An archive is damaged, or one of its members may not be read."""


class DataError(LensrankError):
    """A data set holds nothing that can be used."""


class ShardError(LensrankError):
    """A shard or a score file is missing rows, damaged, or not the one that was asked for."""


class TrainingError(LensrankError):
    """A network cannot be trained on this machine or on these data."""


class ModelError(LensrankError):
    """A network cannot be built for these images, or a trained model cannot be loaded."""
