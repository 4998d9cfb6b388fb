# What each kind of job needs of its machine, in the form in which Snakemake asks: cores, memory, time.
from types import SimpleNamespace

from lensrank import resources


def needs(need):
    """Functions for `threads`, `mem_mb` and `runtime` of a rule from one that gives the need of its job."""
    return SimpleNamespace(
        threads=lambda wildcards, input: need(wildcards, input).cores(),
        memory=lambda wildcards, input, threads, attempt: need(wildcards, input).mem_mb(threads, attempt),
        time=lambda wildcards, input, threads, attempt: need(wildcards, input).runtime(threads, attempt),
    )


def several(files):
    """Snakemake gives a list of one file as that file."""
    return [files] if isinstance(files, str) else files


PART = needs(lambda wildcards, input: resources.simulate(CONFIG, len(range(*part_images(wildcards)))))
SIMULATE = needs(lambda wildcards, input: resources.simulated(CONFIG, wildcards.dataset))
FIDELITY = needs(lambda wildcards, input: resources.simulate(CONFIG, CONFIG.simulate[wildcards.dataset].n))
INDEX = needs(lambda wildcards, input: resources.index())
INGEST = needs(lambda wildcards, input: resources.ingest(CONFIG))
TRAIN = needs(lambda wildcards, input: resources.train(CONFIG, wildcards.model, several(input.shards)))
CONVERT = needs(lambda wildcards, input: resources.convert(CONFIG))
SCORE = needs(lambda wildcards, input: resources.score(CONFIG))
# Tables with a row for each image of the training set, of one data set, or of all that are scored.
SPLIT = needs(lambda wildcards, input: resources.tables(CONFIG, resources.images_in(CONFIG, several(input.shards))))
RANK = needs(lambda wildcards, input: resources.tables(CONFIG, len(several(input.scores)) * CONFIG.shard_size))
TABLES = needs(lambda wildcards, input: resources.tables(CONFIG, len(input) * CONFIG.shard_size))
