"""The study's sixteen claims, and the statistics that judge them.

Each claim is one entry of `CLAIMS`; no other code refers to it. All statistics and thresholds were chosen before any
published sweep; statistics that were replaced later are kept beside their replacements. `docs/claims.md` lists them
all.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
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

_ROUNDING = 1e-9  # rounding may make a divergence of 0 negative


@dataclass(frozen=True)
class Statistic:
    """A number that a claim is judged by; by default, the claim is that it is positive.

    Attributes:
        description: what the number is, in words; ``{size}`` stands for the size if the statistic is taken by size.
        in_short: a short form for readers who know the claim, with ``{}`` in place of the number.
        estimate: computes the number.
        side: where the claim expects it: above or below the threshold, or within centre ± threshold.
        threshold: the threshold, in the statistic's unit.
        centre: what "within" is about.
        reason: why that threshold was chosen.
        by_size: whether it is computed separately for the models of each size; it must then hold for every size.
    """

    description: str
    in_short: str
    estimate: Callable[[Evidence], Estimate]
    side: Side = "above"
    threshold: float = 0.0
    centre: float = 0.0
    reason: str = "the sign is the claim"
    by_size: bool = False


@dataclass(frozen=True)
class Replaced:
    """A statistic that was replaced after sweeps were published, and no longer counts towards the verdict on its claim.

    Attributes:
        statistic: the replaced statistic.
        by: name of the statistic of the same claim that replaced it.
        because: the reason, as the rest of a sentence.
    """

    statistic: Statistic
    by: str
    because: str


@dataclass(frozen=True)
class Claim:
    """A claim of the study.

    Attributes:
        number: its number in the study.
        statement: the claim in words.
        statistics: the statistics that judge it, by short names that are unique in the catalogue; all must hold.
        replaced: the statistics that judged it before, by such names.
    """

    number: int
    statement: str
    statistics: Mapping[str, Statistic]
    replaced: Mapping[str, Replaced] = field(default_factory=dict)


# Statistics that take more than one line to compute


def _overfitting(evidence: Evidence) -> pd.Series:
    """Compute the last validation loss of pretraining minus the lowest, per model, nats."""
    losses = evidence.pretraining["validation_loss"].dropna().groupby(MODEL)
    return losses.last() - losses.min()


def _margin_over_generator(evidence: Evidence) -> pd.Series:
    """Compute Op of each model's least optimizing policy minus the generator's, nats; empty without a generator."""
    return (evidence.policies["op"].groupby(MODEL).min() - evidence.generator["op"].mean()).dropna()


def _excess_over_own(evidence: Evidence) -> pd.DataFrame:
    """Compute Op - Op_pred of wrong policies minus that of the judging task's own, one column per pair of tasks."""
    excess = evidence.crossed("op_excess")
    return pd.DataFrame({wrong: excess[wrong] - excess[right] for wrong, right in wrong_and_right(excess)})


def _counterfactual_margin(evidence: Evidence) -> pd.Series:
    return evidence.policies["success_rate_counterfactual"] - evidence.policies["chance"]


def _shortfall(evidence: Evidence) -> pd.DataFrame:
    """Compute measured minus self-estimated Op, nats: one row per model, one column per number of good outcomes."""
    return by_n_good(evidence.policies["op"] - evidence.policies["op_self"])


def _agreement_on_most_good_outcomes(evidence: Evidence) -> Point:
    """Compute the mean error with the most good outcomes, if there are tasks with fewer to compare with."""
    shortfall = _shortfall(evidence)
    return mean(-shortfall.iloc[:, -1]) if shortfall.shape[1] > 1 else NO_POINT


def _self_estimation_errors(evidence: Evidence) -> pd.Series:
    """Compute the relative error of self-estimated Imp minus that of Op; sums keep policies near 0 from deciding."""
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
    """Compute the share of each model's tasks that Op identifies minus that of Imp, where the two differ."""
    lead = evidence.identified("op").mean(axis=1) - evidence.identified("imp").mean(axis=1)
    return lead[lead.notna() & (lead != 0)]


def _contests(evidence: Evidence, smallest_pair_only: bool = False) -> pd.DataFrame:
    """Compare policies of smaller good sets with those of larger sets that contain them, on the larger set's task.

    Returns:
        One row per model and pair of nested sets, indexed by model: the ``lead`` in success of the smaller set's
        policy, and how much ``further_above`` the line it lies; empty if no sets are nested.
    """
    success, excess = (evidence.crossed(column) for column in ("success_rate", "op_excess"))
    trained = {task: set(good) for task, good in evidence.good_sets.items() if (task, task) in success}
    nested = [
        (len(subset), len(superset), small, large)
        for small, subset in trained.items()
        for large, superset in trained.items()
        if subset < superset
    ]
    pairs = sorted(nested)[: 1 if smallest_pair_only else None]
    contests = [
        pd.DataFrame({"lead": success[pair] - success[own], "further_above": excess[pair] - excess[own]})
        for pair, own in (((small, large), (large, large)) for *_, small, large in pairs)
    ]
    none = pd.DataFrame(index=success.index[:0], columns=["lead", "further_above"], dtype=float)
    return pd.concat(contests).dropna(subset="lead") if contests else none


def _wins_of_subsets(contests: pd.DataFrame) -> Estimate:
    """Compute the share of models in which a policy of a smaller set succeeds more often than that of the larger."""
    return share(contests["lead"].groupby(MODEL).max() > 0)


def _excess_of_winners(contests: pd.DataFrame) -> Point:
    """Compute how much further above the line those policies lie."""
    won = contests.loc[contests["lead"] > 0, "further_above"]
    return mean(won.groupby(MODEL).mean())


def _difference_of_slopes(evidence: Evidence) -> Estimate:
    """Compare slopes between pairs of tasks, without those whose Imp_min is undefined or constant."""
    minimum, imp = (evidence.crossed(column) for column in ("imp_minimum", "imp"))
    pairs = [list(pair) for pair in wrong_and_right(imp)]
    return smallest_slope_difference([minimum[pair] for pair in pairs], [imp[pair] for pair in pairs])


def _generators_success(evidence: Evidence) -> pd.Series:
    """Compute success under the generator's F' on each policy's task, which reflects the sequence's frequencies."""
    futures, policies = evidence.generator["counterfactual_distribution"].dropna(), evidence.policies.index
    if futures.empty:
        return pd.Series(np.nan, policies)
    future = np.mean(np.stack(futures.to_list()), axis=0)  # (8,)
    of_task = {task: future[good].sum() for task, good in evidence.good_sets.items()}
    return pd.Series(policies.get_level_values("task").map(of_task), policies)


def _output_bias(evidence: Evidence, baseline: pd.Series) -> pd.Series:
    """Compute what output bias adds to success minus what frequencies add: (q - baseline) - (baseline - p)."""
    q, p = evidence.policies["success_rate_counterfactual"], evidence.policies["chance"]
    return (q - baseline) - (baseline - p)


def _output_bias_above_chance(evidence: Evidence) -> pd.Series:
    """Compute the same, counting frequencies that lower success below chance as adding nothing."""
    return _output_bias(evidence, np.maximum(_generators_success(evidence), evidence.policies["chance"]))


def _cancellation(evidence: Evidence) -> pd.Series:
    """Compute the share of differential Op that cancels across blocks and components, averaged within the model."""
    op = evidence.differential["op_median"].dropna()
    cancelled = 1 - op.groupby(POLICY).sum().abs() / op.abs().groupby(POLICY).sum()
    return cancelled.groupby(MODEL).mean()


def _impact_of_outweighed(evidence: Evidence) -> pd.Series:
    """Compute the share of differential Imp from sources whose Op is opposite in sign to the sum, averaged by model."""
    sources = evidence.differential[["op_median", "imp_median"]].dropna()
    total = sources["op_median"].groupby(POLICY).transform("sum")
    outweighed = sources["imp_median"].where(sources["op_median"] * total < 0, 0.0)
    return (outweighed.groupby(POLICY).sum() / sources["imp_median"].groupby(POLICY).sum()).groupby(MODEL).mean()


def _impacts(evidence: Evidence) -> Lines:
    return Lines(evidence.policies["imp_minimum"], evidence.policies["imp"])


CLAIMS = [
    Claim(
        1,
        "Reinforced policies succeed more often than chance on every task, and more often the larger they are",
        {
            "success_above_chance": Statistic(
                "success rate minus chance: mean over models, smallest among tasks",
                "above chance by at least {}",
                lambda e: smallest(means(by_task(e.policies["success_rate"] - e.policies["chance"]))),
                threshold=0.05,
                reason="in trials, output bias alone raised success by about 0.01; the study says a lot more than "
                "chance",
            ),
            "success_rises_with_size": Statistic(
                "rise of the success rate per decade of parameters: slope over models, smallest among tasks",
                "a decade of parameters adds at least {}",
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
                "the pretraining loss rises towards both ends by at least {}",
                lambda e: smallest(outward_slopes(averages(e.policies["pretraining_loss"]), e.sizes)),
                reason="a U is positive at both ends: curved upwards, lowest inside the range (Sasabuchi's test)",
            ),
            "maintenance_loss_is_u_shaped": Statistic(
                "maintenance loss, averaged within the model, against log10 of the number of parameters: the smaller "
                "outward slope of a parabola at the two ends, nats per decade",
                "the maintenance loss by at least {}",
                lambda e: smallest(outward_slopes(averages(e.policies["maintenance_loss"]), e.sizes)),
                reason="as for the pretraining loss",
            ),
            "larger_models_overfit": Statistic(
                "last validation loss of pretraining minus its lowest: slope over models, nats per decade of "
                "parameters",
                "a decade lifts the last pretraining loss above the lowest by {}",
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
                "a decade adds at least {}",
                lambda e: smallest(slopes(by_task(e.policies["op"]), e.sizes)),
            ),
            "op_falls_with_n_good_at_each_size": Statistic(
                "drop of Op, nats, to the next larger number of good outcomes within the model: mean over the models "
                "of {size}, smallest step",
                "the next fewer good outcomes add at least {}",
                lambda e: smallest(means(drops(by_n_good(e.policies["op"])))),
                by_size=True,
            ),
        },
        replaced={
            "op_falls_with_n_good": Replaced(
                Statistic(
                    "drop of Op, nats, to the next larger number of good outcomes within the model: mean over models, "
                    "smallest step",
                    "the next fewer good outcomes add at least {}",
                    lambda e: smallest(means(drops(by_n_good(e.policies["op"])))),
                ),
                by="op_falls_with_n_good_at_each_size",
                because="the study says so for a given size, and a mean over sizes hides that the drop depends on size",
            ),
        },
    ),
    Claim(
        4,
        "The Op of every model is at least that of the sequence's own generator",
        {
            "op_exceeds_the_generators": Statistic(
                "Op of a model's least optimizing policy minus the generator's, nats: mean over models",
                "the least of a model exceeds it by {}",
                lambda e: interval(mean(_margin_over_generator(e))),
                reason="the generator's Op is the claimed floor",
            ),
            "every_op_reaches_the_generators": Statistic(
                "share of models none of whose policies has a lower Op than the generator",
                "share of models above {}",
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
                "R² about y = x {}",
                lambda e: interval(r_squared_about_identity(e.policies["op"], e.policies["op_predicted"])),
                threshold=0.9,
                reason="the study says high accuracy, taken as nine tenths of the variance",
            ),
            "op_is_near_predicted": Statistic(
                "absolute difference of Op and Op_pred, averaged within the model, nats: mean over models",
                "mean distance {}",
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
                "further above by at least {}",
                lambda e: smallest(means(_excess_over_own(e))),
                reason="the right policies may lie off the line too; the others must lie further above it",
            ),
            "op_identifies_the_task": Statistic(
                "share of models all of whose policies' tasks Op identifies",
                "share of models with every task identified {}",
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
                "a decade adds at least {}",
                lambda e: smallest(slopes(by_task(e.policies["imp"]), e.sizes)),
            ),
            "imp_falls_with_n_good_at_each_size": Statistic(
                "drop of Imp, nats, to the next larger number of good outcomes within the model: mean over the models "
                "of {size}, smallest step",
                "the next fewer good outcomes add at least {}",
                lambda e: smallest(means(drops(by_n_good(e.policies["imp"])))),
                by_size=True,
            ),
        },
        replaced={
            "imp_falls_with_n_good": Replaced(
                Statistic(
                    "drop of Imp, nats, to the next larger number of good outcomes within the model: mean over models, "
                    "smallest step",
                    "the next fewer good outcomes add at least {}",
                    lambda e: smallest(means(drops(by_n_good(e.policies["imp"])))),
                ),
                by="imp_falls_with_n_good_at_each_size",
                because="the study says so for a given size, and a mean over sizes hides that the drop depends on size",
            ),
        },
    ),
    Claim(
        8,
        f"Imp is a plume around {IMP_SLOPE} Imp_min + {IMP_INTERCEPT}, better described by one line per task; larger "
        "models have a lower ratio",
        {
            "one_line_has_the_studys_slope": Statistic(
                "slope of one line of Imp against Imp_min through all policies",
                f"slope of one line (the study's: {IMP_SLOPE}) {{}}",
                lambda e: interval(_impacts(e).slope()),
                side="within",
                threshold=0.8,
                centre=IMP_SLOPE,
                reason="halfway from 2.6 to 1, the slope of the bound itself",
            ),
            "one_line_has_the_studys_intercept": Statistic(
                "intercept of one line of Imp against Imp_min through all policies, nats",
                f"its intercept (the study's: {IMP_INTERCEPT}) {{}}",
                lambda e: interval(_impacts(e).intercept()),
                side="within",
                threshold=0.0295,
                centre=IMP_INTERCEPT,
                reason="halfway from 0.059 to 0, where the bound itself starts",
            ),
            "one_line_per_task_is_better": Statistic(
                "share of the residual variance about one line of Imp against Imp_min (per degree of freedom) that "
                "one line per task removes",
                "share of the residual variance that a line per task removes {}",
                lambda e: interval(_impacts(e).variance_removed()),
                threshold=0.5,
                reason="the tasks' lines explain more of the plume than they leave",
            ),
            "ratio_falls_with_size": Statistic(
                "fall of ln(Imp / Imp_min), averaged within the model, per decade of parameters: slope over models",
                "a decade lowers the logarithm of the ratio by {}",
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
                "above chance by at least {}",
                lambda e: smallest(means(by_task(_counterfactual_margin(e)))),
            ),
            "counterfactual_success_is_little": Statistic(
                "success rate under F' minus chance: mean over models, largest among tasks",
                "and at most {}",
                lambda e: largest(means(by_task(_counterfactual_margin(e)))),
                side="below",
                threshold=0.0625,
                reason="half of what one more good outcome would add to chance",
            ),
            "counterfactual_success_hardly_scales": Statistic(
                "change of the success rate under F', averaged within the model, per decade of parameters: slope over "
                "models",
                "a decade changes it by {}",
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
                "error with the most good outcomes {}",
                lambda e: interval(_agreement_on_most_good_outcomes(e)),
                side="within",
                threshold=0.04,
                reason="as for the distance of Op from Op_pred: the scatter of one measurement of the study",
            ),
            "self_shortfall_falls_with_n_good": Statistic(
                "drop of measured minus self-estimated Op, nats, to the next larger number of good outcomes within "
                "the model: mean over models, smallest step",
                "the next fewer fall short further by at least {}",
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
                "its relative error minus that of Op {}",
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
                "lead of Op in separation, standard deviations {}",
                lambda e: interval(_lead_of_op_in_separation(e)),
                reason="the sign is the claim; in units of the scatter, since that is what blurs a plot",
            ),
            "imp_identifies_less": Statistic(
                "of the models in which Op and Imp identify different numbers of tasks, the share in which Op "
                "identifies more",
                "share of the models that differ in which Op identifies more {}",
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
            "some_subset_policy_wins": Statistic(
                "share of models in which the policy of some good set succeeds more often on the task of a larger set "
                "that contains it than the policy trained on that task",
                "share of models in which a policy of a smaller set wins {}",
                lambda e: _wins_of_subsets(_contests(e)),
                threshold=0.25,
                reason="sometimes, taken as one model in four; none of 16 refutes it (0 to 0.19)",
            ),
            "op_shows_every_win": Statistic(
                "where it does so, its Op - Op_pred on that task minus the other policy's, nats, averaged within the "
                "model: mean over those models",
                "it then lies further above the line by {}",
                lambda e: interval(_excess_of_winners(_contests(e))),
                reason="the winner must lie further above the line",
            ),
        },
        replaced={
            "subset_policies_at_times_win": Replaced(
                Statistic(
                    "share of models whose policy of the smallest nested good set succeeds more often on the next "
                    "larger set's task than the policy trained on it",
                    "share of models in which the policy of the smallest set wins {}",
                    lambda e: _wins_of_subsets(_contests(e, smallest_pair_only=True)),
                    threshold=0.25,
                    reason="sometimes, taken as one model in four; none of 16 refutes it (0 to 0.19)",
                ),
                by="some_subset_policy_wins",
                because="the claim is about any subset, and this looked at one pair of nested sets",
            ),
            "op_shows_it": Replaced(
                Statistic(
                    "where the policy of the smallest nested good set does so, its Op - Op_pred on that task minus the "
                    "other policy's, nats: mean over those models",
                    "it then lies further above the line by {}",
                    lambda e: interval(_excess_of_winners(_contests(e, smallest_pair_only=True))),
                    reason="the winner must lie further above the line",
                ),
                by="op_shows_every_win",
                because="the claim is about any subset, and this looked at one pair of nested sets",
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
                "slopes differ by at least {}",
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
            "output_bias_outweighs_frequencies_on_each_task": Statistic(
                "(q - b) - (b - p): what the policy's output bias adds to success under F' minus what the frequencies "
                "of the sequence add, with q the policy's success rate under F', p chance and b the larger of p and "
                "the generator's q: mean over models, smallest among tasks",
                "the bias adds more than the frequencies do, by at least {}",
                lambda e: smallest(means(by_task(_output_bias_above_chance(e)))),
                reason="at 0 the parts are equal; above it the policy's own bias is the larger one",
            ),
        },
        replaced={
            "output_bias_outweighs_frequencies": Replaced(
                Statistic(
                    "(q - b) - (b - p): what the policy's output bias adds to success under F' minus what the "
                    "frequencies of the sequence add, with q the policy's success rate under F', p chance and b the "
                    "generator's q, averaged within the model: mean over models",
                    "the bias adds more than the frequencies do, by {}",
                    lambda e: interval(mean(averages(_output_bias(e, _generators_success(e))))),
                    reason="at 0 the parts are equal; above it the policy's own bias is the larger one",
                ),
                by="output_bias_outweighs_frequencies_on_each_task",
                because="frequencies that lower success explain none of it above chance, yet they counted in favour of "
                "the bias, and twice; and a mean over tasks lets one task answer for another",
            ),
        },
    ),
    Claim(
        16,
        "Contributions of several sources can cancel in Op, and add up in Imp",
        {
            "op_cancels": Statistic(
                "1 - abs(Σ Op) / Σ abs(Op): the share of Op that cancels between the parts of a policy, with the "
                "sums over the differential Op of the attention and of the MLP of each block, averaged within the "
                "model: mean over models",
                "share of differential Op that cancels {}",
                lambda e: interval(mean(_cancellation(e))),
                threshold=0.05,
                reason="0 if all have one sign; a twentieth is more than a single source near 0",
            ),
            "imp_adds_what_op_cancels": Statistic(
                "(Σ Imp of the parts whose Op has the sign opposite to Σ Op) / (Σ Imp of all parts): the share of "
                "impact from parts that work against the rest, with the differential Op and Imp of the attention and "
                "of the MLP of each block, averaged within the model: mean over models",
                "share of differential Imp from parts that work against the rest {}",
                lambda e: interval(mean(_impact_of_outweighed(e))),
                threshold=0.05,
                reason="0 if all have one sign or those outweighed have no impact; a twentieth as for Op",
            ),
        },
        replaced={
            "imp_is_never_negative": Replaced(
                Statistic(
                    "share of models none of whose policies has negative Imp",
                    "share of models without negative Imp {}",
                    lambda e: share(e.policies["imp"].dropna().groupby(MODEL).min() >= -_ROUNDING),
                    threshold=0.75,
                    reason="all of 16 models must (0.81 to 1); one exception leaves it open (0.72 to 0.99)",
                ),
                by="imp_adds_what_op_cancels",
                because="a divergence is never negative, so that no sweep could fail it",
            ),
        },
    ),
]
