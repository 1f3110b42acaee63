# The report, one HTML file with all figures in it, and the manifest: every table of the sweep with a checksum of its
# values. The manifest is written last.


rule report:
    input:
        code=code("write_report.py"),
        template=[
            os.path.relpath(SCRIPTS / "sweep/report" / name)
            for name in ("page.html", "policies.js", "style.css")
        ],
        figures=rules.figures.output,
        tables=[path for _, path in all_tables(RESULTS, config["sweep"])],
    output:
        f"{RESULTS}/report.html",
    log:
        log_of("report") + ".log",
    conda:
        "../envs/measure.yaml"
    threads: 1
    resources:
        mem_mb=asking(1000),
        runtime=asking(30),
    params:
        results=subpath(output[0], parent=True),
        settings=canonical_json(configuration_that_is_run()),
    message:
        "Writing the report"
    shell:
        "python {input.code[0]:q} --settings {params.settings:q} --results {params.results:q}"
        " --report {output:q} --log {log:q}"


rule manifest:
    input:
        code=code("write_manifest.py"),
        report=rules.report.output,
        tables=[path for _, path in all_tables(RESULTS, config["sweep"])],
    output:
        f"{RESULTS}/manifest.parquet",
    log:
        log_of("manifest") + ".log",
    conda:
        "../envs/measure.yaml"
    threads: 1
    resources:
        mem_mb=asking(1000),
        runtime=asking(30),
    params:
        results=subpath(output[0], parent=True),
        settings=canonical_json({"seeds": SEEDS, "sizes": SIZES, "tasks": TASKS}),
    message:
        "Writing the manifest"
    shell:
        "python {input.code[0]:q} --settings {params.settings:q} --results {params.results:q}"
        " --manifest {output:q} --log {log:q}"
