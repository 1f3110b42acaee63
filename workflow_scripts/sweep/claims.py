"""The study's sixteen claims against a sweep's summary tables: frames in, frame out.

Every statistic was chosen, and its threshold set, before any published sweep; `docs/claims.md` shows them all. The unit
is the pretrained model, a size and a seed, since the policies reinforced from one model are not independent. So a
statistic is formed within the model first, or drops whole models at a time, and intervals are over models.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from splithistory.sequence import N_OUTCOMES
from sweep.over_models import (
    NOTHING,
    Estimate,
    Point,
    Sizes,
    interval,
    jackknife,
    largest,
    line,
    magnitude,
    mean,
    moments,
    outward_slopes,
    share,
    simultaneous,
    slope,
    smallest,
    sums_of_models,
    variance,
)
from sweep.study import IMP_INTERCEPT, IMP_SLOPE

Tables = Mapping[str, pd.DataFrame]
GoodSets = Mapping[str, Sequence[int]]
Side = Literal["above", "below", "within"]

MODEL = ["size", "seed"]
POLICY = ["task", *MODEL]
ROUNDING = 1e-9  # a divergence of 0 may come out below it


@dataclass(frozen=True)
class Claim:
    """One statistic that a claim is judged by; a claim may have several.

    Attributes:
        number: of the claim, 1 to 16.
        statistic: what the number is, in words.
        side: where the claim wants it: above or below the threshold, or within ± threshold.
        threshold: in the statistic's unit.
        reason: why that threshold.
        estimate: computes it from the summary tables and the good sets.
    """

    number: int
    statistic: str
    side: Side
    threshold: float
    reason: str
    estimate: Callable[[Tables, GoodSets], Estimate]

    @property
    def statement(self) -> str:
        """The claim in words."""
        return STATEMENTS[self.number]


STATEMENTS = {
    1: "Reinforced policies succeed more often than chance on every task, and larger ones more often",
    2: "Pretraining and maintenance loss first fall and then rise with size, because large models overfit",
    3: "Op grows with size, and the fewer outcomes are good the larger it is",
    4: "The Op of every model is at least that of the sequence's own generator",
    5: "A policy's Op is close to what its success rate on its own task predicts",
    6: "Policies of other tasks lie above a task's line, so Op tells the task a policy was trained on, nested or not",
    7: "Imp grows with size, and the more outcomes are good the smaller it is",
    8: (
        f"Imp is a plume near {IMP_SLOPE} Imp_min + {IMP_INTERCEPT}, better seen as a line a task; larger models have "
        "the lower ratio"
    ),
    9: "Success under F' is a little above chance and hardly scales with size",
    10: "Self-estimated Op agrees with Op for the most good outcomes and falls short as there are fewer",
    11: "Models estimate their own Imp worse than their own Op",
    12: "Judged by all tasks, policies are told apart less well by Imp than by Op",
    13: "Policies of a part of a good set at times beat those of the whole set on the latter's task, and Op shows it",
    14: "Judged by a wrong task, policies lie on a steeper or flatter line of Imp against Imp_min than the right ones",
    15: "Success under F' above chance comes from the policy's output bias more than from the sequence's frequencies",
    16: "Op can be negative and cancel across sources, Imp cannot",
}

CLAIMS: list[Claim] = []


def claims_table(tables: Tables, good_sets: GoodSets) -> pd.DataFrame:
    """Judge every claim.

    Args:
        tables: summary tables by name: 'policies', 'cross_objective', 'generator', 'identification', 'training' and
            'differential'. What needs a missing table or column is inconclusive.
        good_sets: the good outcomes of each task.

    Returns:
        The 'claims' table: a row a statistic, in the claims' order.
    """
    return pd.DataFrame(_judged(claim, claim.estimate(tables, good_sets)) for claim in CLAIMS)


def verdict(estimate: Estimate, side: Side, threshold: float) -> str:
    """Whether the whole interval lies where the claim wants it, or wholly elsewhere.

    Args:
        estimate: with its interval, which may be null.
        side: above or below the threshold, or within ± threshold.
        threshold: in the estimate's unit.

    Returns:
        'replicated', 'not replicated' or 'inconclusive'.
    """
    lowest, highest = {
        "above": (threshold, np.inf),
        "below": (-np.inf, threshold),
        "within": (-threshold, threshold),
    }[side]
    if lowest < estimate.low and estimate.high < highest:
        return "replicated"
    if estimate.high < lowest or highest < estimate.low:
        return "not replicated"
    return "inconclusive"


def _judged(claim: Claim, estimate: Estimate) -> dict[str, object]:
    """A row of the table."""
    if not np.isfinite(estimate.value):
        estimate = NOTHING
    return {
        "claim": claim.number,
        "statement": claim.statement,
        "statistic": claim.statistic,
        "value": estimate.value,
        "low": estimate.low,
        "high": estimate.high,
        "threshold": claim.threshold,
        "verdict": verdict(estimate, claim.side, claim.threshold),
        "n": estimate.n,
    }


# Rows of the tables


def _all_rows(tables: Tables, name: str, keys: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """Some columns of a table, numbers as floats; null what is missing, and no rows if that is the table."""
    rows = tables.get(name, pd.DataFrame()).reindex(columns=[*keys, *numbers])
    return rows.assign(**{column: pd.to_numeric(rows[column], errors="coerce").astype(float) for column in numbers})


def _rows(tables: Tables, name: str, keys: Sequence[str], numbers: Sequence[str]) -> pd.DataFrame:
    """The rows of a table that have all of some columns."""
    return _all_rows(tables, name, keys, numbers).dropna()


def _policies(tables: Tables, *numbers: str) -> pd.DataFrame:
    return _rows(tables, "policies", POLICY, ["n_good", *numbers])


def _sizes(tables: Tables) -> Sizes:
    """log10 of the parameters of each model."""
    parameters = _rows(tables, "policies", MODEL, ["n_parameters"]).groupby(MODEL)["n_parameters"].mean()
    return np.log10(parameters).to_dict()


def _generator(tables: Tables, column: str) -> pd.Series:
    """What the generator measured in its exact repeats under the split history."""
    rows = tables.get("generator", pd.DataFrame()).reindex(columns=["estimator", "counterfactual", column])
    return rows.loc[(rows["estimator"] == "exact") & (rows["counterfactual"] == "split_history"), column].dropna()


def _by_model(rows: pd.DataFrame, values: pd.Series, *across: str) -> pd.DataFrame:
    """Values in a row a model and a column a task, number of good outcomes or pair of tasks, in ascending order."""
    keys = [*MODEL, *across]
    return values.groupby([rows[key] for key in keys]).mean().unstack(list(across))


def _average(by_model: pd.DataFrame) -> pd.Series:
    """Mean within the model; models without all columns are left out, so that all are averaged over the same ones."""
    return by_model.dropna().mean(axis=1)


def _neighbour_drops(by_n_good: pd.DataFrame) -> list[Point]:
    """Mean drop from each number of good outcomes to the next larger one, within the model."""
    return [mean(drop) for _, drop in (-by_n_good.diff(axis=1)).iloc[:, 1:].items()]


def _crossed(tables: Tables, *numbers: str) -> list[pd.DataFrame]:
    """Of each number of 'cross_objective', a row a model and a column a (task, evaluated task)."""
    keys = [*POLICY, "evaluated_task"]
    rows = _all_rows(tables, "cross_objective", keys, numbers).dropna(subset=keys)
    return [_by_model(rows, rows[name], "task", "evaluated_task") for name in numbers]


def _wrong_and_right(crossed: pd.DataFrame) -> list[tuple[tuple[str, str], tuple[str, str]]]:
    """Columns of the policies of another task judged by a task, each with that of the task's own policies."""
    return [((task, judge), (judge, judge)) for task, judge in crossed if task != judge and (judge, judge) in crossed]


# The claims


def _claim(
    number: int, statistic: str, side: Side, threshold: float, reason: str
) -> Callable[[Callable[[Tables, GoodSets], Estimate]], Callable[[Tables, GoodSets], Estimate]]:
    """Register a statistic of a claim; what is said of it stands here once, for the table and the page."""

    def register(estimate: Callable[[Tables, GoodSets], Estimate]) -> Callable[[Tables, GoodSets], Estimate]:
        CLAIMS.append(Claim(number, statistic, side, threshold, reason, estimate))
        return estimate

    return register


@_claim(
    1,
    "success rate minus chance: mean over models, smallest among tasks",
    "above",
    0.05,
    "output bias alone lifts success by 0.01 or so in trials; the study speaks of a lot more than chance",
)
def _success_above_chance(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Chance is the share of good outcomes."""
    rows = _policies(tables, "success_rate")
    return _smallest_mean(_by_model(rows, rows["success_rate"] - rows["n_good"] / N_OUTCOMES, "task"))


@_claim(
    1,
    "rise of the success rate a decade of parameters: slope over models, smallest among tasks",
    "above",
    0.0,
    "the sign is the claim",
)
def _success_rises_with_size(tables: Tables, good_sets: GoodSets) -> Estimate:
    """A line a task."""
    return _smallest_slope(tables, "success_rate")


@_claim(
    2,
    "pretraining loss against log10 parameters: the smaller outward slope of a parabola at the two ends, nats a decade",
    "above",
    0.0,
    "positive at both ends is what a U is: curved upwards, lowest inside the range (Sasabuchi's test)",
)
def _pretraining_loss_is_u_shaped(tables: Tables, good_sets: GoodSets) -> Estimate:
    """One loss a model, which its policies share."""
    return _u_shape(tables, "pretraining_loss")


@_claim(
    2,
    "maintenance loss, averaged within the model, against log10 parameters: the smaller outward slope of a parabola at "
    "the two ends, nats a decade",
    "above",
    0.0,
    "as for the pretraining loss",
)
def _maintenance_loss_is_u_shaped(tables: Tables, good_sets: GoodSets) -> Estimate:
    """The mean over a model's policies."""
    return _u_shape(tables, "maintenance_loss")


@_claim(
    2,
    "last validation loss of pretraining minus its lowest: slope over models, nats a decade of parameters",
    "above",
    0.01,
    "overfitting ends above the lowest loss; so does noise, but at every size alike. 0.01 is 3 % of the loss in trials",
)
def _larger_models_overfit(tables: Tables, good_sets: GoodSets) -> Estimate:
    """From the pretraining curves."""
    rows = _rows(tables, "training", ["stage", *MODEL], ["step", "validation_loss"])
    losses = rows[rows["stage"] == "pretrain"].sort_values("step").groupby(MODEL)["validation_loss"]
    return interval(slope(losses.last() - losses.min(), _sizes(tables)))


@_claim(
    3,
    "rise of Op a decade of parameters, nats: slope over models, smallest among tasks",
    "above",
    0.0,
    "the sign is the claim",
)
def _op_rises_with_size(tables: Tables, good_sets: GoodSets) -> Estimate:
    """A line a task."""
    return _smallest_slope(tables, "op")


@_claim(
    3,
    "drop of Op, nats, to the next larger number of good outcomes within the model: mean over models, smallest step",
    "above",
    0.0,
    "the sign is the claim",
)
def _op_falls_with_n_good(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Tasks of equally many good outcomes count as one."""
    rows = _policies(tables, "op")
    return smallest(simultaneous(_neighbour_drops(_by_model(rows, rows["op"], "n_good"))))


@_claim(
    4,
    "Op of a model's least optimizing policy minus the generator's, nats: mean over models",
    "above",
    0.0,
    "the generator's Op is the claimed floor",
)
def _op_exceeds_the_generators(tables: Tables, good_sets: GoodSets) -> Estimate:
    """The worst policy of each model."""
    return interval(mean(_margin_over_generator(tables)))


@_claim(
    4,
    "share of models none of whose policies has less Op than the generator",
    "above",
    0.75,
    "of 16 models all must hold (0.81 to 1); one exception leaves it open (0.72 to 0.99)",
)
def _every_op_reaches_the_generators(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Literally every model, as far as a sample can say so."""
    return share(_margin_over_generator(tables) >= 0)


@_claim(
    5,
    "R² of Op about Op_pred (1 minus the sum of squares about y = x over that about the mean), all policies",
    "above",
    0.9,
    "high accuracy, read as nine tenths of the variance",
)
def _op_is_predicted(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Nothing is fitted: the line is y = x."""
    rows = _policies(tables, "op", "op_predicted").set_index(MODEL)
    op = rows["op"] - rows["op"].mean()
    terms = np.column_stack([np.ones_like(op), op, op**2, (rows["op"] - rows["op_predicted"]) ** 2])
    return interval(jackknife(_r_squared_about_identity, sums_of_models(rows.index, terms)))


@_claim(
    5,
    "absolute difference of Op and Op_pred, averaged within the model, nats: mean over models",
    "below",
    0.04,
    "the scatter of one measurement on the study's 200 windows, which it could not have told from 0",
)
def _op_is_near_predicted(tables: Tables, good_sets: GoodSets) -> Estimate:
    """In nats, since R² depends on how far the policies spread."""
    rows = _policies(tables, "op", "op_predicted")
    return interval(mean(_average(_by_model(rows, (rows["op"] - rows["op_predicted"]).abs(), "task"))))


@_claim(
    6,
    "Op - Op_pred of a policy judged by another task minus that of the model's own policy of that task, nats: "
    "mean over models, smallest among pairs of tasks",
    "above",
    0.0,
    "the right policies may lie off the line too; the others must lie further above it",
)
def _other_policies_lie_above(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Every ordered pair of tasks; nested good sets are among them where the sweep has them."""
    (excess,) = _crossed(tables, "op_excess")
    return smallest(simultaneous(mean(excess[wrong] - excess[right]) for wrong, right in _wrong_and_right(excess)))


@_claim(
    6,
    "share of models whose policies' tasks are all identified by Op",
    "above",
    0.75,
    "of 16 models all must be (0.81 to 1); one exception leaves it open (0.72 to 0.99)",
)
def _op_identifies_the_task(tables: Tables, good_sets: GoodSets) -> Estimate:
    """A model counts if none of its policies is mistaken for another task's."""
    return share(_identified(tables, "op") == 1)


@_claim(
    7,
    "rise of Imp a decade of parameters, nats: slope over models, smallest among tasks",
    "above",
    0.0,
    "the sign is the claim",
)
def _imp_rises_with_size(tables: Tables, good_sets: GoodSets) -> Estimate:
    """A line a task."""
    return _smallest_slope(tables, "imp")


@_claim(
    7,
    "drop of Imp, nats, to the next larger number of good outcomes within the model: mean over models, smallest step",
    "above",
    0.0,
    "the sign is the claim",
)
def _imp_falls_with_n_good(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Tasks of equally many good outcomes count as one."""
    rows = _policies(tables, "imp")
    return smallest(simultaneous(_neighbour_drops(_by_model(rows, rows["imp"], "n_good"))))


@_claim(
    8,
    f"slope of one line of Imp against Imp_min through all policies, minus {IMP_SLOPE}",
    "within",
    0.8,
    "half way from 2.6 to 1, the slope of the bound itself",
)
def _one_line_has_the_studys_slope(tables: Tables, good_sets: GoodSets) -> Estimate:
    """The line of the study's plume."""
    sums, _ = _impacts(tables)
    return interval(jackknife(lambda sums: line(sums.sum(axis=1))[0] - IMP_SLOPE, sums))


@_claim(
    8,
    f"intercept of one line of Imp against Imp_min through all policies, minus {IMP_INTERCEPT}, nats",
    "within",
    0.0295,
    "half way from 0.059 to 0, where the bound itself starts",
)
def _one_line_has_the_studys_intercept(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Exact, on 2,000 windows: the study's 200 add about 0.035 to Imp."""
    sums, centre = _impacts(tables)

    def excess(sums: np.ndarray) -> np.ndarray:
        slope, intercept, _ = line(sums.sum(axis=1))
        return intercept + centre["imp"] - slope * centre["imp_minimum"] - IMP_INTERCEPT

    return interval(jackknife(excess, sums))


@_claim(
    8,
    "share of the residual variance about one line of Imp against Imp_min (degrees of freedom counted) that a line a "
    "task removes",
    "above",
    0.5,
    "the tasks' lines explain more of the plume than they leave",
)
def _a_line_a_task_is_better(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Adjusted for the further slopes and intercepts, which remove some of it by chance."""
    sums, _ = _impacts(tables)
    return interval(jackknife(_removed_by_a_line_a_task, sums))


@_claim(
    8,
    "fall of ln(Imp / Imp_min), averaged within the model, a decade of parameters: slope over models",
    "above",
    0.0,
    "the sign is the claim; the logarithm keeps one policy near Imp_min = 0 from deciding",
)
def _ratio_falls_with_size(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Imp is at least Imp_min, so the logarithm is at least 0."""
    rows = _policies(tables, "imp_ratio")
    return interval(slope(-_average(_by_model(rows, np.log(rows["imp_ratio"]), "task")), _sizes(tables)))


@_claim(
    9,
    "success rate under F' minus chance: mean over models, smallest among tasks",
    "above",
    0.0,
    "the sign is the claim",
)
def _counterfactual_success_above_chance(tables: Tables, good_sets: GoodSets) -> Estimate:
    """In each task, since the study says so of all."""
    return _smallest_mean(_counterfactual_margin(tables))


@_claim(
    9,
    "success rate under F' minus chance: mean over models, largest among tasks",
    "below",
    0.0625,
    "half of what one more good outcome would add to chance",
)
def _counterfactual_success_is_little(tables: Tables, good_sets: GoodSets) -> Estimate:
    """The same, at its largest."""
    margin = _counterfactual_margin(tables)
    return largest(simultaneous(mean(margin[task]) for task in margin))


@_claim(
    9,
    "change of the success rate under F', averaged within the model, a decade of parameters: slope over models",
    "within",
    0.02,
    "less than 0.03 over the study's sizes, 1.35 decades",
)
def _counterfactual_success_hardly_scales(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Flat within a band: a slope that is merely not significant does not count."""
    return interval(slope(_average(_counterfactual_margin(tables)), _sizes(tables)))


@_claim(
    10,
    "self-estimated minus measured Op on the tasks with the most good outcomes, nats: mean over models",
    "within",
    0.04,
    "as for Op about its prediction: the scatter of one measurement of the study",
)
def _self_estimated_op_agrees(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Needs tasks of fewer good outcomes to compare with."""
    shortfall = _self_shortfall(tables)
    return interval(mean(-shortfall.iloc[:, -1])) if shortfall.shape[1] > 1 else NOTHING


@_claim(
    10,
    "drop of measured minus self-estimated Op, nats, to the next larger number of good outcomes within the model: "
    "mean over models, smallest step",
    "above",
    0.0,
    "the sign is the claim",
)
def _self_shortfall_falls_with_n_good(tables: Tables, good_sets: GoodSets) -> Estimate:
    """The fewer good outcomes, the further below."""
    return smallest(simultaneous(_neighbour_drops(_self_shortfall(tables))))


@_claim(
    11,
    "relative error of self-estimated Imp minus that of Op (absolute errors of a model's policies over their measured "
    "values, summed): mean over models",
    "above",
    0.0,
    "the sign is the claim; relative, since Imp is the larger of the two",
)
def _self_estimated_imp_is_worse(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Sums within the model, so that a policy near 0 does not decide."""
    rows = _policies(tables, "op", "op_self", "imp", "imp_self").set_index(MODEL)
    error = {
        name: (rows[f"{name}_self"] - rows[name]).abs().groupby(MODEL).sum() / rows[name].abs().groupby(MODEL).sum()
        for name in ("op", "imp")
    }
    return interval(mean(error["imp"] - error["op"]))


@_claim(
    12,
    "standardised gap (Cohen's d) between wrong and right policies in Op - Op_pred minus that in Imp - Imp_min: "
    "mean over pairs of tasks",
    "above",
    0.0,
    "the sign is the claim; in units of the scatter, since that is what blurs a plot",
)
def _imp_separates_less(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Pairs without Imp_min are left out of both."""
    crossed = _crossed(tables, "op_excess", "imp_excess")
    pairs = _wrong_and_right(crossed[0])
    # (2 measures, wrong or right, models, pairs); both sides of a measure are taken about one mean
    excess = np.array([[of[[pair[side] for pair in pairs]] for side in (0, 1)] for of in crossed])
    known = np.isfinite(excess).all(axis=(0, 1))
    if not known.any():
        return NOTHING
    centred = np.where(known, excess - np.nanmean(excess, axis=(1, 2, 3), keepdims=True), 0.0)
    terms = np.stack([np.broadcast_to(known, centred.shape), centred, centred**2], axis=-1)
    return interval(jackknife(_lead_of_op_in_separation, np.moveaxis(terms, 2, 0).astype(float)))


@_claim(
    12,
    "of the models in which Op and Imp identify unequally many tasks, the share in which Op identifies more",
    "above",
    0.5,
    "a half is no difference",
)
def _imp_identifies_less(tables: Tables, good_sets: GoodSets) -> Estimate:
    """A sign test over models."""
    lead = (_identified(tables, "op", "mean") - _identified(tables, "imp", "mean")).dropna()
    return share(lead[lead != 0] > 0)


@_claim(
    13,
    "share of models whose policy of the smallest nested good set succeeds more often on the next larger set's task "
    "than the policy trained on it",
    "above",
    0.25,
    "at times, read as one model in four; none of 16 refutes it (0 to 0.19)",
)
def _subset_policies_at_times_win(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Both policies come from the same pretrained model."""
    lead, _ = _subset_against_superset(tables, good_sets)
    return share(lead > 0)


@_claim(
    13,
    "where the policy of the smallest nested good set wins so, its Op - Op_pred on that task minus the other policy's, "
    "nats: mean over those models",
    "above",
    0.0,
    "the winner must lie further above the line",
)
def _op_shows_it(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Only where the policy of the subset wins."""
    lead, further_above = _subset_against_superset(tables, good_sets)
    return interval(mean(further_above[lead > 0]))


@_claim(
    14,
    "absolute difference between the slopes of Imp against Imp_min of wrong and right policies, smallest among pairs "
    "of tasks",
    "above",
    0.25,
    "a quarter of the slope of the bound itself, 1; the sign may be either",
)
def _wrong_policies_lie_on_other_lines(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Pairs without Imp_min, or with equal ones only, are left out."""
    imp, minimum = _crossed(tables, "imp", "imp_minimum")
    differences = []
    for pair in _wrong_and_right(imp):
        x, y = (of[list(pair)].to_numpy() for of in (minimum, imp))  # (models, wrong or right)
        known = np.isfinite(x + y).all(axis=1)
        if known.any():
            x, y = (of[known] - of[known].mean(axis=0) for of in (x, y))
            differences.append(jackknife(lambda sums: -np.diff(line(sums)[0], axis=1)[:, 0], moments(x, y)))
    return smallest([magnitude(difference) for difference in simultaneous(differences)])


@_claim(
    15,
    "success under F' beyond the generator's F' minus the generator's beyond chance, averaged within the model: "
    "mean over models",
    "above",
    0.0,
    "equal parts; above, the policy's own bias is the larger one",
)
def _output_bias_outweighs_frequencies(tables: Tables, good_sets: GoodSets) -> Estimate:
    """(q - q_generator) - (q_generator - p): the generator knows no task, so its q is the sequence's doing."""
    futures = _generator(tables, "counterfactual_distribution")
    rows = _policies(tables, "success_rate_counterfactual")
    rows = rows[rows["task"].isin(good_sets.keys())]
    if futures.empty or rows.empty:
        return NOTHING
    future = np.mean(np.stack(futures.to_list()), axis=0)  # (8,)
    generators = rows["task"].map({task: future[list(good)].sum() for task, good in good_sets.items()})
    chance = rows["n_good"] / N_OUTCOMES
    difference = (rows["success_rate_counterfactual"] - generators) - (generators - chance)
    return interval(mean(_average(_by_model(rows, difference, "task"))))


@_claim(
    16,
    "share of differential Op that cancels across blocks and components (1 minus the sum's size over the sizes' sum), "
    "averaged within the model: mean over models",
    "above",
    0.05,
    "0 if all have one sign; a twentieth is more than a single source near 0",
)
def _op_cancels(tables: Tables, good_sets: GoodSets) -> Estimate:
    """Medians over windows, each block's future its own output."""
    rows = _rows(tables, "differential", [*POLICY, "future"], ["op_median"])
    op = rows[rows["future"] == "block"].set_index(POLICY)["op_median"]
    sources = op.groupby(POLICY)
    cancelled = 1 - sources.sum().abs() / op.abs().groupby(POLICY).sum()
    return interval(mean(cancelled.groupby(MODEL).mean()))


@_claim(
    16,
    "share of models none of whose policies has negative Imp",
    "above",
    0.75,
    "of 16 models all must hold (0.81 to 1); one exception leaves it open (0.72 to 0.99)",
)
def _imp_is_never_negative(tables: Tables, good_sets: GoodSets) -> Estimate:
    """The worst policy of each model."""
    return share(_policies(tables, "imp").groupby(MODEL)["imp"].min() >= -ROUNDING)


# What several claims share


def _smallest_mean(by_task: pd.DataFrame) -> Estimate:
    return smallest(simultaneous(mean(by_task[task]) for task in by_task))


def _smallest_slope(tables: Tables, column: str) -> Estimate:
    rows, sizes = _policies(tables, column), _sizes(tables)
    by_task = _by_model(rows, rows[column], "task")
    return smallest(simultaneous(slope(by_task[task], sizes) for task in by_task))


def _u_shape(tables: Tables, column: str) -> Estimate:
    rows = _policies(tables, column)
    return smallest(simultaneous(outward_slopes(_average(_by_model(rows, rows[column], "task")), _sizes(tables))))


def _margin_over_generator(tables: Tables) -> pd.Series:
    """Op of each model's least optimizing policy minus the generator's; empty if there is no generator."""
    generator = pd.to_numeric(_generator(tables, "op")).mean()
    return (_policies(tables, "op").groupby(MODEL)["op"].min() - generator).dropna()


def _counterfactual_margin(tables: Tables) -> pd.DataFrame:
    """Success rate under F' minus chance, a row a model and a column a task."""
    rows = _policies(tables, "success_rate_counterfactual")
    return _by_model(rows, rows["success_rate_counterfactual"] - rows["n_good"] / N_OUTCOMES, "task")


def _self_shortfall(tables: Tables) -> pd.DataFrame:
    """Measured minus self-estimated Op, a row a model and a column a number of good outcomes."""
    rows = _policies(tables, "op", "op_self")
    return _by_model(rows, rows["op"] - rows["op_self"], "n_good")


def _impacts(tables: Tables) -> tuple[np.ndarray, pd.Series]:
    """(models, tasks, 6) sums of `moments` of Imp against Imp_min, both defined, and the means they are taken about."""
    rows = _policies(tables, "imp", "imp_minimum")
    centre = rows[["imp", "imp_minimum"]].mean()
    tasks, distinct = rows["task"].factorize()
    terms = np.zeros((len(rows), len(distinct), 6))
    terms[np.arange(len(rows)), tasks] = moments(
        *(rows[name].to_numpy() - centre[name] for name in ("imp_minimum", "imp"))
    )
    return sums_of_models(rows.set_index(MODEL).index, terms), centre


def _identified(tables: Tables, measure: str, reduce: str = "min") -> pd.Series:
    """Correct identifications by a measure within each model; empty for a single task, which cannot be mistaken."""
    rows = _rows(tables, "identification", [*POLICY, "measure"], ["correct"])
    rows = rows[rows["measure"] == measure]
    if rows["task"].nunique() < 2:
        rows = rows.iloc[:0]
    return rows.groupby(MODEL)["correct"].agg(reduce)


def _subset_against_superset(tables: Tables, good_sets: GoodSets) -> tuple[pd.Series, pd.Series]:
    """On the task of the larger set: lead in success of the smaller set's policy, and how much further above the line.

    The smallest good set that another one contains, and the smallest of those that contain it; empty if none does.
    """
    success, excess = _crossed(tables, "success_rate", "op_excess")
    trained = [task for task in good_sets if (task, task) in success]
    nested = [
        (len(good_sets[small]), len(good_sets[large]), small, large)
        for small in trained
        for large in trained
        if set(good_sets[small]) < set(good_sets[large])
    ]
    if not nested:
        return pd.Series(dtype=float), pd.Series(dtype=float)
    *_, small, large = min(nested)
    lead, further_above = (of[small, large] - of[large, large] for of in (success, excess))
    known = lead.notna()
    return lead[known], further_above[known]


def _removed_by_a_line_a_task(sums: np.ndarray) -> np.ndarray:
    """Of (m, tasks, 6) sums of `moments`."""
    of_task = sums[..., 0]
    n, n_tasks = of_task.sum(axis=1), (of_task > 0).sum(axis=1)
    separate = np.where(of_task > 0, line(sums)[2], 0.0).sum(axis=1) / (n - 2 * n_tasks)
    together = line(sums.sum(axis=1))[2] / (n - 2)
    return np.where((n_tasks > 1) & (n > 2 * n_tasks), 1 - separate / together, np.nan)


def _r_squared_about_identity(sums: np.ndarray) -> np.ndarray:
    """Of (m, 4) sums of 1, Op, Op² and (Op - Op_pred)²."""
    n, op, op_squared, residual = sums.T
    return 1 - residual / (variance(n, op, op_squared) * (n - 1))


def _lead_of_op_in_separation(sums: np.ndarray) -> np.ndarray:
    """Mean over pairs of tasks of Cohen's d in Op minus that in Imp.

    Args:
        sums: (m, 2 measures, wrong or right, pairs, 3) sums of 1, x and x² over the models that have all four.
    """
    n, x, xx = np.moveaxis(sums, -1, 0)
    deviation = np.sqrt(variance(n, x, xx).mean(axis=2))
    gaps = -np.diff(x / n, axis=2)[:, :, 0] / deviation  # (m, 2, pairs)
    several = n[:, 0, 0] > 1
    return np.where(several, gaps[:, 0] - gaps[:, 1], 0.0).sum(axis=1) / several.sum(axis=1)
