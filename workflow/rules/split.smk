# Needs the training shards and the truth table; says which images train, which choose the epoch, which are held out.


checkpoint split:
    """Divide the labelled images."""
    input:
        digests=lambda wildcards: shards_of("train", ".digest"),
        shards=lambda wildcards: ancient(shards_of("train", ".h5")),
        truth=training_truth,
    output:
        table=result("split.csv"),
        digest=result("split.digest"),
        record=result("split.json"),
    log:
        logfile("split"),
    benchmark:
        benchmark_file("split")
    resources:
        mem_mb=SPLIT.memory,
        runtime=SPLIT.time,
    params:
        version=STEP_VERSIONS["split"],
        settings=lambda wildcards: tell.split(CONFIG),
        dataset=lambda wildcards: tell.dataset(CONFIG, "train"),
    shell:
        'python "$SCRIPTS/split.py" --truth {input.truth:q} --dataset {params.dataset:q}'
        " --settings {params.settings:q} --output {output.table:q} {input.shards:q} > {log:q} 2>&1"
