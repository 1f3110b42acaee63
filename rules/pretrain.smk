# Pretrain one model per size and seed.


rule pretrain:
    input:
        script=script(PRETRAIN),
        train=sequence_table(RESULTS, "train"),
        validation=sequence_table(RESULTS, "validation"),
    output:
        checkpoint=table(PRETRAIN, "checkpoint"),
        training=table(PRETRAIN, "training"),
    log:
        PRETRAIN.log(RESULTS) + ".log",
    benchmark:
        PRETRAIN.log(RESULTS) + ".tsv"
    priority: largest_first(10)  # everything else waits for these
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(bytes_per_weight=500),
        runtime=training_time(PRETRAIN),
        device=config["device"],
        gpu=GPUS,
    params:
        code=version_of(PRETRAIN),
        settings=settings_of(PRETRAIN),
        state=state_of(PRETRAIN),
    message:
        "Pretraining {wildcards.size}, seed {wildcards.seed}"
    shell:
        command(PRETRAIN, "--device {resources.device}", "--state {params.state:q}")
