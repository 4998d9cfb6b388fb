"""What runs leave, compared: what is in a result, times aside, and what should not be there."""

import io
import json
import os
import re
import zipfile
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

TEMPORARY = re.compile(r"\..*\.[0-9a-f]{8}\.tmp(\..*)?")
TIMES = {"wall_seconds", "epochs_seconds", "peak_memory_bytes", "seconds", "images_per_second"}
"""What two runs that do the same may differ in."""
DATED = {"model", "model_digest"}
"""Digests of a model's file, which holds the time when it was saved."""


def temporaries(folder):
    """Files and folders below a folder that have a temporary name."""
    found = []
    for place, folders, files in os.walk(folder):
        found += [Path(place) / name for name in (*folders, *files) if TEMPORARY.fullmatch(name)]
    return found


def names(results):
    """Names of all files of a run; those that name a process or a time without them."""
    every = (str(path.relative_to(results)) for path in results.rglob("*") if path.is_file())
    plain = (re.sub(r"events\.out\.tfevents\..*", "events", name) for name in every)
    return {re.sub(r"^cache/scores/../[0-9a-f]{64}$", "cache/scores/entry", name) for name in plain}


def content(path, dated=True):
    """What is in a result, without times.

    Args:
        path: the file.
        dated: whether digests of model files are compared: those of one file are equal, those of two trainings not.
    """
    if path.is_dir():
        files = (file for file in path.rglob("*") if file.is_file() and file.name != ".snakemake_timestamp")
        return {str(file.relative_to(path)): file.read_bytes() for file in files}
    if path.suffix == ".h5":
        return _hdf5(path, TIMES if dated else TIMES | DATED)
    if path.suffix == ".keras":
        with zipfile.ZipFile(path) as file:
            # Keras numbers objects by their addresses.
            config = re.sub(rb'"shared_object_id": \d+', b"", file.read("config.json"))
            return {"config": config, **_hdf5(io.BytesIO(file.read("model.weights.h5")), TIMES)}
    if path.name == "provenance.json":
        return {name: value for name, value in json.loads(path.read_text()).items() if name not in TIMES | DATED}
    if path.name == "history.csv":
        return pd.read_csv(path, dtype=str).drop(columns=list(TIMES), errors="ignore").to_csv()
    return path.read_bytes()


def _hdf5(path, without):
    found = {}

    def look(name, item):
        found.update({f"{name}@{key}": np.asarray(value).tolist() for key, value in item.attrs.items()})
        if isinstance(item, h5py.Dataset):
            values = item[()]
            found[name] = values.tolist() if values.dtype == object else values.tobytes()

    with h5py.File(path) as file:
        file.visititems(look)
        # A score file's digest covers the seconds that each column took.
        own = {key: np.asarray(value).tolist() for key, value in file.attrs.items()}
        if "shard_digest" in own:
            del own["digest"]
    every = own | found
    return {key: value for key, value in every.items() if key.rpartition("@")[2] not in without}


def differing(folder, run, outputs):
    """Outputs that are not those of the undisturbed run."""
    return [output for output in outputs if content(folder / output) != content(run.folder / output)]
