"""Op and Imp of any policy in any finite environment, by the split-history method (method, sections 4 to 6).

With π(a|x) the policy and p(f|x, a) the environment, over n windows x::

    F            P(f)       = mean over x of Σ_a π(a|x) p(f|x,a)               the policy reacts to x
    F' | x''     P(f | x'') = Σ_a π(a|x'') · mean over x of p(f|x,a)           the action answers x'' instead
    Op  = mean over x'' of H(F'|x'') - H(F)
    Imp = mean over x'' of KL(F ‖ F'|x'')

F'|x'' depends on x'' only through the policy's answer, so it is computed once for each distinct answer.

Any other policy can make the future to compare with, in place of the split history (section 6). F' is then one
distribution: Op = H(F') - H(F) and Imp = KL(F ‖ F').
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splithistory.arguments import as_policy, as_probabilities
from splithistory.information import Floats, entropy, kl_divergence


@dataclass(frozen=True)
class Futures:
    """The future under the policy, and the futures that it is compared with.

    Attributes:
        outcome_distribution: (K,) F.
        answers: (m, A) the distribution over actions behind each counterfactual future. Under the split history
            these are the distinct rows of π; under another policy, its mean over the windows (m = 1).
        weights: (m,) share of the windows x'' that get each answer; sums to 1.
        counterfactuals: (m, K) F'|x'' for each answer.
        n_windows: windows the futures were computed from.
        pseudocount: added to every count of every distribution for Imp and success rates, as one
            smooths sampled outcomes; 0 where the outcome probabilities are exact.
    """

    outcome_distribution: Floats
    answers: Floats
    weights: Floats
    counterfactuals: Floats
    n_windows: int
    pseudocount: float = 0.0

    @cached_property
    def entropy(self) -> float:
        """H(F) in nats, in [0, ln K]; plug-in, whatever the pseudocount."""
        return float(entropy(self.outcome_distribution))

    @cached_property
    def entropy_counterfactual(self) -> float:
        """Mean over x'' of H(F'|x'') in nats, in [0, ln K]; plug-in, whatever the pseudocount."""
        return float(self.weights @ entropy(self.counterfactuals))

    @property
    def op(self) -> float:
        """Op in nats, in [-ln K, ln K]."""
        return self.entropy_counterfactual - self.entropy

    @cached_property
    def imp(self) -> float:
        """Imp in nats, in [0, ∞]."""
        divergences = kl_divergence(self.smooth(self.outcome_distribution), self.smooth(self.counterfactuals))
        return float(self.weights @ divergences)

    @property
    def n_distinct_actions(self) -> int:
        """Actions that the counterfactual futures rest on."""
        return int(np.count_nonzero(self.answers.any(axis=0)))

    @property
    def counterfactual_distribution(self) -> Floats:
        """(K,) the mean of F'|x'' over x''."""
        return self.weights @ self.counterfactuals

    def smooth(self, distribution: ArrayLike) -> Floats:
        """Add the pseudocount to every count of distributions made from ``n_windows`` outcomes each."""
        return smooth(distribution, self.n_windows, self.pseudocount)


def smooth(distribution: ArrayLike, n_counts: int, pseudocount: float) -> Floats:
    """Add a pseudocount to every count of empirical distributions.

    Args:
        distribution: (..., K) relative frequencies.
        n_counts: number of observations behind each distribution.
        pseudocount: at least 0; ½ where the method smooths.

    Returns:
        (..., K) probabilities.
    """
    distribution = np.asarray(distribution, dtype=float)
    return (n_counts * distribution + pseudocount) / (n_counts + pseudocount * distribution.shape[-1])


def measure(
    policy: Callable[[Any], ArrayLike],
    environment: Callable[[Any], ArrayLike],
    windows: Any,
    pseudocount: float = 0.0,
    alternative: Callable[[Any], ArrayLike] | None = None,
) -> Futures:
    """Measure the Op and Imp of any policy in any environment with finitely many actions and outcomes.

    Args:
        policy: takes the windows, gives (n, A) probabilities π(a|x), or (n,) actions, whole numbers, where it is
            deterministic.
        environment: takes the windows, gives (n, A, K) probabilities p(f|x, a). For a Monte Carlo
            estimate, one-hot rows: one sampled outcome for each window and action.
        windows: n situations x, in whatever form the two callables take.
        pseudocount: see `Futures`; ½ for a Monte Carlo estimate, else 0.
        alternative: another policy, whose future is the one to compare with; the split history where left out.

    Returns:
        The futures, with ``op`` and ``imp`` in nats.

    Raises:
        ValueError: if there are no windows, shapes do not fit each other, or probabilities are negative, not
            finite or do not sum to one, or actions are none of the environment's; the message names the argument.
    """
    return compare_futures(
        policy(windows),
        environment(windows),
        pseudocount=pseudocount,
        alternative=None if alternative is None else alternative(windows),
    )


def compare_futures(
    policy: ArrayLike,
    outcome_probabilities: ArrayLike,
    pseudocount: float = 0.0,
    alternative: ArrayLike | None = None,
) -> Futures:
    """`measure` on what the policy answers and the environment makes of it.

    Args:
        policy: (n, A) π(a|x), or (n,) actions of a deterministic policy.
        outcome_probabilities: (n, A, K) p(f|x, a).
        pseudocount: see `Futures`.
        alternative: the same of another policy to compare with; the split history of the policy itself where left out.

    Returns:
        The future under the policy, and under its split history or the other policy.

    Raises:
        ValueError: as `measure`.
    """
    outcome = as_probabilities("outcome_probabilities (environment)", outcome_probabilities, "(n, A, K)")
    n_windows, n_actions, _ = outcome.shape
    policy = as_policy("policy", policy, n_windows=n_windows, n_actions=n_actions)
    if not (np.isfinite(pseudocount) and pseudocount >= 0):
        raise ValueError(f"pseudocount: expected a finite number of at least 0, got {pseudocount}")
    if alternative is None:
        answers, counts = _distinct(policy, n_actions)  # (m, A), (m,)
        counterfactuals = answers @ outcome.mean(axis=0)  # (m, K)
    else:
        alternative = as_policy("alternative", alternative, n_windows=n_windows, n_actions=n_actions)
        answers, counts = _mean_answer(alternative, n_actions)[None], np.array([n_windows])
        counterfactuals = _future(alternative, outcome)[None]  # (1, K)
    return Futures(
        outcome_distribution=_future(policy, outcome),
        answers=answers,
        weights=counts / n_windows,
        counterfactuals=counterfactuals,
        n_windows=n_windows,
        pseudocount=pseudocount,
    )


def _future(policy: NDArray[Any], outcome: Floats) -> Floats:
    """(K,) F: the mean over windows of what the policy's answers bring."""
    if policy.ndim == 1:
        return outcome[np.arange(len(policy)), policy].mean(axis=0)
    return np.einsum("xa,xaf->f", policy, outcome) / len(policy)


def _distinct(policy: NDArray[Any], n_actions: int) -> tuple[Floats, NDArray[np.int64]]:
    """(m, A) the distinct answers of a policy as distributions over actions, and (m,) how many windows get each."""
    if policy.ndim == 1:
        actions, counts = np.unique(policy, return_counts=True)
        return np.eye(n_actions)[actions], counts
    # Rows are compared as bytes, ten times as fast as number by number.
    rows = np.ascontiguousarray(policy).view(np.dtype((np.void, policy[0].nbytes)))[:, 0]
    _, first, counts = np.unique(rows, return_index=True, return_counts=True)
    return policy[first], counts


def _mean_answer(policy: NDArray[Any], n_actions: int) -> Floats:
    """(A,) the mean of a policy's answers over the windows."""
    return np.bincount(policy, minlength=n_actions) / len(policy) if policy.ndim == 1 else policy.mean(axis=0)
