"""Summary tables from the tables of all policies: frames in, frames out.

Whole columns are computed at once and grouped by policy afterwards, so that tens of thousands of policies take seconds.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from scipy import stats

from splithistory.environment import SequenceEnvironment
from splithistory.identification import (
    good_set_pairs,
    is_promoted,
    n_better,
    nearest_objective,
    rank_good_set,
    ranks_of_good_set,
)
from splithistory.information import Floats
from splithistory.maximum_entropy import Menus, directedness
from splithistory.policy_measurement import PSEUDOCOUNT
from splithistory.sequence import N_OUTCOMES
from splithistory.split_history import smooth
from splithistory.task import Task
from splithistory.theory import directedness_by_score, jensen_gaps, theory_of
from sweep.repeats import split_history_repeats
from sweep.schemas.measure import MEASURES
from sweep.words import ALL

KEYS = ["task", "size", "seed"]
MODEL = ["size", "seed"]

# All tables of a stage by name, in each the rows of all models or policies with their keys.
Stage = Mapping[str, pd.DataFrame]

_INFINITE = "infinite: the success rate under F' is 0 or 1 in some repeat"
_INFINITE_GRADED = "infinite: F' lacks outcomes that the mean utility needs in some repeat"
_GRADED = "graded task: ranks are among good sets"
_NOT_PROMOTED = "not promoted: it succeeds no more often than the reference"


@dataclass(frozen=True)
class Judges:
    """What policies are judged by.

    Attributes:
        tasks: what is rewarded, by task.
        menu: (A, K) outcome probabilities of the actions, in any order, in whatever window.
    """

    tasks: Mapping[str, Task]
    menu: Floats

    @classmethod
    def of(cls, tasks: Mapping[str, Task], environment: SequenceEnvironment) -> "Judges":
        """The tasks in an environment whose windows all offer the same, as `SequenceEnvironment.chance` has it."""
        some_window = np.zeros((1, environment.n_actions), dtype=np.uint8)
        return cls(tasks, environment.outcome_probabilities(some_window)[0])


def policies_table(
    pretrained: Stage,
    finetuned: Stage,
    *,
    identification: pd.DataFrame,
    n_parameters: Mapping[tuple[str, int], int],
    judges: Judges,
) -> pd.DataFrame:
    """One row per policy: what it is, what was measured of it, and what theory says.

    Args:
        pretrained: 'training'.
        finetuned: 'measured', 'actions', 'success', 'training' and 'self_estimate'.
        identification: the table of that name.
        n_parameters: by size and seed.
        judges: the tasks, and what every window offers.

    Returns:
        The 'policies' table; `config.yaml`'s order of tasks, sizes and seeds.
    """
    measured, actions = finetuned["measured"], finetuned["actions"]
    exact = split_history_repeats(measured)
    sampled = _smoothed(split_history_repeats(measured, "monte_carlo"))
    judged = exact.join(_theory_by_own_task(exact, judges))
    means = judged.groupby(KEYS, sort=False).mean(numeric_only=True)
    study = sampled.join(_theory_by_own_task(sampled, judges)).groupby(KEYS).mean(numeric_only=True).loc[means.index]
    with_errors = [*MEASURES, "meg_task", "meg_any"]
    stderr = judged.rename(columns={"meg": "meg_task"}).groupby(KEYS, sort=False)[with_errors].sem()
    models = means.index.droplevel("task")
    pretraining = pretrained["training"].sort_values("step").groupby(MODEL).last().loc[models]
    finetuning = finetuned["training"].sort_values("step").groupby(KEYS).last().loc[means.index]
    success = finetuned["success"].set_index(KEYS).loc[means.index]
    own = [judges.tasks[task] for task in means.index.get_level_values("task")]  # (P,)
    good_sets = [np.flatnonzero(task.good) if task.is_good_set else [] for task in own]
    utility = np.array([task.utility for task in own])  # (P, 8)
    self_estimated = finetuned["self_estimate"].groupby(KEYS)[["op", "imp"]].mean().loc[means.index]
    identified = identification[identification["measure"] == "op"].set_index(KEYS)["identified_task"]
    gained_pretrained = (_array(success["outcome_counts_pretrained"]) * utility).sum(axis=1)
    reasons = pd.Series([_INFINITE if task.is_good_set else _INFINITE_GRADED for task in own], means.index, "string")
    return (
        with_excess(means)
        .assign(
            **means[list(MEASURES)],
            windows="natural",
            meg_task=means["meg"],
            meg_any=means["meg_any"],
            **stderr.add_suffix("_stderr"),
            n_good=pd.array([len(good_set) or pd.NA for good_set in good_sets], dtype="Int64"),
            utility=list(utility),
            chance=[task.chance for task in own],
            n_parameters=[n_parameters[model] for model in models],
            pretraining_loss=pretraining["validation_loss"].to_numpy(),
            maintenance_loss=finetuning["maintenance_loss"],
            natural_loss=finetuning["natural_loss"],
            off_alphabet_rate=success["off_alphabet_rate"],
            success_rate_pretrained=gained_pretrained / success["n_contexts"],
            op_favouritism=means["op_favouritism"],
            op_within_good=means["op_within_good"],
            op_within_bad=means["op_within_bad"],
            op_nonuniformity=means["op_nonuniformity"],
            imp_minimum_reason=reasons.where(~np.isfinite(means["imp_minimum"])),
            imp_excess_jensen=_mean_jensen_gaps(judged, actions, judges.tasks),
            op_study=study["op"],
            op_predicted_study=study["op_predicted"],
            imp_study=study["imp"],
            imp_minimum_study=study["imp_minimum"],
            op_self=self_estimated["op"],
            imp_self=self_estimated["imp"],
            identified_task=identified,
            good_set=good_sets,
            outcome_distribution=list(_mean_distributions(exact, "outcome_distribution", KEYS)),
            counterfactual_distribution=list(_mean_distributions(exact, "counterfactual_distribution", KEYS)),
        )
        .reset_index()
    )


def cross_objective_table(measured: pd.DataFrame, judges: Judges) -> pd.DataFrame:
    """Every policy judged by every task.

    Args:
        measured: all 'measured' tables with their keys.
        judges: the tasks, and what every window offers.
    """
    return _judged_by_all(split_history_repeats(measured), judges).assign(windows="natural")


def windows_table(measured: pd.DataFrame, judges: Judges) -> pd.DataFrame:
    """Every policy judged by every task on natural windows and on those of its own rollouts, by both estimators.

    Args:
        measured: all 'measured' tables with their keys.
        judges: the tasks, and what every window offers.
    """
    kinds = product(("natural", "rollouts"), ("exact", "monte_carlo"))
    return pd.concat(
        _judged_by_all(split_history_repeats(measured, estimator, windows), judges).assign(
            windows=windows, estimator=estimator
        )
        for windows, estimator in kinds
    )


def _judged_by_all(repeats: pd.DataFrame, judges: Judges) -> pd.DataFrame:
    """Means over each policy's repeats, judged by every task; Monte Carlo ones with the pseudocount of their Imp.

    These have no MEG: outcomes that were sampled can be better than any action makes them on average.
    """
    is_sampled = (repeats["estimator"] == "monte_carlo").all()
    if is_sampled:
        repeats = _smoothed(repeats)
    by_task = []
    for name, task in judges.tasks.items():
        policies = repeats.join(_theory(repeats, task, judges.menu)).groupby(KEYS, sort=False)
        means, stderr = policies.mean(numeric_only=True), policies[["op", "imp"]].sem().add_suffix("_stderr")
        judged = with_excess(means).assign(meg=np.nan if is_sampled else means["meg"], **stderr).reset_index()
        by_task.append(judged.assign(evaluated_task=name, is_training_task=judged["task"] == name))
    # Each policy with all tasks, in their order.
    return pd.concat(by_task).sort_index(kind="stable").reset_index(drop=True)


def counterfactuals_table(measured: pd.DataFrame) -> pd.DataFrame:
    """Op and Imp of every policy against every counterfactual future: means over exact repeats, with standard errors.

    Args:
        measured: all 'measured' tables with their keys.
    """
    exact = measured[(measured["estimator"] == "exact") & (measured["windows"] == "natural")]
    exact = exact.groupby([*KEYS, "counterfactual"], sort=False)[["op", "imp"]]
    return exact.mean().join(exact.sem().add_suffix("_stderr")).reset_index().assign(windows="natural")


def identification_table(cross_objective: pd.DataFrame, finetuned: Stage, tasks: Mapping[str, Task]) -> pd.DataFrame:
    """The objective read off every policy's Op and off its Imp.

    Args:
        cross_objective: the table of that name.
        finetuned: 'measured' and 'bootstrap'.
        tasks: what is rewarded, by task.

    Returns:
        A row per policy and measure: the nearest of the tasks, and the rank of the true good set among all promoted
        ones, with the 2.5 % and 97.5 % quantiles over the bootstrap's draws. A draw in which the true set is not
        promoted ranks it behind all sets. Where there is no rank there is a reason, as for every graded task.
    """
    exact, bootstrap = split_history_repeats(finetuned["measured"]), finetuned["bootstrap"]
    judged_by, repeats_of, draws_of = (rows.groupby(KEYS).indices for rows in (cross_objective, exact, bootstrap))
    (outcomes, split_histories), (outcome_draws, split_history_draws) = _distributions(exact), _distributions(bootstrap)
    chance = {name: task.mean for name, task in tasks.items()}
    judged = {name: column.to_numpy() for name, column in cross_objective.items()} | {
        "chance": cross_objective["evaluated_task"].map(chance).to_numpy()
    }
    uniform = np.full(N_OUTCOMES, 1 / N_OUTCOMES)
    rows = []
    for keys in cross_objective[KEYS].drop_duplicates().itertuples(index=False, name=None):
        good = tasks[keys[0]].good
        judges, repeats, draws = judged_by[keys], repeats_of[keys], draws_of[keys]
        outcome, split_history = outcomes[repeats].mean(axis=0), split_histories[repeats].mean(axis=0)
        for measure, predicted, reference_rate, reference, reference_draws in (
            ("op", "op_predicted", "chance", uniform, uniform),
            ("imp", "imp_minimum", "success_rate_counterfactual", split_history, split_history_draws[draws]),
        ):
            nearest = nearest_objective(
                judged[measure][judges[0]],
                judged[predicted][judges],
                is_promoted(judged["success_rate"][judges], judged[reference_rate][judges]),
            )
            identified = None if nearest is None else judged["evaluated_task"][judges[nearest]]
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
                    "identified_task": identified,
                    "correct": identified == keys[0],
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
    """Goal-directedness beside Op and Imp: how well each tells the objective of a policy (method, section 13).

    Args:
        cross_objective: the table of that name.
        measured: all 'measured' tables with their keys.
        identification: the table of that name.
        judges: the tasks, and what every window offers.

    Returns:
        A row per policy and measure. By MEG and by the success rate, less chance, the objective is the promoted task of
        the largest value, and the true good set is ranked among all promoted sets; Op and Imp are as in
        'identification'.
    """
    exact = split_history_repeats(measured)
    means = exact.groupby(KEYS, sort=False)["meg_any"].mean()
    futures = pd.DataFrame(_mean_distributions(exact, "outcome_distribution", KEYS), means.index)
    chance = cross_objective["evaluated_task"].map({name: task.chance for name, task in judges.tasks.items()})
    promoted = is_promoted(cross_objective["success_rate"].to_numpy(), chance.to_numpy())
    crossed = cross_objective.assign(success_rate=cross_objective["success_rate"] - chance)
    own = crossed[crossed["is_training_task"]].set_index(KEYS)
    every = [identification[[*KEYS, "measure", "identified_task", "correct", "true_set_rank"]]]
    ranks = _ranks_by_value(futures, judges)
    for measure in ("meg", "success_rate"):
        identified = (
            crossed[promoted]
            .sort_values(measure, kind="stable")
            .groupby(KEYS)["evaluated_task"]
            .last()
            .reindex(means.index)
        )
        rows = pd.DataFrame({"measure": measure, "identified_task": identified, "true_set_rank": ranks[measure]})
        rows["correct"] = (identified == identified.index.get_level_values("task")).to_numpy(dtype=bool)
        every.append(rows.reset_index())
    table = pd.concat(every).set_index(KEYS).loc[means.index]
    beta = [
        directedness(future, Menus(judges.menu[None], np.ones(1)), np.array(judges.tasks[task].utility)).beta
        for (task, *_), future in zip(means.index, futures.to_numpy(), strict=True)
    ]
    of_policies = pd.DataFrame({"meg_task": own["meg"], "beta": pd.Series(beta, means.index), "meg_any": means})
    return table.join(of_policies).reset_index()


def _ranks_by_value(futures: pd.DataFrame, judges: Judges) -> pd.DataFrame:
    """Rank of each policy's good set among all promoted ones, by MEG and by the success rate less chance.

    Args:
        futures: (P, K) F of each policy, with its keys.
        judges: the tasks, and what every window offers.
    """
    outcomes = futures.to_numpy()
    chances = judges.menu.mean(axis=0)  # (K,) what answering at random brings

    def values(sets: NDArray[np.bool_]) -> dict[str, Floats]:
        """(P, T) by each measure, the same of a set and its complement, of which one is promoted."""
        return {
            "meg": np.stack([directedness_by_score(outcomes @ good, good, judges.menu) for good in sets], axis=1),
            "success_rate": np.abs(outcomes @ sets.T - chances @ sets.T),
        }

    every = values(good_set_pairs(outcomes.shape[1]))
    ranks = pd.DataFrame(index=futures.index, columns=["meg", "success_rate"], dtype="Int64")
    for name, task in judges.tasks.items():
        if not task.is_good_set:
            continue
        promoted = (futures.index.get_level_values("task") == name) & is_promoted(
            outcomes @ task.good, chances @ task.good
        )
        for measure, own in values(task.good[None]).items():
            ranks.loc[promoted, measure] = 1 + n_better(every[measure], own)[promoted]
    return ranks


def actions_table(actions: pd.DataFrame) -> pd.DataFrame:
    """One row per policy and distinct action: its weight and the future given it, averaged over repeats.

    A repeat in which the policy never chose the action counts with weight 0 and has no say in the future.

    Args:
        actions: all 'actions' tables with their keys.
    """
    n_repeats = actions["repeat"].nunique()
    keys = [*KEYS, "action"]
    table = (actions.groupby(keys, sort=False)["weight"].sum() / n_repeats).reset_index()
    return table.assign(outcome_distribution=list(_mean_distributions(actions, "outcome_distribution", keys)))


def both_stages_table(pretrained: pd.DataFrame, finetuned: pd.DataFrame) -> pd.DataFrame:
    """The rows of pretrained models and those of policies in one table, with the stage that they belong to.

    Args:
        pretrained: all tables of a name of pretrained models, with their keys.
        finetuned: all tables of the same name of policies, with their keys.
    """
    return pd.concat([pretrained.assign(stage="pretrain", task=pd.NA), finetuned.assign(stage="finetune")])


def fits_table(policies: pd.DataFrame) -> pd.DataFrame:
    """Straight lines through the policies: one through all of them, and one per task.

    Args:
        policies: the 'policies' table.
    """
    axes = {"imp_vs_minimum": ("imp_minimum", "imp"), "op_vs_predicted": ("op_predicted", "op")}
    groups = {ALL: policies} | dict(list(policies.groupby("task", sort=False)))
    return pd.DataFrame(
        {"figure": figure, "group": group, **_line(rows[x], rows[y])}
        for figure, (x, y) in axes.items()
        for group, rows in groups.items()
    )


def _theory(rows: pd.DataFrame, task: Task, menu: Floats) -> pd.DataFrame:
    """`Theory` of each row, judged by one task, as columns, and the goal-directedness towards that task."""
    theory = theory_of(*_distributions(rows), entropy_counterfactual=rows["entropy_counterfactual"], task=task)
    meg = directedness_by_score(theory.success_rate, task.utility, menu)
    return pd.DataFrame(asdict(theory) | {"meg": meg}, index=rows.index)


def _theory_by_own_task(rows: pd.DataFrame, judges: Judges) -> pd.DataFrame:
    """`_theory` of each row, judged by the policy's own task."""
    return pd.concat(_theory(own, judges.tasks[task], judges.menu) for task, own in rows.groupby("task"))


def _array(rows: pd.Series) -> np.ndarray:
    """(R, 8) numbers of a column of lists."""
    return pc.list_flatten(pa.array(rows)).to_numpy().reshape(-1, N_OUTCOMES)


def _distributions(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(R, 8) F and (R, 8) mean F'|x'' of R rows."""
    return tuple(_array(rows[f"{kind}_distribution"]) for kind in ("outcome", "counterfactual"))


def _mean_distributions(rows: pd.DataFrame, column: str, keys: list[str]) -> np.ndarray:
    """(G, 8) means over the rows of each group, in the order in which groups first come."""
    group = rows.groupby(keys, sort=False).ngroup().to_numpy()
    sums = np.zeros((group.max() + 1, N_OUTCOMES))
    np.add.at(sums, group, _array(rows[column]))
    return sums / np.bincount(group)[:, None]


def _smoothed(repeats: pd.DataFrame) -> pd.DataFrame:
    """Monte Carlo repeats with the pseudocount that their Imp was computed with."""
    n_contexts = repeats["n_contexts"].to_numpy()[:, None]
    outcome, counterfactual = (list(smooth(rows, n_contexts, PSEUDOCOUNT)) for rows in _distributions(repeats))
    return repeats.assign(outcome_distribution=outcome, counterfactual_distribution=counterfactual)


def with_excess(means: pd.DataFrame) -> pd.DataFrame:
    """Columns that 'policies' and 'cross_objective' share, from means over a policy's repeats."""
    imp, imp_minimum = means["imp"], means["imp_minimum"].where(np.isfinite(means["imp_minimum"]))
    return means[["success_rate", "success_rate_counterfactual", "op", "op_predicted", "imp"]].assign(
        op_excess=means["op"] - means["op_predicted"],
        imp_minimum=imp_minimum,
        imp_ratio=imp / imp_minimum.where(imp_minimum > 0),
        imp_excess=imp - imp_minimum,
    )


def _mean_jensen_gaps(judged: pd.DataFrame, actions: pd.DataFrame, tasks: Mapping[str, Task]) -> pd.Series:
    """Mean Jensen gap over each policy's repeats, nats; null where that of a repeat is."""
    keys = [*KEYS, "repeat"]
    gaps = []
    for name, repeats in judged.groupby("task"):
        answers = actions[actions["task"] == name]
        repeat_of = pd.MultiIndex.from_frame(repeats[keys]).get_indexer(pd.MultiIndex.from_frame(answers[keys]))
        futures = _array(answers["outcome_distribution"])
        of_task = jensen_gaps(
            repeats["success_rate"],
            tasks[name].utility,
            measurements=repeat_of,
            weights=answers["weight"],
            counterfactuals=futures,
        )
        gaps.append(repeats[keys].assign(gap=of_task))
    return pd.concat(gaps).groupby(KEYS)["gap"].mean(skipna=False)


def _line(x: pd.Series, y: pd.Series) -> dict[str, Any]:
    """A least-squares line with standard errors; null where the points do not determine them."""
    x, y = (values[x.notna() & y.notna()] for values in (x, y))
    names = ("slope", "slope_stderr", "intercept", "intercept_stderr", "r_squared")
    if len(x) < 3 or x.nunique() < 2:
        return dict.fromkeys(names, np.nan) | {"n": len(x)}
    fit = stats.linregress(x, y)
    values = (fit.slope, fit.stderr, fit.intercept, fit.intercept_stderr, fit.rvalue**2)
    return dict(zip(names, values, strict=True)) | {"n": len(x)}
