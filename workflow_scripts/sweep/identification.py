"""Summary tables of the objective that each policy's behaviour points to (method, section 8).

All functions go from frames to frames, and compute whole columns at once, like those of `sweep.summary`.
"""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from splithistory.identification import (
    good_set_pairs,
    is_promoted,
    n_better,
    nearest_objectives,
    rank_good_set,
    ranks_of_good_set,
)
from splithistory.information import Floats, entropy, kl_divergence
from splithistory.maximum_entropy import Menus, directedness
from splithistory.sequence import N_OUTCOMES
from splithistory.task import Task
from splithistory.theory import directedness_by_score
from sweep.repeats import split_history_repeats
from sweep.summary import KEYS, Judges, Stage, array_of, distributions, judged_by_all, mean_distributions

_GRADED = "graded task: ranks are among good sets"
_NOT_PROMOTED = "not promoted: it succeeds no more often than the reference"
_UNIFORM = np.full(N_OUTCOMES, 1 / N_OUTCOMES)
_ROWS = 10_000  # measurements to rank at once; each has 127 good sets


def identification_table(cross_objective: pd.DataFrame, finetuned: Stage, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """Identify every policy's objective by its Op and by its Imp.

    Args:
        cross_objective: the table 'cross_objective'.
        finetuned: holds 'measured' and 'bootstrap'.
        tasks: the tasks, by name.

    Returns:
        One row per policy and measure: the nearest task, and the rank of the true good set among all promoted sets,
        with the 2.5 % and 97.5 % quantiles over bootstrap resamples. In a resample in which the true set is not
        promoted, it ranks behind all sets. Where there is no rank, as for every graded task, there is a reason.
    """
    exact, bootstrap = split_history_repeats(finetuned["measured"]), finetuned["bootstrap"]
    repeats_of, draws_of = (rows.groupby(KEYS).indices for rows in (exact, bootstrap))
    (outcomes, split_histories), (outcome_draws, split_history_draws) = distributions(exact), distributions(bootstrap)
    policies = cross_objective[KEYS][:: len(tasks)].itertuples(index=False, name=None)
    rows = []
    for keys, identified in zip(policies, told_tasks(cross_objective, tasks).to_dict("records"), strict=True):
        good = tasks[keys[0]].good
        repeats, draws = repeats_of[keys], draws_of[keys]
        outcome, split_history = outcomes[repeats].mean(axis=0), split_histories[repeats].mean(axis=0)
        for measure, reference, reference_draws in (
            ("op", _UNIFORM, _UNIFORM),
            ("imp", split_history, split_history_draws[draws]),
        ):
            ranking = rank_good_set(outcome, reference, good)
            if good is None:
                low, high, reason = np.nan, np.nan, _GRADED
            else:
                ranks = ranks_of_good_set(outcome_draws[draws], reference_draws, good)
                low, high = np.quantile(ranks, [0.025, 0.975])
                reason = _NOT_PROMOTED if ranking.rank is None else None
            rows.append(
                {
                    **dict(zip(KEYS, keys, strict=True)),
                    "windows": "natural",
                    "measure": measure,
                    "identified_task": identified[measure],
                    "correct": identified[measure] == keys[0],
                    "true_set_rank": ranking.rank,
                    "true_set_rank_low": low,
                    "true_set_rank_high": high,
                    "true_set_rank_reason": reason,
                    "n_promoted": ranking.n_promoted,
                    "best_set": ranking.best_set,
                }
            )
    return pd.DataFrame(rows)


def goal_directedness_table(
    cross_objective: pd.DataFrame, measured: pd.DataFrame, identification: pd.DataFrame, judges: Judges
) -> pd.DataFrame:
    """Compare how well goal-directedness, Op and Imp identify the objective of each policy (method, section 13).

    Args:
        cross_objective: the table 'cross_objective'.
        measured: all 'measured' tables with their keys.
        identification: the table 'identification'.
        judges: the tasks, and what every window offers.

    Returns:
        One row per policy and measure. By MEG, and by the success rate minus chance, the objective is the promoted task
        with the largest value, and the true good set is ranked among all promoted sets by that value; rows of Op and
        Imp are as in 'identification'.
    """
    exact = split_history_repeats(measured)
    means = exact.groupby(KEYS, sort=False)["meg_any"].mean()
    futures = mean_distributions(exact, "outcome_distribution", KEYS)
    trained = means.index.get_level_values("task").to_numpy()
    identified, ranks = told_tasks(cross_objective, judges.tasks), _ranks_by_value(futures, trained, judges)
    own = cross_objective[cross_objective["is_training_task"]].set_index(KEYS)
    every = [identification[[*KEYS, "measure", "identified_task", "correct", "true_set_rank"]]]
    for measure in ("meg", "success_rate"):
        told = pd.Series(identified[measure].to_numpy(), own.index).loc[means.index]
        rows = pd.DataFrame({"measure": measure, "identified_task": told, "true_set_rank": ranks[measure].array})
        every.append(rows.assign(correct=told.to_numpy() == trained).reset_index())
    table = pd.concat(every).set_index(KEYS).loc[means.index]
    beta = [
        directedness(future, Menus(judges.menu[None], np.ones(1)), np.array(judges.tasks[task].utility)).beta
        for task, future in zip(trained, futures, strict=True)
    ]
    of_policies = pd.DataFrame({"meg_task": own["meg"], "beta": pd.Series(beta, means.index), "meg_any": means})
    return table.join(of_policies).reset_index()


def along_training_table(training: pd.DataFrame, futures_of_actions: Floats, judges: Judges) -> pd.DataFrame:
    """Identify every policy's objective at each evaluation of its reinforcement, on the validation chains.

    Args:
        training: all 'training' tables of policies with their keys.
        futures_of_actions: (A, K) F'|x'' given the action that answers x'', in the windows of the evaluations.
        judges: the tasks, and what every window offers.

    Returns:
        One row per policy, evaluation and measure. The task and the rank of the true good set follow the rules of
        'identification' and 'goal_directedness', applied to the evaluation's windows. ``value`` is Op, Imp, MEG for the
        policy's own task, or its success rate minus chance. ``predicted`` is Op_pred or Imp_min for its own task; it is
        missing where Imp_min is infinite, and for the other two measures, which have no prediction. ``gained`` is the
        share of the possible gain over chance: 0 at chance, 1 if every outcome has the largest utility.
    """
    keys = [*KEYS, "step"]
    outcomes, weights = array_of(training["outcome_distribution"]), array_of(training["action_weights"])
    split_histories = weights @ futures_of_actions  # (R, K) means of F'|x''
    entropies = weights @ entropy(futures_of_actions)
    divergences = kl_divergence(outcomes[:, None], futures_of_actions)  # (R, A)
    evaluations = training[keys].assign(
        estimator="exact",
        outcome_distribution=list(outcomes),
        counterfactual_distribution=list(split_histories),
        entropy_counterfactual=entropies,
        op=entropies - entropy(outcomes),
        imp=np.where(weights > 0, weights * divergences, 0.0).sum(axis=1),
    )
    crossed = judged_by_all(evaluations, judges, keys)
    own = crossed[crossed["is_training_task"]].reset_index(drop=True)
    trained, success = own["task"].to_numpy(), own["success_rate"]
    chance = own["task"].map({name: task.chance for name, task in judges.tasks.items()})
    most = own["task"].map({name: max(task.utility) for name, task in judges.tasks.items()})
    identified, ranks = told_tasks(crossed, judges.tasks), _ranks(outcomes, split_histories, trained, judges=judges)
    shared = own[[*keys, "success_rate"]].assign(gained=(success - chance) / (most - chance))
    values = {
        "op": (own["op"], own["op_predicted"]),
        "imp": (own["imp"], own["imp_minimum"]),
        "meg": (own["meg"], np.nan),
        "success_rate": (success - chance, np.nan),
    }
    by_measure = [
        shared.assign(
            measure=measure,
            value=value,
            predicted=predicted,
            identified_task=identified[measure],
            correct=identified[measure].to_numpy() == trained,
            true_set_rank=ranks[measure],
        )
        for measure, (value, predicted) in values.items()
    ]
    # Put the rows of an evaluation together, with the measures in their order.
    return pd.concat(by_measure).sort_index(kind="stable").reset_index(drop=True)


def first_identified_table(along_training: pd.DataFrame) -> pd.DataFrame:
    """Find when each policy's task is first identified for good: correctly at that evaluation and all later ones.

    Args:
        along_training: the table 'along_training'.

    Returns:
        One row per policy and measure: step, success rate and share gained at that evaluation; missing if the task is
        not identified at the last one.
    """
    keys = [*KEYS, "measure"]
    latest_first = along_training.sort_values("step", ascending=False, kind="stable")
    held = latest_first["correct"].astype(int).groupby([latest_first[key] for key in keys], sort=False).cummin() == 1
    first = latest_first[held].groupby(keys, sort=False)[["step", "success_rate", "gained"]].last()
    return along_training[keys].drop_duplicates().join(first.astype({"step": "Int64"}), on=keys).reset_index(drop=True)


def told_tasks(crossed: pd.DataFrame, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """Return the task that each measure identifies.

    For Op and Imp it is the promoted task with the nearest prediction; for MEG and for the success rate minus chance,
    the promoted task with the largest value.

    Args:
        crossed: R measurements judged by T tasks: R·T rows, by measurement and then in the order of tasks.
        tasks: the tasks, by name.

    Returns:
        (R, 4) names, one column per measure; None where no task is promoted.
    """

    def column(name: str) -> Floats:
        """Return a column as (R, T) numbers, by measurement and task."""
        return crossed[name].to_numpy(dtype=float).reshape(-1, len(tasks))

    success, chance = column("success_rate"), np.array([task.chance for task in tasks.values()])
    mean = np.array([task.mean for task in tasks.values()])  # the success rate of uniform outcomes
    promoted = is_promoted(success, chance)
    nearest = {
        "op": nearest_objectives(column("op")[:, 0], column("op_predicted"), is_promoted(success, mean)),
        "imp": nearest_objectives(
            column("imp")[:, 0],
            column("imp_minimum"),
            is_promoted(success, column("success_rate_counterfactual")),
        ),
        "meg": _largest(column("meg"), promoted),
        "success_rate": _largest(success - chance, promoted),
    }
    names = np.array([*tasks, None], dtype=object)
    return pd.DataFrame({measure: names[positions] for measure, positions in nearest.items()})


def _largest(values: Floats, promoted: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return the position of each row's largest promoted value, -1 if none is promoted: (R, T) -> (R,)."""
    return np.where(promoted.any(axis=1), np.where(promoted, values, -np.inf).argmax(axis=1), -1)


def _ranks(outcomes: Floats, split_histories: Floats, trained: NDArray, judges: Judges) -> pd.DataFrame:
    """Rank each policy's good set among all promoted sets, by every measure.

    Args:
        outcomes: (R, K) F.
        split_histories: (R, K) mean of F'|x''.
        trained: (R,) task that the policy was trained on.
        judges: the tasks, and what every window offers.

    Returns:
        (R, 4) ranks, one column per measure; missing where the set is not promoted or the task is graded.
    """
    pieces = [slice(start, start + _ROWS) for start in range(0, len(outcomes), _ROWS)]
    by_value = [_ranks_by_value(outcomes[piece], trained[piece], judges) for piece in pieces]
    ranks = pd.concat(by_value, ignore_index=True).assign(op=pd.NA, imp=pd.NA)
    last = len(good_set_pairs(outcomes.shape[1]))  # the rank after it means that the set is not promoted
    for rows, good in _ranked(trained, judges):
        for piece in (rows[start : start + _ROWS] for start in range(0, len(rows), _ROWS)):
            for measure, references in (("op", _UNIFORM), ("imp", split_histories[piece])):
                found = ranks_of_good_set(outcomes[piece], references, good)
                ranks.loc[piece, measure] = pd.Series(found, piece).where(found <= last)
    return ranks.astype("Int64")


def _ranks_by_value(outcomes: Floats, trained: NDArray, judges: Judges) -> pd.DataFrame:
    """Rank each policy's good set among all promoted sets, by MEG and by the success rate minus chance.

    Args:
        outcomes: (R, K) F.
        trained: (R,) task that the policy was trained on.
        judges: the tasks, and what every window offers.

    Returns:
        (R, 2) ranks, one column per measure; missing where the set is not promoted or the task is graded.
    """
    chances = judges.menu.mean(axis=0)  # (K,) outcome probabilities of random answers

    def values(sets: NDArray[np.bool_], futures: Floats) -> dict[str, Floats]:
        """Return (R, T) values by measure; a set and its complement, one of which is promoted, have the same."""
        return {
            "meg": np.stack([directedness_by_score(futures @ good, good, judges.menu) for good in sets], axis=1),
            "success_rate": np.abs(futures @ sets.T - chances @ sets.T),
        }

    every = values(good_set_pairs(outcomes.shape[1]), outcomes)
    ranks = pd.DataFrame(index=range(len(outcomes)), columns=["meg", "success_rate"], dtype="Int64")
    for rows, good in _ranked(trained, judges):
        rows = rows[is_promoted(outcomes[rows] @ good, chances @ good)]
        for measure, own in values(good[None], outcomes[rows]).items():
            ranks.loc[rows, measure] = 1 + n_better(every[measure][rows], own)
    return ranks


def _ranked(trained: NDArray, judges: Judges) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_]]]:
    """Yield, for each task that is a good set, its rows and the (K,) mask of the set."""
    for name, task in judges.tasks.items():
        if task.is_good_set:
            yield np.flatnonzero(trained == name), task.good
