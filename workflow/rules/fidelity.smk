# Needs a simulated data set alone; compares it with the challenge's real training set, in a table and a figure.
rule fidelity:
    """Compare a simulated data set with the real images that it stands in for."""
    input:
        folder=rules.simulate.output.folder,
    output:
        text=report(result("fidelity/{dataset}.md"), caption="../report/fidelity.rst", category="Fidelity"),
        table=result("fidelity/{dataset}.csv"),
        png=report(result("fidelity/{dataset}.png"), caption="../report/fidelity.rst", category="Fidelity"),
        svg=result("fidelity/{dataset}.svg"),
    log:
        logfile("fidelity/{dataset}"),
    benchmark:
        benchmark_file("fidelity/{dataset}")
    threads: FIDELITY.threads
    resources:
        mem_mb=FIDELITY.memory,
        runtime=FIDELITY.time,
    params:
        version=STEP_VERSIONS["fidelity"],
        band=CONFIG.bands[0],
        stem=subpath(output.png, strip_suffix=".png"),
    shell:
        'python "$SCRIPTS/fidelity.py" {input.folder:q} --band {params.band:q} --processes {threads}'
        " --output {params.stem:q} > {log:q} 2>&1"
