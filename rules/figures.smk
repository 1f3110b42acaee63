# Every figure, from the summary tables alone, in one job, since drawing one takes less time than starting Python.


rule figures:
    input:
        script=script("draw_figures.py"),
        generator=rules.measure_generator.output[0],
        summary=rules.summarize.output,
    output:
        [figure_file(name, format) for name in figure_names(TASKS) for format in ("svg", "png")],
    log:
        log_of("figures") + ".log",
    benchmark:
        log_of("figures") + ".tsv"
    conda:
        "../envs/measure.yaml"
    threads: 4  # that many processes draw at a time
    resources:
        mem_mb=asking(1500),
        runtime=asking(30),
    params:
        code=version_of("draw_figures.py"),
        results=subpath(input.generator, ancestor=2),
        folder=subpath(output[0], parent=True),
        settings=canonical_json(drawing(config)),
    message:
        "Drawing the figures"
    shell:
        "python {input.script:q} --settings {params.settings:q} --code {params.code} --results {params.results:q}"
        " --folder {params.folder:q} --processes {threads} --log {log:q}"
