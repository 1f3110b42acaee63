# All policies' tables, aggregated. The script finds them by the sweep's names, so that its command
# stays short however many there are.


rule summarize:
    input:
        script=script("summarize.py"),
        generator=rules.measure_generator.output[0],
        tables=lambda wildcards: [table.path for table in summarized_tables(RESULTS, config["sweep"])],
    output:
        policies=summary_table(RESULTS, "policies"),
        cross_objective=summary_table(RESULTS, "cross_objective"),
        counterfactuals=summary_table(RESULTS, "counterfactuals"),
        identification=summary_table(RESULTS, "identification"),
        actions=summary_table(RESULTS, "actions"),
        training=summary_table(RESULTS, "training"),
        differential=summary_table(RESULTS, "differential"),
        fits=summary_table(RESULTS, "fits"),
        claims=summary_table(RESULTS, "claims"),
    log:
        log_of("summarize") + ".log",
    benchmark:
        log_of("summarize") + ".tsv"
    conda:
        "../envs/measure.yaml"
    threads: 1
    resources:
        mem_mb=asking(2000),
        runtime=asking(30),
    params:
        code=version_of("summarize.py"),
        results=subpath(output.policies, ancestor=2),
        settings=canonical_json(summarizing(config)),
    message:
        "Summarizing all policies"
    shell:
        "python {input.script:q} --settings {params.settings:q} --code {params.code} --results {params.results:q} --log {log:q}"
