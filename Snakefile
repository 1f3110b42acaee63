# Learned optimization, measured: pretrain tiny transformers, reinforce them, measure Op and Imp.
#
#   snakemake --cores N                                        the sweep of config.yaml
#   snakemake --cores N --configfile config/quick.yaml         a small one


configfile: f"{workflow.basedir}/config.yaml"


include: "rules/common.smk"
include: "rules/sequences.smk"
include: "rules/pretrain.smk"
include: "rules/finetune.smk"
include: "rules/measure.smk"
include: "rules/summarize.smk"
include: "rules/figures.smk"
include: "rules/report.smk"


rule all:
    default_target: True
    input:
        # The manifest reads all tables; naming them brings back what was deleted since.
        [path for _, path in all_tables(RESULTS, config["sweep"])],
        rules.figures.output,
        rules.report.output,
        rules.manifest.output,


onstart:
    # What `make watch` goes by; given to --configfile, it runs the same sweep again.
    with replacing(f"{RESULTS}/logs/configuration.yaml") as path:
        path.write_text(yaml.safe_dump(dict(config), sort_keys=False), encoding="utf-8")
    if paths := made_otherwise():
        print(
            f"{len(paths)} checkpoints in {RESULTS} were made with another configuration and are replaced. "
            "To keep them, stop now and set results_dir to another folder:",
            *paths,
            sep="\n  ",
            file=sys.stderr,
        )


onsuccess:
    print(
        f"Done. The report is {RESULTS}/report.html; figures are in {RESULTS}/figures, summary tables in "
        f"{RESULTS}/summary.",
        file=sys.stderr,
    )


onerror:
    print(
        f"Stopped. What failed is in the logs named above, under {RESULTS}/logs; finished results are kept.",
        file=sys.stderr,
    )
