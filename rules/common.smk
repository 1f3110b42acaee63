# Shared by all rules: the checked configuration, paths, and what each rule's code depends on.

import os
import re
import shlex
import sys
from pathlib import Path

SCRIPTS = Path(workflow.basedir) / "workflow_scripts"
sys.path.insert(0, str(SCRIPTS))

from snakemake.exceptions import WorkflowError
from snakemake.settings.types import DeploymentMethod
from sweep.code import local_modules
from sweep.configuration import (
    ConfigurationError,
    architecture_settings,
    canonical_json,
    configuration_hash,
    finetune_settings,
    pretrain_settings,
    validate,
)
from sweep.figures import figure_names, figure_subject
from sweep.figures.texts import title_and_caption
from sweep.provenance import recorded_hash
from sweep.layout import (
    all_tables,
    finetuned_table,
    policy_keys,
    pretrained_keys,
    pretrained_table,
    sequence_table,
    summary_table,
)

try:
    validate(config)
except ConfigurationError as error:
    # SystemExit keeps Snakemake's traceback away from what is the user's to mend.
    sys.exit(str(error))

RESULTS = config["results_dir"].rstrip("/")
SIZES, TASKS, SEEDS = (config["sweep"][key] for key in ("sizes", "tasks", "seeds"))

# Jobs run in the interpreter that runs Snakemake, whatever PATH says, unless each rule brings a conda environment.
if DeploymentMethod.CONDA not in workflow.deployment_settings.deployment_method:
    shell.prefix(f'PATH={shlex.quote(os.path.dirname(sys.executable))}:"$PATH"; ')


wildcard_constraints:
    size="|".join(map(re.escape, SIZES)),
    task="|".join(map(re.escape, TASKS)),
    seed=r"\d+",


def every(path):
    """The path once for each policy (or pretrained model) of the sweep."""
    return expand(path, size=SIZES, task=TASKS, seed=SEEDS)


def pretraining_of(size):
    """What a size's pretraining depends on."""
    return {
        "architecture": architecture_settings(config, size),
        "pretrain": pretrain_settings(config, size),
        "sequence": {key: value for key, value in config["sequence"].items() if key != "n_test"},
    }


def finetuning_of(size, task):
    """What a size's reinforcement on a task depends on."""
    return {
        "good": sorted(config["tasks"][task]["good"]),
        "finetune": finetune_settings(config, size, task),
        "pretraining": pretraining_of(size),
    }


def measuring():
    """What the split-history measures depend on."""
    return {key: value for key, value in config["measure"].items() if key != "n_contexts_differential"}


def configuration_that_is_run():
    """The configuration without what is defined and not run, and without where it is run."""
    sweep = config["sweep"]
    return {key: value for key, value in config.items() if key not in ("results_dir", "device")} | {
        "sizes": {size: config["sizes"][size] for size in sweep["sizes"]},
        "tasks": {
            task: config["tasks"][task] | {"good": sorted(config["tasks"][task]["good"])}
            for task in sweep["tasks"]
        },
    }


def made_otherwise():
    """Checkpoints of this sweep's policies that another configuration made; they are about to be replaced."""
    sweep = config["sweep"]
    checkpoints = {
        pretrained_table(RESULTS, "checkpoint", **keys): pretraining_of(keys["size"])
        for keys in pretrained_keys(sweep)
    } | {
        finetuned_table(RESULTS, "checkpoint", **keys): finetuning_of(keys["size"], keys["task"])
        for keys in policy_keys(sweep)
    }
    return [
        path
        for path, settings in checkpoints.items()
        if recorded_hash(path) not in (None, configuration_hash(settings))
    ]


# What a job asks a cluster for, from what jobs took on one core of a server (docs/cluster.md). Each further attempt asks
# for as much again. On one machine only `device` has an effect.

GPUS = 1 if config["device"] == "cuda" else 0  # of a job that trains or runs a policy


def n_weights(size):
    """Weights in the blocks of a size's policies; what a job needs grows with them."""
    shape = architecture_settings(config, size)
    return shape["n_layers"] * shape["d_model"] * (4 * shape["d_model"] + 2 * shape["d_ff"])


def asking(amount):
    """A resource that is the same for all sizes, times the attempt."""
    return lambda wildcards, attempt: attempt * amount


def memory(bytes_per_weight):
    """MB of a job that holds a policy: for Python, torch and Snakemake, and for each of the policy's weights."""
    return lambda wildcards, attempt: attempt * (1500 + n_weights(wildcards.size) * bytes_per_weight // 10**6)


def training_time(settings_of):
    """Minutes of a training job: four times those of a server's core, and ten to start and to end.

    `settings_of` gives the training's settings for the job's wildcards.
    """

    def minutes(wildcards, attempt):
        settings = settings_of(wildcards)
        tokens = settings["n_steps"] * settings["batch_size"] * config["sequence"]["context_length"]
        seconds = tokens * (12e-6 + 1e-10 * n_weights(wildcards.size))
        return attempt * (10 + round(4 * seconds / 60))

    return minutes


def measuring_time(wildcards, attempt):
    """Minutes of a job that measures a policy."""
    return attempt * (5 + n_weights(wildcards.size) // 100_000)


def figure_file(name, format):
    """A figure's file, marked for `snakemake --report`; its title is read once that is asked for."""
    path = f"{RESULTS}/figures/{name}.{format}"
    svg_path = f"{RESULTS}/figures/{name}.svg"
    return report(
        path,
        caption="figures.rst",
        category="Figures",
        subcategory=figure_subject(name, TASKS).capitalize(),
        labels=lambda wildcards: {"figure": name, "format": format, "title": title_and_caption(svg_path)[0]},
    )


def log_of(rule, keys=""):
    """Paths of a rule's log and benchmark file, without extension."""
    return f"{RESULTS}/logs/{rule}/{keys}".rstrip("/")


def code(script):
    """The script and the project's modules that it imports, as paths relative to the working directory.

    Inputs of every rule, so that a changed module reruns what it is part of, and nothing else.
    """
    return [os.path.relpath(path) for path in local_modules(SCRIPTS, script)]
