# The pseudo-random sequence: training, validation and test chains from independent streams.


rule sequences:
    input:
        code=code("generate_sequences.py"),
    output:
        train=sequence_table(RESULTS, "train"),
        validation=sequence_table(RESULTS, "validation"),
        test=sequence_table(RESULTS, "test"),
    log:
        log_of("sequences") + ".log",
    benchmark:
        log_of("sequences") + ".tsv"
    conda:
        "../envs/measure.yaml"
    threads: 1
    resources:
        mem_mb=asking(1000),
        runtime=asking(10),
    params:
        settings=canonical_json(config["sequence"]),
    message:
        "Generating the training, validation and test chains"
    shell:
        "python {input.code[0]:q} --settings {params.settings:q} --train {output.train:q}"
        " --validation {output.validation:q} --test {output.test:q} --log {log:q}"
