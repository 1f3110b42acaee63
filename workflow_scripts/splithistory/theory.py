"""What theory says of measured futures, for any good set (method, sections 4, 5 and 8)."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splithistory.information import (
    Floats,
    binary_kl_divergence,
    favouritism,
    minimum_impact,
    predicted_optimization,
    success_probability,
)


@dataclass(frozen=True)
class Theory:
    """Theory's side of R measurements judged by one good set; every array is (R,), entropies in nats.

    Attributes:
        success_rate: s, mass of F on the good set.
        success_rate_counterfactual: q, mean mass of F'|x'' on the good set.
        op_predicted: Op_pred(s; p), at least 0.
        op_within_good: favouritism among successes, at least 0.
        op_within_bad: favouritism among failures, at least 0.
        op_nonuniformity: ln K - mean H(F'|x''), at least 0.
        imp_minimum: Imp_min(s, q), in [0, ∞].
    """

    success_rate: Floats
    success_rate_counterfactual: Floats
    op_predicted: Floats
    op_within_good: Floats
    op_within_bad: Floats
    op_nonuniformity: Floats
    imp_minimum: Floats


def theory_of(
    outcome_distribution: ArrayLike,
    counterfactual_distribution: ArrayLike,
    entropy_counterfactual: ArrayLike,
    good: NDArray[np.bool_],
) -> Theory:
    """Judge R measurements by a good set.

    The identity Op = op_predicted + op_within_good + op_within_bad - op_nonuniformity holds for each.

    Args:
        outcome_distribution: (R, K) F.
        counterfactual_distribution: (R, K) mean of F'|x''.
        entropy_counterfactual: (R,) mean of H(F'|x''), nats.
        good: (K,) booleans, neither empty nor full.
    """
    outcome = np.asarray(outcome_distribution, dtype=float)
    s = success_probability(outcome, good)
    q = success_probability(counterfactual_distribution, good)
    within_good, within_bad = favouritism(outcome, good)
    return Theory(
        success_rate=s,
        success_rate_counterfactual=q,
        op_predicted=predicted_optimization(s, good.mean()),
        op_within_good=within_good,
        op_within_bad=within_bad,
        op_nonuniformity=np.log(outcome.shape[-1]) - np.asarray(entropy_counterfactual),
        imp_minimum=minimum_impact(s, q),
    )


def jensen_gap(success_rate: float, weights: ArrayLike, counterfactual_rates: ArrayLike) -> float:
    """The part of excess impact owed to a q that differs between x'' (method, section 5).

    Args:
        success_rate: s.
        weights: (m,) share of windows with each answer.
        counterfactual_rates: (m,) success rate of F'|x'' for each answer.

    Returns:
        mean KL(s ‖ q(x'')) - KL(s ‖ mean q) in nats, at least 0; infinite where some q is 0 or 1 and s is
        not; NaN where all are.
    """
    weights, rates = np.asarray(weights), np.asarray(counterfactual_rates)
    least = binary_kl_divergence(success_rate, weights @ rates)
    return float(weights @ binary_kl_divergence(success_rate, rates) - least) if np.isfinite(least) else np.nan
