# Needs settings alone; makes a data set in the challenge's own layout, images and truth table. A large one is made in
# parts, by jobs side by side.
rule simulate_part:
    """Make some images of a data set of simulated cutouts."""
    output:
        folder=temp(directory(result("cache/simulated/{dataset}/{part}"))),
    log:
        logfile("simulate/{dataset}/{part}"),
    benchmark:
        benchmark_file("simulate/{dataset}/{part}")
    threads: PART.threads
    resources:
        mem_mb=PART.memory,
        runtime=PART.time,
    params:
        version=STEP_VERSIONS["simulate"],
        settings=lambda wildcards: tell.simulate(CONFIG, wildcards.dataset),
        bands=CONFIG.bands,
        images=part_images,
    shell:
        'python "$SCRIPTS/simulate.py" --settings {params.settings:q} --bands {params.bands:q}'
        " --images {params.images} --processes {threads}"
        " --output {output.folder:q} > {log:q} 2>&1"


rule simulate:
    """Make a data set of simulated cutouts, or put one together from its parts."""
    input:
        parts=simulated_parts,
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
        " --parts {input.parts:q} --processes {threads}"
        " --output {output.folder:q} > {log:q} 2>&1"
