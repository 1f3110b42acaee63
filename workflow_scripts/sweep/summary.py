"""Summary tables from the tables of all policies: frames in, frames out."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from splithistory.identification import nearest_objective, rank_good_set, ranks_of_good_set
from splithistory.information import good_mask, success_probability
from splithistory.policy_measurement import PSEUDOCOUNT
from splithistory.sequence import N_OUTCOMES
from splithistory.split_history import smooth
from splithistory.theory import Theory, jensen_gap, theory_of

KEYS = ["task", "size", "seed"]


def policies_table(
    measured: pd.DataFrame,
    actions: pd.DataFrame,
    success: pd.DataFrame,
    pretraining: pd.DataFrame,
    finetuning: pd.DataFrame,
    self_estimates: pd.DataFrame,
    identification: pd.DataFrame,
    n_parameters: Mapping[tuple[str, int], int],
    good_sets: Mapping[str, list[int]],
) -> pd.DataFrame:
    """One row a policy: what it was, what was measured, what theory says.

    Args:
        measured: all 'measured' tables with their keys.
        actions: all 'actions' tables with their keys.
        success: all 'success' tables with their keys.
        pretraining: all 'training' tables of pretrained models with their keys.
        finetuning: all 'training' tables of policies with their keys.
        self_estimates: all 'self_estimate' tables with their keys.
        identification: the 'identification' table.
        n_parameters: by size and seed.
        good_sets: the good outcomes of each task.

    Returns:
        The 'policies' table; `config.yaml`'s order of tasks, sizes and seeds.
    """
    success = success.set_index(KEYS)
    pretrained = pretraining.sort_values("step").groupby(["size", "seed"]).last()
    finetuned = finetuning.sort_values("step").groupby(KEYS).last()
    actions_of = dict(list(actions.groupby(KEYS)))
    expected = self_estimates.groupby(KEYS)[["op", "imp"]].mean()
    identified = identification[identification["measure"] == "op"].set_index(KEYS)["identified_task"]
    rows = []
    for keys, repeats in measured[measured["counterfactual"] == "split_history"].groupby(KEYS, sort=False):
        task, size, seed = keys
        good = good_mask(good_sets[task], N_OUTCOMES)
        exact = repeats[repeats["estimator"] == "exact"].sort_values("repeat")
        sampled = repeats[repeats["estimator"] == "monte_carlo"]
        reinforced, outcomes = finetuned.loc[keys], success.loc[keys]
        theory, study = _theory_of(exact, good), _theory_of(_smoothed(sampled), good)
        outcome, split_history = _distributions(exact)
        rows.append(
            {
                "task": task,
                "n_good": int(good.sum()),
                "size": size,
                "n_parameters": n_parameters[size, seed],
                "seed": seed,
                "pretraining_loss": pretrained.loc[(size, seed), "validation_loss"],
                "maintenance_loss": reinforced["maintenance_loss"],
                "natural_loss": reinforced["natural_loss"],
                "off_alphabet_rate": outcomes["off_alphabet_rate"],
                **_judged(exact, theory),
                "success_rate_pretrained": outcomes["outcome_counts_pretrained"][good].sum() / outcomes["n_contexts"],
                "op_stderr": _stderr(exact["op"]),
                "op_within_good": theory.op_within_good.mean(),
                "op_within_bad": theory.op_within_bad.mean(),
                "op_nonuniformity": theory.op_nonuniformity.mean(),
                "imp_stderr": _stderr(exact["imp"]),
                "imp_excess_jensen": _jensen_gap(theory, actions_of[keys], good),
                "op_study": sampled["op"].mean(),
                "op_predicted_study": study.op_predicted.mean(),
                "imp_study": sampled["imp"].mean(),
                "imp_minimum_study": study.imp_minimum.mean(),
                "op_self": expected.loc[keys, "op"],
                "imp_self": expected.loc[keys, "imp"],
                "identified_task": identified.loc[keys],
                "good_set": np.flatnonzero(good),
                "outcome_distribution": outcome.mean(axis=0),
                "counterfactual_distribution": split_history.mean(axis=0),
            }
        )
    return pd.DataFrame(rows)


def cross_objective_table(measured: pd.DataFrame, good_sets: Mapping[str, list[int]]) -> pd.DataFrame:
    """Every policy judged by every task (method, section 8).

    Args:
        measured: all 'measured' tables with their keys.
        good_sets: the good outcomes of each task.
    """
    exact = measured[(measured["counterfactual"] == "split_history") & (measured["estimator"] == "exact")]
    return pd.DataFrame(
        {
            **dict(zip(KEYS, keys, strict=True)),
            "evaluated_task": task,
            "is_training_task": task == keys[0],
            **{
                name: value
                for name, value in _judged(repeats, _theory_of(repeats, good_mask(good, N_OUTCOMES))).items()
                if name != "imp_minimum_reason"
            },
        }
        for keys, repeats in exact.groupby(KEYS, sort=False)
        for task, good in good_sets.items()
    )


def counterfactuals_table(measured: pd.DataFrame) -> pd.DataFrame:
    """Every policy against every counterfactual future: means over exact repeats, with their standard errors.

    Args:
        measured: all 'measured' tables with their keys.
    """
    exact = measured[measured["estimator"] == "exact"]
    return pd.DataFrame(
        {
            **dict(zip([*KEYS, "counterfactual"], keys, strict=True)),
            "op": repeats["op"].mean(),
            "op_stderr": _stderr(repeats["op"]),
            "imp": repeats["imp"].mean(),
            "imp_stderr": _stderr(repeats["imp"]),
        }
        for keys, repeats in exact.groupby([*KEYS, "counterfactual"], sort=False)
    )


def identification_table(
    cross_objective: pd.DataFrame, measured: pd.DataFrame, bootstrap: pd.DataFrame, good_sets: Mapping[str, list[int]]
) -> pd.DataFrame:
    """The objective read off every policy's Op and off its Imp (method, section 8).

    Args:
        cross_objective: the 'cross_objective' table.
        measured: all 'measured' tables with their keys.
        bootstrap: all 'bootstrap' tables with their keys.
        good_sets: the good outcomes of each task.

    Returns:
        A row a policy and measure: the nearest of the tasks, and the rank of the true good set among all promoted
        ones, with the 2.5 % and 97.5 % quantiles over the bootstrap's draws. A draw in which the true set is not
        promoted ranks it behind all sets.
    """
    exact = measured[(measured["counterfactual"] == "split_history") & (measured["estimator"] == "exact")]
    repeats_of, draws_of = dict(list(exact.groupby(KEYS))), dict(list(bootstrap.groupby(KEYS)))
    chance = {task: len(good) / N_OUTCOMES for task, good in good_sets.items()}
    uniform = np.full(N_OUTCOMES, 1 / N_OUTCOMES)
    rows = []
    for keys, judged in cross_objective.groupby(KEYS, sort=False):
        good = good_mask(good_sets[keys[0]], N_OUTCOMES)
        outcome, split_history = _distributions(repeats_of[keys])
        outcome_draws, split_history_draws = _distributions(draws_of[keys])
        for measure, predicted, reference_rate, reference, reference_draws in (
            ("op", "op_predicted", judged["evaluated_task"].map(chance), uniform, uniform),
            (
                "imp",
                "imp_minimum",
                judged["success_rate_counterfactual"],
                split_history.mean(axis=0),
                split_history_draws,
            ),
        ):
            nearest = nearest_objective(
                judged[measure].iloc[0], judged[predicted], (judged["success_rate"] > reference_rate).to_numpy()
            )
            identified = None if nearest is None else judged["evaluated_task"].iloc[nearest]
            ranking = rank_good_set(outcome.mean(axis=0), reference, good)
            low, high = np.quantile(ranks_of_good_set(outcome_draws, reference_draws, good), [0.025, 0.975])
            rows.append(
                {
                    **dict(zip(KEYS, keys, strict=True)),
                    "measure": measure,
                    "identified_task": identified,
                    "correct": identified == keys[0],
                    "true_set_rank": ranking.rank,
                    "true_set_rank_low": low,
                    "true_set_rank_high": high,
                    "n_promoted": ranking.n_promoted,
                    "best_set": ranking.best_set,
                }
            )
    return pd.DataFrame(rows)


def actions_table(actions: pd.DataFrame) -> pd.DataFrame:
    """One row a policy and distinct action: its weight and the future given it, averaged over repeats.

    A repeat in which the policy never chose the action counts with weight 0 and has no say in the future.

    Args:
        actions: all 'actions' tables with their keys.
    """
    n_repeats = actions["repeat"].nunique()
    grouped = actions.groupby([*KEYS, "action"], sort=False)
    return grouped.agg(
        weight=("weight", lambda weights: weights.sum() / n_repeats),
        outcome_distribution=("outcome_distribution", lambda rows: np.mean(list(rows), axis=0)),
    ).reset_index()


def both_stages_table(pretrained: pd.DataFrame, finetuned: pd.DataFrame) -> pd.DataFrame:
    """The tables of pretrained models and those of policies in one, with the stage they belong to.

    Args:
        pretrained: all tables of a name of pretrained models, with their keys.
        finetuned: all tables of that name of policies, with their keys.
    """
    return pd.concat([pretrained.assign(stage="pretrain", task=pd.NA), finetuned.assign(stage="finetune")])


def fits_table(policies: pd.DataFrame) -> pd.DataFrame:
    """Straight lines through the policies, one for all and one a task.

    Args:
        policies: the 'policies' table.
    """
    axes = {"imp_vs_minimum": ("imp_minimum", "imp"), "op_vs_predicted": ("op_predicted", "op")}
    groups = {"all": policies} | dict(list(policies.groupby("task", sort=False)))
    return pd.DataFrame(
        {"figure": figure, "group": group, **_line(rows[x], rows[y])}
        for figure, (x, y) in axes.items()
        for group, rows in groups.items()
    )


def _theory_of(repeats: pd.DataFrame, good: np.ndarray) -> Theory:
    """Theory of one policy's repeats."""
    return theory_of(*_distributions(repeats), repeats["entropy_counterfactual"].to_numpy(), good)


def _distributions(rows: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """(R, 8) F and (R, 8) mean F'|x'' of R rows."""
    return tuple(np.stack(rows[f"{kind}_distribution"].to_list()) for kind in ("outcome", "counterfactual"))


def _smoothed(repeats: pd.DataFrame) -> pd.DataFrame:
    """Monte Carlo repeats with the pseudocount that their Imp was computed with."""
    return repeats.assign(
        **{
            column: [
                smooth(distribution, n, PSEUDOCOUNT)
                for distribution, n in zip(repeats[column], repeats["n_contexts"], strict=True)
            ]
            for column in ("outcome_distribution", "counterfactual_distribution")
        }
    )


def _judged(repeats: pd.DataFrame, theory: Theory) -> dict[str, Any]:
    """Columns that 'policies' and 'cross_objective' share: means over a policy's repeats."""
    op, imp, op_predicted = repeats["op"].mean(), repeats["imp"].mean(), theory.op_predicted.mean()
    imp_minimum = theory.imp_minimum.mean()
    defined = np.isfinite(imp_minimum)
    return {
        "success_rate": theory.success_rate.mean(),
        "success_rate_counterfactual": theory.success_rate_counterfactual.mean(),
        "op": op,
        "op_predicted": op_predicted,
        "op_excess": op - op_predicted,
        "imp": imp,
        "imp_minimum": imp_minimum if defined else np.nan,
        "imp_minimum_reason": pd.NA if defined else "infinite: the success rate under F' is 0 or 1 in some repeat",
        "imp_ratio": imp / imp_minimum if defined and imp_minimum > 0 else np.nan,
        "imp_excess": imp - imp_minimum if defined else np.nan,
    }


def _jensen_gap(theory: Theory, actions: pd.DataFrame, good: np.ndarray) -> float:
    """Mean Jensen gap over a policy's repeats, nats."""
    return np.mean(
        [
            jensen_gap(
                success_rate,
                rows["weight"].to_numpy(),
                success_probability(np.stack(rows["outcome_distribution"].to_list()), good),
            )
            for success_rate, (_, rows) in zip(theory.success_rate, actions.groupby("repeat"), strict=True)
        ]
    )


def _stderr(values: pd.Series) -> float:
    """Standard error of the mean over repeats; null for a single one."""
    return stats.sem(values) if len(values) > 1 else np.nan


def _line(x: pd.Series, y: pd.Series) -> dict[str, Any]:
    """A least-squares line with standard errors; null where the points do not determine them."""
    x, y = (values[x.notna() & y.notna()] for values in (x, y))
    names = ("slope", "slope_stderr", "intercept", "intercept_stderr", "r_squared")
    if len(x) < 3 or x.nunique() < 2:
        return dict.fromkeys(names, np.nan) | {"n": len(x)}
    fit = stats.linregress(x, y)
    values = (fit.slope, fit.stderr, fit.intercept, fit.intercept_stderr, fit.rvalue**2)
    return dict(zip(names, values, strict=True)) | {"n": len(x)}
