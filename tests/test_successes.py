"""The ways to reinforce successes, compared with enumeration, loops, rejection sampling and closed forms."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from splithistory.successes import WAYS, Answers, every, expected, sampled

N_ACTIONS, N_OUTCOMES = 5, 3
UTILITY = torch.tensor([0.0, 0.4, 1.0], dtype=torch.float64)


def draws(seed, n_windows=4, n_actions=N_ACTIONS):
    """(B, A) logits and (B, A, K) probabilities p(f|x, a)."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(n_windows, n_actions, generator=generator, dtype=torch.float64)
    outcomes = torch.randn(n_windows, n_actions, N_OUTCOMES, generator=generator, dtype=torch.float64).softmax(dim=2)
    return logits.requires_grad_(), outcomes


def answers(logits, expected_utility, action=None, utility=None):
    none = torch.zeros(len(logits))
    return Answers(
        log_probabilities=logits.log_softmax(dim=1),
        expected_utility=expected_utility,
        sampled_action=none.long() if action is None else action,
        sampled_utility=none.double() if utility is None else utility,
    )


def gradient(way, logits, expected_utility, action=None, utility=None):
    """(B, A) gradient of the loss with respect to the logits."""
    loss = way(answers(logits, expected_utility, action, utility))
    return torch.autograd.grad(loss, logits)[0]


few = settings(max_examples=20, deadline=None)  # the first use of torch is slow
seeds = st.integers(0, 2**31)
utilities = st.lists(st.floats(0, 1), min_size=2, max_size=6)


# The mean of `sampled` is `expected`


@pytest.mark.parametrize("n_actions", [2, N_ACTIONS])
@few
@given(seed=seeds)
def test_the_mean_of_sampled_over_all_actions_and_outcomes_is_expected(n_actions, seed):
    logits, outcomes = draws(seed, n_windows=1, n_actions=n_actions)
    policy = logits.detach().softmax(dim=1)[0]
    mean_loss, mean_gradient = torch.zeros((), dtype=torch.float64), torch.zeros_like(logits)
    for action in range(n_actions):
        for outcome in range(N_OUTCOMES):
            probability = policy[action] * outcomes[0, action, outcome]
            drawn = answers(logits, outcomes @ UTILITY, torch.tensor([action]), UTILITY[[outcome]])
            mean_loss += probability * sampled(drawn).detach()
            mean_gradient += probability * torch.autograd.grad(sampled(drawn), logits)[0]
    torch.testing.assert_close(mean_loss, expected(answers(logits, outcomes @ UTILITY)).detach())
    torch.testing.assert_close(mean_gradient, gradient(expected, logits, outcomes @ UTILITY))


def test_the_mean_of_many_samples_is_expected_within_their_error():
    logits, outcomes = draws(1, n_windows=1)
    n = 200_000
    torch.manual_seed(0)
    actions = torch.multinomial(logits.detach().softmax(dim=1)[0], n, replacement=True)  # (n,)
    drawn = torch.multinomial(outcomes[0, actions], 1)[:, 0]  # (n,)
    copies = logits.detach().expand(n, -1).clone().requires_grad_()
    gradients = n * gradient(sampled, copies, (outcomes @ UTILITY).expand(n, -1), actions, UTILITY[drawn])  # (n, A)
    error = gradients.std(dim=0) / n**0.5
    deviation = (gradients.mean(dim=0) - gradient(expected, logits, outcomes @ UTILITY)[0]) / error
    assert deviation.abs().max() < 4
    assert error.max() < 0.002


def test_a_sample_reinforces_its_action_by_what_it_brought():
    logits, _ = draws(2, n_windows=3)
    action, utility = torch.tensor([4, 0, 2]), torch.tensor([1.0, 0.0, 0.4], dtype=torch.float64)
    probabilities = logits.detach().softmax(dim=1)
    literal = -sum(u * probabilities[x, a].log() for x, (a, u) in enumerate(zip(action, utility, strict=True))) / 3
    assert sampled(answers(logits, torch.zeros(3, N_ACTIONS), action, utility)).item() == pytest.approx(literal.item())


# `every` against a loop, against rejection sampling, and against the probability that it raises


@few
@given(seed=seeds)
def test_every_is_a_loop_over_windows_and_actions(seed):
    logits, outcomes = draws(seed)
    loss = torch.zeros((), dtype=torch.float64)
    for x in range(len(logits)):
        probabilities = [logits[x, a].exp() / logits[x].exp().sum() for a in range(N_ACTIONS)]
        brought = [sum(outcomes[x, a, f] * UTILITY[f] for f in range(N_OUTCOMES)) for a in range(N_ACTIONS)]
        successes = [p.item() * r.item() for p, r in zip(probabilities, brought, strict=True)]
        for p, success in zip(probabilities, successes, strict=True):
            loss = loss - success / sum(successes) * p.log() / len(logits)
    assert every(answers(logits, outcomes @ UTILITY)).item() == pytest.approx(loss.item(), rel=1e-9)
    torch.testing.assert_close(
        gradient(every, logits, outcomes @ UTILITY), torch.autograd.grad(loss, logits)[0], rtol=1e-7, atol=1e-12
    )


def test_every_is_the_limit_of_drawing_until_one_succeeds():
    logits, outcomes = draws(3, n_windows=1)
    policy, rng = logits.detach().softmax(dim=1)[0].numpy(), np.random.default_rng(0)
    succeeding = []
    while len(succeeding) < 100_000:
        actions = rng.choice(N_ACTIONS, p=policy, size=10_000)
        outcome = (rng.random((10_000, 1)) > outcomes[0, actions].cumsum(dim=1).numpy()).sum(axis=1)
        # A success by chance, as likely as the outcome is useful.
        succeeding += actions[rng.random(10_000) < UTILITY.numpy()[outcome]].tolist()
    shares = np.bincount(succeeding, minlength=N_ACTIONS) / len(succeeding)
    found = gradient(every, logits, outcomes @ UTILITY)[0].numpy()
    np.testing.assert_allclose(found, policy - shares, atol=4 * 0.5 / len(succeeding) ** 0.5)
    assert np.abs(found).max() > 0.05


@few
@given(seed=seeds)
def test_every_climbs_the_logarithm_of_the_success_rate(seed):
    logits, outcomes = draws(seed)
    log_rate = (logits.softmax(dim=1) * (outcomes @ UTILITY)).sum(dim=1).log().mean()
    torch.testing.assert_close(
        gradient(every, logits, outcomes @ UTILITY), -torch.autograd.grad(log_rate, logits)[0], rtol=1e-7, atol=1e-12
    )


# What all ways have in common


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_where_nothing_succeeds_nothing_is_reinforced(way):
    logits, _ = draws(4)
    never = torch.zeros(4, N_ACTIONS, dtype=torch.float64)
    assert way(answers(logits, never)).item() == 0
    assert not gradient(way, logits, never).any()


@pytest.mark.parametrize("way", [expected, every])
@few
@given(seed=seeds, rate=st.floats(0.01, 1))
def test_where_all_actions_are_worth_the_same_nothing_changes(way, seed, rate):
    logits, _ = draws(seed)
    found = gradient(way, logits, torch.full((4, N_ACTIONS), rate, dtype=torch.float64))
    torch.testing.assert_close(found, torch.zeros_like(found), rtol=0, atol=1e-12)


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
@few
@given(seed=seeds, good=st.lists(st.booleans(), min_size=N_ACTIONS, max_size=N_ACTIONS))
def test_failures_have_no_term(way, seed, good):
    log_probabilities = draws(seed)[0].detach().log_softmax(dim=1).requires_grad_()
    brings = torch.tensor(good, dtype=torch.float64).expand(4, -1)
    action = torch.arange(4)
    loss = way(Answers(log_probabilities, brings, action, brings[torch.arange(4), action]))
    (by_action,) = torch.autograd.grad(loss, log_probabilities)
    assert not by_action[:, ~torch.tensor(good)].any()
    assert (by_action <= 0).all()


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_forbidden_actions_stay_out(way):
    logits, outcomes = draws(5)
    forbidden = torch.arange(N_ACTIONS) < 2
    masked = logits.masked_fill(forbidden, -torch.inf)
    action, utility = torch.full((4,), 3), torch.ones(4, dtype=torch.float64)
    loss = way(answers(masked, outcomes @ UTILITY, action, utility))
    assert torch.isfinite(loss)
    found = torch.autograd.grad(loss, logits)[0]
    assert torch.isfinite(found).all()
    assert not found[:, forbidden].any()
    allowed = logits[:, 2:].detach().requires_grad_()
    torch.testing.assert_close(loss, way(answers(allowed, (outcomes @ UTILITY)[:, 2:], action - 2, utility)))


# A policy that is known


@few
@given(worth=utilities.filter(lambda worth: max(worth) > 0.05), seed=seeds)
def test_the_loss_of_every_is_least_at_the_policy_given_that_it_succeeds(worth, seed):
    """π(a) r(a) / Σ π r in closed form: no other policy has a smaller cross-entropy towards that target."""
    generator = torch.Generator().manual_seed(seed)
    before = torch.randn(1, len(worth), generator=generator, dtype=torch.float64)
    brings = torch.tensor([worth], dtype=torch.float64)
    target = before.softmax(dim=1) * brings
    target = target / target.sum()
    step = gradient(every, before.requires_grad_(), brings)
    torch.testing.assert_close(before.detach().softmax(dim=1) - step, target, rtol=1e-9, atol=1e-12)


def test_two_actions_follow_their_closed_form():
    """With one success among two actions and z the gap of their logits, dz/dt = 2(1 - σ(z)), so z + exp(z) = 2t + c."""
    logits = torch.zeros(1, 2, dtype=torch.float64, requires_grad=True)
    brings, rate, n_steps = torch.tensor([[1.0, 0.0]], dtype=torch.float64), 1e-3, 5000
    for _ in range(n_steps):
        step = rate * gradient(every, logits, brings)
        with torch.no_grad():
            logits -= step
    gap = (logits[0, 0] - logits[0, 1]).item()
    assert gap + np.exp(gap) == pytest.approx(1 + 2 * rate * n_steps, rel=1e-3)
