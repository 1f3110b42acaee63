"""Summary tables of the tables of all policies: functions from frames to frames.

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
from scipy import stats

from splithistory.environment import SequenceEnvironment
from splithistory.information import Floats
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

# The tables of a stage, by name; each holds the rows of all models or policies, with their keys.
Stage = Mapping[str, pd.DataFrame]

_INFINITE = "infinite: the success rate under F' is 0 or 1 in some repeat"
_INFINITE_GRADED = "infinite: F' lacks outcomes that the mean utility needs in some repeat"


@dataclass(frozen=True)
class Judges:
    """What policies are judged by.

    Attributes:
        tasks: the tasks, by name.
        menu: (A, K) outcome probabilities of the actions, in any order; the same in every window.
    """

    tasks: Mapping[str, Task]
    menu: Floats

    @classmethod
    def of(cls, tasks: Mapping[str, Task], environment: SequenceEnvironment) -> "Judges":
        """Combine tasks with an environment in which all windows offer the same outcomes."""
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
    """Describe every policy in one row: what it is, what was measured of it, and what theory predicts.

    Args:
        pretrained: holds 'training'.
        finetuned: holds 'measured', 'actions', 'success', 'training' and 'self_estimate'.
        identification: the table 'identification'.
        n_parameters: number of parameters, by size and seed.
        judges: the tasks, and what every window offers.

    Returns:
        The table 'policies', with tasks, sizes and seeds in the order of the configuration.
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
    gained_pretrained = (array_of(success["outcome_counts_pretrained"]) * utility).sum(axis=1)
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
            outcome_distribution=list(mean_distributions(exact, "outcome_distribution", KEYS)),
            counterfactual_distribution=list(mean_distributions(exact, "counterfactual_distribution", KEYS)),
        )
        .reset_index()
    )


def cross_objective_table(measured: pd.DataFrame, judges: Judges) -> pd.DataFrame:
    """Judge every policy by every task.

    Args:
        measured: all 'measured' tables with their keys.
        judges: the tasks, and what every window offers.
    """
    return judged_by_all(split_history_repeats(measured), judges).assign(windows="natural")


def windows_table(measured: pd.DataFrame, judges: Judges) -> pd.DataFrame:
    """Judge every policy by every task, on natural windows and on those of its own rollouts, by both estimators.

    Args:
        measured: all 'measured' tables with their keys.
        judges: the tasks, and what every window offers.
    """
    kinds = product(("natural", "rollouts"), ("exact", "monte_carlo"))
    return pd.concat(
        judged_by_all(split_history_repeats(measured, estimator, windows), judges).assign(
            windows=windows, estimator=estimator
        )
        for windows, estimator in kinds
    )


def judged_by_all(repeats: pd.DataFrame, judges: Judges, keys: list[str] = KEYS) -> pd.DataFrame:
    """Judge measurements by every task, and average them over repeats.

    Monte Carlo measurements are smoothed with the pseudocount that their Imp was computed with. They have no MEG, since
    sampled outcomes can be better than those that any action has on average.

    Args:
        repeats: repeats of measurements, all by one estimator.
        judges: the tasks, and what every window offers.
        keys: columns that identify a measurement, which may have several repeats.

    Returns:
        One row per measurement and task: measurements in order of appearance, and in each the tasks in their order.
    """
    is_sampled = (repeats["estimator"] == "monte_carlo").all()
    if is_sampled:
        repeats = _smoothed(repeats)
    by_task = []
    for name, task in judges.tasks.items():
        measurements = repeats.join(_theory(repeats, task, judges.menu)).groupby(keys, sort=False)
        means = measurements.mean(numeric_only=True)
        stderr = measurements[["op", "imp"]].sem().add_suffix("_stderr")
        judged = with_excess(means).assign(meg=np.nan if is_sampled else means["meg"], **stderr).reset_index()
        by_task.append(judged.assign(evaluated_task=name, is_training_task=judged["task"] == name))
    return pd.concat(by_task).sort_index(kind="stable").reset_index(drop=True)


def counterfactuals_table(measured: pd.DataFrame) -> pd.DataFrame:
    """Average Op and Imp of every policy against every counterfactual over exact repeats, with standard errors.

    Args:
        measured: all 'measured' tables with their keys.
    """
    exact = measured[(measured["estimator"] == "exact") & (measured["windows"] == "natural")]
    exact = exact.groupby([*KEYS, "counterfactual"], sort=False)[["op", "imp"]]
    return exact.mean().join(exact.sem().add_suffix("_stderr")).reset_index().assign(windows="natural")


def actions_table(actions: pd.DataFrame) -> pd.DataFrame:
    """Average the weight of each policy's distinct actions, and the futures given them, over repeats.

    A repeat in which the policy never chose the action counts as weight 0, and is left out of the mean future.

    Args:
        actions: all 'actions' tables with their keys.
    """
    n_repeats = actions["repeat"].nunique()
    keys = [*KEYS, "action"]
    table = (actions.groupby(keys, sort=False)["weight"].sum() / n_repeats).reset_index()
    return table.assign(outcome_distribution=list(mean_distributions(actions, "outcome_distribution", keys)))


def both_stages_table(pretrained: pd.DataFrame, finetuned: pd.DataFrame) -> pd.DataFrame:
    """Stack the rows of pretrained models and of policies, with the stage that they belong to.

    Args:
        pretrained: all tables of one name of pretrained models, with their keys.
        finetuned: all tables of the same name of policies, with their keys.
    """
    return pd.concat([pretrained.assign(stage="pretrain", task=pd.NA), finetuned.assign(stage="finetune")])


def fits_table(policies: pd.DataFrame) -> pd.DataFrame:
    """Fit straight lines through the policies: one through all of them, and one per task.

    Args:
        policies: the table 'policies'.
    """
    axes = {"imp_vs_minimum": ("imp_minimum", "imp"), "op_vs_predicted": ("op_predicted", "op")}
    groups = {ALL: policies} | dict(list(policies.groupby("task", sort=False)))
    return pd.DataFrame(
        {"figure": figure, "group": group, **_line(rows[x], rows[y])}
        for figure, (x, y) in axes.items()
        for group, rows in groups.items()
    )


def _theory(rows: pd.DataFrame, task: Task, menu: Floats) -> pd.DataFrame:
    """Compute the columns of `Theory` for each row, judged by one task, and goal-directedness towards that task."""
    theory = theory_of(*distributions(rows), entropy_counterfactual=rows["entropy_counterfactual"], task=task)
    meg = directedness_by_score(theory.success_rate, task.utility, menu)
    return pd.DataFrame(asdict(theory) | {"meg": meg}, index=rows.index)


def _theory_by_own_task(rows: pd.DataFrame, judges: Judges) -> pd.DataFrame:
    """Compute `_theory` for each row, judged by the policy's own task."""
    return pd.concat(_theory(own, judges.tasks[task], judges.menu) for task, own in rows.groupby("task"))


def array_of(rows: pd.Series) -> np.ndarray:
    """Convert a column of R lists of equal length n to an (R, n) array."""
    return pc.list_flatten(pa.array(rows)).to_numpy().reshape(len(rows), -1)


def distributions(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Return F and the mean of F'|x'' of R rows, both (R, 8)."""
    return tuple(array_of(rows[f"{kind}_distribution"]) for kind in ("outcome", "counterfactual"))


def mean_distributions(rows: pd.DataFrame, column: str, keys: list[str]) -> np.ndarray:
    """Average a column of distributions over each of G groups: (G, 8), in order of appearance."""
    group = rows.groupby(keys, sort=False).ngroup().to_numpy()
    sums = np.zeros((group.max() + 1, N_OUTCOMES))
    np.add.at(sums, group, array_of(rows[column]))
    return sums / np.bincount(group)[:, None]


def _smoothed(repeats: pd.DataFrame) -> pd.DataFrame:
    """Smooth Monte Carlo repeats with the pseudocount that their Imp was computed with."""
    n_contexts = repeats["n_contexts"].to_numpy()[:, None]
    outcome, counterfactual = (list(smooth(rows, n_contexts, PSEUDOCOUNT)) for rows in distributions(repeats))
    return repeats.assign(outcome_distribution=outcome, counterfactual_distribution=counterfactual)


def with_excess(means: pd.DataFrame) -> pd.DataFrame:
    """Compute the columns that 'policies' and 'cross_objective' share from means over a policy's repeats."""
    imp, imp_minimum = means["imp"], means["imp_minimum"].where(np.isfinite(means["imp_minimum"]))
    return means[["success_rate", "success_rate_counterfactual", "op", "op_predicted", "imp"]].assign(
        op_excess=means["op"] - means["op_predicted"],
        imp_minimum=imp_minimum,
        imp_ratio=imp / imp_minimum.where(imp_minimum > 0),
        imp_excess=imp - imp_minimum,
    )


def _mean_jensen_gaps(judged: pd.DataFrame, actions: pd.DataFrame, tasks: Mapping[str, Task]) -> pd.Series:
    """Average the Jensen gap over each policy's repeats, in nats; NaN if that of any repeat is."""
    keys = [*KEYS, "repeat"]
    gaps = []
    for name, repeats in judged.groupby("task"):
        answers = actions[actions["task"] == name]
        repeat_of = pd.MultiIndex.from_frame(repeats[keys]).get_indexer(pd.MultiIndex.from_frame(answers[keys]))
        futures = array_of(answers["outcome_distribution"])
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
    """Fit a least-squares line with standard errors; NaN if the points do not determine them."""
    x, y = (values[x.notna() & y.notna()] for values in (x, y))
    names = ("slope", "slope_stderr", "intercept", "intercept_stderr", "r_squared")
    if len(x) < 3 or x.nunique() < 2:
        return dict.fromkeys(names, np.nan) | {"n": len(x)}
    fit = stats.linregress(x, y)
    values = (fit.slope, fit.stderr, fit.intercept, fit.intercept_stderr, fit.rvalue**2)
    return dict(zip(names, values, strict=True)) | {"n": len(x)}
