# Generate the pseudorandom sequence: training, validation and test chains, from independent streams.


rule sequences:
    input:
        script=script(SEQUENCES),
    output:
        chains=table(SEQUENCES, "chains"),
    log:
        SEQUENCES.log(RESULTS) + ".log",
    benchmark:
        SEQUENCES.log(RESULTS) + ".tsv"
    priority: 20  # everything else waits for these
    conda:
        "../envs/measure.yaml"
    threads: 1
    resources:
        mem_mb=asking(1000),
        runtime=asking(10),
    params:
        code=version_of(SEQUENCES),
        settings=settings_of(SEQUENCES),
    message:
        "Generating the {wildcards.split} chains"
    shell:
        command(SEQUENCES)
