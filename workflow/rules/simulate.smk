# Needs settings alone; makes a data set in the challenge's own layout, images and truth table.
rule simulate:
    """Make a data set of simulated cutouts."""
    output:
        folder=directory(result("simulated/{dataset}")),
    log:
        logfile("simulate/{dataset}"),
    benchmark:
        benchmark_file("simulate/{dataset}")
    threads: SIMULATE.threads
    resources:
        mem_mb=SIMULATE.memory,
        runtime=SIMULATE.time,
    params:
        version=STEP_VERSIONS["simulate"],
        settings=lambda wildcards: tell.simulate(CONFIG, wildcards.dataset),
        bands=CONFIG.bands,
    shell:
        'python "$SCRIPTS/simulate.py" --settings {params.settings:q} --bands {params.bands:q}'
        " --processes {threads}"
        " --output {output.folder:q} > {log:q} 2>&1"
