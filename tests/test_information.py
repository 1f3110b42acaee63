"""Information measures against dit, and the theory against its check values and its own claims."""

import dit
import numpy as np
import pytest
from dit.divergences import kullback_leibler_divergence
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from splithistory.information import (
    binary_kl_divergence,
    entropy,
    favouritism,
    good_mask,
    kl_divergence,
    minimum_impact,
    minimum_impact_distribution,
    predicted_optimization,
    success_probability,
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
GOOD_MASKS = st.integers(1, 254).map(lambda bits: (bits >> np.arange(8)) % 2 == 1)


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


def test_the_methods_check_values():
    good = good_mask([0, 1, 2, 4, 5, 6], 8)
    outcomes = np.zeros(8)
    outcomes[[2, 3]] = 0.85, 0.15
    s = success_probability(outcomes, good)
    assert s == 0.85
    assert predicted_optimization(s, good.mean()) == pytest.approx(0.0298, abs=5e-5)
    assert np.log(8) - entropy(outcomes) == pytest.approx(1.6567, abs=5e-5)


@settings(deadline=None)
@given(RATES)
def test_no_optimization_is_predicted_at_chance_and_some_elsewhere(s):
    assert predicted_optimization(s, s) == 0
    assert predicted_optimization(s, s / 2) > 0


def test_a_perfect_policy_of_one_good_outcome_in_eight_has_ln_8():
    assert predicted_optimization(1.0, 1 / 8) == pytest.approx(np.log(8))


@settings(deadline=None)
@given(distributions(8), GOOD_MASKS, st.floats(0, 1))
def test_the_minimum_impact_distribution_attains_the_minimum(p, good, s):
    q = success_probability(p, good)
    assume(0 < q < 1)
    nearest = minimum_impact_distribution(p, good, s)
    assert nearest.sum() == pytest.approx(1)
    assert success_probability(nearest, good) == pytest.approx(s)
    assert kl_divergence(nearest, p) == pytest.approx(minimum_impact(s, q), abs=1e-9)


@settings(deadline=None)
@given(distributions(8, least=1), distributions(8, least=1), GOOD_MASKS, st.floats(0, 1))
def test_no_distribution_of_the_same_success_rate_has_less_impact(p, other, good, s):
    rival = np.empty(8)
    rival[good] = s * other[good] / other[good].sum()
    rival[~good] = (1 - s) * other[~good] / other[~good].sum()
    assert kl_divergence(rival, p) >= minimum_impact(s, p[good].sum()) - 1e-9


@pytest.mark.parametrize("outcome", [0, 1])
def test_a_distribution_all_good_or_all_bad_has_no_nearest_one(outcome):
    with pytest.raises(ValueError, match="distribution: mass on the good set must lie strictly between 0 and 1"):
        minimum_impact_distribution(np.eye(8)[outcome], good_mask([0], 8), 0.5)


@settings(deadline=None)
@given(distributions(8), GOOD_MASKS)
def test_score_and_favouritism_make_up_the_divergence_from_uniform(p, good):
    within_good, within_bad = favouritism(p, good)
    parts = predicted_optimization(success_probability(p, good), good.mean()) + within_good + within_bad
    assert parts == pytest.approx(kl_divergence(p, np.full(8, 1 / 8)), abs=1e-9)
    assert min(within_good, within_bad) >= -1e-12


@settings(deadline=None)
@given(distributions(8, least=1), GOOD_MASKS)
def test_favouritism_is_the_weighted_divergence_within_each_part(p, good):
    for part, found in zip((good, ~good), favouritism(p, good), strict=True):
        conditional = p[part] / p[part].sum()
        expected = p[part].sum() * kl_divergence(conditional, np.full(part.sum(), 1 / part.sum()))
        assert found == pytest.approx(expected, abs=1e-12)


def test_good_mask_marks_the_good_outcomes():
    assert np.flatnonzero(good_mask([6, 0, 2], 8)).tolist() == [0, 2, 6]
