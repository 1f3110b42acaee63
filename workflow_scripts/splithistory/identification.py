"""Identify a policy's objective from its future (method, section 8).

Op_pred and Imp_min are the same function, the `rate_function` of F's mean utility from a reference: the uniform
distribution for Op, and the mean of F'|x'' for Imp. An objective is promoted if its mean utility is larger under F than
under the reference. The better a promoted objective explains what the policy does, the larger this number is, and the
nearer to the measured Op or Imp. Any tasks can be compared in this way. Ranks are among all good sets, for which the
number is the KL divergence between two success rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from splithistory.arguments import as_good_set, as_probabilities
from splithistory.information import Floats, binary_kl_divergence

# Ranks compare all pairs of a good set and its complement: half a million for 20 outcomes.
MOST_RANKED_OUTCOMES = 20
# Rounding makes equal mean utilities differ by some 1e-16, and equal ratios of probabilities by as much relatively.
_ROUNDING = 1e-12


def is_promoted(mean_utility: ArrayLike, reference_utility: ArrayLike) -> NDArray[np.bool_]:
    """Return whether the mean utility under F exceeds that under the reference, beyond rounding."""
    return np.asarray(mean_utility) - np.asarray(reference_utility) > _ROUNDING


def nearest_objective(measured: float, predicted: ArrayLike, promoted: Sequence[bool]) -> int | None:
    """Find the promoted objective whose prediction is nearest to what was measured.

    Args:
        measured: Op or Imp, nats.
        predicted: (T,) Op_pred or Imp_min under each objective; NaN where undefined.
        promoted: (T,) whether each objective is promoted.

    Returns:
        Its index, or None if no promoted objective is at a finite distance.
    """
    (nearest,) = nearest_objectives([measured], [predicted], [promoted])
    return None if nearest < 0 else int(nearest)


def nearest_objectives(measured: ArrayLike, predicted: ArrayLike, promoted: ArrayLike) -> NDArray[np.intp]:
    """Find the `nearest_objective` of R measurements at once.

    Args:
        measured: (R,) Op or Imp, nats.
        predicted: (R, T) Op_pred or Imp_min under each objective; NaN where undefined.
        promoted: (R, T) whether each objective is promoted.

    Returns:
        (R,) indices, the first of several that are equally near; -1 where no promoted objective is at a finite
        distance.
    """
    measured, predicted = np.asarray(measured, dtype=float), np.asarray(predicted, dtype=float)
    with np.errstate(invalid="ignore"):
        distances = np.abs(measured[:, None] - predicted)
    distances = np.where(np.asarray(promoted) & np.isfinite(distances), distances, np.inf)
    return np.where(np.isfinite(distances).any(axis=1), distances.argmin(axis=1), -1)


def best_good_set(distribution: ArrayLike, reference: ArrayLike) -> list[int]:
    """Find the good set that explains most of a future: the KL divergence of its success rates is largest (section 14).

    By Neyman and Pearson's lemma it consists of the first outcomes in descending order of the likelihood ratio
    F/reference, which leaves K - 1 sets to compare instead of 2^(K-1) - 1.

    Args:
        distribution: (K,) F, for any number of outcomes.
        reference: (K,) the uniform distribution for Op, the mean of F'|x'' for Imp.

    Returns:
        The set's outcomes in ascending order. The set is promoted: it is likelier under F than under the reference.
        Outcomes of equal likelihood ratio are either all in the set or all outside it, and so are those that only the
        reference lacks (which make the divergence infinite). Outcomes that both lack are outside. Among sets that
        explain equally much, it is the smallest. It is empty if the two distributions are equal, as they are for a
        single outcome.

    Raises:
        ValueError: if the arguments are not probabilities of equally many outcomes.
    """
    f, p = _distributions(distribution, reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where((f == 0) & (p == 0), -1.0, f / p)
    order = np.argsort(-ratios, kind="stable")
    # Sums from both ends, so that rates that are exactly 0 or 1 stay exact.
    s, q = f[order].cumsum()[:-1], p[order].cumsum()[:-1]
    s_rest, q_rest = (values[order][::-1].cumsum()[::-1][1:] for values in (f, p))
    differ = ratios[order][:-1] > ratios[order][1:] * (1 + _ROUNDING)
    explained = np.where(differ & is_promoted(s, q), rel_entr(s, q) + rel_entr(s_rest, q_rest), 0.0)  # (K - 1,)
    most = explained.max(initial=0.0)
    if most == 0:
        return []
    best = int((explained >= most * (1 - _ROUNDING)).argmax())
    return np.sort(order[: best + 1]).tolist()


@dataclass(frozen=True)
class GoodSetRanking:
    """The rank of a good set among all promoted ones, by how much of a future they explain.

    Attributes:
        rank: rank of the given set: 1 if no promoted set explains more; None if it is not promoted, or if no set was
            given.
        n_promoted: number of promoted sets, at most half of all sets.
        best_set: outcomes of the promoted set that explains most; empty if none is promoted.
    """

    rank: int | None
    n_promoted: int
    best_set: list[int]


def rank_good_set(
    outcome_distribution: ArrayLike, reference: ArrayLike, good: NDArray[np.bool_] | None
) -> GoodSetRanking:
    """Rank a good set among all non-empty proper subsets of the outcomes (method, section 8).

    A set and its complement explain equally much, so only the promoted one of each pair counts.

    Args:
        outcome_distribution: (K,) F, for at most 20 outcomes.
        reference: (K,) the uniform distribution for Op, the mean of F'|x'' for Imp.
        good: the set to rank, as (K,) booleans or a list of outcomes; None for a graded task, which has no rank.

    Raises:
        ValueError: if there are more outcomes (see `best_good_set`), or the arguments do not fit each other.
    """
    outcomes, reference = _distributions(outcome_distribution, reference, "outcome_distribution")
    sets = good_set_pairs(len(outcomes))  # (P, K)
    success_rates, reference_rates = sets @ outcomes, sets @ reference  # (P,)
    rank = None
    if good is not None:
        good = as_good_set("good", good, len(outcomes))
        if is_promoted(outcomes @ good, reference @ good):
            explained = _explained(success_rates, reference_rates)
            rank = 1 + int(n_better(explained, _explained(outcomes @ good, reference @ good)))
    either_promoted = is_promoted(success_rates, reference_rates) | is_promoted(reference_rates, success_rates)
    return GoodSetRanking(rank=rank, n_promoted=int(either_promoted.sum()), best_set=best_good_set(outcomes, reference))


def ranks_of_good_set(
    outcome_distributions: ArrayLike, references: ArrayLike, good: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Rank a good set in R futures at once, for example those of a bootstrap; see `rank_good_set`.

    Args:
        outcome_distributions: (R, K) F.
        references: (R, K) references, or (K,) for all.
        good: (K,) booleans that mark the set to rank.

    Returns:
        (R,) ranks; where the set is not promoted, one more than there are pairs, so that it ranks behind all sets.
    """
    outcomes, references = np.broadcast_arrays(np.asarray(outcome_distributions), np.asarray(references))  # (R, K)
    sets = good_set_pairs(len(good))  # (P, K)
    success_rates, reference_rates = outcomes @ sets.T, references @ sets.T  # (R, P)
    own = _explained(outcomes @ good, references @ good)[:, None]  # (R, 1)
    # Few sets come near the given one, and logarithms are slow: skip sets whose chi-squared divergence, an upper bound
    # of what they explain, is no larger than what the given set explains.
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = (success_rates - reference_rates) ** 2 / (reference_rates * (1 - reference_rates))
    near = ~(bound <= own)
    explained = np.zeros_like(bound)
    explained[near] = _explained(success_rates[near], reference_rates[near])
    return np.where(is_promoted(outcomes @ good, references @ good), 1.0 + n_better(explained, own), 1.0 + len(sets))


def n_better(explained: Floats, own: Floats) -> NDArray[np.int64]:
    """Count the sets that explain more than the given one: (..., P) what sets explain -> (...)."""
    # Rounding makes a set and its complement differ by some 1e-16 nats, and ties do not count as more.
    return (explained > own * (1 + 1e-12) + 1e-15).sum(axis=-1)


def _explained(success_rates: Floats, reference_rates: Floats) -> Floats:
    """Return what sets explain, (...) nats; rates that rounding took off 0 or 1 are put back first."""
    return binary_kl_divergence(_snapped(success_rates), _snapped(reference_rates))


def _snapped(rates: Floats) -> Floats:
    return np.where(rates < _ROUNDING, 0.0, np.where(rates > 1 - _ROUNDING, 1.0, rates))


def _distributions(distribution: ArrayLike, reference: ArrayLike, name: str = "distribution") -> tuple[Floats, Floats]:
    """Check two distributions, and return both as (K,) float64."""
    f = as_probabilities(name, distribution, "(K,)")
    p = as_probabilities("reference", reference, "(K,)")
    if f.shape != p.shape:
        raise ValueError(f"reference: expected shape {f.shape} to match {name}, got {p.shape}")
    return f, p


@cache
def good_set_pairs(n_outcomes: int) -> NDArray[np.bool_]:
    """Return (2^(K-1) - 1, K) booleans: of each good set and its complement, the one without the last outcome.

    Raises:
        ValueError: if there are more than 20 outcomes.
    """
    if n_outcomes > MOST_RANKED_OUTCOMES:
        raise ValueError(
            f"outcome_distribution: expected at most {MOST_RANKED_OUTCOMES} outcomes, as ranks compare all 2^(K-1) - 1 "
            f"pairs of a good set and its complement, found {n_outcomes}; best_good_set takes any number"
        )
    members = np.arange(1, 2 ** (n_outcomes - 1))[:, None] >> np.arange(n_outcomes)  # (P, K) binary digits
    return (members & 1).astype(bool)
