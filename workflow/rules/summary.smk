# Needs the tables of the whole run; writes the page that the run ends with.


rule summary:
    """Say what came out of the run, from which recipe, and where it is."""
    input:
        data=settled,
        metrics=metrics,
        split=result("split.csv") if CONFIG.trained_models else [],
        catalogues=[result(f"catalogue/{name}.{CONFIG.catalogue.formats[0]}") for name in CONFIG.scored_datasets],
        rejects=[result(f"rejects/{name}.csv") for name in CONFIG.datasets],
    output:
        text=report(result("report/summary.txt"), caption="../report/run.rst", category="Summary"),
    log:
        logfile("summary"),
    benchmark:
        benchmark_file("summary")
    resources:
        mem_mb=TABLES.memory,
        runtime=TABLES.time,
    params:
        version=STEP_VERSIONS["summary"],
        settings=lambda wildcards: tell.summary(CONFIG),
        metrics=lambda wildcards, input: ["--metrics", Path(input.metrics[0]).parent] if input.metrics else [],
        split=lambda wildcards, input: ["--split", input.split] if input.split else [],
    shell:
        'python "$SCRIPTS/summary.py" --settings {params.settings:q} {params.metrics:q} {params.split:q}'
        " --catalogue {input.catalogues:q} --rejects {input.rejects:q} --output {output.text:q} > {log:q} 2>&1"
