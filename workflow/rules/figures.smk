# Needs the split, the histories and the labelled scores; draws the figures, as PNG for a talk and SVG for a paper.


rule figure_examples:
    """Draw labelled training images with their colour bars."""
    input:
        digest=split_digest,
        split=ancient(result("split.csv")),
        shards=split_shards,
        truth=training_truth,
    output:
        png=report(result("figures/examples.png"), caption="../report/examples.rst", category="Figures"),
        svg=result("figures/examples.svg"),
    log:
        logfile("figures/examples"),
    benchmark:
        benchmark_file("figures/examples")
    resources:
        mem_mb=TABLES.memory,
        runtime=TABLES.time,
    params:
        version=STEP_VERSIONS["figures"],
        dataset=lambda wildcards: tell.dataset(CONFIG, "train"),
        options=lambda wildcards: tell.example_options(CONFIG),
        stem=subpath(output.png, strip_suffix=".png"),
    shell:
        'python "$SCRIPTS/figures.py" examples --split {input.split:q} --truth {input.truth:q}'
        " --dataset {params.dataset:q} {params.options:q} --output {params.stem:q} {input.shards:q} > {log:q} 2>&1"


rule figure_auroc_epochs:
    """Draw AUROC against epoch for every seed of a model."""
    input:
        trainings=lambda wildcards: holdout_files(wildcards.model),
        split=trained,
    output:
        png=report(result("figures/auroc_epochs_{model}.png"), caption="../report/auroc_epochs.rst", category="Figures"),
        svg=result("figures/auroc_epochs_{model}.svg"),
    log:
        logfile("figures/auroc_epochs_{model}"),
    benchmark:
        benchmark_file("figures/auroc_epochs_{model}")
    resources:
        mem_mb=TABLES.memory,
        runtime=TABLES.time,
    params:
        version=STEP_VERSIONS["figures"],
        trainings=lambda wildcards: train_arguments(wildcards.model),
        data=lambda wildcards: tell.origin(CONFIG, "train"),
        stem=subpath(output.png, strip_suffix=".png"),
    shell:
        'python "$SCRIPTS/figures.py" auroc_epochs --model {wildcards.model:q} {params.trainings:q}'
        " {params.data:q} --output {params.stem:q} > {log:q} 2>&1"


rule figure_judged:
    """Draw what labelled scores show: ROC, confusion matrix, rates against the threshold, AUROC against lensed pixels."""
    input:
        holdouts=lambda wildcards: holdout_files(wildcards.model),
        split=trained,
        labelled=lambda wildcards: labelled_files(wildcards.images),
    output:
        roc=report(result("figures/roc_{model}_{images}.png"), caption="../report/roc.rst", category="Figures"),
        confusion=report(
            result("figures/confusion_{model}_{images}.png"), caption="../report/confusion.rst", category="Figures"
        ),
        thresholds=report(
            result("figures/thresholds_{model}_{images}.png"), caption="../report/thresholds.rst", category="Figures"
        ),
        lensed_pixels=report(
            result("figures/lensed_pixels_{model}_{images}.png"),
            caption="../report/lensed_pixels.rst",
            category="Figures",
        ),
        svg=expand(result("figures/{kind}_{{model}}_{{images}}.svg"), kind=JUDGED),
    log:
        logfile("figures/{model}_{images}"),
    benchmark:
        benchmark_file("figures/{model}_{images}")
    wildcard_constraints:
        images="|".join(["holdout", *map(re.escape, CONFIG.datasets)]),
    resources:
        mem_mb=TABLES.memory,
        runtime=TABLES.time,
    params:
        version=STEP_VERSIONS["figures"],
        settings=lambda wildcards: tell.evaluate(CONFIG),
        holdouts=lambda wildcards: holdout_arguments(wildcards.model),
        scores=lambda wildcards: score_arguments(wildcards.images),
        data=lambda wildcards: tell.origin(CONFIG, wildcards.images),
        folder=subpath(output.roc, parent=True),
    shell:
        'python "$SCRIPTS/figures.py" judged --model {wildcards.model:q} --images {wildcards.images:q}'
        " --settings {params.settings:q} {params.data:q} {params.holdouts:q} {params.scores:q}"
        " --output {params.folder:q} > {log:q} 2>&1"
