"""What theory predicts for measured futures, for any utility of the outcomes (method, sections 4, 5, 8, 12 and 13).

Everything is based on one quantity, the least KL divergence from a reference among distributions of a given mean
utility (`rate_function`). For a good set, whose utilities are 0 and 1, it is the divergence between two success rates.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import elementwise
from scipy.special import logsumexp

from splithistory.arguments import as_array, as_probabilities
from splithistory.information import Floats, binary_kl_divergence, kl_divergence
from splithistory.task import Task

# How far rounding may take a mean utility above the largest or below the smallest utility.
_ROUNDING = 1e-12


def mean_utility(distribution: ArrayLike, utility: ArrayLike) -> Floats:
    """Return the mean utility of a distribution of outcomes; for a good set, the success rate.

    Args:
        distribution: (..., K) probabilities.
        utility: (K,) utility of each outcome.

    Returns:
        (...) means, within the range of the utilities.

    Raises:
        ValueError: if the arguments are not probabilities and finite numbers for equally many outcomes.
    """
    p, u = _checked("distribution", distribution, utility)
    return p @ u


def rate_function(mean_utility: ArrayLike, utility: ArrayLike, reference: ArrayLike) -> Floats:
    """Return R(s; u, P), the least KL divergence from P of a distribution with mean utility s (method, section 12).

    It is the Legendre transform sup over λ of λs - ln Σ P e^{λu} (Cramér's rate function), and is attained by
    `minimum_impact_distribution` (Csiszár's I-projection). For two utilities it is the `binary_kl_divergence` between
    the shares of the larger one.

    Args:
        mean_utility: s, of any shape.
        utility: (K,) utility u of each outcome, finite numbers.
        reference: (..., K) probabilities P; leading axes broadcast against s.

    Returns:
        Nats in [0, ∞]: 0 where s is the mean utility of P; -ln P(u = max u) where s is the largest utility among the
        outcomes that P has, and likewise for the smallest; infinite outside that range, since no distribution over
        those outcomes has such a mean; NaN where s is NaN.

    Raises:
        ValueError: if the arguments are not such numbers and probabilities, or do not fit each other.
    """
    p, u = _checked("reference", reference, utility)
    s = as_array("mean_utility", mean_utility, "numbers").astype(float)
    try:
        np.broadcast_shapes(s.shape, p.shape[:-1])
    except ValueError as error:
        raise ValueError(
            f"mean_utility: expected a shape that broadcasts with {p.shape[:-1]}, of the reference without its last "
            f"axis, found {s.shape}"
        ) from error
    levels = np.unique(u)
    if len(levels) == 2:
        low, high = levels
        share = np.clip(p @ (u == high), 0, 1)
        s, possible = _clipped(s, np.where(share < 1, low, high), np.where(share > 0, high, low))
        return np.where(possible, binary_kl_divergence((s - low) / (high - low), share), np.inf)
    s, p = s + np.zeros(p.shape[:-1]), p + np.zeros((*s.shape, 1))
    low, high = np.where(p > 0, u, np.inf).min(axis=-1), np.where(p > 0, u, -np.inf).max(axis=-1)
    s, possible = _clipped(s, low, high)
    rate = np.where(possible, np.nan, np.inf)
    for end in (low, high):
        rate = np.where(possible & (s == end), -np.log(np.where(u == end[..., None], p, 0).sum(axis=-1)), rate)
    inside = (low < s) & (s < high)
    s, p = s[inside], p[inside]  # (n,), (n, K)
    rate[inside] = -logsumexp(_tilts(s, u, p)[:, None] * (u - s[:, None]), b=p, axis=-1)
    return np.maximum(rate, 0.0)


def predicted_optimization(mean_utility: ArrayLike, utility: ArrayLike) -> Floats:
    """Return Op_pred, the optimization that a mean utility asks for (method, sections 4 and 12).

    If all outcomes are equally likely under the split history, it is the Op of the policy whose future is the
    `minimum_impact_distribution` from there, which treats outcomes of equal utility alike. For a good set with the
    share p of the outcomes it is s ln(s/p) + (1-s) ln((1-s)/(1-p)).

    Args:
        mean_utility: s, of any shape.
        utility: (K,) utility of each outcome.

    Returns:
        Nats in [0, ∞]: 0 at the mean of the utilities, infinite outside their range.

    Raises:
        ValueError: as for `rate_function`.
    """
    u = as_array("utility", utility, "(K,) finite numbers")
    size = max(u.size, 1)
    return rate_function(mean_utility, u, np.full(size, 1 / size))


def minimum_impact(mean_utility: ArrayLike, utility: ArrayLike, counterfactual: ArrayLike) -> Floats:
    """Return Imp_min, the least impact that changes the mean utility from that under F' to s (sections 5 and 12).

    For a good set it is s ln(s/q) + (1-s) ln((1-s)/(1-q)), with q the success rate under F'.

    Args:
        mean_utility: s under F, of any shape.
        utility: (K,) utility of each outcome.
        counterfactual: (..., K) mean of F'|x''; leading axes broadcast against s.

    Returns:
        Nats in [0, ∞]; infinite where F' lacks outcomes that a mean utility of s requires.

    Raises:
        ValueError: as for `rate_function`.
    """
    counterfactual, utility = _checked("counterfactual", counterfactual, utility)
    return rate_function(mean_utility, utility, counterfactual)


def directedness_by_score(mean_utility: ArrayLike, utility: ArrayLike, menu: ArrayLike) -> Floats:
    """Return MEG towards a utility, from the mean utility, if all windows offer the same (method, sections 13 and 15).

    With r the expected utilities of the actions it is R(s; r, uniform), the `rate_function`. In the sequence, whose
    noise affects s and r alike, it is Op_pred of the mean utility without noise.

    Args:
        mean_utility: s, of any shape: the mean utility of each policy's future.
        utility: (K,) utility of each outcome.
        menu: (A, K) outcome probabilities of the actions, in any order.

    Returns:
        Nats in [0, ln A]; infinite where no choice of actions gives a mean utility of s.
    """
    gains = np.round(np.asarray(menu) @ np.asarray(utility, dtype=float), 12)  # rounding must not separate equal ones
    return rate_function(mean_utility, gains, np.full(len(gains), 1 / len(gains)))


def minimum_impact_distribution(distribution: ArrayLike, utility: ArrayLike, mean_utility: float) -> Floats:
    """Return the distribution of a given mean utility that is nearest to P: Q ∝ P e^{λu} (method, sections 5 and 12).

    KL(Q ‖ P) is `minimum_impact`, and any F of that mean utility obeys KL(F ‖ P) = KL(F ‖ Q) + KL(Q ‖ P). For a good
    set, Q is P·s/q on the set and P·(1-s)/(1-q) off it.

    Args:
        distribution: (K,) probabilities P.
        utility: (K,) utility u of each outcome.
        mean_utility: s, in the range of the utilities of the outcomes that P has.

    Returns:
        (K,) probabilities Q, which are 0 where P is 0.

    Raises:
        ValueError: if no distribution over the outcomes of P has that mean utility.
    """
    p, u = _checked("distribution", distribution, utility)
    if p.ndim != 1:
        raise ValueError(f"distribution: expected shape (K,), got {p.shape}")
    low, high = u[p > 0].min(), u[p > 0].max()
    s, possible = _clipped(as_array("mean_utility", mean_utility, "a number").astype(float), low, high)
    if s.ndim:
        raise ValueError(f"mean_utility: expected a number, found shape {s.shape}")
    if not possible or np.isnan(s):
        raise ValueError(
            f"mean_utility: the outcomes of the distribution allow {low:g} to {high:g}, got {mean_utility}"
        )
    if s in (low, high):
        weights = np.where(u == s, p, 0.0)
    else:
        exponents = _tilts(s[None], u, p[None]) * (u - s)  # (K,)
        weights = p * np.exp(exponents - exponents.max(where=p > 0, initial=-np.inf))
    return weights / weights.sum()


def _checked(name: str, distribution: ArrayLike, utility: ArrayLike) -> tuple[Floats, Floats]:
    """Check (..., K) probabilities, named in messages, and (K,) utilities, and return them as arrays."""
    u = as_array("utility", utility, "(K,) finite numbers").astype(float)
    if u.ndim != 1 or u.size == 0 or not np.isfinite(u).all():
        raise ValueError(f"utility: expected finite numbers of shape (K,), found {u if u.ndim == 1 else u.shape}")
    p = as_probabilities(name, distribution, "(..., K)")
    if p.shape[-1] != len(u):
        raise ValueError(f"utility: expected {p.shape[-1]} numbers, one for each outcome of {name}, found {len(u)}")
    return p, u


def _clipped(s: Floats, low: ArrayLike, high: ArrayLike) -> tuple[Floats, NDArray[np.bool_]]:
    """Clip mean utilities that rounding took out of their range, and say which are in range at all; NaN passes."""
    impossible = (s < low - _ROUNDING) | (s > high + _ROUNDING)
    return np.clip(s, low, high), ~impossible


def _tilts(s: Floats, u: Floats, p: Floats) -> Floats:
    """Find the λ at which P e^{λu} has the mean utility s, in each row: (n,).

    Args:
        s: (n,) mean utilities, strictly within the range of the utilities of the outcomes that P has.
        u: (K,) utilities.
        p: (n, K) probabilities.
    """
    if len(s) == 0:
        return np.zeros(0)

    def mean_error(tilts: Floats, rows: NDArray[np.intp]) -> Floats:
        deviations = u - s[rows, None]
        exponents = tilts[:, None] * deviations
        weights = p[rows] * np.exp(exponents - np.where(p[rows] > 0, exponents, -np.inf).max(axis=-1, keepdims=True))
        return (weights * deviations).sum(axis=-1) / weights.sum(axis=-1)

    def bound(sign: int) -> Floats:
        """Bound λ: beyond this size, the outcomes of largest ``sign * u`` alone take the mean past s."""
        end = np.where(p > 0, sign * u, -np.inf).max(axis=-1, keepdims=True)  # (n, 1)
        below = np.where(p > 0, end - sign * u, 0)  # (n, K)
        largest = np.where(below == 0, p, 0).sum(axis=-1)
        room = end[:, 0] - sign * s
        # With P_end the weight there, end - mean <= Σ P (end - u) e^{-λ (end - u)} / P_end.
        spread = (p * below).sum(axis=-1)
        least = np.where(below > 0, below, np.inf).min(axis=-1)
        return np.maximum((np.log(spread) - np.log(largest) - np.log(room)) / least, 0) + 1

    rows = np.arange(len(s))
    return elementwise.find_root(mean_error, (-bound(-1), bound(1)), args=(rows,)).x


@dataclass(frozen=True)
class Theory:
    """What theory says about R measurements judged by one task; every array is (R,), in nats except for rates.

    Attributes:
        success_rate: s, the mean utility of F; for a good set, F's mass on it.
        success_rate_counterfactual: q, the mean utility of the mean of F'|x''.
        op_predicted: Op_pred, at least 0.
        op_favouritism: KL(F ‖ uniform) minus Op_pred, at least 0.
        op_within_good: the part of it that is favouritism among successes, at least 0; NaN for a graded task.
        op_within_bad: the part that is favouritism among failures, at least 0; NaN for a graded task.
        op_nonuniformity: ln K - mean H(F'|x''), at least 0.
        imp_minimum: Imp_min, in [0, ∞].
    """

    success_rate: Floats
    success_rate_counterfactual: Floats
    op_predicted: Floats
    op_favouritism: Floats
    op_within_good: Floats
    op_within_bad: Floats
    op_nonuniformity: Floats
    imp_minimum: Floats


def theory_of(
    outcome_distribution: ArrayLike,
    counterfactual_distribution: ArrayLike,
    entropy_counterfactual: ArrayLike,
    task: Task,
) -> Theory:
    """Judge R measurements by a task.

    The identity Op = op_predicted + op_favouritism - op_nonuniformity holds for each.

    Args:
        outcome_distribution: (R, K) F.
        counterfactual_distribution: (R, K) mean of F'|x''.
        entropy_counterfactual: (R,) mean of H(F'|x''), nats.
        task: a task with K outcomes.
    """
    outcome = np.asarray(outcome_distribution, dtype=float)
    s = mean_utility(outcome, task.utility)
    within_good, within_bad = favouritism_by_kind(outcome, task)
    return Theory(
        success_rate=s,
        success_rate_counterfactual=mean_utility(counterfactual_distribution, task.utility),
        op_predicted=predicted_optimization(s, task.utility),
        op_favouritism=favouritism(outcome, task.utility),
        op_within_good=within_good,
        op_within_bad=within_bad,
        op_nonuniformity=np.log(outcome.shape[-1]) - np.asarray(entropy_counterfactual),
        imp_minimum=minimum_impact(s, task.utility, counterfactual_distribution),
    )


def favouritism(distribution: ArrayLike, utility: ArrayLike) -> Floats:
    """Return how far a policy's outcomes go beyond what their mean utility asks for (method, sections 4 and 12).

    Args:
        distribution: (..., K) probabilities F.
        utility: (K,) utility of each outcome.

    Returns:
        (...) KL(F ‖ Q) in nats, at least 0, where Q is the `minimum_impact_distribution` from the uniform distribution
        U. The sum with `predicted_optimization` is KL(F ‖ U).
    """
    distribution = np.asarray(distribution, dtype=float)
    size = distribution.shape[-1]
    predicted = predicted_optimization(mean_utility(distribution, utility), utility)
    return kl_divergence(distribution, np.full(size, 1 / size)) - predicted


def favouritism_by_kind(distribution: ArrayLike, task: Task) -> tuple[Floats, Floats]:
    """Return the `favouritism` within a good set and within its complement (method, section 4).

    Args:
        distribution: (..., K) probabilities F.
        task: a task with K outcomes.

    Returns:
        s·KL(F|G ‖ U|G) and (1-s)·KL(F|Gᶜ ‖ U|Gᶜ) in nats, each (...) and at least 0; NaN if the task is graded.
    """
    distribution, good = np.asarray(distribution, dtype=float), task.good
    if good is None:
        return np.full(distribution.shape[:-1], np.nan), np.full(distribution.shape[:-1], np.nan)

    def within(part: NDArray[np.bool_]) -> Floats:
        mass = distribution[..., part]  # (..., |part|)
        return kl_divergence(mass, mass.mean(axis=-1, keepdims=True))

    return within(good), within(~good)


def jensen_gaps(
    success_rate: ArrayLike,
    utility: ArrayLike,
    measurements: ArrayLike,
    weights: ArrayLike,
    counterfactuals: ArrayLike,
) -> Floats:
    """Return the part of excess impact that is due to differences between the F'|x'' (method, sections 5 and 12).

    Args:
        success_rate: (R,) s of R measurements.
        utility: (K,) utility of each outcome.
        measurements: (A,) measurement that each of A answers belongs to, from 0 to R - 1.
        weights: (A,) share of that measurement's windows with the answer, above 0.
        counterfactuals: (A, K) F'|x'' given the answer.

    Returns:
        (R,) mean of R(s; u, F'|x'') minus R(s; u, mean F'), in nats, at least 0; infinite where some F'|x'' lacks the
        outcomes that s requires, NaN where all do.
    """
    s, measurements, weights = np.asarray(success_rate), np.asarray(measurements), np.asarray(weights)
    counterfactuals = np.asarray(counterfactuals, dtype=float)
    means = np.zeros((len(s), counterfactuals.shape[-1]))
    np.add.at(means, measurements, weights[:, None] * counterfactuals)
    least = minimum_impact(s, utility, means)
    each = minimum_impact(s[measurements], utility, counterfactuals)
    mean_of_each = np.bincount(measurements, weights * each, minlength=len(s))
    return np.where(np.isfinite(least), mean_of_each, np.nan) - least
