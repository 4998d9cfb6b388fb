# Needs hold-out scores, and the score files of data sets with a truth table; makes the tables of AUROC, TPR0 and TPR10.
rule evaluate:
    """Judge every training, and the spread over seeds."""
    input:
        holdouts=holdout_files(),
        split=trained,
        labelled=lambda wildcards: labelled_files(),
    output:
        seeds=report(result("metrics/seeds.csv"), caption="../report/seeds.rst", category="Metrics"),
        summary=report(result("metrics/summary.csv"), caption="../report/summary.rst", category="Metrics"),
        comparison=report(result("metrics/comparison.csv"), caption="../report/comparison.rst", category="Metrics"),
        lensed_pixels=report(
            result("metrics/lensed_pixels.csv"), caption="../report/lensed_pixels.rst", category="Metrics"
        ),
    log:
        logfile("evaluate"),
    benchmark:
        benchmark_file("evaluate")
    resources:
        mem_mb=TABLES.memory,
        runtime=TABLES.time,
    params:
        version=STEP_VERSIONS["evaluate"],
        settings=lambda wildcards: tell.evaluate(CONFIG),
        holdouts=lambda wildcards: holdout_arguments(),
        scores=lambda wildcards: score_arguments(),
        folder=subpath(output.seeds, parent=True),
    shell:
        'python "$SCRIPTS/evaluate.py" --settings {params.settings:q} {params.holdouts:q} {params.scores:q}'
        " --output {params.folder:q} > {log:q} 2>&1"
