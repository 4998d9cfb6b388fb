# Needs the split and the training shards; makes one trained network per model and seed, with its hold-out scores.
rule train:
    """Train one network from one random seed."""
    input:
        digest=split_digest,
        split=ancient(result("split.csv")),
        shards=split_shards,
    output:
        model=result("train/{model}/seed-{seed}/model.keras"),
        history=result("train/{model}/seed-{seed}/history.csv"),
        holdout=result("train/{model}/seed-{seed}/holdout.csv"),
        provenance=result("train/{model}/seed-{seed}/provenance.json"),
    log:
        logfile("train/{model}/seed-{seed}"),
    benchmark:
        benchmark_file("train/{model}/seed-{seed}")
    threads: 8
    resources:
        gpu=0,
        mem_mb=TRAIN.memory,
        runtime=TRAIN.time,
    params:
        version=STEP_VERSIONS["train"],
        settings=lambda wildcards: tell.train(CONFIG, wildcards.model),
        folder=subpath(output.model, parent=True),
        resume=lambda wildcards: resume_folder(wildcards.model, wildcards.seed),
    shell:
        'python "$SCRIPTS/train.py" --split {input.split:q} --digest {input.digest:q} --settings {params.settings:q}'
        " --seed {wildcards.seed} --gpus {resources.gpu} --threads {threads} --resume {params.resume:q}"
        " --output {params.folder:q} {input.shards:q} > {log:q} 2>&1"
