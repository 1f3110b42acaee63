# Draw every figure from the summary tables, in a single job, since drawing one takes less time than starting Python.


rule figures:
    input:
        script=script(FIGURES),
        generator=rules.measure_generator.output.generator,
        summary=[table(SUMMARIZE, name) for name in SUMMARIZE.tables],
    output:
        [figure_file(path) for path in files(FIGURES)],
    log:
        FIGURES.log(RESULTS) + ".log",
    benchmark:
        FIGURES.log(RESULTS) + ".tsv"
    conda:
        "../envs/measure.yaml"
    threads: 4  # processes that draw in parallel
    resources:
        mem_mb=asking(1500),
        runtime=asking(30),
    params:
        code=version_of(FIGURES),
        results=subpath(input.generator, ancestor=2),
        folder=subpath(output[0], parent=True),
        settings=settings_of(FIGURES),
    message:
        "Drawing the figures"
    shell:
        command(FIGURES, "--folder {params.folder:q}", "--processes {threads}")
