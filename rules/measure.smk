# Measure policies on the test chains: success, Op and Imp, self-estimates and differential measures.


rule measure_generator:
    input:
        script=script(MEASURE_GENERATOR),
        test=sequence_table(RESULTS, "test"),
    output:
        generator=table(MEASURE_GENERATOR, "generator"),
        csv=files(MEASURE_GENERATOR),
    log:
        MEASURE_GENERATOR.log(RESULTS) + ".log",
    benchmark:
        MEASURE_GENERATOR.log(RESULTS) + ".tsv"
    conda:
        "../envs/measure.yaml"
    threads: 1
    resources:
        mem_mb=asking(1000),
        runtime=asking(10),
    params:
        code=version_of(MEASURE_GENERATOR),
        settings=settings_of(MEASURE_GENERATOR),
    message:
        "Measuring the sequence's own generator"
    shell:
        command(MEASURE_GENERATOR)


rule measure:
    input:
        script=script(MEASURE),
        checkpoint=rules.finetune.output.checkpoint,
        pretrained=rules.pretrain.output.checkpoint,
        test=sequence_table(RESULTS, "test"),
    output:
        success=table(MEASURE, "success"),
        measured=table(MEASURE, "measured"),
        actions=table(MEASURE, "actions"),
        bootstrap=table(MEASURE, "bootstrap"),
        self_estimate=table(MEASURE, "self_estimate"),
        differential=table(MEASURE, "differential"),
    log:
        MEASURE.log(RESULTS) + ".log",
    benchmark:
        MEASURE.log(RESULTS) + ".tsv"
    priority: largest_first(0)
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(bytes_per_weight=1500),
        runtime=measuring_time,
        device=config["device"],
        gpu=GPUS,
    params:
        code=version_of(MEASURE),
        settings=settings_of(MEASURE),
    message:
        "Measuring {wildcards.size}, seed {wildcards.seed} on {wildcards.task}"
    shell:
        command(MEASURE, "--device {resources.device}")


# Once per pretrained model, since the policies of all tasks start from it.
rule measure_pretrained:
    input:
        script=script(MEASURE_PRETRAINED),
        checkpoint=rules.pretrain.output.checkpoint,
        test=sequence_table(RESULTS, "test"),
    output:
        differential=table(MEASURE_PRETRAINED, "differential"),
    log:
        MEASURE_PRETRAINED.log(RESULTS) + ".log",
    benchmark:
        MEASURE_PRETRAINED.log(RESULTS) + ".tsv"
    priority: largest_first(0)
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(bytes_per_weight=1500),
        runtime=measuring_time,
    params:
        code=version_of(MEASURE_PRETRAINED),
        settings=settings_of(MEASURE_PRETRAINED),
    message:
        "Measuring pretrained {wildcards.size}, seed {wildcards.seed}"
    shell:
        command(MEASURE_PRETRAINED)
