"""The four ways to reach the same score."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splithistory.information import entropy
from splithistory.task import good_mask
from splithistory.training_outcomes import measure_on_ring, training_outcomes

GOOD = good_mask([0, 2, 4, 6], 8)


def by_name(good=GOOD, success_rate=0.75):
    return {outcome.name: outcome for outcome in training_outcomes(good, success_rate)}


@given(
    st.lists(st.booleans(), min_size=4, max_size=9).filter(lambda good: 2 <= sum(good) <= len(good) - 2),
    st.floats(0.01, 0.99),
)
def test_all_have_the_score_and_only_the_unbiased_one_has_no_excess(good, success_rate):
    outcomes = training_outcomes(np.array(good), success_rate)
    assert len({outcome.op_predicted for outcome in outcomes}) == 1
    for outcome in outcomes:
        assert outcome.futures.outcome_distribution[good].sum() == pytest.approx(success_rate)
        if outcome.name == "unbiased":
            assert outcome.op_excess == pytest.approx(0, abs=1e-12)
        else:
            assert outcome.op_excess > 1e-4


def test_each_does_what_its_name_says():
    of = {name: outcome.futures.outcome_distribution for name, outcome in by_name().items()}
    assert list(of) == ["unbiased", "only some successes", "only some failures", "a mixture"]
    np.testing.assert_allclose(of["unbiased"][GOOD], 0.75 / 4)
    np.testing.assert_allclose(of["unbiased"][~GOOD], 0.25 / 4)
    assert (of["only some successes"][GOOD] > 0).sum() == 2
    np.testing.assert_allclose(of["only some successes"][~GOOD], 0.25 / 4)
    assert (of["only some failures"][~GOOD] > 0).sum() == 2
    np.testing.assert_allclose(of["only some failures"][GOOD], 0.75 / 4)
    # The mixture makes some good outcomes rarer and some bad ones more frequent than chance.
    assert (of["a mixture"][GOOD] < 1 / 8).any()
    assert (of["a mixture"][~GOOD] > 1 / 8).any()


def test_the_excess_of_some_successes_is_the_entropy_given_up():
    """Half of the good outcomes shared evenly: s ln 2; half of the bad ones: (1 - s) ln 2."""
    outcomes = by_name()
    assert outcomes["only some successes"].op_excess == pytest.approx(0.75 * np.log(2))
    assert outcomes["only some failures"].op_excess == pytest.approx(0.25 * np.log(2))


@given(st.integers(0, 2**32))
def test_a_policy_on_the_ring_makes_its_distribution_and_its_split_history_a_uniform_one(seed):
    distribution = np.random.default_rng(seed).dirichlet(np.full(6, 0.5))
    futures = measure_on_ring(distribution)
    np.testing.assert_allclose(futures.outcome_distribution, distribution)
    np.testing.assert_allclose(futures.counterfactuals, 1 / 6)
    assert futures.op == pytest.approx(np.log(6) - entropy(distribution))
    assert futures.imp == pytest.approx(futures.op)


@pytest.mark.parametrize("members", [[0], [0, 1, 2, 3, 4, 5, 6], []])
def test_a_set_without_choice_inside_or_outside_is_refused(members):
    with pytest.raises(ValueError, match="good: expected at least two"):
        training_outcomes(good_mask(members, 8), 0.5)
