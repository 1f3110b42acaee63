"""Self-estimates, compared with the literal algorithm."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from splithistory.environment import Recurrence
from splithistory.fast_model import initial_policy
from splithistory.model import Architecture
from splithistory.policy_measurement import MeasureSettings
from splithistory.self_estimate import expected_outcomes, self_estimate, self_estimates

POLICY = initial_policy(Architecture(d_model=8, n_layers=2, n_heads=2, d_ff=12, context_length=20), seed=0).eval()
CONTEXTS = Recurrence(0.02).generate_chains(12, 21, np.random.default_rng(0))[:, 1:]
ACTIONS = np.array([3, 9, 9, 15, 3, 0, 9, 9, 15, 3, 9, 0])


def expected_after(window, action):
    """The model's distribution over the token after a window and an action, one window at a time."""
    tokens = torch.tensor([[*window[1:].tolist(), int(action)]])
    with torch.no_grad():
        return POLICY(tokens).double().softmax(dim=1)[0].numpy()


def entropy_of(p):
    return -sum(x * math.log(x) for x in p if x > 0)


def test_it_is_the_literal_algorithm_of_n_squared_predictions():
    n = len(CONTEXTS)
    future = sum(expected_after(x, a) for x, a in zip(CONTEXTS, ACTIONS, strict=True)) / n
    split = [sum(expected_after(x, a) for x in CONTEXTS) / n for a in ACTIONS]
    estimate = self_estimate(POLICY, ACTIONS, CONTEXTS)
    assert estimate.op == pytest.approx(sum(map(entropy_of, split)) / n - entropy_of(future), abs=1e-7)
    divergences = [sum(p * math.log(p / q) for p, q in zip(future, other, strict=True)) for other in split]
    assert estimate.imp == pytest.approx(sum(divergences) / n, abs=1e-7)
    np.testing.assert_allclose(estimate.outcome_distribution, future, atol=1e-6)


def test_only_distinct_actions_are_predicted(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "splithistory.self_estimate.predict_after_each",
        lambda policy, windows, tokens: seen.append((windows, tokens)) or torch.zeros(len(windows), len(tokens), 16),
    )
    self_estimate(POLICY, ACTIONS, CONTEXTS)
    ((windows, tokens),) = seen
    np.testing.assert_array_equal(windows, CONTEXTS[:, 1:])
    assert tokens.tolist() == [0, 3, 9, 15]


def test_a_model_blind_to_its_window_expects_nothing_of_itself():
    blind = initial_policy(POLICY.architecture, seed=1).eval()
    nn.init.zeros_(blind.head.weight)
    estimate = self_estimate(blind, ACTIONS, CONTEXTS)
    assert estimate.op == pytest.approx(0, abs=1e-7)
    assert estimate.imp == pytest.approx(0, abs=1e-7)


def test_expected_outcomes_are_distributions_over_all_tokens():
    expected = expected_outcomes(POLICY, CONTEXTS, np.array([4, 11]))
    assert expected.shape == (12, 2, 16)
    np.testing.assert_allclose(expected.sum(axis=2), 1)
    np.testing.assert_allclose(expected[7, 1], expected_after(CONTEXTS[7], 11), atol=1e-6)


def test_every_repeat_takes_the_first_of_its_own_windows():
    settings = MeasureSettings(
        seed=0,
        n_repeats=3,
        n_contexts_exact=4,
        n_contexts_monte_carlo=1,
        n_contexts_rollouts=1,
        rollout_length=1,
        n_contexts_self_estimate=2,
        n_contexts_differential=1,
        n_bootstrap=1,
        do_nothing_token=0,
    )
    estimates = list(self_estimates(POLICY, ACTIONS, CONTEXTS, settings))
    assert [estimate.n_windows for estimate in estimates] == [2, 2, 2]
    for repeat, estimate in enumerate(estimates):
        first = slice(4 * repeat, 4 * repeat + 2)
        assert estimate.op == self_estimate(POLICY, ACTIONS[first], CONTEXTS[first]).op
