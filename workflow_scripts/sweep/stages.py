"""The stages of the workflow: what each depends on, reads and writes.

The functions at the top return the settings of a stage: exactly the part of the configuration that it depends on. Rules
pass these to their script as canonical JSON, and tables record them in their metadata. Each function takes a valid
configuration, or any part of one that has the keys it needs. The declarations below are the single source for the
rules, the checks of provenance, and `make watch`, `verify`, `adopt` and `publish`.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from splithistory.environment import environment_of
from splithistory.task import Task
from sweep.layout import MODEL, POLICY, Stage, Table, csv_beside, jobs_of, sequence_table
from sweep.schemas.checkpoint import CHECKPOINT
from sweep.schemas.differential import DIFFERENTIAL
from sweep.schemas.finetune import REINFORCEMENT
from sweep.schemas.measure import ACTIONS, BOOTSTRAP, GENERATOR, MEASURED, SELF_ESTIMATE, SUCCESS
from sweep.schemas.pretrain import PRETRAINING
from sweep.schemas.sequences import CHAINS
from sweep.schemas.summary import SUMMARY

Config = Mapping[str, Any]
Settings = dict[str, Any]


def generating(config: Config, split: str) -> Settings:
    """Return the settings of the chains of a split."""
    sequence = config["sequence"]
    return {
        "split": split,
        "n_chains": sequence[f"n_{split}"],
        **{key: sequence[key] for key in ("seed", "chain_length", "environment", "noise", "outcome_of_residue")},
    }


def pretraining(config: Config, size: str, seed: int) -> Settings:
    """Return the settings of a pretrained model."""
    return {
        "architecture": architecture_settings(config, size),
        "pretrain": pretrain_settings(config, size),
        "seed": seed,
        "train": generating(config, "train"),
        "validation": generating(config, "validation"),
    }


def finetuning(config: Config, task: str, size: str, seed: int) -> Settings:
    """Return the settings of a policy."""
    return {
        "utility": utility_settings(config, task),
        "finetune": finetune_settings(config, size, task),
        "pretraining": pretraining(config, size, seed),
    }


def measuring(config: Config, task: str, size: str, seed: int) -> Settings:
    """Return the settings of the measures of a policy."""
    return {
        "policy": finetuning(config, task, size, seed=seed),
        "test": generating(config, "test"),
        "measure": dict(config["measure"]),
    }


def measuring_pretrained(config: Config, size: str, seed: int) -> Settings:
    """Return the settings of the differential measures of a pretrained model."""
    return {
        "pretraining": pretraining(config, size, seed),
        "test": generating(config, "test"),
        "measure": {key: config["measure"][key] for key in ("seed", "n_contexts_differential")},
    }


def measuring_generator(config: Config) -> Settings:
    """Return the settings of the measures of the sequence's own generator."""
    return {
        "context_length": config["sequence"]["context_length"],
        "test": generating(config, "test"),
        "measure": dict(config["measure"]),
    }


def summarizing(config: Config) -> Settings:
    """Return the settings of the summary tables and the manifest: everything but devices, places and appearance."""
    sweep = config["sweep"]
    return {
        **{key: config[key] for key in ("sweep", "sequence", "pretrain", "finetune", "measure")},
        "sizes": {size: config["sizes"][size] for size in sweep["sizes"]},
        "tasks": {
            task: {"utility": utility_settings(config, task), "finetune": config["tasks"][task].get("finetune", {})}
            for task in sweep["tasks"]
        },
    }


def drawing(config: Config) -> Settings:
    """Return the settings of the figures and the report."""
    return summarizing(config) | {"figures": config["figures"]}


_LEARNT = {split: sequence_table("{results}", split) for split in ("train", "validation")}
_TEST = {"test": sequence_table("{results}", "test")}

SEQUENCES = Stage("sequences", "generate_sequences.py", generating, keys=("split",), inputs={}, schemas=(CHAINS,))
MEASURE_GENERATOR = Stage(
    "measure_generator",
    "measure_generator.py",
    measuring_generator,
    inputs=_TEST,
    schemas=(GENERATOR,),
    files=lambda tasks: [csv_beside(GENERATOR.name)],
    published=(GENERATOR,),
)
PRETRAIN = Stage("pretrain", "pretrain.py", pretraining, keys=MODEL, inputs=_LEARNT, schemas=(CHECKPOINT, PRETRAINING))
MEASURE_PRETRAINED = Stage(
    "measure_pretrained",
    "measure_pretrained.py",
    measuring_pretrained,
    keys=MODEL,
    inputs={"checkpoint": PRETRAIN.path("checkpoint"), **_TEST},
    schemas=(DIFFERENTIAL,),
)
FINETUNE = Stage(
    "finetune",
    "finetune.py",
    finetuning,
    keys=POLICY,
    inputs={"pretrained": PRETRAIN.path("checkpoint"), **_LEARNT},
    schemas=(CHECKPOINT, REINFORCEMENT),
)
MEASURE = Stage(
    "measure",
    "measure.py",
    measuring,
    keys=POLICY,
    inputs={"checkpoint": FINETUNE.path("checkpoint"), "pretrained": PRETRAIN.path("checkpoint"), **_TEST},
    schemas=(SUCCESS, MEASURED, ACTIONS, BOOTSTRAP, SELF_ESTIMATE, DIFFERENTIAL),
    published=(MEASURED, BOOTSTRAP, SELF_ESTIMATE),  # what the pages in docs/ read
)
_SUMMARIES = tuple(SUMMARY.values())
SUMMARIZE = Stage(
    "summarize",
    "summarize.py",
    summarizing,
    schemas=_SUMMARIES,
    files=lambda tasks: [csv_beside(schema.name) for schema in _SUMMARIES],
    published=_SUMMARIES,
)

TRAINING = (PRETRAIN, FINETUNE)
# The stages that make tables, each after those whose tables it reads; `workflow` adds the others.
OF_TABLES = (SEQUENCES, MEASURE_GENERATOR, PRETRAIN, MEASURE_PRETRAINED, FINETUNE, MEASURE, SUMMARIZE)


def all_tables(results: str, sweep: Mapping[str, Any]) -> Iterator[Table]:
    """Iterate over every table of a sweep except the manifest, each after those that it is made from."""
    return (table for job in jobs_of(OF_TABLES, results, sweep) for table in job.tables)


def summarized_tables(results: str, sweep: Mapping[str, Any]) -> Iterator[Table]:
    """Iterate over what summaries are made from: all tables of models and policies except policies' checkpoints."""
    return filter(is_summarized, all_tables(results, sweep))


def is_summarized(table: Table) -> bool:
    """Return whether a table is one of `summarized_tables`."""
    stage = table.job.stage
    return "size" in stage.keys and (stage, table.name) != (FINETUNE, "checkpoint")


def n_weights(config: Config, size: str) -> int:
    """Count the weights in the blocks of a size's policies, with which time and memory of a job grow."""
    shape = architecture_settings(config, size)
    return shape["n_layers"] * shape["d_model"] * (4 * shape["d_model"] + 2 * shape["d_ff"])


def utility_settings(config: Mapping[str, Any], task: str) -> list[float]:
    """Return the utility of every outcome. That of a good set is 0 or 1, whatever the order of its list.

    Args:
        config: a valid configuration.
        task: a name defined under ``tasks``.

    Raises:
        KeyError: if the task is not defined.
    """
    return list(task_of(config, task).utility)


def task_of(config: Mapping[str, Any], task: str) -> Task:
    """Create a task in the configuration's environment.

    Args:
        config: a valid configuration.
        task: a name defined under ``tasks``.

    Raises:
        KeyError: if the task is not defined.
    """
    return Task.from_settings(task, config["tasks"][task], environment_of(config["sequence"]))


def architecture_settings(config: Mapping[str, Any], size: str) -> dict[str, int]:
    """Return the shape of a size's policies.

    Args:
        config: a valid configuration.
        size: a name defined under ``sizes``.

    Returns:
        ``d_model``, ``n_layers``, ``n_heads``, ``d_ff`` and ``context_length``.

    Raises:
        KeyError: if the size is not defined.
    """
    shape = {key: config["sizes"][size][key] for key in ("d_model", "n_layers", "n_heads", "d_ff")}
    return {**shape, "context_length": config["sequence"]["context_length"]}


def pretrain_settings(config: Mapping[str, Any], size: str) -> dict[str, Any]:
    """Return the settings of a size's pretraining: the general ones, overridden by the size's.

    Args:
        config: a valid configuration.
        size: a name defined under ``sizes``.

    Returns:
        Values of all keys of the section ``pretrain``.

    Raises:
        KeyError: if the size is not defined.
    """
    return _merged(config["pretrain"], config["sizes"][size].get("pretrain", {}))


def finetune_settings(config: Mapping[str, Any], size: str, task: str) -> dict[str, Any]:
    """Return the settings of a policy's reinforcement: the general ones, overridden by the size's, then by the task's.

    `chance_exponent` is already applied to `n_steps`, the number of steps that are actually taken.

    Args:
        config: a valid configuration.
        size: a name defined under ``sizes``.
        task: a name defined under ``tasks``.

    Returns:
        Values of all keys of the section ``finetune`` except `chance_exponent`; ``maintenance`` is merged key by key.

    Raises:
        KeyError: if the size or the task is not defined.
    """
    of_size, of_task = config["sizes"][size].get("finetune", {}), config["tasks"][task].get("finetune", {})
    settings = _merged(_merged(config["finetune"], of_size), of_task)
    failing = 1 - task_of(config, task).chance
    return settings | {"n_steps": max(1, round(settings["n_steps"] * failing ** settings.pop("chance_exponent")))}


def _merged(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Apply overrides to settings, key by key in nested mappings."""
    merged = dict(settings)
    for key, value in overrides.items():
        merged[key] = _merged(settings[key], value) if isinstance(value, Mapping) else value
    return merged
