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


plan_lightly(workflow)


if not os.access(writable := nearest_folder(RESULTS), os.W_OK):
    print(
        f"{writable} cannot be written to, so nothing can be made in {RESULTS}. "
        "Make it writable, or set results_dir to another folder.",
        file=sys.stderr,
    )
if lacks_record(workflow, sequence_table(RESULTS, "test")):
    print(
        f"Snakemake has no record here of how {RESULTS} was made, so it cannot tell whether the configuration or "
        "code has changed since. `make adopt` checks the files and records them.",
        file=sys.stderr,
    )


rule all:
    default_target: True
    input:
        # The manifest reads all tables; naming those that are missing brings back what was deleted since.
        missing_tables,
        rules.figures.output,
        rules.report.output,
        rules.manifest.output,


onstart:
    # What `make watch` goes by; given to --configfile, it runs the same sweep again.
    with replacing(f"{RESULTS}/logs/configuration.yaml") as path:
        path.write_text(yaml.safe_dump(dict(config), sort_keys=False), encoding="utf-8")
    if paths := replaced_checkpoints():
        print(
            f"{len(paths)} checkpoints in {RESULTS} were made with another configuration and are replaced. "
            "To keep them, stop now and set results_dir to another folder:",
            *paths,
            sep="\n  ",
            file=sys.stderr,
        )


onsuccess:
    with suppress(OSError):  # unless a training of another sweep has its state here
        os.rmdir(f"{RESULTS}/state")
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
