# Shared by all rules: the checked configuration, paths, and the settings and code that each job depends on.

import atexit
import gc
import os
import platform
import re
import sys
from contextlib import suppress
from functools import cache
from pathlib import Path

BASE = Path(str(workflow.current_basedir)).parent  # another Snakefile may import or include this workflow
SCRIPTS = BASE / "workflow_scripts"
if not SCRIPTS.is_dir():
    sys.exit(f"{BASE} has no workflow_scripts/: clone the repository and name the clone's Snakefile.")
sys.path.insert(0, str(SCRIPTS))

from sweep.requirements import lacking_packages, prefer_own_packages
from sweep.snakemake_internals import uses_conda

prefer_own_packages()
if lacking := lacking_packages(BASE / "envs" / "requirements.txt", with_jobs=not uses_conda(workflow)):
    sys.exit(lacking)

import yaml

from sweep.canonical_json import canonical_json, configuration_hash
from sweep.code import code_version
from sweep.configuration import check, with_defaults
from splithistory.seeding import SPLITS
from sweep.errors import UserError
from sweep.figures.svg_metadata import title_and_caption
from sweep.files import replacing
from sweep.formatting import first_of
from sweep.layout import sequence_table
from sweep.memory import available_memory
from sweep.places import folder_problem, one_spelling, remember_sweep, unwritable
from sweep.provenance import recorded_hash
from sweep.runs import hold, stop_on_signals
from sweep.screen import Screen, Terminal
from sweep.snakemake_internals import (
    is_batched,
    lacks_record,
    limit_memory,
    log_file,
    lost_settings,
    plan_lightly,
    replace_screen,
    schedule_lightly,
    when_planned,
)
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
)
from sweep.workflow import FIGURES, MANIFEST, REPORT

gc.set_threshold(1_000_000)  # planning many jobs creates many objects, none of which can be freed
atexit.register(gc.freeze)  # so that Python does not search them again when it exits

IS_MAIN = os.path.realpath(workflow.basedir) == os.path.realpath(BASE)
if not IS_MAIN:
    config = with_defaults(config)  # a module that is given a configuration does not read its own configfile

try:
    if IS_MAIN:
        check(config, workflow.configfiles, given=workflow.config_settings.config)
    else:
        check(config, [], given={})
except UserError as error:
    # SystemExit, since Snakemake would add a traceback to a message that is meant for the user.
    sys.exit(str(error))

RESULTS = config["results_dir"] = one_spelling(config["results_dir"])
if obstacle := folder_problem(RESULTS):
    sys.exit(obstacle)
SIZES, TASKS, SEEDS = (config["sweep"][key] for key in ("sizes", "tasks", "seeds"))

# Unless each rule runs in its conda environment, jobs use the interpreter that runs Snakemake, whatever PATH says. No
# job outlives the Snakemake process that waits for it.
if not uses_conda(workflow):
    os.environ.update(SWEEP_PYTHON=sys.executable)
os.environ.update(SWEEP_SNAKEMAKE=f"{platform.node()} {os.getpid()}")

# Otherwise glibc returns the memory of each training step's activations to the system, and gets it back page by page.
for threshold in ("MALLOC_MMAP_THRESHOLD_", "MALLOC_TRIM_THRESHOLD_"):
    os.environ.setdefault(threshold, str(10**9))


wildcard_constraints:
    split="|".join(SPLITS),
    size="|".join(map(re.escape, SIZES)),
    task="|".join(map(re.escape, TASKS)),
    seed=r"\d+",


def table(stage, name):
    """Return the path of a stage's table, with Snakemake's wildcards."""
    return stage.path(name, RESULTS)


def files(stage):
    """List the paths of the files that a stage writes besides tables."""
    return [f"{RESULTS}/{name}" for name in stage.files(TASKS)]


def script(stage):
    """Return the path of a stage's script, without a module's prefix; relative, so that other clones run the same."""
    return local(os.path.relpath(SCRIPTS / stage.script))


def version_of(stage):
    """Return the version of a stage's code. It is a parameter of the rule, so a changed module reruns what uses it."""
    return code_version(SCRIPTS, stage.script)


SEED = "{seed}"  # stands for any seed


@cache
def settings_of_seeds(stage, **keys):
    """Return the settings of jobs that differ only in their seed, as canonical JSON with SEED in its place.

    The text is made once for all of these jobs, of which there may be thousands.
    """
    seed = {"seed": SEED} if "seed" in stage.keys else {}
    return canonical_json(stage.settings(config, **keys, **seed))


def settings_of(stage):
    """Return a function for a rule's parameter: the settings that a job depends on, as canonical JSON."""

    def settings(wildcards):
        keys = dict(wildcards.items())
        seed = int(keys.pop("seed", 0))
        return settings_of_seeds(stage, **keys).replace(f'"{SEED}"', str(seed))

    return settings


def state_of(stage):
    """Return a function for a rule's parameter: the path at which training keeps its state."""

    def path(wildcards, output):
        results = Path(output.checkpoint).parents[len(stage.keys) + 2]
        return f"{results}/state/{','.join([stage.rule, *(f'{key}={wildcards[key]}' for key in stage.keys)])}"

    return path


def command(stage, *options):
    """Return the command of a rule: its script with an option for each input and output that the stage declares.

    A stage that reads all tables finds them by the sweep's names, so that its command stays short however many policies
    there are.
    """
    if stage.inputs is None:
        paths = ["--results {params.results:q}"]
    else:
        paths = [f"--{name} {{input.{name}:q}}" for name in stage.inputs]
        paths += [f"--{name.replace('_', '-')} {{output.{name}:q}}" for name in stage.tables]
    # -E ignores PYTHONPATH and the like, which may be meant for another Python.
    python = '"${{SWEEP_PYTHON:-python}}" -E {input.script:q}'
    shared = "--settings {params.settings:q} --code {params.code} --log {log:q}"
    return " ".join([python, shared, *paths, *options])


@cache
def every_table():
    """List every table of the sweep, once: there may be ten for each of thousands of policies."""
    return list(all_tables(RESULTS, config["sweep"]))


def targets(wildcards):
    """List the targets: all files, or with --batch one table per policy and the last file, so batches are policies."""
    last = rules.manifest.output.manifest
    if is_batched(workflow):
        return [
            *(table.path for table in every_table() if (table.job.stage, table.name) == (MEASURE, "success")),
            last,
        ]
    copies = [*rules.measure_generator.output.csv, *rules.summarize.output.csv]
    return [*missing_tables(), *copies, *rules.figures.output, *rules.report.output, last]


def missing_tables():
    """List the missing tables, so that deleted ones are remade, except those that a missing summary requests anyway.

    The manifest reads all tables, but listing all of them as its inputs would make planning a large sweep slow.
    """
    summarizing = not os.path.exists(rules.summarize.output.policies)
    return [
        table.path
        for table in every_table()
        if not (summarizing and is_summarized(table)) and not os.path.exists(table.path)
    ]


def prepare(plan):
    """Say what the run would replace or cannot do, keep other runs out, and return whether they are kept out."""
    screen.plan, screen.log_file = plan, log_file(workflow)
    if plan.batch not in (None, "all"):
        sys.exit(
            f"--batch {plan.batch}=...: here batches are parts of the policies: use --batch all=1/2, for example."
        )
    problem = unwritable(RESULTS)
    if problem and not plan.dry_run:
        sys.exit(problem)
    notices = [problem] if problem else []
    if lost := lost_settings(sys.argv[1:]):
        notices.append(
            f"profiles/ of the workflow win over your own profile: {', '.join(lost)}. "
            "To have yours, give it on the command line, or name a changed copy with --workflow-profile."
        )
    if not plan.touch and lacks_record(workflow, sequence_table(RESULTS, "test")):
        notices.append(
            f"Snakemake has no record here of how {RESULTS} was made, so it cannot tell whether the configuration or "
            "code has changed since. `make adopt` checks the files and records them."
        )
    if not plan.touch and (policies := replaced_policies(plan.outputs)):
        would, stop = ("would be", "") if plan.dry_run else ("are", "stop now and ")
        notices.append(
            f"{len(policies)} checkpoints in {RESULTS} were made with another configuration and {would} replaced. "
            f"To keep them, {stop}set results_dir to another folder:\n  " + "\n  ".join(first_of(policies))
        )
    for notice in notices:
        Terminal(sys.stderr).say(notice)
    if plan.dry_run or not plan.outputs:
        return False
    try:
        return hold(RESULTS, [os.path.relpath(path) for path in workflow.configfiles], noted=not plan.touch)
    except UserError as error:
        sys.exit(f"error: {error}")


def replaced_policies(outputs):
    """List the policies and pretrained models that were made with another configuration and will be replaced."""
    return [
        f"{keys['size']}, seed {keys['seed']}" + (f" on {keys['task']}" if "task" in keys else ", pretrained")
        for table in every_table()
        if table.name == "checkpoint"
        and (keys := table.job.keys)
        and table.path in outputs
        and (recorded := recorded_hash(table.path)) is not None
        and recorded != configuration_hash(table.job.settings(config))
    ]


if IS_MAIN:
    screen = Screen(workflow.output_settings, config)
    if workflow.is_main_process:
        stop_on_signals(has_jobs=False)
    # If the screen shows a job's messages, the job itself need not print them.
    shown = workflow.is_main_process and replace_screen(workflow, screen)
    os.environ.update(SWEEP_SCREEN="1" if shown else "")
    when_planned(workflow, prepare)
    plan_lightly()
    schedule_lightly()

# The resources that jobs request, based on what they took on one core of a server (docs/cluster.md). The second attempt
# requests twice as much, the third three times.
if IS_MAIN:
    limit_memory(workflow, available_memory() // 10**6)

GPUS = 1 if config["device"] == "cuda" else 0  # per job that trains or runs a policy


@cache
def weights(size):
    """Count the weights in the blocks of a size's policies."""
    return n_weights(config, size)


def largest_first(stage):
    """Return the priority of jobs: first by stage, then by size of the policy, so that no long job starts last."""
    largest = max(map(weights, SIZES))
    return lambda wildcards: stage + weights(wildcards.size) / (largest + 1)


def asking(amount):
    """Return a resource that is the same for all sizes, and grows with the attempt."""
    return lambda wildcards, attempt: attempt * amount


def memory(bytes_per_weight):
    """Return the MB of a job that holds a policy: for Python, torch and Snakemake, plus some bytes per weight."""
    return lambda wildcards, attempt: attempt * (1500 + weights(wildcards.size) * bytes_per_weight // 10**6)


def training_time(stage):
    """Return the minutes of a training job: four times those on a server's core, plus ten to start and end."""

    @cache
    def minutes(size, **keys):
        settings = stage.settings(config, size=size, **keys, seed=SEED)[stage.rule]
        tokens = settings["n_steps"] * settings["batch_size"] * config["sequence"]["context_length"]
        return 10 + round(4 * tokens * (12e-6 + 1e-10 * weights(size)) / 60)

    return lambda wildcards, attempt: attempt * minutes(
        **{key: value for key, value in wildcards.items() if key != "seed"}
    )


def measuring_time(wildcards, attempt):
    """Return the minutes of a job that measures a policy."""
    return attempt * (5 + weights(wildcards.size) // 100_000)


def figure_file(path):
    """Mark a figure's file for `snakemake --report`, which looks up the subject and title only when it is used."""
    name, format = os.path.basename(path).rsplit(".", 1)
    svg_path = f"{RESULTS}/figures/{name}.svg"

    def subject(wildcards):
        from sweep.figures.drawing import figure_subject  # here, since it imports matplotlib

        return figure_subject(name, TASKS).capitalize()

    return report(
        path,
        caption="figures.rst",
        category="Figures",
        subcategory=subject,
        labels=lambda wildcards: {"figure": name, "format": format, "title": title_and_caption(svg_path)[0]},
    )
