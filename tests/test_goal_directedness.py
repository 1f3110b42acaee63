"""Maximum-entropy goal-directedness against its definition, written out, and against the identities of the theory."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import splithistory
from conftest import ROOT
from splithistory.environment import Recurrence
from splithistory.information import entropy
from splithistory.maximum_entropy import Menus, directedness
from splithistory.policy_measurement import MeasureSettings, repeats
from splithistory.task import good_mask
from splithistory.theory import directedness_by_score, predicted_optimization, rate_function
from test_docs import printed

UNEVEN = (0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7)


def windows_of_the_sequence(n, seed=0):
    return np.random.default_rng(seed).integers(0, 16, (n, 20)).astype(np.uint8)


@st.composite
def policies_of_the_sequence(draw):
    """Noise, and answers that range from steering to random."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    noise = draw(st.sampled_from([0.0, 0.02, 0.5]))
    windows = windows_of_the_sequence(50, draw(st.integers(0, 99)))
    answers = rng.dirichlet(np.full(16, draw(st.sampled_from([0.05, 0.5, 5]))), size=50)
    if draw(st.booleans()):  # towards some outcomes
        liked = rng.permutation(8)[: draw(st.integers(1, 7))]
        answers *= np.where(np.isin(Recurrence(0).outcome_of_each_action(windows), liked), 1, 0.01)
        answers /= answers.sum(axis=1, keepdims=True)
    good = good_mask(rng.permutation(8)[: draw(st.integers(1, 7))], 8)
    return noise, windows, answers, good


@settings(deadline=None, max_examples=60)
@given(policies_of_the_sequence())
def test_on_the_sequence_it_is_what_theory_predicts_of_the_outcomes_without_noise(case):
    noise, windows, answers, good = case
    noiseless = np.einsum("xa,xaf->f", answers, Recurrence(0).outcome_probabilities(windows)) / len(windows)
    environment = Recurrence(noise).outcome_probabilities
    towards_good = splithistory.goal_directedness(answers, environment, windows, good)
    assert towards_good.value == pytest.approx(predicted_optimization(noiseless @ good, good), abs=1e-9)
    assert np.sign(towards_good.beta) == np.sign(noiseless @ good - good.mean())
    towards_any = splithistory.goal_directedness(answers, environment, windows)
    assert towards_any.value == pytest.approx(math.log(8) - entropy(noiseless), abs=1e-7)
    assert towards_any.value >= towards_good.value - 1e-9


@pytest.mark.parametrize("noise", [0.0, 0.02])
@pytest.mark.parametrize("members", [[0], [0, 4], [0, 1, 2, 4, 5, 6]])
def test_a_policy_that_always_succeeds_has_the_most_there_is_and_an_infinite_beta(noise, members):
    windows = windows_of_the_sequence(200)
    good = good_mask(members, 8)
    succeeds = good[Recurrence(0).outcome_of_each_action(windows)]
    environment = Recurrence(noise).outcome_probabilities
    for answers, sign in ((succeeds, 1), (~succeeds, -1)):
        towards = splithistory.goal_directedness(answers.argmax(axis=1), environment, windows, good)
        share = good.mean() if sign > 0 else 1 - good.mean()
        assert towards.value == pytest.approx(-math.log(share))
        assert towards.beta == sign * np.inf
    towards_any = splithistory.goal_directedness(succeeds / succeeds.sum(axis=1, keepdims=True), environment, windows)
    assert towards_any.value == pytest.approx(-math.log(good.mean()), abs=1e-7)
    assert towards_any.beta == np.inf
    np.testing.assert_allclose(towards_any.utility, good, atol=1e-6)


def test_where_outcomes_are_uneven_it_is_the_least_divergence_from_what_random_answers_bring():
    windows = windows_of_the_sequence(300)
    sequence = Recurrence(0.0, UNEVEN)
    answers = np.random.default_rng(1).dirichlet(np.full(16, 0.2), size=300)
    future = np.einsum("xa,xaf->f", answers, sequence.outcome_probabilities(windows)) / 300
    at_random = np.bincount(UNEVEN) / 16
    for utility in (good_mask([0, 4], 8), np.array([0, 0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 1])):
        towards = splithistory.goal_directedness(answers, sequence.outcome_probabilities, windows, utility)
        assert towards.value == pytest.approx(rate_function(future @ utility, utility, at_random), abs=1e-9)
    towards_any = splithistory.goal_directedness(answers, sequence.outcome_probabilities, windows)
    assert towards_any.value == pytest.approx(float((future * np.log(future / at_random)).sum()), abs=1e-7)


def literal(answers, outcome, utility, beta):
    """Mean over windows and answers of ln π_β(a|x), plus ln A, by the definition."""
    total = 0.0
    for chances, lotteries in zip(answers, outcome, strict=True):
        gains = [sum(p * u for p, u in zip(lottery, utility, strict=True)) for lottery in lotteries]
        most = max(beta * gain for gain in gains)
        normalizer = most + math.log(sum(math.exp(beta * gain - most) for gain in gains))
        total += sum(chance * (beta * gain - normalizer) for chance, gain in zip(chances, gains, strict=True))
    return total / len(answers) + math.log(len(outcome[0]))


@st.composite
def any_policies(draw):
    """Random policies in environments of a few windows that differ in what they offer, with a utility."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, n_actions, n_outcomes = draw(st.tuples(st.integers(1, 5), st.integers(2, 4), st.integers(2, 5)))
    outcome = rng.dirichlet(np.full(n_outcomes, draw(st.sampled_from([0.2, 2]))), size=(n, n_actions))
    answers = rng.dirichlet(np.full(n_actions, draw(st.sampled_from([0.5, 5]))), size=n)
    return answers, outcome, rng.permutation(np.linspace(0, 1, n_outcomes))


@settings(deadline=None, max_examples=60)
@given(any_policies())
def test_no_beta_on_a_fine_grid_does_better_and_the_one_returned_does_as_well(case):
    answers, outcome, utility = case
    towards = splithistory.goal_directedness(answers, outcome, range(len(outcome)), utility)
    assert 0 <= towards.value <= math.log(outcome.shape[1])
    assert literal(answers, outcome, utility, towards.beta) == pytest.approx(towards.value, abs=1e-9)
    grid = [*np.linspace(-40, 40, 161), *(towards.beta + np.linspace(-0.1, 0.1, 21))]
    best = max(literal(answers, outcome, utility, beta) for beta in grid)
    assert best <= towards.value + 1e-9
    assert best == pytest.approx(towards.value, abs=1e-6)


@settings(deadline=None, max_examples=60)
@given(any_policies(), st.integers(0, 2**32))
def test_no_utility_predicts_better_than_the_one_returned(case, seed):
    answers, outcome, _ = case
    found = splithistory.goal_directedness(answers, outcome, range(len(outcome)))
    assert 0 <= found.value <= math.log(outcome.shape[1])
    assert found.utility.min() == 0
    assert found.utility.max() == 1
    if np.isfinite(found.beta):
        assert literal(answers, outcome, found.utility, found.beta) == pytest.approx(found.value, abs=1e-6)
    rng = np.random.default_rng(seed)
    others = [
        *rng.random((5, outcome.shape[2])),
        *np.clip(found.utility + rng.normal(0, 0.05, (5, outcome.shape[2])), 0, 1),
    ]
    for utility in others:
        assert (
            splithistory.goal_directedness(answers, outcome, range(len(outcome)), utility).value <= found.value + 1e-9
        )


@settings(deadline=None, max_examples=30)
@given(any_policies(), st.floats(0.1, 10), st.floats(-5, 5))
def test_scale_and_shift_of_the_utility_change_nothing_but_beta(case, scale, shift):
    answers, outcome, utility = case
    future, menus = np.einsum("xa,xaf->f", answers, outcome) / len(answers), Menus.of(outcome)
    plain, other = directedness(future, menus, utility), directedness(future, menus, scale * utility + shift)
    assert other.value == pytest.approx(plain.value, abs=1e-9)
    assert other.beta == pytest.approx(plain.beta / scale, rel=1e-4)
    opposite = directedness(future, menus, -utility)
    assert opposite.value == pytest.approx(plain.value, abs=1e-9)
    assert opposite.beta == pytest.approx(-plain.beta, rel=1e-4)


def test_a_policy_that_answers_at_random_has_none():
    outcome = np.random.default_rng(0).dirichlet(np.ones(4), size=(6, 3))
    for utility in (None, [0, 0, 1, 0.5]):
        assert splithistory.goal_directedness(np.full((6, 3), 1 / 3), outcome, range(6), utility).value < 1e-9


def test_a_policy_whose_actions_make_no_difference_has_none():
    outcome = np.broadcast_to(np.random.default_rng(0).dirichlet(np.ones(4), size=6)[:, None], (6, 3, 4))
    for utility in (None, [0, 0, 1, 0.5]):
        found = splithistory.goal_directedness(np.zeros(6, dtype=int), outcome, range(6), utility)
        assert (found.value, found.beta) == (pytest.approx(0, abs=1e-12), pytest.approx(0, abs=1e-6))


def test_an_outcome_that_nothing_leads_to_has_no_utility():
    outcome = np.array([[[0.9, 0.1, 0], [0.2, 0.8, 0]]])
    found = splithistory.goal_directedness([[0.7, 0.3]], outcome, range(1))
    assert found.utility.tolist() == [1, 0, 0]
    assert found.value == pytest.approx(math.log(2) - entropy([0.7, 0.3]))


def test_batches_actions_and_an_environment_given_once_change_nothing():
    rng = np.random.default_rng(3)
    outcome = rng.dirichlet(np.ones(5), size=4)
    actions = rng.integers(0, 4, 100)
    utility = np.array([0, 1, 0.2, 0.6, 0.4])
    whole = np.broadcast_to(outcome, (100, 4, 5))
    for asked in (None, utility):
        expected = splithistory.goal_directedness(np.eye(4)[actions], whole, None, asked)
        for policy, environment, windows in (
            (actions, outcome, None),
            (lambda x: actions[x], lambda x: whole[x], np.arange(100)),
            (lambda x: np.eye(4)[actions[x]], lambda x: outcome, np.arange(100)),
        ):
            found = splithistory.goal_directedness(policy, environment, windows, asked)
            assert found.value == pytest.approx(expected.value, abs=1e-9)
            np.testing.assert_allclose(found.utility, expected.utility, atol=1e-4)


def test_windows_that_offer_the_same_under_other_names_are_one_menu():
    rng = np.random.default_rng(0)
    offered = rng.dirichlet(np.ones(3), size=(2, 4))
    outcome = np.stack([offered[kind][rng.permutation(4)] for kind in (0, 1, 1, 0, 1)])
    menus = Menus.of(outcome)
    assert sorted(menus.weights) == pytest.approx([0.4, 0.6])
    assert Menus.of(Recurrence(0.02).outcome_probabilities(windows_of_the_sequence(100))).weights.tolist() == [1]


def test_from_the_score_alone_it_is_the_same_where_all_windows_offer_the_same():
    windows = windows_of_the_sequence(200)
    for sequence in (Recurrence(0.02), Recurrence(0.02, UNEVEN)):
        outcome = sequence.outcome_probabilities(windows)
        answers = np.random.default_rng(1).dirichlet(np.full(16, 0.2), size=200)
        future = np.einsum("xa,xaf->f", answers, outcome) / 200
        for utility in (good_mask([0, 4], 8).astype(float), np.array([0, 0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 1])):
            expected = splithistory.goal_directedness(answers, outcome, windows, utility).value
            assert directedness_by_score([future @ utility], utility, outcome[0]) == pytest.approx(expected, abs=1e-9)


def test_every_measurement_of_a_policy_of_a_sweep_has_it():
    sequence = Recurrence(0.02)
    windows = windows_of_the_sequence(80)
    actions = sequence.outcome_of_each_action(windows).argmin(axis=1)  # likes small outcomes
    settings = MeasureSettings(
        seed=0,
        n_repeats=2,
        n_contexts_exact=40,
        n_contexts_monte_carlo=10,
        n_contexts_rollouts=1,
        rollout_length=1,
        n_contexts_self_estimate=10,
        n_contexts_differential=1,
        n_bootstrap=1,
        do_nothing_token=0,
    )
    idle = {"do_nothing": np.zeros(80, dtype=int)}
    measured = list(repeats(actions, windows, sequence, settings=settings, alternatives=idle))
    assert len(measured) == 8
    for measurement in measured:
        future = measurement.futures.outcome_distribution
        if measurement.estimator == "exact":
            assert measurement.meg_any == pytest.approx(math.log(8) - entropy((future - 0.02 / 8) / 0.98), abs=1e-6)
        else:  # the outcomes that were sampled are those that the windows offer
            assert 0 < measurement.meg_any <= math.log(16)
    per_repeat = {(each.repeat, each.estimator, each.meg_any) for each in measured}
    assert len(per_repeat) == 4  # whatever it is compared with


OUTCOME = np.full((3, 2, 4), 0.25)
POLICY = np.full((3, 2), 0.5)
UTILITY = [0, 0, 1, 1]
BAD = [
    (np.full((3, 2), 0.6), OUTCOME, UTILITY, ["policy", "sum to 1", "1.2"]),
    (np.full((2, 2), 0.5), OUTCOME, UTILITY, ["policy", "(3, 2)", "(2, 2)"]),
    (np.full((3, 3), 1 / 3), OUTCOME, UTILITY, ["policy", "(3, 2)", "(3, 3)"]),
    ([[1.5, -0.5]] * 3, OUTCOME, UTILITY, ["policy", "at least 0", "-0.5"]),
    ([[np.nan, 1]] * 3, OUTCOME, UTILITY, ["policy", "finite", "nan"]),
    ([0, 1, 2], OUTCOME, UTILITY, ["policy", "from 0 to 1", "to 2"]),
    ([0.0, 1.0, 1.0], OUTCOME, UTILITY, ["policy", "whole numbers", "float64"]),
    ([0, 1], OUTCOME, UTILITY, ["policy", "(3,)", "(2,)"]),
    (["a", "b", "a"], OUTCOME, UTILITY, ["policy", "text"]),
    ([[1, 0], [1], [0, 1]], OUTCOME, UTILITY, ["policy", "(n, A)"]),
    (None, OUTCOME, UTILITY, ["policy", "NoneType"]),
    (lambda x: None, OUTCOME, UTILITY, ["policy", "NoneType"]),
    (POLICY, np.full((3, 4), 0.25), UTILITY, ["policy", "(3, 3)", "(3, 2)"]),
    (POLICY, np.full(4, 0.25), UTILITY, ["environment", "(n, A, K)", "(4,)"]),
    (POLICY, 2 * OUTCOME, UTILITY, ["environment", "sum to 1", "2.0"]),
    (POLICY, -OUTCOME, UTILITY, ["environment", "at least 0", "-0.25"]),
    (POLICY, np.full((3, 2, 4), np.inf), UTILITY, ["environment", "finite", "inf"]),
    (POLICY, np.zeros((3, 2, 0)), UTILITY, ["environment", "at least one", "(3, 2, 0)"]),
    (POLICY, None, UTILITY, ["environment", "NoneType"]),
    (POLICY, "ice", UTILITY, ["environment", "ice"]),
    (POLICY, OUTCOME, [0, 1], ["utility", "4 numbers", "(2,)"]),
    (POLICY, OUTCOME, [0, 0, 1, 2], ["utility", "from 0 to 1", "2"]),
    (POLICY, OUTCOME, [0, 0, 1, -0.1], ["utility", "from 0 to 1", "-0.1"]),
    (POLICY, OUTCOME, [0, 0, 1, np.nan], ["utility", "from 0 to 1", "nan"]),
    (POLICY, OUTCOME, [1, 1, 1, 1], ["utility", "not all equal", "1"]),
    (POLICY, OUTCOME, [[0, 0, 1, 1]], ["utility", "4 numbers", "(1, 4)"]),
    (POLICY, OUTCOME, "goal", ["utility", "4 numbers", "goal"]),
    (POLICY, OUTCOME, {"goal": 1}, ["utility", "4 numbers", "goal"]),
    (POLICY, OUTCOME, 0.5, ["utility", "4 numbers", "()"]),
    (POLICY, OUTCOME, [0, 1j, 0, 1], ["utility", "4 numbers", "complex"]),
]


@pytest.mark.parametrize(("policy", "environment", "utility", "said"), BAD)
def test_bad_input_is_named(policy, environment, utility, said):
    with pytest.raises(ValueError, match=r"^(policy|utility|outcome_probabilities \(environment\))") as raised:
        splithistory.goal_directedness(policy, environment, np.arange(3), utility)
    assert all(part in str(raised.value) for part in said), str(raised.value)


def test_no_windows_are_named():
    with pytest.raises(ValueError, match="windows: expected at least one"):
        splithistory.goal_directedness(lambda x: POLICY[x], lambda x: OUTCOME[x], np.arange(0))


def test_the_page_prints_what_it_says(capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    outputs, said, _ = printed((ROOT / "docs" / "goal-directedness.md").read_text(encoding="utf-8"), capsys)
    assert outputs == said
    assert len(said) == 4
