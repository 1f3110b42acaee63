"""The part of the configuration that each stage depends on, and nothing else of it.

Rules pass it to their script as canonical JSON, tables keep it in their metadata, and `origin` says what it must be for
a table that is there already. Each function takes a valid configuration, or any part of one that holds its keys.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from splithistory.environment import environment_of
from splithistory.seeding import SPLITS
from splithistory.task import Task
from sweep.layout import Table, finetuned_table, pretrained_table, sequence_table

Config = Mapping[str, Any]
Settings = dict[str, Any]


def generating(config: Config, split: str) -> Settings:
    """What the chains of a split depend on."""
    sequence = config["sequence"]
    return {
        "split": split,
        "n_chains": sequence[f"n_{split}"],
        **{key: sequence[key] for key in ("seed", "chain_length", "environment", "noise", "outcome_of_residue")},
    }


def pretraining(config: Config, size: str, seed: int) -> Settings:
    """What a pretrained model depends on."""
    return {
        "architecture": architecture_settings(config, size),
        "pretrain": pretrain_settings(config, size),
        "seed": seed,
        "train": generating(config, "train"),
        "validation": generating(config, "validation"),
    }


def finetuning(config: Config, task: str, size: str, seed: int) -> Settings:
    """What a policy depends on."""
    return {
        "utility": utility_settings(config, task),
        "finetune": finetune_settings(config, size, task),
        "pretraining": pretraining(config, size, seed),
    }


def measuring(config: Config, task: str, size: str, seed: int) -> Settings:
    """What the measures of a policy depend on."""
    return {
        "policy": finetuning(config, task, size, seed),
        "test": generating(config, "test"),
        "measure": dict(config["measure"]),
    }


def measuring_pretrained(config: Config, size: str, seed: int) -> Settings:
    """What the differential measures of a pretrained model depend on."""
    return {
        "pretraining": pretraining(config, size, seed),
        "test": generating(config, "test"),
        "measure": {key: config["measure"][key] for key in ("seed", "n_contexts_differential")},
    }


def measuring_generator(config: Config) -> Settings:
    """What the measures of the sequence's own generator depend on."""
    return {
        "context_length": config["sequence"]["context_length"],
        "test": generating(config, "test"),
        "measure": dict(config["measure"]),
    }


def summarizing(config: Config) -> Settings:
    """What the summary tables and the manifest depend on: all that is run, and not where."""
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
    """What the figures and the report depend on."""
    return summarizing(config) | {"figures": config["figures"]}


@dataclass(frozen=True)
class Origin:
    """How a table is made.

    Attributes:
        script: file name of the script.
        settings: what its metadata keep of the configuration.
        inputs: paths of the tables it is made from, by their part in it. Those of the summary are all others.
    """

    script: str
    settings: Settings
    inputs: dict[str, str]


def origin(config: Config, results: str, table: Table) -> Origin:
    """How a table of this configuration is made.

    Args:
        config: a valid configuration.
        results: folder of the sweep.
        table: one of its tables.
    """
    chains = {split: sequence_table(results, split) for split in SPLITS}
    model = {key: value for key, value in table.keys.items() if key != "task"}
    pretrained = pretrained_table(results, "checkpoint", **model)
    policy = finetuned_table(results, "checkpoint", **table.keys)
    learnt = {split: chains[split] for split in ("train", "validation")}
    test = {"test": chains["test"]}
    match table.stage, table.name:
        case "sequences", split:
            return Origin("generate_sequences.py", generating(config, split), {})
        case "pretrained", "differential":
            settings = measuring_pretrained(config, **table.keys)
            return Origin("measure_pretrained.py", settings, {"checkpoint": pretrained, **test})
        case "pretrained", _:
            return Origin("pretrain.py", pretraining(config, **table.keys), learnt)
        case "finetuned", "checkpoint" | "training":
            return Origin("finetune.py", finetuning(config, **table.keys), {"pretrained": pretrained, **learnt})
        case "finetuned", _:
            inputs = {"checkpoint": policy, "pretrained": pretrained, **test}
            return Origin("measure.py", measuring(config, **table.keys), inputs)
        case "summary", "generator":
            return Origin("measure_generator.py", measuring_generator(config), test)
        case _:
            return Origin("summarize.py", summarizing(config), {})


def utility_settings(config: Mapping[str, Any], task: str) -> list[float]:
    """The utility of every outcome, in one form for all tasks: a good set is 0 and 1, in whatever order it is listed.

    Args:
        config: a valid configuration.
        task: a name defined under ``tasks``.

    Raises:
        KeyError: if the task is not defined.
    """
    return list(task_of(config, task).utility)


def task_of(config: Mapping[str, Any], task: str) -> Task:
    """A task in the configuration's environment.

    Args:
        config: a valid configuration.
        task: a name defined under ``tasks``.

    Raises:
        KeyError: if the task is not defined.
    """
    return Task.from_settings(task, config["tasks"][task], environment_of(config["sequence"]))


def architecture_settings(config: Mapping[str, Any], size: str) -> dict[str, int]:
    """Shape of the policies of a size.

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
    """Settings of a size's pretraining: the general ones, overridden by the size's.

    Args:
        config: a valid configuration.
        size: a name defined under ``sizes``.

    Returns:
        Every key of the section ``pretrain``.

    Raises:
        KeyError: if the size is not defined.
    """
    return _merged(config["pretrain"], config["sizes"][size].get("pretrain", {}))


def finetune_settings(config: Mapping[str, Any], size: str, task: str) -> dict[str, Any]:
    """Settings of a policy's reinforcement: the general ones, overridden by the size's, then by the task's.

    What `chance_exponent` makes of `n_steps` is worked out here, so that all else knows the steps that are taken.

    Args:
        config: a valid configuration.
        size: a name defined under ``sizes``.
        task: a name defined under ``tasks``.

    Returns:
        Every other key of the section ``finetune``; ``maintenance`` is merged key by key.

    Raises:
        KeyError: if the size or the task is not defined.
    """
    of_size, of_task = config["sizes"][size].get("finetune", {}), config["tasks"][task].get("finetune", {})
    settings = _merged(_merged(config["finetune"], of_size), of_task)
    failing = 1 - task_of(config, task).chance
    return settings | {"n_steps": max(1, round(settings["n_steps"] * failing ** settings.pop("chance_exponent")))}


def _merged(settings: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with the overrides put over them, mappings key by key."""
    merged = dict(settings)
    for key, value in overrides.items():
        merged[key] = _merged(settings[key], value) if isinstance(value, Mapping) else value
    return merged
