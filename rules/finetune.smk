# One reinforced policy for each task, size and seed, from that size and seed's pretrained model.


rule finetune:
    input:
        code=code("finetune.py"),
        pretrained=rules.pretrain.output.checkpoint,
        train=rules.sequences.output.train,
        validation=rules.sequences.output.validation,
    output:
        checkpoint=finetuned_table(RESULTS, "checkpoint"),
        training=finetuned_table(RESULTS, "training"),
    log:
        log_of("finetune", "task={task}/size={size}/seed={seed}.log"),
    benchmark:
        log_of("finetune", "task={task}/size={size}/seed={seed}.tsv")
    priority: 5
    conda:
        "../envs/train.yaml"
    threads: 1
    resources:
        mem_mb=memory(bytes_per_weight=500),
        runtime=training_time(lambda wildcards: finetune_settings(config, wildcards.size, wildcards.task)),
        device=config["device"],
        gpu=GPUS,
    params:
        settings=lambda wildcards: canonical_json(finetuning_of(wildcards.size, wildcards.task)),
    message:
        "Reinforcing {wildcards.size}, seed {wildcards.seed} on {wildcards.task}"
    shell:
        "python {input.code[0]:q} --settings {params.settings:q} --seed {wildcards.seed}"
        " --device {resources.device} --pretrained {input.pretrained:q} --train {input.train:q}"
        " --validation {input.validation:q} --checkpoint {output.checkpoint:q}"
        " --training {output.training:q} --log {log:q}"
