# The report, one HTML file with all figures in it, beside it the schedule of the jobs before; and the manifest: every
# table of the sweep with a checksum of its values. The manifest is written last.


rule report:
    input:
        script=script("write_report.py"),
        figures=rules.figures.output,
    output:
        report=f"{RESULTS}/{REPORT_FILES[0]}",
        schedule=[f"{RESULTS}/{name}" for name in REPORT_FILES[1:]],
    log:
        log_of("report") + ".log",
    conda:
        "../envs/measure.yaml"
    threads: 1
    resources:
        mem_mb=asking(1000),
        runtime=asking(30),
    params:
        code=version_of("write_report.py"),
        results=subpath(output.report, parent=True),
        settings=canonical_json(drawing(config)),
    message:
        "Writing the report"
    shell:
        "python {input.script:q} --settings {params.settings:q} --code {params.code} --results {params.results:q}"
        " --report {output.report:q} --log {log:q}"


rule manifest:
    input:
        script=script("write_manifest.py"),
        report=rules.report.output.report,
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
        code=version_of("write_manifest.py"),
        results=subpath(output[0], parent=True),
        settings=canonical_json(summarizing(config)),
    message:
        "Writing the manifest"
    shell:
        "python {input.script:q} --settings {params.settings:q} --code {params.code} --results {params.results:q}"
        " --manifest {output:q} --log {log:q}"
