# Write the report, one HTML file that contains all figures, and the schedule of the jobs so far. Then, last of all,
# write the manifest: every table of the sweep with a checksum of its values.


rule report:
    input:
        script=script(REPORT),
        figures=rules.figures.output,
    output:
        report=files(REPORT)[0],
        schedule=files(REPORT)[1:],
    log:
        REPORT.log(RESULTS) + ".log",
    conda:
        "../envs/measure.yaml"
    threads: 1
    resources:
        mem_mb=asking(1000),
        runtime=asking(30),
    params:
        code=version_of(REPORT),
        results=subpath(output.report, parent=True),
        settings=settings_of(REPORT),
    message:
        "Writing the report"
    shell:
        command(REPORT, "--report {output.report:q}")


rule manifest:
    input:
        script=script(MANIFEST),
        report=rules.report.output.report,
    output:
        manifest=table(MANIFEST, "manifest"),
    log:
        MANIFEST.log(RESULTS) + ".log",
    conda:
        "../envs/measure.yaml"
    threads: 1
    resources:
        mem_mb=asking(1000),
        runtime=asking(30),
    params:
        code=version_of(MANIFEST),
        results=subpath(output.manifest, parent=True),
        settings=settings_of(MANIFEST),
    message:
        "Writing the manifest"
    shell:
        command(MANIFEST, "--manifest {output.manifest:q}")
