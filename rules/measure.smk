# What policies do on the test chains: outcomes, Op and Imp, what they think of themselves, and every block's own.


rule measure_generator:
    input:
        script=script("measure_generator.py"),
        test=sequence_table(RESULTS, "test"),
    output:
        summary_table(RESULTS, "generator"),
    log:
        log_of("measure_generator") + ".log",
    benchmark:
        log_of("measure_generator") + ".tsv"
    conda:
        "../envs/measure.yaml"
    threads: 1
    resources:
        mem_mb=asking(1000),
        runtime=asking(10),
    params:
        code=version_of("measure_generator.py"),
        settings=canonical_json(measuring_generator(config)),
    message:
        "Measuring the sequence's own generator"
    shell:
        "python {input.script:q} --settings {params.settings:q} --code {params.code} --test {input.test:q}"
        " --generator {output:q} --log {log:q}"


rule measure:
    input:
        script=script("measure.py"),
        checkpoint=rules.finetune.output.checkpoint,
        pretrained=rules.pretrain.output.checkpoint,
        test=sequence_table(RESULTS, "test"),
    output:
        success=finetuned_table(RESULTS, "success"),
        measured=finetuned_table(RESULTS, "measured"),
        actions=finetuned_table(RESULTS, "actions"),
        bootstrap=finetuned_table(RESULTS, "bootstrap"),
        self_estimate=finetuned_table(RESULTS, "self_estimate"),
        differential=finetuned_table(RESULTS, "differential"),
    log:
        log_of("measure", "task={task}/size={size}/seed={seed}.log"),
    benchmark:
        log_of("measure", "task={task}/size={size}/seed={seed}.tsv")
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
        code=version_of("measure.py"),
        settings=seeded(measuring),
    message:
        "Measuring {wildcards.size}, seed {wildcards.seed} on {wildcards.task}"
    shell:
        "python {input.script:q} --settings {params.settings:q} --code {params.code} --device {resources.device}"
        " --checkpoint {input.checkpoint:q} --pretrained {input.pretrained:q} --test {input.test:q}"
        " --success {output.success:q} --measured {output.measured:q} --actions {output.actions:q}"
        " --bootstrap {output.bootstrap:q} --self-estimate {output.self_estimate:q}"
        " --differential {output.differential:q} --log {log:q}"


# Once for each pretrained model, which the policies of all tasks start from.
rule measure_pretrained:
    input:
        script=script("measure_pretrained.py"),
        checkpoint=rules.pretrain.output.checkpoint,
        test=sequence_table(RESULTS, "test"),
    output:
        pretrained_table(RESULTS, "differential"),
    log:
        log_of("measure_pretrained", "size={size}/seed={seed}.log"),
    benchmark:
        log_of("measure_pretrained", "size={size}/seed={seed}.tsv")
    priority: largest_first(0)
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(bytes_per_weight=1500),
        runtime=measuring_time,
    params:
        code=version_of("measure_pretrained.py"),
        settings=seeded(measuring_pretrained),
    message:
        "Measuring pretrained {wildcards.size}, seed {wildcards.seed}"
    shell:
        "python {input.script:q} --settings {params.settings:q} --code {params.code} --checkpoint {input.checkpoint:q}"
        " --test {input.test:q} --differential {output:q} --log {log:q}"
