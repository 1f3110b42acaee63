"""Try settings of reinforcement, on seeds and windows that no sweep uses.

    python benchmarks/trials.py docs/tuning/successes.yaml     writes docs/tuning/successes.csv

The file lists trials: mappings of ``size``, ``task``, ``seed``, and the settings in ``pretrain`` and ``finetune`` that
differ from config.yaml or from the trial's ``configfile``. ``task`` names a task of config.yaml, or lists good
outcomes. Each trial is trained and measured like a policy of a sweep, in one thread, on its own windows and on those
that the policy's rollouts lead to. Trials that the table already has are not run again. Pretrained models are kept in
results/trials.
"""

import argparse
import os
import time
from collections.abc import Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from splithistory.actions import best_actions
from splithistory.environment import environment_of
from splithistory.model import Architecture, Policy
from splithistory.optimizer import Schedule
from splithistory.pretraining import evaluate, pretrain
from splithistory.reinforcement import FinetuneSettings, Reward, finetune
from splithistory.rollouts import rolled_out
from splithistory.seeding import split_rng
from splithistory.self_estimate import self_estimate
from splithistory.sequence import Chains, Tokens, one_window_per_chain
from splithistory.split_history import compare_futures
from splithistory.task import Task
from splithistory.theory import minimum_impact, predicted_optimization
from sweep.canonical_json import configuration_hash
from sweep.checkpoints import load_checkpoint, save_checkpoint
from sweep.configuration import load
from sweep.stages import architecture_settings, finetune_settings, pretrain_settings

CONFIG = load([])
ENVIRONMENT = environment_of(CONFIG["sequence"])
N_ANSWERS = 20  # answers before a window of a rollout
PRETRAINED = Path("results/trials")
N_SELF_ESTIMATES = 5  # of 400 windows each


@lru_cache
def configuration(configfile: str | None) -> dict[str, Any]:
    """Load the configuration that a trial modifies."""
    return load([Path(configfile)] if configfile else [])


def chains(split: str) -> Tokens:
    """Generate the chains of config.yaml, those of the test split from another seed."""
    sequence = CONFIG["sequence"]
    seed = sequence["seed"] + (1000 if split == "test" else 0)
    return ENVIRONMENT.generate_chains(sequence[f"n_{split}"], sequence["chain_length"], split_rng(seed, split))


def training_chains() -> Chains:
    """Generate the chains of config.yaml that policies are trained and evaluated on."""
    return Chains(chains("train"), chains("validation"))


def pretrained(trial: Mapping[str, Any], dropout: float) -> Policy:
    """Return the model that a trial starts from, which is trained once for all trials that share it."""
    shape = architecture_settings(CONFIG, trial["size"])
    settings = pretrain_settings_of(trial)
    made_with = {"architecture": shape, "pretrain": settings, "seed": trial["seed"]}
    path = PRETRAINED / f"{trial['size']},seed={trial['seed']},{configuration_hash(made_with)[:12]}.parquet"
    if not path.exists():
        policy, _ = pretrain(Architecture(**shape), Schedule(**settings), training_chains(), seed=trial["seed"])
        save_checkpoint(policy, path, made_with, seed=trial["seed"])
    return load_checkpoint(path, dropout)[0]


def pretrain_settings_of(trial: Mapping[str, Any]) -> dict[str, Any]:
    """Return the complete settings of a trial's pretraining."""
    return pretrain_settings(configuration(trial.get("configfile")), trial["size"]) | trial.get("pretrain", {})


def settings_of(trial: Mapping[str, Any]) -> dict[str, Any]:
    """Return the complete settings of a trial's reinforcement."""
    config = configuration(trial.get("configfile"))
    tasks = config["tasks"] | {str(trial["task"]): entry_of(trial)}
    settings = finetune_settings(config | {"tasks": tasks}, trial["size"], str(trial["task"]))
    changes = trial.get("finetune", {})
    return settings | changes | {"maintenance": settings["maintenance"] | changes.get("maintenance", {})}


def entry_of(trial: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return a trial's task as an entry of the configuration."""
    tasks = configuration(trial.get("configfile"))["tasks"]
    return tasks[trial["task"]] if isinstance(trial["task"], str) else {"good": trial["task"]}


def run(trial: Mapping[str, Any]) -> dict[str, Any]:
    """Train and measure a policy, and return its row of the table."""
    torch.set_num_threads(1)
    settings = FinetuneSettings.from_mapping(settings_of(trial))
    task = Task.from_settings(str(trial["task"]), entry_of(trial), ENVIRONMENT)
    reward = Reward(ENVIRONMENT, np.array(task.utility))
    policy = pretrained(trial, settings.dropout)
    start = time.process_time()
    policy, _ = finetune(policy, settings, reward, chains=training_chains(), seed=trial["seed"])
    core_seconds = time.process_time() - start

    test, length = chains("test"), policy.architecture.context_length
    contexts = one_window_per_chain(test, length, np.random.default_rng(0), target_parity=1).contexts
    actions = best_actions(policy, contexts, settings.action_tokens)
    rollouts = rolled_out(
        policy, contexts, ENVIRONMENT, settings.action_tokens, N_ANSWERS, rng=np.random.default_rng(0)
    )
    estimates = [
        self_estimate(policy, actions[start : start + 400], contexts[start : start + 400])
        for start in range(0, 400 * N_SELF_ESTIMATES, 400)
    ]
    natural = one_window_per_chain(test, length, np.random.default_rng(0), target_parity=0)
    return {
        **described(trial),
        "core_seconds": round(core_seconds, 1),
        **measured(actions, contexts, task),
        **{
            f"{name}_rollouts": number
            for name, number in measured(best_actions(policy, rollouts, settings.action_tokens), rollouts, task).items()
        },
        "op_self": round(float(np.mean([estimate.op for estimate in estimates])), 4),
        "imp_self": round(float(np.mean([estimate.imp for estimate in estimates])), 4),
        "natural_loss": round(evaluate(policy, natural)[0], 4),
    }


def measured(actions: Tokens, contexts: Tokens, task: Task) -> dict[str, float]:
    """Measure a policy's answers in some windows; numbers are rounded."""
    futures, utility = compare_futures(actions, ENVIRONMENT.outcome_probabilities(contexts)), np.array(task.utility)
    s, q = futures.outcome_distribution @ utility, futures.counterfactual_distribution @ utility
    numbers = {
        "success_rate": s,
        "success_rate_counterfactual": q,
        "op": futures.op,
        "op_predicted": predicted_optimization(s, utility),
        "imp": futures.imp,
        "imp_minimum": minimum_impact(s, utility, futures.counterfactual_distribution),
    }
    return {name: round(float(number), 4) for name, number in numbers.items()}


def described(trial: Mapping[str, Any]) -> dict[str, Any]:
    """Return the columns that distinguish trials."""
    settings = FinetuneSettings.from_mapping(settings_of(trial))
    maintenance = settings.maintenance
    return {
        "size": trial["size"],
        "task": str(trial["task"]),
        "seed": trial["seed"],
        "pretrain_n_steps": pretrain_settings_of(trial)["n_steps"],
        "pretrain_dropout": pretrain_settings_of(trial)["dropout"],
        "windows": settings.windows,
        "action_tokens": settings.action_tokens,
        "successes": settings.successes,
        "n_steps": settings.n_steps,
        "batch_size": settings.batch_size,
        "learning_rate": settings.learning_rate,
        "dropout": settings.dropout,
        "maintenance_learning_rate": maintenance.learning_rate,
        "n_own": maintenance.n_own,
        "n_random": maintenance.n_random,
        "n_natural": maintenance.n_natural,
    }


def main(arguments: argparse.Namespace) -> None:
    """Run the trials that the table lacks; add each to the table, and print it."""
    path = arguments.trials.with_suffix(".csv")
    trials = yaml.safe_load(arguments.trials.read_text(encoding="utf-8"))
    table = pd.read_csv(path) if path.exists() else pd.DataFrame()
    done = {tuple(map(str, row)) for row in table.reindex(columns=list(described(trials[0]))).itertuples(index=False)}
    left = [trial for trial in trials if tuple(map(str, described(trial).values())) not in done]
    PRETRAINED.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(arguments.processes) as pool:
        for row in pool.map(run, left):
            table = pd.concat([table, pd.DataFrame([row])], ignore_index=True)
            table.to_csv(path, index=False)
            print(pd.DataFrame([row]).to_string(index=False, header=False), flush=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("trials", type=Path, help="YAML file with a list of trials")
    options.add_argument("--processes", type=int, default=os.cpu_count(), help="number of parallel trials")
    main(options.parse_args())
