# Learned optimization, measured: pretrain tiny transformers, reinforce them, measure Op and Imp.
#
#   snakemake --cores N                                        the sweep of config.yaml
#   snakemake --cores N --configfile config/quick.yaml         a small one


from snakemake.utils import min_version

min_version("9.17.0")


configfile: f"{workflow.current_basedir}/config.yaml"


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
        targets,


onstart:
    stop_on_signals(has_jobs=True)  # again, since Snakemake has just set its own handler of SIGTERM
    # For `make watch`; given to --configfile, this file runs the same sweep again.
    with replacing(f"{RESULTS}/logs/configuration.yaml") as path:
        path.write_text(yaml.safe_dump(dict(config), sort_keys=False), encoding="utf-8")
    remember_sweep(BASE, RESULTS)


onsuccess:
    with suppress(OSError):  # another sweep may still keep the state of a training run here
        os.rmdir(f"{RESULTS}/state")
    screen.close_run("Done.")


onerror:
    screen.close_stopped()
