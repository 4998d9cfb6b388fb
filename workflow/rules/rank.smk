# Needs the score files of a data set; makes its catalogue, best first, and the submission to the challenge.


rule rank:
    """Rank the images of a data set."""
    input:
        scores=lambda wildcards: scores_of(wildcards.dataset),
        digests=lambda wildcards: shards_of(wildcards.dataset, ".digest"),
        models=ancient([path for _, _, path in scorers()]),
        records=training_records(),
        split=trained,
        training=lambda wildcards: ancient(shards_of("train", ".h5")) if CONFIG.trained_models else [],
        training_digests=lambda wildcards: shards_of("train", ".digest") if CONFIG.trained_models else [],
    output:
        catalogue=expand(result("catalogue/{{dataset}}.{format}"), format=CONFIG.catalogue.formats),
        submission=result("submission/{dataset}.csv"),
    log:
        logfile("rank/{dataset}"),
    benchmark:
        benchmark_file("rank/{dataset}")
    resources:
        mem_mb=RANK.memory,
        runtime=RANK.time,
    params:
        version=STEP_VERSIONS["rank"],
        settings=lambda wildcards: tell.rank(CONFIG, wildcards.dataset),
        models=lambda wildcards: model_arguments(),
        digests=frozen_digests(),
    shell:
        'python "$SCRIPTS/rank.py" --settings {params.settings:q} --dataset {wildcards.dataset:q}'
        " --scores {input.scores:q} --digests {input.digests:q} {params.models:q} --training {input.training:q}"
        " --catalogue {output.catalogue:q} --submission {output.submission:q} > {log:q} 2>&1"
