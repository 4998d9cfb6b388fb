# Needs the images of a data set where they lie; makes the lists that say which image is in which shard.


def index_input(wildcards):
    """A simulated data set is made first; of others the fingerprint in `params` tells whether they changed."""
    return images_of(wildcards.dataset) if wildcards.dataset in CONFIG.simulate else []


def index_fingerprint(wildcards):
    """What changes when an image is added, changed or removed."""
    if wildcards.dataset in CONFIG.simulate:
        return tell.simulate(CONFIG, wildcards.dataset)
    return fingerprint(CONFIG.datasets[wildcards.dataset].images, CONFIG.datasets[wildcards.dataset])


checkpoint index:
    """List a data set's images by shard, and say what was found."""
    input:
        simulated=index_input,
    output:
        lists=directory(result("index/{dataset}/shards")),
        assignment=result("index/{dataset}/assignment.csv"),
        rejects=result("index/{dataset}/rejects.csv"),
        truth=result("index/{dataset}/truth.json"),
        summary=result("index/{dataset}/summary.json"),
        text=report(result("index/{dataset}/summary.txt"), caption="../report/index.rst", category="Data"),
    params:
        version=STEP_VERSIONS["index"],
        settings=lambda wildcards: tell.index(CONFIG, wildcards.dataset),
        fingerprint=index_fingerprint,
        images=lambda wildcards: images_of(wildcards.dataset),
        folder=lambda wildcards: result(f"index/{wildcards.dataset}"),
        memory=lambda wildcards: result(f"cache/index/{wildcards.dataset}"),
    log:
        logfile("index/{dataset}"),
    benchmark:
        benchmark_file("index/{dataset}")
    resources:
        mem_mb=2000,
        runtime=120,
    shell:
        "{PYTHON} {SCRIPTS:q}/index.py --images {params.images:q} --settings {params.settings:q}"
        " --output {params.folder:q} --memory {params.memory:q} > {log:q} 2>&1"
