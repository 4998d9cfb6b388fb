# Needs shards and trained networks; makes one score file per shard, with a column per model and seed.
rule engine:
    """Settle once per run what `scoring.engine: auto` stands for."""
    output:
        choice=result("engine.json"),
    log:
        logfile("engine"),
    benchmark:
        benchmark_file("engine")
    localrule: True
    resources:
        gpu=0,
    params:
        engine=CONFIG.scoring.engine,
        precision=CONFIG.scoring.precision,
    shell:
        'python "$SCRIPTS/engine.py" --engine {params.engine} --precision {params.precision} --gpus {resources.gpu}'
        " --output {output.choice:q} > {log:q} 2>&1"


rule convert:
    """Convert the trained networks for the engine, once for all jobs that score by them."""
    input:
        engine=rules.engine.output.choice,
        models=ancient([path for _, _, path in scorers()]),
        records=training_records(),
        split=trained,
    output:
        record=CONVERTED,
    log:
        logfile("convert"),
    benchmark:
        benchmark_file("convert")
    resources:
        mem_mb=CONVERT.memory,
        runtime=CONVERT.time,
    params:
        version=STEP_VERSIONS["score"],
        models=lambda wildcards: model_arguments(),
        digests=frozen_digests(),
        cache=result("cache/scores"),
    shell:
        'python "$SCRIPTS/convert.py" --engine {input.engine:q} {params.models:q} --cache {params.cache:q}'
        " --output {output.record:q} > {log:q} 2>&1"


rule score:
    """Score the images of a shard; columns that were computed before come from the cache."""
    input:
        digest=result("shards/{dataset}/{shard}.digest"),
        shard=ancient(result("shards/{dataset}/{shard}.h5")),
        engine=rules.engine.output.choice,
        converted=converted(),
        models=ancient([path for _, _, path in scorers()]),
        records=training_records(),
        split=trained,
    output:
        scores=result("scores/{dataset}/{shard}.h5"),
    log:
        logfile("score/{dataset}/{shard}"),
    benchmark:
        benchmark_file("score/{dataset}/{shard}")
    threads: SCORE.threads
    resources:
        gpu=0,
        mem_mb=SCORE.memory,
        runtime=SCORE.time,
    params:
        version=STEP_VERSIONS["score"],
        settings=lambda wildcards: tell.score(CONFIG),
        models=lambda wildcards: model_arguments(),
        digests=frozen_digests(),
        cache=result("cache/scores"),
    shell:
        'python "$SCRIPTS/score.py" --shard {input.shard:q} --settings {params.settings:q}'
        " --engine {input.engine:q} {params.models:q} --cache {params.cache:q} --threads {threads}"
        " --gpus {resources.gpu} --output {output.scores:q} > {log:q} 2>&1"
