# One reinforced policy for each task, size and seed, from that size and seed's pretrained model.


rule finetune:
    input:
        script=script("finetune.py"),
        pretrained=rules.pretrain.output.checkpoint,
        train=sequence_table(RESULTS, "train"),
        validation=sequence_table(RESULTS, "validation"),
    output:
        checkpoint=finetuned_table(RESULTS, "checkpoint"),
        training=finetuned_table(RESULTS, "training"),
    log:
        log_of("finetune", "task={task}/size={size}/seed={seed}.log"),
    benchmark:
        log_of("finetune", "task={task}/size={size}/seed={seed}.tsv")
    priority: largest_first(5)
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(bytes_per_weight=500),
        runtime=training_time(lambda wildcards: finetune_settings(config, wildcards.size, wildcards.task)),
        device=config["device"],
        gpu=GPUS,
    params:
        code=version_of("finetune.py"),
        settings=seeded(finetuning),
        state=f"{RESULTS}/state/finetune,task={{task}},size={{size}},seed={{seed}}",
    message:
        "Reinforcing {wildcards.size}, seed {wildcards.seed} on {wildcards.task}"
    shell:
        "python {input.script:q} --settings {params.settings:q} --code {params.code}"
        " --device {resources.device} --pretrained {input.pretrained:q} --train {input.train:q}"
        " --validation {input.validation:q} --checkpoint {output.checkpoint:q}"
        " --training {output.training:q} --state {params.state:q} --log {log:q}"
