"""Reading a policy's objective off its future (method, section 8).

Op_pred and Imp_min are the same number, the `rate_function` of F's mean utility from a reference, which is the uniform
distribution for Op and the mean of F'|x'' for Imp. An objective is promoted if F has more of its utility than the
reference. The better a promoted one explains what the policy does, the larger its number, and the nearer it comes to
the measured Op or Imp. Any tasks are compared so; ranks are among all good sets, for which the number is the KL
divergence between two success rates.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import rel_entr

from splithistory.arguments import as_good_set, as_probabilities
from splithistory.information import Floats, binary_kl_divergence

# Ranks compare all pairs of a good set and its complement: half a million of 20 outcomes.
MOST_RANKED_OUTCOMES = 20
# Rounding makes mean utilities that are equal differ by some 1e-16; so do ratios of probabilities, relatively.
_ROUNDING = 1e-12


def is_promoted(mean_utility: ArrayLike, reference_utility: ArrayLike) -> NDArray[np.bool_]:
    """Whether F has more of a utility than the reference, beyond rounding."""
    return np.asarray(mean_utility) - np.asarray(reference_utility) > _ROUNDING


def nearest_objective(measured: float, predicted: ArrayLike, promoted: Sequence[bool]) -> int | None:
    """The objective whose prediction is nearest to what was measured.

    Args:
        measured: Op or Imp, nats.
        predicted: (T,) Op_pred or Imp_min under each objective; NaN where undefined.
        promoted: (T,) whether the policy's mean utility exceeds the reference's.

    Returns:
        Its position, or None if no objective is promoted.
    """
    (nearest,) = nearest_objectives([measured], [predicted], [promoted])
    return None if nearest < 0 else int(nearest)


def nearest_objectives(measured: ArrayLike, predicted: ArrayLike, promoted: ArrayLike) -> NDArray[np.intp]:
    """`nearest_objective` of R measurements at once.

    Args:
        measured: (R,) Op or Imp, nats.
        predicted: (R, T) Op_pred or Imp_min under each objective; NaN where undefined.
        promoted: (R, T) whether the policy's mean utility exceeds the reference's.

    Returns:
        (R,) positions, the first of several that are equally near; -1 where no promoted objective is at a finite
        distance.
    """
    measured, predicted = np.asarray(measured, dtype=float), np.asarray(predicted, dtype=float)
    with np.errstate(invalid="ignore"):
        distances = np.abs(measured[:, None] - predicted)
    distances = np.where(np.asarray(promoted) & np.isfinite(distances), distances, np.inf)
    return np.where(np.isfinite(distances).any(axis=1), distances.argmin(axis=1), -1)


def best_good_set(distribution: ArrayLike, reference: ArrayLike) -> list[int]:
    """The good set that explains most of a future: no other has success rates of a larger KL divergence (section 14).

    By Neyman and Pearson it is a head of the outcomes in the order of their likelihood ratios F/reference, largest
    first: K - 1 sets to compare instead of 2^(K-1) - 1.

    Args:
        distribution: (K,) F, of any number of outcomes.
        reference: (K,) the uniform distribution for Op, the mean of F'|x'' for Imp.

    Returns:
        Its outcomes in ascending order; a promoted set, that is one of which F has more than the reference. Outcomes of
        equal likelihood ratio are all in it or all out of it, and so are those that the reference lacks (which make
        the divergence infinite); an outcome that both lack is not. Of sets that explain equally much it is the
        smallest. Empty if the two distributions are equal, as they are for a single outcome.

    Raises:
        ValueError: if they are no probabilities of equally many outcomes.
    """
    f, p = _distributions(distribution, reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = np.where((f == 0) & (p == 0), -1.0, f / p)
    order = np.argsort(-ratios, kind="stable")
    # Sums from either end, so that what is exactly 0 or 1 stays so.
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
    """All promoted good sets by how much of a future they explain.

    Attributes:
        rank: 1 for the set asked about if no promoted set explains more; None if it is not promoted itself, or none is
            asked about.
        n_promoted: number of promoted sets, at most half of all.
        best_set: outcomes of the promoted set that explains most; empty if none is promoted.
    """

    rank: int | None
    n_promoted: int
    best_set: list[int]


def rank_good_set(
    outcome_distribution: ArrayLike, reference: ArrayLike, good: NDArray[np.bool_] | None
) -> GoodSetRanking:
    """Where a good set comes among all non-empty proper subsets of the outcomes.

    A set and its complement explain equally much, so of each pair only the promoted one counts.

    Args:
        outcome_distribution: (K,) F, of at most 20 outcomes.
        reference: (K,) the uniform distribution for Op, the mean of F'|x'' for Imp.
        good: the set asked about, (K,) booleans or a list of outcomes; None for a graded task, of which there is no
            rank.

    Raises:
        ValueError: if there are more outcomes (see `best_good_set`), or the arguments don't fit each other.
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
    """`rank_good_set` of many futures at once, for a bootstrap.

    Args:
        outcome_distributions: (R, K) F.
        references: (R, K), or (K,) for all.
        good: (K,) booleans, the set asked about.

    Returns:
        (R,) ranks; where the set is not promoted, one more than there are pairs, so that it ranks behind all.
    """
    outcomes, references = np.broadcast_arrays(np.asarray(outcome_distributions), np.asarray(references))  # (R, K)
    sets = good_set_pairs(len(good))  # (P, K)
    success_rates, reference_rates = outcomes @ sets.T, references @ sets.T  # (R, P)
    own = _explained(outcomes @ good, references @ good)[:, None]  # (R, 1)
    # Few sets come near the true one, and logarithms are slow: leave out those whose chi-squared divergence, which is
    # at least what they explain, is no larger.
    with np.errstate(divide="ignore", invalid="ignore"):
        bound = (success_rates - reference_rates) ** 2 / (reference_rates * (1 - reference_rates))
    near = ~(bound <= own)
    explained = np.zeros_like(bound)
    explained[near] = _explained(success_rates[near], reference_rates[near])
    return np.where(is_promoted(outcomes @ good, references @ good), 1.0 + n_better(explained, own), 1.0 + len(sets))


def n_better(explained: Floats, own: Floats) -> NDArray[np.int64]:
    """(..., P) what sets explain -> (...) number of those that explain more than the own set."""
    # Rounding differs between a set and its complement, by some 1e-16 nats; a tie is no better rank.
    return (explained > own * (1 + 1e-12) + 1e-15).sum(axis=-1)


def _explained(success_rates: Floats, reference_rates: Floats) -> Floats:
    """(...) nats; rates that rounding takes off 0 or 1 would make them infinite."""
    return binary_kl_divergence(_snapped(success_rates), _snapped(reference_rates))


def _snapped(rates: Floats) -> Floats:
    return np.where(rates < _ROUNDING, 0.0, np.where(rates > 1 - _ROUNDING, 1.0, rates))


def _distributions(distribution: ArrayLike, reference: ArrayLike, name: str = "distribution") -> tuple[Floats, Floats]:
    """Both as (K,) float64."""
    f = as_probabilities(name, distribution, "(K,)")
    p = as_probabilities("reference", reference, "(K,)")
    if f.shape != p.shape:
        raise ValueError(f"reference: expected shape {f.shape} to match {name}, got {p.shape}")
    return f, p


@cache
def good_set_pairs(n_outcomes: int) -> NDArray[np.bool_]:
    """(2^(K-1) - 1, K) booleans: one set of each pair of a good set and its complement, the one without the last.

    Raises:
        ValueError: if there are too many.
    """
    if n_outcomes > MOST_RANKED_OUTCOMES:
        raise ValueError(
            f"outcome_distribution: expected at most {MOST_RANKED_OUTCOMES} outcomes, as ranks compare all 2^(K-1) - 1 "
            f"pairs of a good set and its complement, found {n_outcomes}; best_good_set takes any number"
        )
    members = np.arange(1, 2 ** (n_outcomes - 1))[:, None] >> np.arange(n_outcomes)  # (P, K) binary digits
    return (members & 1).astype(bool)
