"""Versions of the steps whose results are costly; a rule carries its step's version in `params`.

Raise a version when the step gives other results for the same input. That, and nothing else about the code, makes
Snakemake run the step again: touching, moving or commenting a file does not.
"""

STEP_VERSIONS = {
    "simulate": 4,
    "fidelity": 2,
    "index": 1,
    "truth": 1,
    "ingest": 4,
    "split": 1,
    "train": 3,
    "evaluate": 3,
    "score": 2,
    "rank": 1,
    "figures": 4,
    "summary": 2,
}
