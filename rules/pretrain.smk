# One pretrained model for each size and seed.


rule pretrain:
    input:
        code=code("pretrain.py"),
        train=rules.sequences.output.train,
        validation=rules.sequences.output.validation,
    output:
        checkpoint=pretrained_table(RESULTS, "checkpoint"),
        training=pretrained_table(RESULTS, "training"),
    log:
        log_of("pretrain", "size={size}/seed={seed}.log"),
    benchmark:
        log_of("pretrain", "size={size}/seed={seed}.tsv")
    priority: 10  # everything else waits for these
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(bytes_per_weight=500),
        runtime=training_time(lambda wildcards: pretrain_settings(config, wildcards.size)),
        device=config["device"],
        gpu=GPUS,
    params:
        settings=lambda wildcards: canonical_json(pretraining_of(wildcards.size)),
    message:
        "Pretraining {wildcards.size}, seed {wildcards.seed}"
    shell:
        "python {input.code[0]:q} --settings {params.settings:q} --seed {wildcards.seed}"
        " --device {resources.device} --train {input.train:q} --validation {input.validation:q}"
        " --checkpoint {output.checkpoint:q} --training {output.training:q} --log {log:q}"
