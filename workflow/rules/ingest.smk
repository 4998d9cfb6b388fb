# Needs the list of a shard; makes the shard, its digest, and the table of what was rejected.
rule ingest:
    """Read the images of a shard."""
    input:
        digest=list_digest,
    output:
        shard=result("shards/{dataset}/{shard}.h5"),
        digest=result("shards/{dataset}/{shard}.digest"),
        rejects=result("shards/{dataset}/{shard}.rejects.csv"),
    log:
        logfile("ingest/{dataset}/{shard}"),
    benchmark:
        benchmark_file("ingest/{dataset}/{shard}")
    resources:
        mem_mb=INGEST.memory,
        runtime=INGEST.time,
    params:
        version=STEP_VERSIONS["ingest"],
        settings=lambda wildcards: tell.ingest(CONFIG),
        index=lambda wildcards: result(f"index/{wildcards.dataset}"),
        memory=lambda wildcards: result(f"cache/index/{wildcards.dataset}"),
    shell:
        'python "$SCRIPTS/ingest.py" --index {params.index:q} --name {wildcards.shard}'
        " --settings {params.settings:q} --memory {params.memory:q} --shard {output.shard:q}"
        " --digest {output.digest:q} --rejects {output.rejects:q} > {log:q} 2>&1"


rule rejects:
    """Gather what was rejected of a data set, with the reasons."""
    input:
        index=lambda wildcards: index_of(wildcards.dataset).rejects,
        shards=lambda wildcards: shards_of(wildcards.dataset, ".rejects.csv"),
    output:
        table=result("rejects/{dataset}.csv"),
    log:
        logfile("rejects/{dataset}"),
    benchmark:
        benchmark_file("rejects/{dataset}")
    resources:
        mem_mb=TABLES.memory,
        runtime=TABLES.time,
    shell:
        'python "$SCRIPTS/rejects.py" --output {output.table:q} {input.index:q} {input.shards:q} > {log:q} 2>&1'
