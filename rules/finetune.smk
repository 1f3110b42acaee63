# Reinforce one policy per task, size and seed, from the pretrained model of that size and seed.


rule finetune:
    input:
        script=script(FINETUNE),
        pretrained=rules.pretrain.output.checkpoint,
        train=sequence_table(RESULTS, "train"),
        validation=sequence_table(RESULTS, "validation"),
    output:
        checkpoint=table(FINETUNE, "checkpoint"),
        training=table(FINETUNE, "training"),
    log:
        FINETUNE.log(RESULTS) + ".log",
    benchmark:
        FINETUNE.log(RESULTS) + ".tsv"
    priority: largest_first(5)
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(bytes_per_weight=500),
        runtime=training_time(FINETUNE),
        device=config["device"],
        gpu=GPUS,
    params:
        code=version_of(FINETUNE),
        settings=settings_of(FINETUNE),
        state=state_of(FINETUNE),
    message:
        "Reinforcing {wildcards.size}, seed {wildcards.seed} on {wildcards.task}"
    shell:
        command(FINETUNE, "--device {resources.device}", "--state {params.state:q}")
