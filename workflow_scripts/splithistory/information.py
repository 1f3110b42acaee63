"""Information measures and the theory's predictions, in nats (method, sections 4 and 5).

Distributions lie along the last axis. Nothing is normalised silently: a distribution that does not sum
to one stays as it is, and the measures of it are wrong in a visible way.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, rel_entr

Floats = NDArray[np.float64]


def entropy(distribution: ArrayLike) -> Floats:
    """Shannon entropy H(P) in nats, with 0 ln 0 = 0.

    Args:
        distribution: (..., K) probabilities.

    Returns:
        (...) entropies in [0, ln K].
    """
    return entr(distribution).sum(axis=-1)


def kl_divergence(distribution: ArrayLike, reference: ArrayLike) -> Floats:
    """Kullback-Leibler divergence KL(P ‖ Q) in nats.

    Args:
        distribution: (..., K) probabilities P.
        reference: (..., K) probabilities Q; broadcast against P.

    Returns:
        (...) divergences in [0, ∞]; infinite where P has mass that Q lacks.
    """
    return rel_entr(distribution, reference).sum(axis=-1)


def binary_kl_divergence(success_rate: ArrayLike, reference_rate: ArrayLike) -> Floats:
    """KL divergence between two success rates: s ln(s/q) + (1-s) ln((1-s)/(1-q)), with 0 ln 0 = 0.

    Args:
        success_rate: s in [0, 1], any shape.
        reference_rate: q in [0, 1], broadcast against s.

    Returns:
        Nats in [0, ∞]; infinite where q is 0 or 1 and s is not.
    """
    s, q = np.asarray(success_rate), np.asarray(reference_rate)
    return rel_entr(s, q) + rel_entr(1 - s, 1 - q)


def predicted_optimization(success_rate: ArrayLike, good_fraction: ArrayLike) -> Floats:
    """Op_pred(s; p): the optimization of a policy indifferent within the good set and within its complement.

    Holds when all outcomes are equally likely under the split history (method, section 4).

    Args:
        success_rate: s in [0, 1], any shape.
        good_fraction: p = |G| / n in (0, 1), broadcast against s.

    Returns:
        Nats, at least 0, and 0 only at s = p.
    """
    return binary_kl_divergence(success_rate, good_fraction)


def minimum_impact(success_rate: ArrayLike, counterfactual_success_rate: ArrayLike) -> Floats:
    """Imp_min(s, q): the least impact that takes the success rate from q to s (method, section 5).

    Args:
        success_rate: s under F, in [0, 1].
        counterfactual_success_rate: q, mean success rate under F'|x'', in [0, 1].

    Returns:
        Nats in [0, ∞]; infinite where q is 0 or 1 and s is not.
    """
    return binary_kl_divergence(success_rate, counterfactual_success_rate)


def minimum_impact_distribution(distribution: ArrayLike, good: ArrayLike, success_rate: float) -> Floats:
    """The distribution of the given success rate that is nearest to P: Q = P·s/q on G, P·(1-s)/(1-q) off it.

    KL(Q ‖ P) is `minimum_impact` (method, section 5).

    Args:
        distribution: (K,) probabilities P, with mass q in (0, 1) on the good set.
        good: (K,) booleans, the good set G.
        success_rate: s in [0, 1].

    Returns:
        (K,) probabilities with mass ``success_rate`` on the good set.

    Raises:
        ValueError: if P puts no mass on the good set or none off it.
    """
    distribution, good = np.asarray(distribution, dtype=float), np.asarray(good, dtype=bool)
    rate = success_probability(distribution, good)
    if not 0 < rate < 1:
        raise ValueError(f"distribution: mass on the good set must lie strictly between 0 and 1, got {rate}")
    return distribution * np.where(good, success_rate / rate, (1 - success_rate) / (1 - rate))


def success_probability(distribution: ArrayLike, good: ArrayLike) -> Floats:
    """Mass on the good set.

    Args:
        distribution: (..., K) probabilities.
        good: (K,) booleans, the good set G.

    Returns:
        (...) success rates.
    """
    return np.asarray(distribution)[..., np.asarray(good, dtype=bool)].sum(axis=-1)


def good_mask(good_set: ArrayLike, n_outcomes: int) -> NDArray[np.bool_]:
    """(n_outcomes,) booleans that mark the outcomes of a good set."""
    return np.isin(np.arange(n_outcomes), good_set)


def favouritism(distribution: ArrayLike, good: ArrayLike) -> tuple[Floats, Floats]:
    """The excess optimization within the good set and within its complement (method, section 4).

    Args:
        distribution: (..., K) probabilities F.
        good: (K,) booleans, the good set G, neither empty nor full.

    Returns:
        s·KL(F|G ‖ U|G) and (1-s)·KL(F|Gᶜ ‖ U|Gᶜ) in nats, each (...) and at least 0. Added to
        `predicted_optimization` they make KL(F ‖ U), with U uniform.
    """
    distribution, good = np.asarray(distribution), np.asarray(good, dtype=bool)

    def within(part: NDArray[np.bool_]) -> Floats:
        mass = distribution[..., part]  # (..., |part|)
        return kl_divergence(mass, mass.mean(axis=-1, keepdims=True))

    return within(good), within(~good)
