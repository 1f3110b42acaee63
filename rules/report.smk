# The manifest: every table of the sweep with a checksum of its values. Written last.


rule manifest:
    input:
        code=code("write_manifest.py"),
        figures=rules.figures.output,
        tables=[path for _, path in all_tables(RESULTS, config["sweep"])],
    output:
        f"{RESULTS}/manifest.parquet",
    log:
        log_of("manifest") + ".log",
    conda:
        "../envs/measure.yaml"
    threads: 1
    resources:
        mem_mb=1000,
    params:
        results=subpath(output[0], parent=True),
        settings=canonical_json({"seeds": SEEDS, "sizes": SIZES, "tasks": TASKS}),
    message:
        "Writing the manifest"
    shell:
        "python {input.code[0]:q} --settings {params.settings:q} --results {params.results:q}"
        " --manifest {output:q} --log {log:q}"
