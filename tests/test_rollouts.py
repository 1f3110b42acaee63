"""Chains that a policy continues, compared with chains written token by token."""

import numpy as np
import pytest
import torch

from splithistory.actions import best_actions
from splithistory.environment import Recurrence
from splithistory.fast_model import initial_policy
from splithistory.model import Architecture
from splithistory.rollouts import Rollouts, rolled_out
from splithistory.sequence import draw_windows

T = 20
RECURRENCE = Recurrence(0.02)
CHAINS = RECURRENCE.generate_chains(200, 61, np.random.default_rng(0))
POLICY = initial_policy(Architecture(d_model=8, n_layers=2, n_heads=2, d_ff=8, context_length=T), seed=0)


class Drawn:
    """Draw natural windows before odd positions, and record them."""

    def __init__(self):
        self.rng, self.windows = np.random.default_rng(1), []

    def __call__(self, n):
        contexts = draw_windows(CHAINS, n, T, rng=self.rng, target_parity=1).contexts
        self.windows.extend(contexts.copy())
        return contexts


@pytest.mark.parametrize("length", [1, 2, 7])
def test_a_window_holds_what_was_answered_and_what_followed_since_its_chain_began(length):
    n, rng, draw = 6, np.random.default_rng(2), Drawn()
    rollouts = Rollouts(draw, n, length=length, rng=rng)
    literal = [list(window) for window in draw.windows]
    ages = list(rollouts.ages)
    assert all(0 <= age < length for age in ages)
    for _ in range(3 * length):
        for window, tokens in zip(rollouts.contexts, literal, strict=True):
            assert window.tolist() == tokens[-T:]
        actions, outcomes = rng.integers(16, size=n, dtype=np.uint8), rng.integers(8, size=n, dtype=np.uint8)
        n_drawn = len(draw.windows)
        rollouts.answered(actions, outcomes)
        fresh = iter(draw.windows[n_drawn:])
        for chain in range(n):
            literal[chain] += [actions[chain], outcomes[chain]]
            ages[chain] += 1
            if ages[chain] == length:
                literal[chain], ages[chain] = list(next(fresh)), 0
        assert next(fresh, None) is None
        assert rollouts.ages.tolist() == ages


def test_chains_of_all_ages_stand_side_by_side():
    ages = Rollouts(Drawn(), 400, length=4, rng=np.random.default_rng(0)).ages
    assert np.bincount(ages, minlength=4).min() > 60


def test_rollouts_go_on_from_their_state():
    def rolled(rollouts, steps):
        for step in steps:
            rollouts.answered(np.full(8, step, np.uint8), np.full(8, step % 8, np.uint8))
        return rollouts

    def begun():
        return Rollouts(Drawn(), 8, length=40, rng=np.random.default_rng(0))

    state = rolled(begun(), range(3)).state_dict()
    resumed = begun()
    resumed.load_state_dict(state)
    rolled(resumed, range(3, 5))
    torch.testing.assert_close(resumed.state_dict(), rolled(begun(), range(5)).state_dict())


@pytest.mark.parametrize("action_tokens", ["all", "odd"])
def test_a_policy_is_rolled_out_at_temperature_0_and_answered_by_the_environment(action_tokens):
    starts = draw_windows(CHAINS, 5, T, rng=np.random.default_rng(3), target_parity=1).contexts
    certain = Recurrence(0.0)
    windows = rolled_out(
        POLICY, starts, certain, action_tokens=action_tokens, n_answers=12, rng=np.random.default_rng(0)
    )
    for start, window in zip(starts, windows, strict=True):
        tokens = list(start)
        for _ in range(12):
            context = np.array([tokens[-T:]], dtype=np.uint8)
            tokens.append(int(best_actions(POLICY, context, action_tokens)[0]))
            product = 1
            for token in tokens[-16:]:
                product = product * (int(token) + 1) % 17
            tokens.append(product % 8)
        assert window.tolist() == tokens[-T:]


def test_without_answers_a_window_stays():
    starts = draw_windows(CHAINS, 5, T, rng=np.random.default_rng(3), target_parity=1).contexts
    rng = np.random.default_rng(0)
    windows = rolled_out(POLICY, starts, RECURRENCE, action_tokens="all", n_answers=0, rng=rng)
    np.testing.assert_array_equal(windows, starts)
