"""Op and Imp, compared with the study's steps taken literally, closed forms, and what theory guarantees."""

import math
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import splithistory
from splithistory.actions import allowed_tokens
from splithistory.environment import Recurrence
from splithistory.information import binary_kl_divergence, entropy, kl_divergence
from splithistory.policy_measurement import (
    PSEUDOCOUNT,
    MeasureSettings,
    bootstrap,
    generator_policy,
    repeats,
    simple_alternatives,
)
from splithistory.seeding import Stream, stream_rng
from splithistory.split_history import compare_futures, measure, smooth
from splithistory.task import Task, good_mask
from splithistory.theory import jensen_gaps, mean_utility, minimum_impact, theory_of

NOISE = 0.02
RECURRENCE = Recurrence(NOISE)
TASKS = {"good2": [0, 4], "good4": [0, 2, 4, 6], "good6": [0, 1, 2, 4, 5, 6]}


def windows_before_odd_positions(n, seed=0):
    return RECURRENCE.generate_chains(n, 21, np.random.default_rng(seed))[:, 1:]


def exact(actions, contexts):
    return compare_futures(actions, RECURRENCE.outcome_probabilities(contexts))


def monte_carlo(actions, contexts, rng):
    sampled = RECURRENCE.sample(contexts, rng)
    return compare_futures(actions, np.eye(8)[sampled], PSEUDOCOUNT)


def perfect_actions(contexts, good, allowed):
    """The first allowed action with a good outcome, where there is one."""
    succeeds = np.isin(RECURRENCE.outcome_of_each_action(contexts)[:, allowed], good)
    return np.array(allowed)[succeeds.argmax(axis=1)]


# The write-up's algorithm, step by step


def outcome_after(window, action, random_source):
    """The sequence generator's value for the token after the window and the action, noise included."""
    if random_source.random() < NOISE:
        return random_source.randrange(8)
    product = math.prod(token + 1 for token in window[-15:]) * (action + 1)
    return product % 17 % 8


def frequencies(outcomes):
    counts = Counter(outcomes)
    return [counts[outcome] / len(outcomes) for outcome in range(8)]


def entropy_of(distribution):
    return -sum(p * math.log(p) for p in distribution if p > 0)


def half_added(distribution, n):
    return [(n * p + 0.5) / (n + 4) for p in distribution]


def divergence(p, q):
    return sum(a * math.log(a / b) for a, b in zip(p, q, strict=True))


def write_up(windows, actions, random_source):
    """Op and Imp: the future of the policy's actions, against that of each action given to every window in turn."""
    n = len(windows)
    optimized = frequencies([outcome_after(x, a, random_source) for x, a in zip(windows, actions, strict=True)])
    unoptimized = [frequencies([outcome_after(x, a, random_source) for x in windows]) for a in actions]
    op = sum(map(entropy_of, unoptimized)) / n - entropy_of(optimized)
    imp = sum(divergence(half_added(optimized, n), half_added(future, n)) for future in unoptimized) / n
    return op, imp


def test_monte_carlo_is_the_write_ups_algorithm():
    contexts = windows_before_odd_positions(30)
    actions = np.random.default_rng(1).integers(0, 16, 30)
    literal = np.array([write_up(contexts.tolist(), actions.tolist(), random.Random(seed)) for seed in range(60)])
    futures = [monte_carlo(actions, contexts, np.random.default_rng(seed)) for seed in range(400)]
    ours = np.array([(future.op, future.imp) for future in futures])
    standard_error = np.hypot(*(sample.std(axis=0, ddof=1) / len(sample) ** 0.5 for sample in (literal, ours)))
    assert (abs(literal.mean(axis=0) - ours.mean(axis=0)) < 4 * standard_error).all()
    assert (standard_error < 0.01).all()


def literal_futures(policy, outcome):
    """F and F'|x'' of every x'', by loops over the method's sums."""
    n, n_actions, n_outcomes = outcome.shape
    reacting = np.zeros(n_outcomes)
    split = np.zeros((n, n_outcomes))
    for x in range(n):
        for a in range(n_actions):
            reacting += policy[x, a] * outcome[x, a] / n
            for other in range(n):
                split[other] += policy[other, a] * outcome[x, a] / n
    return reacting, split


@st.composite
def policies_and_environments(draw):
    """A policy and an environment, each random, sharp or flat; policies give one answer many times."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    n, n_actions, n_outcomes = draw(st.integers(1, 7)), draw(st.integers(1, 4)), draw(st.integers(2, 6))
    answers = rng.dirichlet(np.full(n_actions, draw(st.sampled_from([0.1, 1, 10]))), size=3)
    policy = answers[rng.integers(0, draw(st.integers(1, 3)), n)]
    environment = rng.dirichlet(np.full(n_outcomes, draw(st.sampled_from([0.3, 1, 10]))), size=(n, n_actions))
    good = np.zeros(n_outcomes, dtype=bool)
    good[rng.permutation(n_outcomes)[: draw(st.integers(1, n_outcomes - 1))]] = True
    return policy, environment, good


@settings(deadline=None)
@given(policies_and_environments())
def test_futures_are_the_methods_sums(case):
    policy, environment, good = case
    futures = compare_futures(policy, environment)
    reacting, split = literal_futures(policy, environment)
    np.testing.assert_allclose(futures.outcome_distribution, reacting, atol=1e-12)
    np.testing.assert_allclose(futures.counterfactual_distribution, split.mean(axis=0), atol=1e-12)
    assert futures.op == pytest.approx(entropy(split).mean() - entropy(reacting), abs=1e-9)
    assert futures.imp == pytest.approx(kl_divergence(reacting, split).mean(), abs=1e-9)
    assert mean_utility(futures.outcome_distribution, good) == pytest.approx(reacting[good].sum())
    assert mean_utility(futures.counterfactual_distribution, good) == pytest.approx(split[:, good].sum(1).mean())
    assert len(futures.answers) == len(np.unique(policy, axis=0)) == len(futures.weights)
    assert futures.weights.sum() == pytest.approx(1)


@settings(deadline=None)
@given(policies_and_environments(), st.integers(0, 2**32))
def test_actions_are_measured_as_policies_that_are_sure_of_them(case, seed):
    environment = case[1]
    n, n_actions, _ = environment.shape
    actions, others = np.random.default_rng(seed).integers(0, n_actions, (2, n))
    sure, other = np.eye(n_actions)[actions], np.eye(n_actions)[others]
    for ours, expected in [
        (compare_futures(actions, environment), compare_futures(sure, environment)),
        (compare_futures(actions, environment, alternative=others), compare_futures(sure, environment, 0, other)),
    ]:
        np.testing.assert_allclose(ours.outcome_distribution, expected.outcome_distribution, atol=1e-12)
        np.testing.assert_allclose(ours.counterfactual_distribution, expected.counterfactual_distribution, atol=1e-12)
        assert ours.op == pytest.approx(expected.op, abs=1e-9)
        assert ours.imp == pytest.approx(expected.imp, abs=1e-9)
        assert sorted(map(tuple, ours.answers)) == sorted(map(tuple, expected.answers))
        assert ours.n_distinct_actions == expected.n_distinct_actions


@settings(deadline=None)
@given(policies_and_environments(), st.sampled_from([0, 0.5]))
def test_impact_is_at_least_the_least_that_its_mean_utilities_allow(case, pseudocount):
    policy, environment, good = case
    futures = compare_futures(policy, environment, pseudocount)
    outcome, counterfactual = map(futures.smooth, (futures.outcome_distribution, futures.counterfactual_distribution))
    for utility in (good, np.linspace(0, 1, len(good)) ** 2):
        least = minimum_impact(mean_utility(outcome, utility), utility, counterfactual)
        assert futures.imp >= least - 1e-9


@settings(deadline=None)
@given(policies_and_environments())
def test_the_jensen_gap_is_a_part_of_the_excess_impact(case):
    policy, environment, good = case
    futures = compare_futures(policy, environment)
    answers = np.zeros(len(futures.weights), dtype=int)
    for utility in (good, np.linspace(0, 1, len(good)) ** 2):
        s = mean_utility(futures.outcome_distribution, utility)
        (gap,) = jensen_gaps([s], utility, answers, futures.weights, futures.counterfactuals)
        each = [minimum_impact(s, utility, future) for future in futures.counterfactuals]
        least = minimum_impact(s, utility, futures.counterfactual_distribution)
        assert gap == pytest.approx(np.dot(futures.weights, each) - least, abs=1e-9)
        assert gap >= -1e-9
        assert gap + least <= futures.imp + 1e-9


def test_the_jensen_gap_is_infinite_or_undefined_where_a_future_lacks_what_success_takes():
    without, even = [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]
    for utility in ([0, 0, 1], [0, 0.5, 1]):
        gaps = jensen_gaps([0.5, 0.5], utility, [0, 0, 1], [0.5, 0.5, 1.0], [without, even, without])
        assert gaps[0] == np.inf
        assert np.isnan(gaps[1])


@settings(deadline=None)
@given(policies_and_environments())
def test_optimization_is_score_and_favouritism_less_nonuniformity(case):
    policy, environment, good = case
    futures = compare_futures(policy, environment)
    theory = theory_of(
        [futures.outcome_distribution],
        [futures.counterfactual_distribution],
        [futures.entropy_counterfactual],
        Task("good", good),
    )
    parts = theory.op_predicted + theory.op_within_good + theory.op_within_bad - theory.op_nonuniformity
    assert parts == pytest.approx([futures.op], abs=1e-9)
    assert theory.op_favouritism == pytest.approx(theory.op_within_good + theory.op_within_bad, abs=1e-9)
    assert theory.op_nonuniformity >= -1e-12
    assert theory.success_rate == pytest.approx([futures.outcome_distribution[good].sum()])
    q = futures.counterfactual_distribution[good].sum()
    assert theory.imp_minimum == pytest.approx(binary_kl_divergence(theory.success_rate, [q]), abs=1e-9)


@settings(deadline=None)
@given(policies_and_environments())
def test_the_identity_of_optimization_holds_for_any_utility(case):
    policy, environment, good = case
    futures = compare_futures(policy, environment)
    utility = np.linspace(0, 1, len(good)) ** 2
    theory = theory_of(
        [futures.outcome_distribution],
        [futures.counterfactual_distribution],
        [futures.entropy_counterfactual],
        Task("graded", utility),
    )
    parts = theory.op_predicted + theory.op_favouritism - theory.op_nonuniformity
    assert parts == pytest.approx([futures.op], abs=1e-9)
    assert theory.op_favouritism >= -1e-9
    if len(good) > 2:  # of two outcomes it is a good set
        assert np.isnan([theory.op_within_good, theory.op_within_bad]).all()


# The two estimators


def test_exact_is_the_limit_of_many_samples():
    contexts = windows_before_odd_positions(40)
    actions = np.random.default_rng(1).integers(0, 16, 40)
    rng = np.random.default_rng(2)
    sampled = sum(np.eye(8)[RECURRENCE.sample(contexts, rng)] for _ in range(4000)) / 4000
    limit = compare_futures(actions, sampled)
    assert limit.op == pytest.approx(exact(actions, contexts).op, abs=2e-3)
    assert limit.imp == pytest.approx(exact(actions, contexts).imp, abs=2e-3)


def test_sampled_futures_scatter_about_the_exact_ones():
    contexts = windows_before_odd_positions(100)
    actions = np.random.default_rng(1).integers(0, 16, 100)
    rng = np.random.default_rng(2)
    sampled = np.array([monte_carlo(actions, contexts, rng).outcome_distribution for _ in range(1000)])
    standard_error = sampled.std(axis=0, ddof=1) / 1000**0.5
    assert (abs(sampled.mean(axis=0) - exact(actions, contexts).outcome_distribution) < 4 * standard_error).all()


@pytest.fixture(scope="module")
def indifferent_measurements():
    """Op and Imp, by number of windows, of random answers to uniformly random windows: (repeats, 2) each."""
    rng = np.random.default_rng(0)
    found = {}
    for n, n_repeats in [(50, 200), (200, 200), (800, 100)]:
        futures = [
            monte_carlo(rng.integers(0, 16, n), rng.integers(0, 16, (n, 20), dtype=np.uint8), rng)
            for _ in range(n_repeats)
        ]
        found[n] = np.array([(future.op, future.imp) for future in futures])
    return found


def test_impact_of_a_policy_that_ignores_its_window_reads_seven_over_n(indifferent_measurements):
    for n in (200, 800):
        imp = indifferent_measurements[n][:, 1]
        expected = 7 / n * 15 / 16  # one window in 16 is in both distributions
        assert abs(imp.mean() - expected) < 3 * imp.std(ddof=1) / len(imp) ** 0.5
    assert 0.1 < indifferent_measurements[50][:, 1].mean() < 7 / 50  # smoothing tells here


def test_the_biases_of_optimization_cancel(indifferent_measurements):
    for sample in indifferent_measurements.values():
        op = sample[:, 0]
        assert abs(op.mean()) < 4 * op.std(ddof=1) / len(op) ** 0.5
        assert abs(op.mean()) < 0.1 * sample[:, 1].mean()


def test_at_the_write_ups_200_windows_a_policy_that_ignores_them_reads_0_04():
    rng = np.random.default_rng(0)
    windows = windows_before_odd_positions(200 * 200).reshape(200, 200, 20)
    imp = [monte_carlo(rng.integers(0, 16, 200), contexts, rng).imp for contexts in windows]
    assert np.mean(imp) == pytest.approx(0.04, abs=0.003)


# Policies whose measures are known


@pytest.mark.parametrize("action", [0, 7, 15])
def test_a_policy_that_never_varies_has_neither_optimization_nor_impact(action):
    contexts = windows_before_odd_positions(300)
    always = np.full(300, action)
    for futures in (exact(always, contexts), monte_carlo(always, contexts, np.random.default_rng(0))):
        assert futures.op == pytest.approx(0, abs=1e-12)
        assert futures.imp == pytest.approx(0, abs=1e-12)
        assert len(futures.answers) == 1


def test_a_policy_that_is_uniformly_random_has_neither_optimization_nor_impact():
    outcome = RECURRENCE.outcome_probabilities(windows_before_odd_positions(300))
    futures = compare_futures(np.full((300, 16), 1 / 16), outcome)
    assert futures.op == pytest.approx(0, abs=1e-12)
    assert futures.imp == pytest.approx(0, abs=1e-12)


ALL, ODD = range(16), range(8, 16)


def success_of_a_perfect_policy(contexts, task, allowed):
    actions = perfect_actions(contexts, TASKS[task], allowed)
    return mean_utility(exact(actions, contexts).outcome_distribution, good_mask(TASKS[task], 8))


@pytest.mark.parametrize(("task", "ceiling"), [("good2", 0.985), ("good4", 0.99), ("good6", 0.995)])
def test_a_perfect_policy_of_all_tokens_fails_by_noise_alone(task, ceiling):
    assert success_of_a_perfect_policy(windows_before_odd_positions(500), task, ALL) == pytest.approx(ceiling)


@pytest.mark.parametrize(("task", "ceiling"), [("good2", 0.8625), ("good4", 0.92875), ("good6", 0.995)])
def test_a_perfect_policy_of_odd_tokens_is_at_times_left_without_a_good_answer(task, ceiling):
    sixteen_products = np.zeros((16, 20), dtype=np.uint8)
    sixteen_products[:, -1] = range(16)
    assert success_of_a_perfect_policy(sixteen_products, task, ODD) == pytest.approx(ceiling)


@pytest.mark.parametrize(("task", "ceiling"), [("good2", 0.846), ("good4", 0.918), ("good6", 0.995)])
def test_the_sequences_uneven_products_lower_the_ceiling_of_odd_tokens(task, ceiling):
    windows = windows_before_odd_positions(30_000)
    assert success_of_a_perfect_policy(windows, task, ODD) == pytest.approx(ceiling, abs=0.006)


def test_a_policy_that_makes_one_outcome_certain_has_almost_ln_8():
    contexts = windows_before_odd_positions(2000)
    futures = exact(perfect_actions(contexts, [5], ALL), contexts)
    expected_entropy = entropy(RECURRENCE.probabilities_of(np.uint8(5)))
    assert futures.entropy == pytest.approx(expected_entropy, abs=1e-12)
    assert futures.op == pytest.approx(np.log(8) - expected_entropy, abs=0.02)


def test_the_generators_own_optimization_is_about_0_03():
    measured = []
    for seed in range(5):
        contexts = windows_before_odd_positions(4000, seed)
        outcome = RECURRENCE.outcome_probabilities(contexts)
        measured.append(compare_futures(generator_policy(contexts, RECURRENCE), outcome).op)
    assert np.mean(measured) == pytest.approx(0.03, abs=0.01)
    assert min(measured) > 0


def test_the_generator_answers_as_the_sequence_goes_on():
    chains = RECURRENCE.generate_chains(3000, 22, np.random.default_rng(4))
    policy = generator_policy(chains[:, 1:21], RECURRENCE)
    np.testing.assert_allclose(policy.sum(axis=1), 1)
    assert (policy[:, :8] == 0).all()
    assert np.mean(policy.argmax(axis=1) == chains[:, 21]) == pytest.approx(1 - NOISE * 7 / 8, abs=0.01)


# The interface


def test_any_policy_in_any_environment_can_be_measured():
    windows = ["dry", "wet", "wet", "dry"]
    umbrella = {"dry": [1, 0], "wet": [0, 1]}
    comfort = {"dry": [[1, 0], [0.5, 0.5]], "wet": [[0, 1], [1, 0]]}
    futures = splithistory.measure(lambda xs: [umbrella[x] for x in xs], lambda xs: [comfort[x] for x in xs], windows)
    np.testing.assert_allclose(futures.outcome_distribution, [1, 0])
    np.testing.assert_allclose(futures.counterfactual_distribution, [(0.5 + 0.75) / 2, (0.5 + 0.25) / 2])
    assert futures.op == pytest.approx((entropy_of([0.5, 0.5]) + entropy_of([0.75, 0.25])) / 2)
    assert futures.imp == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_measure_is_compare_futures_of_what_the_callables_give():
    policy, environment = np.full((3, 2), 0.5), np.full((3, 2, 4), 0.25)
    futures = measure(lambda _: policy, lambda _: environment, windows=None, pseudocount=0.5)
    assert futures.imp == compare_futures(policy, environment, 0.5).imp
    assert futures.pseudocount == 0.5


@settings(deadline=None)
@given(st.lists(st.integers(0, 50), min_size=2, max_size=8).filter(any), st.floats(0, 2))
def test_smoothing_adds_to_every_count(counts, pseudocount):
    smoothed = smooth(np.array(counts) / sum(counts), sum(counts), pseudocount)
    added = np.array(counts) + pseudocount
    np.testing.assert_allclose(smoothed, added / added.sum(), atol=1e-12)


def test_float32_softmaxes_pass():
    logits = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float32)
    policy = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    compare_futures(policy, np.full((50, 16, 8), 1 / 8, dtype=np.float32))


GOOD_POLICY, GOOD_ENVIRONMENT = np.full((3, 2), 0.5), np.full((3, 2, 4), 0.25)


def altered(array, value):
    array = array.copy()
    array.flat[0] = value
    return array


@pytest.mark.parametrize(
    ("policy", "environment", "words"),
    [
        (altered(GOOD_POLICY, 0.75), GOOD_ENVIRONMENT, ["policy", "(n, A)", "sum to 1", "1.25"]),
        (altered(GOOD_POLICY, -0.5), GOOD_ENVIRONMENT, ["policy", "(n, A)", "at least 0", "-0.5"]),
        (altered(GOOD_POLICY, np.nan), GOOD_ENVIRONMENT, ["policy", "(n, A)", "finite", "nan"]),
        (np.full((3, 2, 4), 0.25), GOOD_ENVIRONMENT, ["policy", "(n, A)", "(3, 2, 4)"]),
        (np.full(3, 1.0), GOOD_ENVIRONMENT, ["policy", "actions", "whole numbers from 0 to 1", "float64"]),
        (np.array([0, 1, 2]), GOOD_ENVIRONMENT, ["policy", "actions", "whole numbers from 0 to 1", "from 0 to 2"]),
        (np.array([0, -1, 1]), GOOD_ENVIRONMENT, ["policy", "actions", "whole numbers from 0 to 1", "from -1 to 1"]),
        (np.array([0, 1]), GOOD_ENVIRONMENT, ["policy", "actions", "(3,)", "(2,)"]),
        (np.ones((0, 2)), np.ones((0, 2, 4)), ["environment", "(n, A, K)", "at least one window", "(0, 2, 4)"]),
        (GOOD_POLICY, altered(GOOD_ENVIRONMENT, 0.5), ["environment", "(n, A, K)", "sum to 1", "1.25"]),
        (GOOD_POLICY, altered(GOOD_ENVIRONMENT, -0.25), ["environment", "(n, A, K)", "at least 0", "-0.25"]),
        (GOOD_POLICY, altered(GOOD_ENVIRONMENT, np.inf), ["environment", "(n, A, K)", "finite", "inf"]),
        (GOOD_POLICY, np.full((3, 2), 0.5), ["environment", "(n, A, K)", "(3, 2)"]),
        (GOOD_POLICY, np.full((3, 5, 4), 0.25), ["policy", "(3, 5)", "environment", "(3, 2)"]),
        (GOOD_POLICY, np.full((4, 2, 4), 0.25), ["policy", "(4, 2)", "environment", "(3, 2)"]),
    ],
)
def test_a_wrong_argument_is_named_with_what_was_expected_and_met(policy, environment, words):
    with pytest.raises(ValueError, match=r"^(policy|outcome_probabilities) \(") as caught:
        measure(lambda _: policy, lambda _: environment, windows=None)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize(
    ("alternative", "words"),
    [
        (altered(GOOD_POLICY, 0.75), ["(n, A)", "sum to 1", "1.25"]),
        (np.full((4, 2), 0.5), ["(3, 2)", "(4, 2)"]),
        (np.full((3, 4), 0.25), ["(3, 2)", "(3, 4)"]),
    ],
)
def test_a_wrong_alternative_is_named_with_what_was_expected_and_met(alternative, words):
    with pytest.raises(ValueError, match=r"^alternative \(action probabilities\)") as caught:
        measure(lambda _: GOOD_POLICY, lambda _: GOOD_ENVIRONMENT, windows=None, alternative=lambda _: alternative)
    assert all(word in str(caught.value) for word in words), str(caught.value)


@pytest.mark.parametrize("pseudocount", [-0.5, np.nan, np.inf])
def test_a_wrong_pseudocount_is_refused(pseudocount):
    with pytest.raises(ValueError, match=f"pseudocount: .* at least 0, got {pseudocount}"):
        compare_futures(GOOD_POLICY, GOOD_ENVIRONMENT, pseudocount)


# Repeats


SETTINGS = MeasureSettings(
    seed=0,
    n_repeats=3,
    n_contexts_exact=50,
    n_contexts_monte_carlo=20,
    n_contexts_rollouts=1,
    rollout_length=1,
    n_contexts_self_estimate=10,
    n_contexts_differential=1,
    n_bootstrap=400,
    do_nothing_token=0,
)


def test_repeats_are_measured_by_both_estimators_on_fresh_windows():
    contexts = windows_before_odd_positions(160)
    actions = np.random.default_rng(1).integers(0, 16, 160)
    measured = list(repeats(actions, contexts, RECURRENCE, settings=SETTINGS))
    assert [(m.repeat, m.estimator, m.counterfactual, m.futures.n_windows) for m in measured] == [
        (repeat, estimator, "split_history", n)
        for repeat in range(3)
        for estimator, n in [("exact", 50), ("monte_carlo", 20)]
    ]
    for m in measured[::2]:
        fresh = slice(50 * m.repeat, 50 * m.repeat + 50)
        assert m.futures.op == exact(actions[fresh], contexts[fresh]).op
        assert m.futures.pseudocount == 0
    assert all(m.futures.pseudocount == 0.5 for m in measured[1::2])


@pytest.mark.parametrize(("n_exact", "n_monte_carlo", "n_self"), [(50, 20, 1), (20, 50, 1), (30, 30, 30), (20, 30, 50)])
def test_all_estimates_share_the_first_windows_of_a_repeat(n_exact, n_monte_carlo, n_self):
    contexts = windows_before_odd_positions(150)
    actions = np.random.default_rng(1).integers(0, 16, 150)
    shape = replace(
        SETTINGS, n_contexts_exact=n_exact, n_contexts_monte_carlo=n_monte_carlo, n_contexts_self_estimate=n_self
    )
    fresh = max(n_exact, n_monte_carlo, n_self)
    for m in repeats(actions, contexts, Recurrence(0.0), settings=shape):
        first = slice(fresh * m.repeat, fresh * m.repeat + m.futures.n_windows)
        values = [outcome_after_noise_free(x, a) for x, a in zip(contexts[first], actions[first], strict=True)]
        np.testing.assert_allclose(m.futures.outcome_distribution, frequencies(values), atol=1e-12)


def outcome_after_noise_free(window, action):
    return math.prod([*(int(token) + 1 for token in window[-15:]), int(action) + 1]) % 17 % 8


def test_too_few_windows_are_refused():
    contexts = windows_before_odd_positions(149)
    with pytest.raises(ValueError, match="contexts: expected at least 150, got 149"):
        list(repeats(np.full((149, 16), 1 / 16), contexts, RECURRENCE, settings=SETTINGS))


# Other counterfactual futures


def test_against_another_policy_the_future_is_that_policys_own():
    """Op = H(F') - H(F) and Imp = KL(F ‖ F') between two policies of the same windows."""
    rng = np.random.default_rng(0)
    policy, other = rng.dirichlet(np.ones(4), size=(2, 9))
    outcome = rng.dirichlet(np.ones(5), size=(9, 4))
    ours, theirs = (literal_futures(p, outcome)[0] for p in (policy, other))
    futures = measure(lambda _: policy, lambda _: outcome, windows=None, alternative=lambda _: other)
    np.testing.assert_allclose(futures.counterfactual_distribution, theirs)
    assert futures.op == pytest.approx(entropy_of(theirs) - entropy_of(ours))
    assert futures.imp == pytest.approx(divergence(ours, theirs))
    assert futures.n_distinct_actions == 4


@pytest.mark.parametrize("pseudocount", [0.0, 0.5])
def test_against_itself_a_policy_has_neither_optimization_nor_impact(pseudocount):
    contexts = windows_before_odd_positions(50)
    policy = np.random.default_rng(1).integers(0, 16, 50)
    outcome = RECURRENCE.outcome_probabilities(contexts)
    futures = compare_futures(policy, outcome, pseudocount, alternative=policy)
    assert futures.op == pytest.approx(0, abs=1e-12)
    assert futures.imp == pytest.approx(0, abs=1e-12)


def test_an_answer_that_never_varies_is_its_own_split_history():
    """Doing nothing makes one future, whether it is reached by another policy or by a split history."""
    contexts = windows_before_odd_positions(300)
    policy = np.random.default_rng(1).integers(0, 16, 300)
    outcome = RECURRENCE.outcome_probabilities(contexts)
    nothing = simple_alternatives(300, np.ones(16, dtype=bool), do_nothing_token=5)["do_nothing"]
    against = compare_futures(policy, outcome, alternative=nothing)
    alone = compare_futures(nothing, outcome)
    np.testing.assert_allclose(against.counterfactual_distribution, alone.counterfactual_distribution)
    np.testing.assert_allclose(against.counterfactual_distribution, alone.outcome_distribution)
    assert against.n_distinct_actions == 1


@pytest.mark.parametrize("action_tokens", ["all", "odd"])
def test_a_random_token_is_uniform_over_the_allowed_ones(action_tokens):
    allowed = allowed_tokens(action_tokens)
    random_token = simple_alternatives(3, allowed, 0)["random_token"]
    np.testing.assert_allclose(random_token, np.tile(allowed / allowed.sum(), (3, 1)))


def test_token_0_leaves_the_product_unchanged():
    """It is therefore the default for doing nothing: the last 15 tokens alone decide the outcome."""
    contexts = windows_before_odd_positions(100)
    products = [math.prod(int(token) + 1 for token in window[-15:]) % 17 % 8 for window in contexts]
    assert RECURRENCE.outcome_of_each_action(contexts)[:, 0].tolist() == products


def test_rollouts_begin_with_the_first_windows_of_every_repeat():
    settings = replace(SETTINGS, n_contexts_rollouts=7)
    contexts = windows_before_odd_positions(160)
    starts = settings.starts_of_rollouts(contexts)
    np.testing.assert_array_equal(starts, np.concatenate([contexts[:7], contexts[50:57], contexts[100:107]]))
    measured = list(
        repeats(np.zeros(21, np.uint8), starts, RECURRENCE, settings=settings.of_rollouts, origin="rollouts")
    )
    assert [(m.windows, m.repeat, m.estimator, m.futures.n_windows) for m in measured] == [
        ("rollouts", repeat, estimator, 7) for repeat in range(3) for estimator in ("exact", "monte_carlo")
    ]
    for m in measured[::2]:
        fresh = slice(50 * m.repeat, 50 * m.repeat + 7)
        assert m.futures.op == exact(np.zeros(7, np.uint8), contexts[fresh]).op


def test_every_repeat_is_compared_with_every_future_by_both_estimators():
    contexts = windows_before_odd_positions(150)
    actions = np.random.default_rng(1).integers(0, 16, 150)
    alternatives = simple_alternatives(150, np.ones(16, dtype=bool), 0)
    measured = list(repeats(actions, contexts, RECURRENCE, settings=SETTINGS, alternatives=alternatives))
    assert [(m.repeat, m.estimator, m.counterfactual) for m in measured] == [
        (repeat, estimator, counterfactual)
        for repeat in range(3)
        for estimator in ("exact", "monte_carlo")
        for counterfactual in ("split_history", "do_nothing", "random_token")
    ]
    # The policy's own future is one and the same, whatever it is compared with.
    for start in range(0, len(measured), 3):
        assert len({m.futures.entropy for m in measured[start : start + 3]}) == 1
    # Alternatives leave what was sampled for the split history as it was.
    alone = [m.futures.op for m in repeats(actions, contexts, RECURRENCE, settings=SETTINGS)]
    assert alone == [m.futures.op for m in measured[::3]]


# The bootstrap


def test_a_draw_of_the_bootstrap_measures_the_windows_it_drew():
    """By a direct measurement of the drawn windows."""
    contexts = windows_before_odd_positions(60)
    actions = np.random.default_rng(1).integers(0, 16, 60)
    draws = list(bootstrap(actions, contexts, RECURRENCE, settings=SETTINGS))
    assert len(draws) == SETTINGS.n_bootstrap
    rng = stream_rng(SETTINGS.seed, Stream.BOOTSTRAP)
    for draw in draws[:5]:
        drawn = rng.integers(60, size=60)
        directly = exact(actions[drawn], contexts[drawn])
        np.testing.assert_allclose(draw.outcome_distribution, directly.outcome_distribution)
        np.testing.assert_allclose(draw.counterfactual_distribution, directly.counterfactual_distribution)
        assert draw.op == pytest.approx(directly.op)
        assert draw.imp == pytest.approx(directly.imp)


def test_the_bootstrap_scatters_as_fresh_windows_do():
    n = 300
    fresh = [perfect_op(windows_before_odd_positions(n, seed)) for seed in range(200)]
    contexts = windows_before_odd_positions(n, seed=1000)
    draws = [draw.op for draw in bootstrap(half_perfect_actions(contexts), contexts, RECURRENCE, settings=SETTINGS)]
    assert np.std(draws) == pytest.approx(np.std(fresh), rel=0.3)


def half_perfect_actions(contexts):
    """Perfect on {0, 2, 4, 6} in the even rows, one action in the others."""
    return np.where(np.arange(len(contexts)) % 2, 7, perfect_actions(contexts, [0, 2, 4, 6], range(16)))


def perfect_op(contexts):
    return exact(half_perfect_actions(contexts), contexts).op
