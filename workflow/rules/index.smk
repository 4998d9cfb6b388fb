# Needs the images of a data set where they lie; makes the lists that say which image is in which shard.
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
    shell:
        'python "$SCRIPTS/index.py" --images {params.images:q} --settings {params.settings:q}'
        " --output {params.folder:q} --memory {params.memory:q} > {log:q} 2>&1"
