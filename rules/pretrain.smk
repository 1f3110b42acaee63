# One pretrained model for each size and seed.


rule pretrain:
    input:
        script=script("pretrain.py"),
        train=sequence_table(RESULTS, "train"),
        validation=sequence_table(RESULTS, "validation"),
    output:
        checkpoint=pretrained_table(RESULTS, "checkpoint"),
        training=pretrained_table(RESULTS, "training"),
    log:
        log_of("pretrain", "size={size}/seed={seed}.log"),
    benchmark:
        log_of("pretrain", "size={size}/seed={seed}.tsv")
    priority: largest_first(10)  # everything else waits for these
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(bytes_per_weight=500),
        runtime=training_time(lambda wildcards: pretrain_settings(config, wildcards.size)),
        device=config["device"],
        gpu=GPUS,
    params:
        code=version_of("pretrain.py"),
        settings=seeded(pretraining),
        state=f"{RESULTS}/state/pretrain,size={{size}},seed={{seed}}",
    message:
        "Pretraining {wildcards.size}, seed {wildcards.seed}"
    shell:
        "python {input.script:q} --settings {params.settings:q} --code {params.code}"
        " --device {resources.device} --train {input.train:q} --validation {input.validation:q}"
        " --checkpoint {output.checkpoint:q} --training {output.training:q} --state {params.state:q} --log {log:q}"
