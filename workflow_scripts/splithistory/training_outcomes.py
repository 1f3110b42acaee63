"""Four ways to reach the same score, which differ in what else they do to the future (method, section 4).

Each is a synthetic policy in an environment in which an action moves the situation around a ring: with K situations x
and K actions a, the outcome is (x + a) mod K. A policy that knows x can produce any distribution of outcomes; answers
to another situation make outcomes uniform. So Op is KL(F ‖ U), and its excess is what the score does not ask for.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splithistory.information import Floats
from splithistory.split_history import Futures, measure
from splithistory.theory import predicted_optimization

# In the mixture, the favourite's share of the mass of its kind of outcomes.
_FAVOURITE_SHARE = 0.8


@dataclass(frozen=True)
class TrainingOutcome:
    """A synthetic policy, measured.

    Attributes:
        name: what the policy does.
        futures: its futures, with ``op`` and ``imp``.
        op_predicted: Op_pred of its score, nats; the same for all policies of one score.
    """

    name: str
    futures: Futures
    op_predicted: float

    @property
    def op_excess(self) -> float:
        """Op beyond what the score asks for, nats, at least 0."""
        return self.futures.op - self.op_predicted


def training_outcomes(good: NDArray[np.bool_], success_rate: float) -> list[TrainingOutcome]:
    """Measure the study's four outcomes of training, all of the same score.

    Args:
        good: (K,) booleans that mark the good set; at least two outcomes are inside and two outside.
        success_rate: s in [0, 1].

    Returns:
        Unbiased; only some successes (half of the good outcomes, rounded down); only some failures (half of the bad
        ones, rounded down); a mixture, with one favourite among the good and one among the bad, which at a moderate
        score leaves the other good outcomes rarer, and the favourite failure more frequent, than without a policy.

    Raises:
        ValueError: if fewer than two outcomes are good or fewer than two are not.
    """
    good = np.asarray(good, dtype=bool)
    if good.sum() < 2 or (~good).sum() < 2:
        raise ValueError(f"good: expected at least two outcomes inside and two outside, got {np.flatnonzero(good)}")
    shares = {  # of the successes, of the failures
        "unbiased": (_even(good.sum()), _even((~good).sum())),
        "only some successes": (_some(good.sum()), _even((~good).sum())),
        "only some failures": (_even(good.sum()), _some((~good).sum())),
        "a mixture": (_favouring(good.sum()), _favouring((~good).sum())),
    }
    outcomes = []
    for name, (of_successes, of_failures) in shares.items():
        distribution = np.empty(len(good))
        distribution[good], distribution[~good] = success_rate * of_successes, (1 - success_rate) * of_failures
        futures = measure_on_ring(distribution)
        outcomes.append(TrainingOutcome(name, futures, float(predicted_optimization(success_rate, good))))
    return outcomes


def measure_on_ring(distribution: Floats) -> Futures:
    """Measure the policy that produces a given distribution of outcomes on the ring.

    Args:
        distribution: (K,) probabilities of the outcomes, the same in every situation.

    Returns:
        Its futures, over the K situations; F is ``distribution``, and every F'|x'' is uniform.
    """
    size = len(distribution)
    outcome_of = np.add.outer(np.arange(size), np.arange(size)) % size  # (K situations, K actions)
    return measure(
        policy=lambda situations: distribution[outcome_of[situations]],
        environment=lambda situations: np.eye(size)[outcome_of[situations]],
        windows=np.arange(size),
    )


def _even(n: int) -> Floats:
    return np.full(n, 1 / n)


def _some(n: int) -> Floats:
    """Put all mass on the first half, rounded down."""
    return np.where(np.arange(n) < n // 2, 1 / (n // 2), 0.0)


def _favouring(n: int) -> Floats:
    """Put most of the mass on the first, and spread the rest evenly."""
    return np.where(np.arange(n) == 0, _FAVOURITE_SHARE, (1 - _FAVOURITE_SHARE) / (n - 1))
