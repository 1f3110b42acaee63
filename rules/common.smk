# Shared by all rules: the checked configuration, paths, and what each job depends on.

import atexit
import gc
import os
import re
import shlex
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

import yaml

SCRIPTS = Path(workflow.basedir) / "workflow_scripts"
sys.path.insert(0, str(SCRIPTS))

from sweep.canonical_json import canonical_json, configuration_hash
from sweep.code import code_version
from sweep.configuration import check
from splithistory.seeding import SPLITS
from sweep.errors import UserError
from sweep.figures.svg_metadata import title_and_caption
from sweep.files import replacing
from sweep.layout import sequence_table
from sweep.memory import available_memory
from sweep.provenance import recorded_hash
from sweep.snakemake_internals import lacks_record, limit_memory, plan_lightly, take_over, uses_conda
from sweep.stages import (
    FINETUNE,
    MEASURE,
    MEASURE_GENERATOR,
    MEASURE_PRETRAINED,
    PRETRAIN,
    SEQUENCES,
    SUMMARIZE,
    all_tables,
    is_summarized,
    n_weights,
    summarized_tables,
)
from sweep.workflow import FIGURES, MANIFEST, REPORT

gc.set_threshold(100_000)  # a plan of many jobs is made of many objects, and all of them stay
atexit.register(gc.freeze)  # so that Python does not look through them once more as it ends

try:
    check(config, workflow.configfiles, given=workflow.config_settings.config)
except UserError as error:
    # SystemExit keeps Snakemake's traceback away from what is the user's to mend.
    sys.exit(str(error))

RESULTS = config["results_dir"].rstrip("/")
SIZES, TASKS, SEEDS = (config["sweep"][key] for key in ("sizes", "tasks", "seeds"))

owner = take_over(workflow)  # held to the end

# Jobs run in the interpreter that runs Snakemake, whatever PATH says, unless each rule brings a conda environment.
if not uses_conda(workflow):
    shell.prefix(f'PATH={shlex.quote(os.path.dirname(sys.executable))}:"$PATH"; ')

# Without these, glibc gives the activations of each training step back to the system and gets them anew, page by page.
for threshold in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"):
    os.environ.setdefault(threshold, str(10**9))


wildcard_constraints:
    split="|".join(SPLITS),
    size="|".join(map(re.escape, SIZES)),
    task="|".join(map(re.escape, TASKS)),
    seed=r"\d+",


def nearest_folder(path):
    """The path, or the nearest folder around it that exists."""
    return next(folder for folder in [Path(path), *Path(path).absolute().parents] if folder.exists())


def table(stage, name):
    """Path of a stage's table, with Snakemake's wildcards."""
    return stage.path(name, RESULTS)


def files(stage):
    """Paths of what a stage writes besides tables."""
    return [f"{RESULTS}/{name}" for name in stage.files(TASKS)]


def script(stage):
    """Path of a stage's script. Relative, so that a clone elsewhere runs the same command."""
    return os.path.relpath(SCRIPTS / stage.script)


def version_of(stage):
    """Version of the code that a stage runs, a parameter of its rule: a changed module reruns what uses it."""
    return code_version(SCRIPTS, stage.script)


SEED = "{seed}"  # stands for any


@cache
def settings_of_seeds(stage, **keys):
    """The settings of the jobs that differ in their seed alone, as canonical JSON with SEED in its place.

    Made once for all of them, as there may be thousands.
    """
    seed = {"seed": SEED} if "seed" in stage.keys else {}
    return canonical_json(stage.settings(config, **keys, **seed))


def settings_of(stage):
    """The settings of a stage as a parameter of its rule: canonical JSON of just what the job depends on."""

    def settings(wildcards):
        keys = dict(wildcards.items())
        seed = int(keys.pop("seed", 0))
        return settings_of_seeds(stage, **keys).replace(f'"{SEED}"', str(seed))

    return settings


def command(stage, *options):
    """The command of a rule: its script with an option for each input and output that the stage declares.

    The script of a stage that reads all that there is finds it by the names of the sweep, so that its command stays
    short however many policies there are.
    """
    if stage.inputs is None:
        paths = ["--results {params.results:q}"]
    else:
        paths = [f"--{name} {{input.{name}:q}}" for name in stage.inputs]
        paths += [f"--{name.replace('_', '-')} {{output.{name}:q}}" for name in stage.tables]
    shared = ["python {input.script:q} --settings {params.settings:q} --code {params.code} --log {log:q}"]
    return " ".join([*shared, *paths, *options])


def missing_tables(wildcards):
    """Tables that are not there, but those that the summary asks for where it is missing as well."""
    summarizing = not os.path.exists(rules.summarize.output.policies)
    return [
        table.path
        for table in all_tables(RESULTS, config["sweep"])
        if not (summarizing and is_summarized(table)) and not os.path.exists(table.path)
    ]


def replaced_checkpoints():
    """Checkpoints of this sweep's policies that another configuration made; they are about to be replaced."""
    return [
        table.path
        for table in all_tables(RESULTS, config["sweep"])
        if table.name == "checkpoint"
        and recorded_hash(table.path) not in (None, configuration_hash(table.job.settings(config)))
    ]


# What a job asks for, from what jobs took on one core of a server (docs/cluster.md). Each further attempt asks for as
# much again.
limit_memory(workflow, available_memory() // 10**6)

GPUS = 1 if config["device"] == "cuda" else 0  # of a job that trains or runs a policy


@cache
def weights(size):
    """Weights in the blocks of a size's policies."""
    return n_weights(config, size)


def largest_first(stage):
    """Priority of a job: its stage's, then that of larger policies, so that no long job is left to the end."""
    largest = max(map(weights, SIZES))
    return lambda wildcards: stage + weights(wildcards.size) / (largest + 1)


def asking(amount):
    """A resource that is the same for all sizes, times the attempt."""
    return lambda wildcards, attempt: attempt * amount


def memory(bytes_per_weight):
    """MB of a job that holds a policy: for Python, torch and Snakemake, and for each of the policy's weights."""
    return lambda wildcards, attempt: attempt * (1500 + weights(wildcards.size) * bytes_per_weight // 10**6)


def training_time(stage):
    """Minutes of a training job: four times those of a server's core, and ten to start and to end."""

    @cache
    def minutes(size, **keys):
        settings = stage.settings(config, size=size, **keys, seed=SEED)[stage.rule]
        tokens = settings["n_steps"] * settings["batch_size"] * config["sequence"]["context_length"]
        return 10 + round(4 * tokens * (12e-6 + 1e-10 * weights(size)) / 60)

    return lambda wildcards, attempt: attempt * minutes(
        **{key: value for key, value in wildcards.items() if key != "seed"}
    )


def measuring_time(wildcards, attempt):
    """Minutes of a job that measures a policy."""
    return attempt * (5 + weights(wildcards.size) // 100_000)


def figure_file(path):
    """A figure's file, marked for `snakemake --report`; its subject and title are looked up once that is asked for."""
    name, format = os.path.basename(path).rsplit(".", 1)
    svg_path = f"{RESULTS}/figures/{name}.svg"

    def subject(wildcards):
        from sweep.figures.drawing import figure_subject  # and with it matplotlib

        return figure_subject(name, TASKS).capitalize()

    return report(
        path,
        caption="figures.rst",
        category="Figures",
        subcategory=subject,
        labels=lambda wildcards: {"figure": name, "format": format, "title": title_and_caption(svg_path)[0]},
    )
