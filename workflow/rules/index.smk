# Needs the images of a data set where they lie; makes the lists that say which image is in which shard, and says what was
# found among the images and how it matches the truth table.
checkpoint index:
    """List a data set's images by shard, and say what was found."""
    input:
        simulated=simulated_images,
    output:
        lists=directory(result("index/{dataset}/shards")),
        assignment=result("index/{dataset}/assignment.csv"),
        rejects=result("index/{dataset}/rejects.csv"),
        truth=result("index/{dataset}/truth.json"),
        summary=result("index/{dataset}/summary.json"),
        text=report(result("index/{dataset}/summary.txt"), caption="../report/index.rst", category="Data"),
    log:
        logfile("index/{dataset}"),
    benchmark:
        benchmark_file("index/{dataset}")
    resources:
        mem_mb=INDEX.memory,
        runtime=INDEX.time,
    params:
        version=STEP_VERSIONS["index"],
        settings=lambda wildcards: tell.index(CONFIG, wildcards.dataset),
        fingerprint=images_fingerprint,
        images=lambda wildcards: images_of(wildcards.dataset),
        folder=subpath(output.text, parent=True),
        memory=lambda wildcards: result(f"cache/index/{wildcards.dataset}"),
        shards=lambda wildcards: result(f"shards/{wildcards.dataset}"),
    shell:
        'python "$SCRIPTS/index.py" --images {params.images:q} --settings {params.settings:q}'
        " --output {params.folder:q} --memory {params.memory:q} --shards {params.shards:q} > {log:q} 2>&1"


rule truth:
    """Compare a truth table with the images that were found."""
    input:
        truth=lambda wildcards: truth_of(wildcards.dataset),
        lists=list_digests,
    output:
        text=report(result("truth/{dataset}.txt"), caption="../report/truth.rst", category="Data"),
        table=result("truth/{dataset}.json"),
    log:
        logfile("truth/{dataset}"),
    benchmark:
        benchmark_file("truth/{dataset}")
    resources:
        mem_mb=TABLES.memory,
        runtime=TABLES.time,
    params:
        version=STEP_VERSIONS["truth"],
        settings=lambda wildcards: tell.dataset(CONFIG, wildcards.dataset),
        lists=lambda wildcards: result(f"index/{wildcards.dataset}/shards"),
        bands=CONFIG.bands,
    shell:
        'python "$SCRIPTS/truth.py" --name {wildcards.dataset:q} --truth {input.truth:q} --dataset {params.settings:q}'
        " --lists {params.lists:q} --bands {params.bands:q} --output {output.text:q} > {log:q} 2>&1"
