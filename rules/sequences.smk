# The pseudo-random sequence: training, validation and test chains from independent streams.


rule sequences:
    input:
        script=script("generate_sequences.py"),
    output:
        sequence_table(RESULTS),
    log:
        log_of("sequences", "split={split}.log"),
    benchmark:
        log_of("sequences", "split={split}.tsv")
    priority: 20  # everything else waits for these
    conda:
        "../envs/measure.yaml"
    threads: 1
    resources:
        mem_mb=asking(1000),
        runtime=asking(10),
    params:
        code=version_of("generate_sequences.py"),
        settings=lambda wildcards: canonical_json(generating(config, wildcards.split)),
    message:
        "Generating the {wildcards.split} chains"
    shell:
        "python {input.script:q} --settings {params.settings:q} --code {params.code} --chains {output:q} --log {log:q}"
