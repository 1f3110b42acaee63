"""Information measures against dit."""

import dit
import numpy as np
import pytest
from dit.divergences import kullback_leibler_divergence
from hypothesis import given, settings
from hypothesis import strategies as st

from splithistory.information import (
    binary_kl_divergence,
    entropy,
    kl_divergence,
)

LN2 = np.log(2)
RATES = st.floats(0.01, 0.99)


def normalised(weights):
    return np.array(weights) / sum(weights)


def distributions(size, least=0):
    """Distributions over ``size`` outcomes, with and without empty cells."""
    return st.lists(st.integers(least, 1000), min_size=size, max_size=size).filter(any).map(normalised)


def as_dit(distribution):
    return dit.Distribution([str(outcome) for outcome in range(len(distribution))], distribution)


PAIRS = st.integers(2, 8).flatmap(lambda size: st.tuples(distributions(size), distributions(size)))


@settings(deadline=None)
@given(st.integers(2, 8).flatmap(distributions))
def test_entropy_is_dits(distribution):
    assert entropy(distribution) == pytest.approx(dit.shannon.entropy(as_dit(distribution)) * LN2, abs=1e-12)


@settings(deadline=None)
@given(PAIRS)
def test_kl_divergence_is_dits(pair):
    p, q = pair
    expected = kullback_leibler_divergence(as_dit(p), as_dit(q)) * LN2
    assert kl_divergence(p, q) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@settings(deadline=None)
@given(PAIRS)
def test_kl_divergence_is_never_negative_and_infinite_without_support(pair):
    p, q = pair
    assert kl_divergence(p, q) >= -1e-12
    assert np.isinf(kl_divergence(p, q)) == bool(((p > 0) & (q == 0)).any())
    assert kl_divergence(p, p) == 0


def test_zero_ln_zero_is_zero():
    assert entropy([0.0, 1.0]) == 0
    assert kl_divergence([0.0, 1.0], [0.5, 0.5]) == pytest.approx(LN2)
    assert kl_divergence([0.0, 1.0], [0.0, 1.0]) == 0
    assert binary_kl_divergence(0.0, 0.25) == pytest.approx(-np.log(0.75))
    assert binary_kl_divergence([0.0, 1.0], [0.0, 1.0]).tolist() == [0, 0]
    assert binary_kl_divergence(0.5, [0.0, 1.0]).tolist() == [np.inf, np.inf]


def test_distributions_lie_along_the_last_axis():
    p = np.random.default_rng(0).dirichlet(np.ones(5), size=(3, 4))
    assert entropy(p).shape == (3, 4)
    np.testing.assert_allclose(kl_divergence(p[0, 0], p)[2, 3], kl_divergence(p[0, 0], p[2, 3]))


def test_a_distribution_that_does_not_sum_to_one_is_not_normalised():
    assert entropy([0.5, 0.5, 0.5]) == pytest.approx(1.5 * LN2)


@settings(deadline=None)
@given(RATES, RATES)
def test_binary_kl_divergence_is_that_of_two_outcomes(s, q):
    assert binary_kl_divergence(s, q) == pytest.approx(kl_divergence([s, 1 - s], [q, 1 - q]), abs=1e-15)
