"""The study's sixteen claims: what each says and what it is judged by.

A claim is one entry of `CLAIMS`, and nothing else has to know of it. Every statistic was chosen, and its threshold set,
before any published sweep; `docs/claims.md` shows them all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd

from sweep.claims.estimators import (
    NO_POINT,
    Estimate,
    Lines,
    Point,
    interval,
    largest,
    lead_in_separation,
    mean,
    means,
    outward_slopes,
    r_squared_about_identity,
    share,
    slope,
    slopes,
    smallest,
    smallest_slope_difference,
)
from sweep.claims.evidence import MODEL, POLICY, Evidence, averages, by_n_good, by_task, drops, wrong_and_right
from sweep.study_results import IMP_INTERCEPT, IMP_SLOPE

Side = Literal["above", "below", "within"]

_ROUNDING = 1e-9  # a divergence of 0 may come out below it


@dataclass(frozen=True)
class Statistic:
    """A number that a claim is judged by; unless said otherwise, the claim is that it is positive.

    Attributes:
        description: what the number is, in words.
        estimate: computes it.
        side: where the claim wants it: above or below the threshold, or within ± threshold.
        threshold: in the statistic's unit.
        reason: why that threshold.
    """

    description: str
    estimate: Callable[[Evidence], Estimate]
    side: Side = "above"
    threshold: float = 0.0
    reason: str = "the sign is the claim"


@dataclass(frozen=True)
class Claim:
    """A claim of the study.

    Attributes:
        number: its number in the study.
        statement: the claim in words.
        statistics: what it is judged by, under short names that are unique in the catalogue; all have to hold.
    """

    number: int
    statement: str
    statistics: Mapping[str, Statistic]


# What takes more than a line to compute


def _overfitting(evidence: Evidence) -> pd.Series:
    """Last validation loss of pretraining minus its lowest, per model, nats."""
    losses = evidence.pretraining["validation_loss"].dropna().groupby(MODEL)
    return losses.last() - losses.min()


def _margin_over_generator(evidence: Evidence) -> pd.Series:
    """Op of each model's least optimizing policy minus the generator's, nats; empty if there is no generator."""
    return (evidence.policies["op"].groupby(MODEL).min() - evidence.generator["op"].mean()).dropna()


def _excess_over_own(evidence: Evidence) -> pd.DataFrame:
    """Op - Op_pred of policies of another task minus that of the judging task's own: a column per pair of tasks."""
    excess = evidence.crossed("op_excess")
    return pd.DataFrame({wrong: excess[wrong] - excess[right] for wrong, right in wrong_and_right(excess)})


def _counterfactual_margin(evidence: Evidence) -> pd.Series:
    return evidence.policies["success_rate_counterfactual"] - evidence.policies["chance"]


def _shortfall(evidence: Evidence) -> pd.DataFrame:
    """Measured minus self-estimated Op, nats: a row per model, a column per number of good outcomes."""
    return by_n_good(evidence.policies["op"] - evidence.policies["op_self"])


def _agreement_on_most_good_outcomes(evidence: Evidence) -> Point:
    """Needs tasks of fewer good outcomes to compare with."""
    shortfall = _shortfall(evidence)
    return mean(-shortfall.iloc[:, -1]) if shortfall.shape[1] > 1 else NO_POINT


def _self_estimation_errors(evidence: Evidence) -> pd.Series:
    """Relative error of self-estimated Imp minus that of Op; sums within the model, so no policy near 0 decides."""
    policies = evidence.policies[["op", "op_self", "imp", "imp_self"]].dropna()

    def error(measure: str) -> pd.Series:
        absolute = (policies[f"{measure}_self"] - policies[measure]).abs()
        return absolute.groupby(MODEL).sum() / policies[measure].abs().groupby(MODEL).sum()

    return error("imp") - error("op")


def _lead_of_op_in_separation(evidence: Evidence) -> Point:
    measures = [evidence.crossed(column) for column in ("op_excess", "imp_excess")]
    kinds = list(zip(*wrong_and_right(measures[0]), strict=True))
    if not kinds:
        return NO_POINT
    return lead_in_separation(*(np.stack([excess[list(pairs)] for pairs in kinds]) for excess in measures))


def _lead_of_op_in_identification(evidence: Evidence) -> pd.Series:
    """Share of a model's tasks that Op identifies minus that of Imp, of the models where the two differ."""
    lead = evidence.identified("op").mean(axis=1) - evidence.identified("imp").mean(axis=1)
    return lead[lead.notna() & (lead != 0)]


def _subset_against_superset(evidence: Evidence) -> tuple[pd.Series, pd.Series]:
    """On the task of the larger set: lead in success of the smaller set's policy, and how much further above the line.

    The smallest good set that another one contains, and the smallest of those that contain it; empty if none does.
    """
    success, excess = (evidence.crossed(column) for column in ("success_rate", "op_excess"))
    trained = {task: set(good) for task, good in evidence.good_sets.items() if (task, task) in success}
    nested = [
        (len(subset), len(superset), small, large)
        for small, subset in trained.items()
        for large, superset in trained.items()
        if subset < superset
    ]
    if not nested:
        return pd.Series(dtype=float), pd.Series(dtype=float)
    *_, small, large = min(nested)
    lead, further_above = (of[small, large] - of[large, large] for of in (success, excess))
    known = lead.notna()
    return lead[known], further_above[known]


def _wins_of_subset(evidence: Evidence) -> Estimate:
    lead, _ = _subset_against_superset(evidence)
    return share(lead > 0)


def _excess_of_winners(evidence: Evidence) -> Point:
    lead, further_above = _subset_against_superset(evidence)
    return mean(further_above[lead > 0])


def _difference_of_slopes(evidence: Evidence) -> Estimate:
    """Pairs of tasks without Imp_min, or with equal ones only, are left out."""
    minimum, imp = (evidence.crossed(column) for column in ("imp_minimum", "imp"))
    pairs = [list(pair) for pair in wrong_and_right(imp)]
    return smallest_slope_difference([minimum[pair] for pair in pairs], [imp[pair] for pair in pairs])


def _output_bias(evidence: Evidence) -> pd.Series:
    """(q - q_generator) - (q_generator - p) per policy; the generator knows no task, so its q is the sequence's."""
    futures = evidence.generator["counterfactual_distribution"].dropna()
    if futures.empty:
        return _counterfactual_margin(evidence).iloc[:0]
    future = np.mean(np.stack(futures.to_list()), axis=0)  # (8,)
    policies = evidence.policies
    of_task = {task: future[good].sum() for task, good in evidence.good_sets.items()}
    generators = policies.index.get_level_values("task").map(of_task)
    return (policies["success_rate_counterfactual"] - generators) - (generators - policies["chance"])


def _cancellation(evidence: Evidence) -> pd.Series:
    """Share of differential Op that cancels across blocks and components, averaged within the model."""
    op = evidence.differential["op_median"].dropna()
    cancelled = 1 - op.groupby(POLICY).sum().abs() / op.abs().groupby(POLICY).sum()
    return cancelled.groupby(MODEL).mean()


def _impacts(evidence: Evidence) -> Lines:
    return Lines(evidence.policies["imp_minimum"], evidence.policies["imp"])


CLAIMS = [
    Claim(
        1,
        "Reinforced policies succeed more often than chance on every task, and more often the larger they are",
        {
            "success_above_chance": Statistic(
                "success rate minus chance: mean over models, smallest among tasks",
                lambda e: smallest(means(by_task(e.policies["success_rate"] - e.policies["chance"]))),
                threshold=0.05,
                reason="in trials, output bias alone raised success by about 0.01; the study says a lot more than "
                "chance",
            ),
            "success_rises_with_size": Statistic(
                "rise of the success rate per decade of parameters: slope over models, smallest among tasks",
                lambda e: smallest(slopes(by_task(e.policies["success_rate"]), e.sizes)),
            ),
        },
    ),
    Claim(
        2,
        "Pretraining and maintenance loss first fall and then rise with size, because large models overfit",
        {
            "pretraining_loss_is_u_shaped": Statistic(
                "pretraining loss against log10 of the number of parameters: the smaller outward slope of a parabola "
                "at the two ends, nats per decade",
                lambda e: smallest(outward_slopes(averages(e.policies["pretraining_loss"]), e.sizes)),
                reason="a U is positive at both ends: curved upwards, lowest inside the range (Sasabuchi's test)",
            ),
            "maintenance_loss_is_u_shaped": Statistic(
                "maintenance loss, averaged within the model, against log10 of the number of parameters: the smaller "
                "outward slope of a parabola at the two ends, nats per decade",
                lambda e: smallest(outward_slopes(averages(e.policies["maintenance_loss"]), e.sizes)),
                reason="as for the pretraining loss",
            ),
            "larger_models_overfit": Statistic(
                "last validation loss of pretraining minus its lowest: slope over models, nats per decade of "
                "parameters",
                lambda e: interval(slope(_overfitting(e), e.sizes)),
                threshold=0.01,
                reason="overfitting ends above the lowest loss; noise does too, but equally at every size. 0.01 is "
                "3 % of the loss in trials",
            ),
        },
    ),
    Claim(
        3,
        "Op grows with size, and is larger the fewer outcomes are good",
        {
            "op_rises_with_size": Statistic(
                "rise of Op per decade of parameters, nats: slope over models, smallest among tasks",
                lambda e: smallest(slopes(by_task(e.policies["op"]), e.sizes)),
            ),
            "op_falls_with_n_good": Statistic(
                "drop of Op, nats, to the next larger number of good outcomes within the model: mean over models, "
                "smallest step",
                lambda e: smallest(means(drops(by_n_good(e.policies["op"])))),
            ),
        },
    ),
    Claim(
        4,
        "The Op of every model is at least that of the sequence's own generator",
        {
            "op_exceeds_the_generators": Statistic(
                "Op of a model's least optimizing policy minus the generator's, nats: mean over models",
                lambda e: interval(mean(_margin_over_generator(e))),
                reason="the generator's Op is the claimed floor",
            ),
            "every_op_reaches_the_generators": Statistic(
                "share of models none of whose policies has a lower Op than the generator",
                lambda e: share(_margin_over_generator(e) >= 0),
                threshold=0.75,
                reason="all of 16 models must (0.81 to 1); one exception leaves it open (0.72 to 0.99)",
            ),
        },
    ),
    Claim(
        5,
        "A policy's Op is close to what its success rate on its own task predicts",
        {
            "op_is_predicted": Statistic(
                "R² of Op about Op_pred (1 minus the sum of squares about y = x over that about the mean), all "
                "policies",
                lambda e: interval(r_squared_about_identity(e.policies["op"], e.policies["op_predicted"])),
                threshold=0.9,
                reason="the study says high accuracy, taken as nine tenths of the variance",
            ),
            "op_is_near_predicted": Statistic(
                "absolute difference of Op and Op_pred, averaged within the model, nats: mean over models",
                lambda e: interval(mean(averages((e.policies["op"] - e.policies["op_predicted"]).abs()))),
                side="below",
                threshold=0.04,
                reason="the scatter of one measurement on the study's 200 windows, which could not tell it from 0",
            ),
        },
    ),
    Claim(
        6,
        "Policies trained on other tasks lie above a task's line, so that Op identifies the task a policy was trained "
        "on, nested or not",
        {
            "other_policies_lie_above": Statistic(
                "Op - Op_pred of a policy judged by another task minus that of the model's own policy of that task, "
                "nats: mean over models, smallest among pairs of tasks",
                lambda e: smallest(means(_excess_over_own(e))),
                reason="the right policies may lie off the line too; the others must lie further above it",
            ),
            "op_identifies_the_task": Statistic(
                "share of models all of whose policies' tasks Op identifies",
                lambda e: share(e.identified("op").min(axis=1) == 1),
                threshold=0.75,
                reason="all of 16 models must (0.81 to 1); one exception leaves it open (0.72 to 0.99)",
            ),
        },
    ),
    Claim(
        7,
        "Imp grows with size, and is smaller the more outcomes are good",
        {
            "imp_rises_with_size": Statistic(
                "rise of Imp per decade of parameters, nats: slope over models, smallest among tasks",
                lambda e: smallest(slopes(by_task(e.policies["imp"]), e.sizes)),
            ),
            "imp_falls_with_n_good": Statistic(
                "drop of Imp, nats, to the next larger number of good outcomes within the model: mean over models, "
                "smallest step",
                lambda e: smallest(means(drops(by_n_good(e.policies["imp"])))),
            ),
        },
    ),
    Claim(
        8,
        f"Imp is a plume around {IMP_SLOPE} Imp_min + {IMP_INTERCEPT}, better described by one line per task; larger "
        "models have a lower ratio",
        {
            "one_line_has_the_studys_slope": Statistic(
                f"slope of one line of Imp against Imp_min through all policies, minus {IMP_SLOPE}",
                lambda e: interval(_impacts(e).slope(IMP_SLOPE)),
                side="within",
                threshold=0.8,
                reason="halfway from 2.6 to 1, the slope of the bound itself",
            ),
            "one_line_has_the_studys_intercept": Statistic(
                f"intercept of one line of Imp against Imp_min through all policies, minus {IMP_INTERCEPT}, nats",
                lambda e: interval(_impacts(e).intercept(IMP_INTERCEPT)),
                side="within",
                threshold=0.0295,
                reason="halfway from 0.059 to 0, where the bound itself starts",
            ),
            "one_line_per_task_is_better": Statistic(
                "share of the residual variance about one line of Imp against Imp_min (per degree of freedom) that "
                "one line per task removes",
                lambda e: interval(_impacts(e).variance_removed()),
                threshold=0.5,
                reason="the tasks' lines explain more of the plume than they leave",
            ),
            "ratio_falls_with_size": Statistic(
                "fall of ln(Imp / Imp_min), averaged within the model, per decade of parameters: slope over models",
                lambda e: interval(slope(-averages(np.log(e.policies["imp_ratio"])), e.sizes)),
                reason="the sign is the claim; the logarithm keeps one policy near Imp_min = 0 from deciding",
            ),
        },
    ),
    Claim(
        9,
        "Success under F' is slightly above chance and hardly scales with size",
        {
            "counterfactual_success_above_chance": Statistic(
                "success rate under F' minus chance: mean over models, smallest among tasks",
                lambda e: smallest(means(by_task(_counterfactual_margin(e)))),
            ),
            "counterfactual_success_is_little": Statistic(
                "success rate under F' minus chance: mean over models, largest among tasks",
                lambda e: largest(means(by_task(_counterfactual_margin(e)))),
                side="below",
                threshold=0.0625,
                reason="half of what one more good outcome would add to chance",
            ),
            "counterfactual_success_hardly_scales": Statistic(
                "change of the success rate under F', averaged within the model, per decade of parameters: slope over "
                "models",
                lambda e: interval(slope(averages(_counterfactual_margin(e)), e.sizes)),
                side="within",
                threshold=0.02,
                reason="less than 0.03 over the study's sizes, 1.35 decades",
            ),
        },
    ),
    Claim(
        10,
        "Self-estimated Op agrees with Op on tasks with the most good outcomes, and falls further short the fewer "
        "there are",
        {
            "self_estimated_op_agrees": Statistic(
                "self-estimated minus measured Op on the tasks with the most good outcomes, nats: mean over models",
                lambda e: interval(_agreement_on_most_good_outcomes(e)),
                side="within",
                threshold=0.04,
                reason="as for the distance of Op from Op_pred: the scatter of one measurement of the study",
            ),
            "self_shortfall_falls_with_n_good": Statistic(
                "drop of measured minus self-estimated Op, nats, to the next larger number of good outcomes within "
                "the model: mean over models, smallest step",
                lambda e: smallest(means(drops(_shortfall(e)))),
            ),
        },
    ),
    Claim(
        11,
        "Models estimate their own Imp less accurately than their own Op",
        {
            "self_estimated_imp_is_worse": Statistic(
                "relative error of self-estimated Imp minus that of Op (absolute errors of a model's policies over "
                "their measured values, summed): mean over models",
                lambda e: interval(mean(_self_estimation_errors(e))),
                reason="the sign is the claim; relative, since Imp is the larger of the two",
            ),
        },
    ),
    Claim(
        12,
        "Judged by all tasks, policies are told apart less clearly by Imp than by Op",
        {
            "imp_separates_less": Statistic(
                "standardised gap (Cohen's d) between wrong and right policies in Op - Op_pred minus that in Imp - "
                "Imp_min: mean over pairs of tasks",
                lambda e: interval(_lead_of_op_in_separation(e)),
                reason="the sign is the claim; in units of the scatter, since that is what blurs a plot",
            ),
            "imp_identifies_less": Statistic(
                "of the models in which Op and Imp identify different numbers of tasks, the share in which Op "
                "identifies more",
                lambda e: share(_lead_of_op_in_identification(e) > 0),
                threshold=0.5,
                reason="one half means no difference",
            ),
        },
    ),
    Claim(
        13,
        "A policy trained on a subset of a good set sometimes beats one trained on the full set, at the full set's "
        "task, and Op shows it",
        {
            "subset_policies_at_times_win": Statistic(
                "share of models whose policy of the smallest nested good set succeeds more often on the next "
                "larger set's task than the policy trained on it",
                _wins_of_subset,
                threshold=0.25,
                reason="sometimes, taken as one model in four; none of 16 refutes it (0 to 0.19)",
            ),
            "op_shows_it": Statistic(
                "where the policy of the smallest nested good set does so, its Op - Op_pred on that task minus the "
                "other policy's, nats: mean over those models",
                lambda e: interval(_excess_of_winners(e)),
                reason="the winner must lie further above the line",
            ),
        },
    ),
    Claim(
        14,
        "Judged by a task that they were not trained on, policies lie on a steeper or flatter line of Imp against "
        "Imp_min than the task's own policies",
        {
            "wrong_policies_lie_on_other_lines": Statistic(
                "absolute difference between the slopes of Imp against Imp_min of wrong and right policies: "
                "smallest among pairs of tasks",
                _difference_of_slopes,
                threshold=0.25,
                reason="a quarter of the slope of the bound itself, 1; either sign counts",
            ),
        },
    ),
    Claim(
        15,
        "Success under F' above chance is due more to the policy's output bias than to the frequencies of the sequence",
        {
            "output_bias_outweighs_frequencies": Statistic(
                "success under F' beyond the generator's F' minus the generator's beyond chance, averaged within "
                "the model: mean over models",
                lambda e: interval(mean(averages(_output_bias(e)))),
                reason="at 0 the parts are equal; above it the policy's own bias is the larger one",
            ),
        },
    ),
    Claim(
        16,
        "Op can be negative and cancel across sources; Imp cannot",
        {
            "op_cancels": Statistic(
                "share of differential Op that cancels across blocks and components (1 minus the size of the "
                "sum over the sum of the sizes), averaged within the model: mean over models",
                lambda e: interval(mean(_cancellation(e))),
                threshold=0.05,
                reason="0 if all have one sign; a twentieth is more than a single source near 0",
            ),
            "imp_is_never_negative": Statistic(
                "share of models none of whose policies has negative Imp",
                lambda e: share(e.policies["imp"].dropna().groupby(MODEL).min() >= -_ROUNDING),
                threshold=0.75,
                reason="all of 16 models must (0.81 to 1); one exception leaves it open (0.72 to 0.99)",
            ),
        },
    ),
]
