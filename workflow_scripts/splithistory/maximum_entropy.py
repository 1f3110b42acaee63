"""Maximum-entropy goal-directedness (MEG) of a policy, beside Op and Imp (method, section 13).

MacDermott, Fox, Belardinelli & Everitt (2024) ask how well a policy's answers are predicted by assuming that it pursues
a utility u of the outcomes. With A actions, r(x, a) = Σ_f p(f|x, a) u(f), and the softly optimal policy π_β(a|x) ∝
exp(β r(x, a)), in which a negative β pursues the opposite::

    MEG_u(π)  = max over β of  mean over x of Σ_a π(a|x) ln π_β(a|x)  +  ln A          in [0, ln A]
    MEG(π)    = max over u of  MEG_u(π)

A policy matters only through its future F, since the first term is β Σ_f F(f) u(f) minus the mean of
ln Σ_a exp(β r(x, a)). A window matters only through what it offers: the outcome probabilities of its actions, in any
order. Windows that offer the same are therefore combined in one of the `Menus`.

Both maxima are of concave functions. At the second, π_β has the same F as the policy: this is maximum-entropy inverse
reinforcement learning.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import brentq, minimize

from splithistory.arguments import as_utility
from splithistory.batches import Batches
from splithistory.information import Floats

# A policy this near to the best that is on offer, relative to what is at stake, counts as always taking the best.
_ROUNDING = 1e-12
# Outcomes of a smaller probability count as avoided where the search for the utility starts.
_LEAST = 1e-10
# If β r(x, a) of two actions differs by this much, the worse one counts as never taken: odds of 1 to 70 million.
_NEVER = 18.0


@dataclass(frozen=True)
class GoalDirectedness:
    """How well the pursuit of a utility predicts a policy's answers.

    Attributes:
        value: MEG in nats, in [0, ln A]; 0 if the policy answers at random, or if its answers make no difference.
        beta: the β that predicts best, negative if the policy avoids utility. It is infinite if the maximum is a limit:
            for a given utility, if the policy always takes the best action (or the worst, for a negative β); otherwise,
            if it never takes some action.
        utility: (K,) the utility. If none was given, it is the one that predicts best, from 0 to 1, and 0 for outcomes
            that no action leads to. It is then poorly determined: other utilities often predict nearly as well, and if
            β is infinite, many predict equally well.
    """

    value: float
    beta: float
    utility: Floats


@dataclass(frozen=True)
class Menus:
    """What windows offer.

    Attributes:
        outcome_probabilities: (M, A, K) p(f|x, a) in each distinct kind of window, with actions in any order.
        weights: (M,) share of the windows that are of each kind; sums to 1.
    """

    outcome_probabilities: Floats
    weights: Floats

    @classmethod
    def of(cls, outcome_probabilities: Floats, weights: Floats | None = None) -> "Menus":
        """Find the distinct menus among those of n windows, (n, A, K), with equal weights or given ones, (n,)."""
        _, n_actions, n_outcomes = outcome_probabilities.shape
        # Actions and windows are compared as bytes; adding 0 turns -0 into 0.
        lotteries = np.sort(_as_bytes(outcome_probabilities + 0.0), axis=1)  # (n, A)
        menus, which = np.unique(_as_bytes(lotteries), return_inverse=True)
        weights = np.bincount(which, weights, minlength=len(menus))
        return cls(menus.view(float).reshape(len(menus), n_actions, n_outcomes), weights / weights.sum())


def goal_directedness(
    policy: Callable[[Any], ArrayLike] | ArrayLike,
    environment: Callable[[Any], ArrayLike] | ArrayLike,
    windows: Any,
    utility: ArrayLike | None = None,
) -> GoalDirectedness:
    """Measure the maximum-entropy goal-directedness (MEG) of any policy in any environment.

    Windows are taken batch by batch, as in `measure`. For a given utility, memory holds the A expected utilities of
    each distinct window; otherwise, its A·K probabilities.

    Args:
        policy: as for `measure`: a function of windows that returns (n, A) probabilities π(a|x), or (n,) actions; or
            these answers themselves.
        environment: as for `measure`: a function of windows that returns (n, A, K) probabilities p(f|x, a), or (A, K)
            if they are the same in every window; or these probabilities themselves.
        windows: n situations x, in any form that the callables take.
        utility: (K,) utility of each outcome, from 0 to 1, or booleans that mark a good set; by default the utility
            that predicts the policy best.

    Returns:
        MEG towards that utility, in nats, with the β that attains it.

    Raises:
        ValueError: as for `measure`, and if the utility is not K such numbers.
    """
    future = np.zeros(())
    offered: list[Menus] = []
    counts: list[int] = []
    for batch in Batches(policy, environment, windows).all():
        outcome = batch.outcome.reshape(-1, *batch.outcome.shape[-2:])  # (n, A, K), or (1, A, K) for all windows
        if utility is not None:
            utility = as_utility("utility", utility, outcome.shape[-1])
            outcome = outcome @ utility[:, None]  # (n, A, 1)
        future = future + batch.sum_of_futures(batch.policy)
        offered.append(Menus.of(outcome))
        counts.append(batch.n_windows)
    menus = Menus.of(
        np.concatenate([menus.outcome_probabilities for menus in offered]),
        np.concatenate([count * menus.weights for count, menus in zip(counts, offered, strict=True)]),
    )
    future = future / sum(counts)
    if utility is None:
        return directedness(future, menus)
    value, beta = _towards(future @ utility, menus.outcome_probabilities[..., 0], menus.weights)
    return GoalDirectedness(value, beta, utility)


def directedness(future: Floats, menus: Menus, utility: Floats | None = None) -> GoalDirectedness:
    """Measure the `goal_directedness` of a policy from its future.

    Args:
        future: (K,) F, the mean over windows of the outcome probabilities under the policy's answers.
        menus: what these windows offer.
        utility: (K,) utility of each outcome, any finite numbers; by default the one that predicts the policy best.
    """
    if utility is None:
        return _towards_any(future, menus)
    value, beta = _towards(future @ utility, menus.outcome_probabilities @ utility, menus.weights)
    return GoalDirectedness(value, beta, utility)


def _towards(gain: float, gains: Floats, weights: Floats) -> tuple[float, float]:
    """Compute MEG towards a known utility, and its β.

    The derivative with respect to β falls from the gain of the best answers over the policy's to that of the worst.

    Args:
        gain: s, the mean utility of the policy's future.
        gains: (M, A) r, the expected utility of each action in each kind of window.
        weights: (M,) share of the windows that are of each kind.
    """
    log_n_actions = np.log(gains.shape[1])
    best, worst = gains.max(axis=1, keepdims=True), gains.min(axis=1, keepdims=True)
    scale = float((best - worst).max())
    if scale <= _ROUNDING * np.abs(gains).max():
        return 0.0, 0.0
    for sign, end in ((1, best), (-1, worst)):
        if sign * (weights @ end[:, 0] - gain) <= _ROUNDING * scale:
            n_optimal = (np.abs(gains - end) <= _ROUNDING * scale).sum(axis=1)  # (M,)
            return float(log_n_actions - weights @ np.log(n_optimal)), sign * np.inf
    relative = gains - gain  # so that no large numbers cancel

    def slope(beta: float) -> float:
        return -float(weights @ (_soft(beta * relative)[0] * relative).sum(axis=1))

    end = np.sign(slope(0.0)) / scale
    while slope(end) * end > 0:
        end *= 2
    beta = float(brentq(slope, *sorted((0.0, end)), xtol=1e-14 / scale, rtol=1e-14)) if end else 0.0
    return max(float(log_n_actions - weights @ _soft(beta * relative)[1]), 0.0), beta


def _towards_any(future: Floats, menus: Menus) -> GoalDirectedness:
    """Compute MEG towards the utility that predicts best; its gradient in βu is F minus the soft policy's future."""
    outcome, weights = menus.outcome_probabilities, menus.weights

    def loss(pursued: Floats) -> tuple[float, Floats]:
        soft, normalizer = _soft(outcome @ pursued)
        soft_future = np.tensordot(weights[:, None] * soft, outcome, axes=2)  # (K,)
        return weights @ normalizer - future @ pursued, soft_future - future

    # If each action has one outcome and all windows offer the same, this is the maximum already.
    at_random = np.tensordot(weights, outcome.mean(axis=1), axes=1)  # (K,)
    start = np.log((future + _LEAST) / (at_random + _LEAST))
    found = minimize(
        loss,
        start - start.mean(),
        jac=True,
        method="L-BFGS-B",
        options={"maxiter": 10_000, "maxfun": 100_000, "maxcor": 30, "ftol": 0, "gtol": 1e-10},
    )
    value = max(float(np.log(outcome.shape[1]) - found.fun), 0.0)
    possible = outcome.any(axis=(0, 1))
    low, high = found.x[possible].min(), found.x[possible].max()
    utility = np.where(possible, (found.x - low) / (high - low or 1.0), 0.0)
    # If no finite β attains the maximum, the optimizer stops on the way to infinity.
    attained = np.ptp(outcome @ found.x, axis=1).max() < _NEVER
    return GoalDirectedness(value, float(high - low) if attained else np.inf, utility)


def _soft(scores: Floats) -> tuple[Floats, Floats]:
    """Return the softmax of scores, and the logarithm of its denominator: (M, A) -> (M, A), (M,)."""
    most = scores.max(axis=1, keepdims=True)
    weights = np.exp(scores - most)
    sums = weights.sum(axis=1, keepdims=True)
    return weights / sums, (most + np.log(sums))[:, 0]


def _as_bytes(rows: NDArray[Any]) -> NDArray[np.void]:
    """View each row as one item of bytes: (..., K) -> (...)."""
    rows = np.ascontiguousarray(rows)
    return rows.view(np.dtype((np.void, rows.itemsize * rows.shape[-1])))[..., 0]
