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

from splithistory.information import Floats, binary_kl_divergence


def nearest_objective(measured: float, predicted: ArrayLike, promoted: Sequence[bool]) -> int | None:
    """The objective whose prediction is nearest to what was measured.

    Args:
        measured: Op or Imp, nats.
        predicted: (T,) Op_pred or Imp_min under each objective; NaN where undefined.
        promoted: (T,) whether the policy's mean utility exceeds the reference's.

    Returns:
        Its position, or None if no objective is promoted.
    """
    distances = np.where(promoted, np.abs(measured - np.asarray(predicted, dtype=float)), np.nan)
    return None if np.isnan(distances).all() else int(np.nanargmin(distances))


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
        outcome_distribution: (K,) F.
        reference: (K,) the uniform distribution for Op, the mean of F'|x'' for Imp.
        good: (K,) booleans, the set asked about; None for a graded task, of which there is no rank.
    """
    outcomes, reference = np.asarray(outcome_distribution), np.asarray(reference)
    sets = good_set_pairs(len(outcomes))  # (P, K)
    success_rates, reference_rates = sets @ outcomes, sets @ reference  # (P,)
    explained = _explained(success_rates, reference_rates)
    best = int(explained.argmax())
    rank = None
    if good is not None and outcomes @ good > reference @ good:
        rank = 1 + int(n_better(explained, _explained(outcomes @ good, reference @ good)))
    return GoodSetRanking(
        rank=rank,
        n_promoted=int((success_rates != reference_rates).sum()),
        best_set=np.flatnonzero(sets[best] == (success_rates[best] > reference_rates[best])).tolist()
        if explained[best] > 0
        else [],
    )


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
    return np.where(outcomes @ good > references @ good, 1.0 + n_better(explained, own), 1.0 + len(sets))


def n_better(explained: Floats, own: Floats) -> NDArray[np.int64]:
    """(..., P) what sets explain -> (...) number of those that explain more than the own set."""
    # Rounding differs between a set and its complement, by some 1e-16 nats; a tie is no better rank.
    return (explained > own * (1 + 1e-12) + 1e-15).sum(axis=-1)


def _explained(success_rates: Floats, reference_rates: Floats) -> Floats:
    return binary_kl_divergence(np.clip(success_rates, 0, 1), np.clip(reference_rates, 0, 1))


@cache
def good_set_pairs(n_outcomes: int) -> NDArray[np.bool_]:
    """(2^(K-1) - 1, K) booleans: one set of each pair of a good set and its complement, the one without the last."""
    members = np.arange(1, 2 ** (n_outcomes - 1))[:, None] >> np.arange(n_outcomes)  # (P, K) binary digits
    return (members & 1).astype(bool)
