"""Information measures in nats (method, sections 4 and 5).

Distributions lie along the last axis. They are not normalized: of one that does not sum to 1, the results are
meaningless.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import entr, rel_entr

Floats = NDArray[np.float64]


def entropy(distribution: ArrayLike) -> Floats:
    """Return the Shannon entropy H(P) in nats, with 0 ln 0 = 0.

    Args:
        distribution: (..., K) probabilities.

    Returns:
        (...) entropies in [0, ln K].
    """
    return entr(distribution).sum(axis=-1)


def kl_divergence(distribution: ArrayLike, reference: ArrayLike) -> Floats:
    """Return the Kullback-Leibler divergence KL(P ‖ Q) in nats.

    Args:
        distribution: (..., K) probabilities P.
        reference: (..., K) probabilities Q; broadcast against P.

    Returns:
        (...) divergences in [0, ∞]; infinite where P has mass that Q lacks.
    """
    return rel_entr(distribution, reference).sum(axis=-1)


def binary_kl_divergence(success_rate: ArrayLike, reference_rate: ArrayLike) -> Floats:
    """Return the KL divergence between two success rates, s ln(s/q) + (1-s) ln((1-s)/(1-q)), with 0 ln 0 = 0.

    Args:
        success_rate: s in [0, 1], any shape.
        reference_rate: q in [0, 1], broadcast against s.

    Returns:
        Nats in [0, ∞]; infinite where q is 0 or 1 and s is not.
    """
    s, q = np.asarray(success_rate), np.asarray(reference_rate)
    return rel_entr(s, q) + rel_entr(1 - s, 1 - q)
