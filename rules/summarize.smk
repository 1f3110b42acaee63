# Aggregate the tables of all policies into summary tables.


rule summarize:
    input:
        script=script(SUMMARIZE),
        validation=sequence_table(RESULTS, "validation"),
        generator=rules.measure_generator.output.generator,
        tables=lambda wildcards: [table.path for table in every_table() if is_summarized(table)],
    output:
        policies=table(SUMMARIZE, "policies"),
        cross_objective=table(SUMMARIZE, "cross_objective"),
        windows=table(SUMMARIZE, "windows"),
        counterfactuals=table(SUMMARIZE, "counterfactuals"),
        identification=table(SUMMARIZE, "identification"),
        goal_directedness=table(SUMMARIZE, "goal_directedness"),
        along_training=table(SUMMARIZE, "along_training"),
        first_identified=table(SUMMARIZE, "first_identified"),
        actions=table(SUMMARIZE, "actions"),
        training=table(SUMMARIZE, "training"),
        differential=table(SUMMARIZE, "differential"),
        fits=table(SUMMARIZE, "fits"),
        claims=table(SUMMARIZE, "claims"),
        csv=files(SUMMARIZE),
    log:
        SUMMARIZE.log(RESULTS) + ".log",
    benchmark:
        SUMMARIZE.log(RESULTS) + ".tsv"
    conda:
        "../envs/measure.yaml"
    threads: 1
    resources:
        mem_mb=asking(2000),
        runtime=asking(30),
    params:
        code=version_of(SUMMARIZE),
        results=subpath(output.policies, ancestor=2),
        settings=settings_of(SUMMARIZE),
    message:
        "Summarizing all policies"
    shell:
        command(SUMMARIZE)
