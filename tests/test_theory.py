"""The theory, compared with known values, closed forms, numerical optimization, and its own identities."""

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import LinearConstraint, minimize, minimize_scalar

from splithistory.information import binary_kl_divergence, entropy, kl_divergence
from splithistory.task import Task, good_mask
from splithistory.theory import (
    favouritism,
    favouritism_by_kind,
    mean_utility,
    minimum_impact,
    minimum_impact_distribution,
    predicted_optimization,
    rate_function,
)

UNIFORM = np.full(8, 1 / 8)
GRADED = np.array([0, 0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 1])
RATES = st.floats(0.01, 0.99)


def normalised(weights):
    return np.array(weights) / sum(weights)


def distributions(size, least=0):
    """Distributions over ``size`` outcomes, with and without empty cells."""
    return st.lists(st.integers(least, 1000), min_size=size, max_size=size).filter(any).map(normalised)


GOOD_MASKS = st.integers(1, 254).map(lambda bits: (bits >> np.arange(8)) % 2 == 1)
# Few distinct values, so that ties are frequent.
UTILITIES = st.lists(st.integers(0, 10).map(lambda tenths: tenths / 10), min_size=8, max_size=8).map(np.array)


# The rate function


def test_the_rate_function_of_three_even_utilities():
    """Under e^{λ/2} = 2 the tilted distribution is 1 : 2 : 4."""
    expected = np.log(4) * 5 / 7 - np.log(7 / 3)
    assert rate_function(5 / 7, [0, 0.5, 1], np.full(3, 1 / 3)) == pytest.approx(expected, abs=1e-14)
    np.testing.assert_allclose(minimum_impact_distribution([1 / 3] * 3, [0, 0.5, 1], 5 / 7), np.array([1, 2, 4]) / 7)


@settings(deadline=None)
@given(distributions(8), GOOD_MASKS, st.floats(0, 1))
def test_for_a_good_set_it_is_the_divergence_of_two_success_rates(p, good, s):
    assume(s in (0, 1) or 1e-9 < s < 1 - 1e-9)
    expected = binary_kl_divergence(s, p[good].sum())
    assert rate_function(s, good, p) == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(distributions(8), GOOD_MASKS, st.floats(0, 1))
def test_the_solver_agrees_with_the_closed_form_of_a_good_set(p, good, s):
    """A ninth outcome of another utility, which never occurs, prevents the use of the closed form."""
    assume(s in (0, 1) or 1e-9 < s < 1 - 1e-9)
    utility, reference = np.append(good, 0.5), np.append(p, 0.0)
    assert rate_function(s, utility, reference) == pytest.approx(binary_kl_divergence(s, p[good].sum()), abs=1e-12)


@settings(deadline=None)
@given(distributions(8, least=1), RATES, st.floats(0.1, 10), st.floats(-5, 5))
def test_scale_and_shift_of_the_utility_do_not_matter(p, s, scale, shift):
    expected = rate_function(s, GRADED, p)
    assert rate_function(scale * s + shift, scale * GRADED + shift, p) == pytest.approx(expected, rel=1e-9, abs=1e-12)


@settings(deadline=None, max_examples=40)
@given(st.integers(0, 2**32), UTILITIES.filter(lambda u: len(set(u)) > 1), RATES)
def test_it_is_the_legendre_transform(seed, utility, share):
    """The supremum over λ as the method writes it, found by scipy."""
    p = np.random.default_rng(seed).dirichlet(np.ones(8)) * 0.9 + 0.0125
    s = utility.min() + share * np.ptp(utility)
    found = minimize_scalar(lambda tilt: np.log(np.sum(p * np.exp(tilt * utility))) - tilt * s, options={"xtol": 1e-12})
    assert rate_function(s, utility, p) == pytest.approx(-found.fun, abs=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_the_least_divergence_found_on_the_simplex(seed):
    rng = np.random.default_rng(seed)
    p, other, utility = rng.dirichlet(np.ones(8)), rng.dirichlet(np.ones(8)), rng.random(8)
    s = other @ utility
    found = minimize(
        lambda q: kl_divergence(np.clip(q, 1e-15, 1), p),
        x0=other,
        jac=lambda q: np.log(np.clip(q, 1e-15, 1) / p) + 1,
        bounds=[(0, 1)] * 8,
        constraints=LinearConstraint(np.stack([np.ones(8), utility]), [1, s], [1, s]),
        method="SLSQP",
        options={"ftol": 1e-14, "maxiter": 500},
    )
    assert found.success
    assert rate_function(s, utility, p) == pytest.approx(found.fun, abs=1e-7)
    np.testing.assert_allclose(minimum_impact_distribution(p, utility, s), found.x, atol=1e-4)


@settings(deadline=None)
@given(distributions(8), distributions(8), UTILITIES)
def test_it_is_attained_and_obeys_pythagoras(f, p, utility):
    """KL(F ‖ P) = KL(F ‖ Q) + KL(Q ‖ P); F must live where P does."""
    f = np.where(p > 0, f, 0)
    f = f / f.sum() if f.sum() else p
    s = mean_utility(f, utility)
    nearest = minimum_impact_distribution(p, utility, s)
    assert nearest.sum() == pytest.approx(1)
    assert mean_utility(nearest, utility) == pytest.approx(s, abs=1e-12)
    rate = rate_function(s, utility, p)
    assert kl_divergence(nearest, p) == pytest.approx(rate, abs=1e-9)
    assert kl_divergence(f, p) == pytest.approx(kl_divergence(f, nearest) + rate, abs=1e-9)


def test_the_nearest_distribution_is_tilted_exponentially():
    p = np.random.default_rng(0).dirichlet(np.ones(8))
    ratio = np.log(minimum_impact_distribution(p, GRADED, 0.8) / p)
    slope = (ratio[-1] - ratio[0]) / (GRADED[-1] - GRADED[0])
    assert slope > 0
    np.testing.assert_allclose(ratio, ratio[0] + slope * GRADED, atol=1e-12)


@settings(deadline=None)
@given(distributions(8), distributions(8), UTILITIES)
def test_no_distribution_of_the_same_mean_utility_diverges_less(rival, p, utility):
    assert rate_function(mean_utility(rival, utility), utility, p) <= kl_divergence(rival, p) + 1e-9


def test_nothing_is_asked_at_the_references_own_mean():
    p = np.random.default_rng(0).dirichlet(np.ones(8), size=100)
    np.testing.assert_allclose(rate_function(p @ GRADED, GRADED, p), 0, atol=1e-15)
    assert rate_function(p[0] @ GRADED + 1e-3, GRADED, p[0]) > 0


def test_many_are_solved_as_each_alone():
    rng = np.random.default_rng(0)
    s, p = rng.random((3, 4)), rng.dirichlet(np.full(8, 0.2), size=(3, 4))
    for utility in (GRADED, GRADED > 0.5):
        together = rate_function(s, utility, p)
        assert together.shape == (3, 4)
        for place in np.ndindex(3, 4):
            assert together[place] == pytest.approx(rate_function(s[place], utility, p[place]), rel=1e-13)
        np.testing.assert_allclose(rate_function(s, utility, p[0, 0])[1, 2], rate_function(s[1, 2], utility, p[0, 0]))
        np.testing.assert_allclose(rate_function(0.5, utility, p)[1, 2], rate_function(0.5, utility, p[1, 2]))
        assert rate_function(0.5, utility, p[0, 0]).shape == ()
        assert rate_function(np.zeros(0), utility, np.zeros((0, 8))).shape == (0,)


# Its edges


@pytest.mark.parametrize("utility", [GRADED, GRADED > 0.5, [0, 0, 0, 0.5, 0.5, 0.5, 1, 1]], ids=["8", "2", "3"])
def test_at_the_largest_and_smallest_utility_it_takes_the_outcomes_there_and_beyond_none_do(utility):
    p, utility = np.arange(1, 9) / 36, np.array(utility, dtype=float)
    for end, beyond in ((1.0, 1.001), (0.0, -0.001)):
        expected = -np.log(p[utility == end].sum())
        assert rate_function(end, utility, p) == pytest.approx(expected, abs=1e-14)
        # What rounding adds to a mean is no reason for infinity.
        assert rate_function(end + np.sign(beyond) * 1e-15, utility, p) == pytest.approx(expected, abs=1e-12)
        assert rate_function(end - np.sign(beyond - end) * 1e-9, utility, p) == pytest.approx(expected, abs=1e-6)
        assert rate_function(beyond, utility, p) == np.inf


@pytest.mark.parametrize("gap", 10.0 ** -np.arange(1, 16, 2))
def test_it_is_continuous_up_to_its_ends(gap):
    """Near the end two outcomes matter: it is -ln P(max) less the entropy of a mass of gap / distance."""
    utility = np.array([0, 0.5, 1])
    rate = rate_function(1 - gap, utility, np.full(3, 1 / 3))
    assert np.log(3) - rate == pytest.approx(entropy([2 * gap, max(1 - 2 * gap, 0)]), rel=0.3 * gap**0.5 + 0.07)
    assert rate <= np.log(3)


def test_of_a_reference_that_lacks_outcomes_the_others_count():
    p = np.array([0, 0.25, 0, 0.25, 0.5, 0, 0, 0])  # utilities 0.1, 0.4 and 0.6
    assert rate_function(0.6, GRADED, p) == pytest.approx(np.log(2))
    assert rate_function(0.1, GRADED, p) == pytest.approx(np.log(4))
    assert rate_function([0.0, 0.61, 0.99], GRADED, p).tolist() == [np.inf] * 3
    assert rate_function(0.4, GRADED, p) == pytest.approx(rate_function(0.4, [0.1, 0.4, 0.6], [0.25, 0.25, 0.5]))
    one = np.eye(8)[3]
    assert rate_function([0.4, 0.5], GRADED, one).tolist() == [0, np.inf]
    assert rate_function([0.0, 0.1], GRADED > 0.5, one).tolist() == [0, np.inf]


def test_a_constant_utility_asks_for_nothing_and_allows_nothing_else():
    assert rate_function([0.5, 0.4, 0.6], np.full(8, 0.5), UNIFORM).tolist() == [0, np.inf, np.inf]


def test_an_undefined_mean_has_an_undefined_rate():
    for utility in (GRADED, GRADED > 0.5):
        assert np.isnan(rate_function([np.nan, 0.5], utility, UNIFORM)).tolist() == [True, False]


def test_rare_outcomes_and_close_utilities_are_solved():
    utility, p = np.array([0, 0.999999, 1]), np.array([1 - 2e-12, 1e-12, 1e-12])
    nearest = minimum_impact_distribution(p, utility, 0.9999999)
    assert mean_utility(nearest, utility) == pytest.approx(0.9999999, abs=1e-15)
    assert rate_function(0.9999999, utility, p) == pytest.approx(kl_divergence(nearest, p), rel=1e-12)


@pytest.mark.parametrize(
    ("distribution", "mean", "allowed"),
    [
        (UNIFORM, 1.1, "0 to 1"),
        (UNIFORM, -0.1, "0 to 1"),
        (np.eye(8)[3], 0.5, "0.4 to 0.4"),
        (UNIFORM, np.nan, "0 to 1"),
    ],
)
def test_a_mean_utility_out_of_reach_has_no_nearest_distribution(distribution, mean, allowed):
    with pytest.raises(ValueError, match=f"mean_utility: the outcomes of the distribution allow {allowed}, got {mean}"):
        minimum_impact_distribution(distribution, GRADED, mean)


@pytest.mark.parametrize("outcome", [0, 1])
def test_a_distribution_all_good_or_all_bad_has_no_nearest_one(outcome):
    with pytest.raises(ValueError, match=f"mean_utility: .* allow {1 - outcome} to {1 - outcome}, got 0.5"):
        minimum_impact_distribution(np.eye(8)[outcome], good_mask([0], 8), 0.5)


# Good sets


def test_the_methods_check_values():
    good = good_mask([0, 1, 2, 4, 5, 6], 8)
    outcomes = np.zeros(8)
    outcomes[[2, 3]] = 0.85, 0.15
    s = mean_utility(outcomes, good)
    assert s == 0.85
    assert predicted_optimization(s, good) == pytest.approx(0.0298, abs=5e-5)
    assert np.log(8) - entropy(outcomes) == pytest.approx(1.6567, abs=5e-5)


@settings(deadline=None)
@given(GOOD_MASKS, RATES)
def test_no_optimization_is_predicted_at_chance_and_some_elsewhere(good, s):
    p = good.mean()
    assert predicted_optimization(p, good) == 0
    assert predicted_optimization(s, good) == pytest.approx(s * np.log(s / p) + (1 - s) * np.log((1 - s) / (1 - p)))


def test_a_perfect_policy_of_one_good_outcome_in_eight_has_ln_8():
    assert predicted_optimization(1.0, good_mask([3], 8)) == pytest.approx(np.log(8))
    assert predicted_optimization(1.0, GRADED) == pytest.approx(np.log(8))


@settings(deadline=None)
@given(distributions(8), GOOD_MASKS, st.floats(0, 1))
def test_the_minimum_impact_distribution_scales_a_good_set_and_its_complement(p, good, s):
    q = p[good].sum()
    assume(0 < q < 1)
    nearest = minimum_impact_distribution(p, good, s)
    np.testing.assert_allclose(nearest, p * np.where(good, s / q, (1 - s) / (1 - q)), rtol=1e-9, atol=1e-15)
    assert kl_divergence(nearest, p) == pytest.approx(minimum_impact(s, good, p), abs=1e-9)


# Favouritism


@settings(deadline=None)
@given(distributions(8), GOOD_MASKS)
def test_score_and_favouritism_make_up_the_divergence_from_uniform(p, good):
    within_good, within_bad = favouritism_by_kind(p, Task("good", good))
    assert favouritism(p, good) == pytest.approx(within_good + within_bad, abs=1e-9)
    parts = binary_kl_divergence(p[good].sum(), good.mean()) + within_good + within_bad
    assert parts == pytest.approx(kl_divergence(p, UNIFORM), abs=1e-9)
    assert min(within_good, within_bad) >= -1e-12


@settings(deadline=None)
@given(distributions(8, least=1), GOOD_MASKS)
def test_favouritism_is_the_weighted_divergence_within_each_part(p, good):
    for part, found in zip((good, ~good), favouritism_by_kind(p, Task("good", good)), strict=True):
        conditional = p[part] / p[part].sum()
        expected = p[part].sum() * kl_divergence(conditional, np.full(part.sum(), 1 / part.sum()))
        assert found == pytest.approx(expected, abs=1e-12)


@settings(deadline=None)
@given(distributions(8), UTILITIES)
def test_favouritism_is_the_divergence_from_what_the_mean_utility_asks_for(f, utility):
    asked = minimum_impact_distribution(UNIFORM, utility, mean_utility(f, utility))
    assert favouritism(f, utility) == pytest.approx(kl_divergence(f, asked), abs=1e-9)


def test_a_graded_task_has_no_kinds_of_favouritism():
    kinds = favouritism_by_kind(np.tile(UNIFORM, (3, 1)), Task("graded", GRADED))
    assert np.isnan(kinds).all()
    assert np.shape(kinds) == (2, 3)
