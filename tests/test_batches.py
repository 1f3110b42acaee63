"""Measuring many windows batch by batch gives the same result as all at once."""

import tracemalloc

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from splithistory import batches
from splithistory.split_history import compare_futures, measure


@pytest.fixture
def batches_of_five(monkeypatch):
    """Have windows with 3 actions and 4 outcomes taken in batches of five, after the first eight."""
    monkeypatch.setattr(batches, "_BATCH_BYTES", 5 * 8 * 3 * 4)


def example(n, n_actions=3, n_outcomes=4, seed=0):
    rng = np.random.default_rng(seed)
    policy = rng.dirichlet(np.ones(n_actions), size=4)[rng.integers(0, 4, n)]
    return policy, rng.dirichlet(np.ones(n_outcomes), size=(n, n_actions))


class Asked:
    """A callable that remembers which windows it was asked for."""

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def __call__(self, windows):
        self.asked.append([int(window) for window in windows])
        return self.answers[self.asked[-1]]

    @property
    def windows(self):
        return [window for batch in self.asked for window in batch]


def assert_equal(ours, expected):
    assert ours.n_windows == expected.n_windows
    np.testing.assert_allclose(ours.outcome_distribution, expected.outcome_distribution, atol=1e-14)
    np.testing.assert_allclose(ours.counterfactual_distribution, expected.counterfactual_distribution, atol=1e-14)
    assert ours.op == pytest.approx(expected.op, abs=1e-12)
    assert ours.imp == pytest.approx(expected.imp, abs=1e-12)
    assert ours.n_distinct_actions == expected.n_distinct_actions
    order, expected_order = (np.lexsort(futures.answers.T) for futures in (ours, expected))
    np.testing.assert_allclose(ours.answers[order], expected.answers[expected_order], atol=1e-14)
    np.testing.assert_allclose(ours.weights[order], expected.weights[expected_order], atol=1e-14)


@pytest.mark.parametrize("deterministic", [False, True])
@pytest.mark.parametrize("compared", [False, True])
def test_every_window_is_asked_for_once_and_measured_as_all_at_once(batches_of_five, deterministic, compared):
    policy, environment = example(29)
    other = example(29, seed=1)[0] if compared else None
    policy = policy.argmax(axis=1) if deterministic else policy
    asked = [Asked(policy), Asked(environment), *([Asked(other)] if compared else [])]
    futures = measure(*asked[:2], np.arange(29), alternative=asked[2] if compared else None)
    for each in asked:
        assert each.windows == list(range(29))
        assert [len(batch) for batch in each.asked] == [8, 5, 5, 5, 5, 1]
    assert_equal(futures, compare_futures(policy, environment, alternative=other))


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 40), st.integers(1, 12), st.integers(0, 2**32), st.sampled_from(["stochastic", "actions"]))
def test_batches_of_any_size_make_the_same_futures(n, batch_size, seed, kind):
    policy, environment = example(n, seed=seed)
    policy = policy if kind == "stochastic" else policy.argmax(axis=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_BATCH_BYTES", batch_size * 8 * 3 * 4)
        futures = measure(Asked(policy), Asked(environment), np.arange(n))
    assert_equal(futures, compare_futures(policy, environment))


@pytest.mark.parametrize("n", [5, 29])
@pytest.mark.parametrize("given_as", ["array", "callable", "list"])
@pytest.mark.parametrize("deterministic", [False, True])
def test_an_environment_that_is_the_same_in_every_window_is_given_once(batches_of_five, n, given_as, deterministic):
    policy, environment = example(n)
    policy, same, other = policy.argmax(axis=1) if deterministic else policy, environment[0], example(n, seed=1)[0]
    asked = []

    def ask(windows):
        asked.append(windows)
        return same

    futures = {"array": same, "callable": ask, "list": same.tolist()}[given_as]
    for alternative in (None, other):
        measured = measure(Asked(policy), futures, np.arange(n), alternative=alternative)
        everywhere = np.broadcast_to(same, environment.shape)
        assert_equal(measured, compare_futures(policy, everywhere, alternative=alternative))
        assert_equal(compare_futures(policy, same, alternative=alternative), measured)
    assert len(asked) == (2 if given_as == "callable" else 0)


WINDOWS = {
    "list": list(range(29)),
    "tuple": tuple(range(29)),
    "range": range(29),
    "array": np.arange(29),
    "series": pd.Series(range(29), index=[f"window {i}" for i in range(29)]),
    "series by number": pd.Series(range(29), index=range(29, 0, -1)),
    "tensor": torch.arange(29),
}


@pytest.mark.parametrize("windows", WINDOWS.values(), ids=WINDOWS)
def test_windows_of_any_kind_that_can_be_sliced_come_in_order(batches_of_five, windows):
    policy, environment = example(29)
    asked = Asked(environment)
    futures = measure(Asked(policy), asked, windows)
    assert [len(batch) for batch in asked.asked] == [8, 5, 5, 5, 5, 1]
    assert_equal(futures, compare_futures(policy, environment))


def test_rows_of_a_data_frame_are_windows(batches_of_five):
    policy, environment = example(29)
    frame = pd.DataFrame({"number": range(29), "twice": range(0, 58, 2)}, index=range(100, 129))
    futures = measure(
        lambda rows: pd.DataFrame(policy[rows["number"]]), lambda rows: environment[rows["twice"] // 2], frame
    )
    assert_equal(futures, compare_futures(policy, environment))


@pytest.mark.parametrize(
    "windows",
    [None, 29, {"x": np.arange(29)}, (np.arange(29), np.arange(29)), object()],
    ids=["nothing", "a number", "a dictionary", "a tuple", "an object"],
)
def test_what_only_the_callables_understand_is_taken_whole(batches_of_five, windows):
    policy, environment = example(29)
    asked = []

    def ask(given):
        asked.append(given)
        return environment

    futures = measure(lambda _: policy, ask, windows)
    assert len(asked) == 1
    assert asked[0] is windows
    assert_equal(futures, compare_futures(policy, environment))


def test_answers_that_are_ready_for_all_windows_are_taken_batch_by_batch(batches_of_five):
    policy, environment = example(29)
    expected = compare_futures(policy, environment)
    for given_policy, given_environment in [
        (lambda _: policy, lambda _: environment),
        (policy, environment),
        (policy.tolist(), lambda x: environment[x]),
        (lambda x: policy[x], torch.tensor(environment)),
        (pd.DataFrame(policy), environment.tolist()),
    ]:
        assert_equal(measure(given_policy, given_environment, np.arange(29)), expected)
    assert_equal(measure(policy, environment, None), expected)


def test_as_many_actions_as_windows_are_not_taken_for_windows(batches_of_five):
    """An (A, K) environment with A = n is the same in every window, not (n, ...)."""
    policy, same = example(12, n_actions=12)[0], example(12)[1][:, 0]
    futures = measure(lambda x: policy[x], lambda _: same, np.arange(12))
    assert_equal(futures, compare_futures(policy, np.broadcast_to(same, (12, 12, 4))))


def test_modules_are_policies_and_environments(batches_of_five):
    torch.manual_seed(0)
    features = torch.randn(29, 6)
    policy = torch.nn.Sequential(torch.nn.Linear(6, 3), torch.nn.Softmax(dim=1))
    world = torch.nn.Sequential(torch.nn.Linear(6, 12), torch.nn.Unflatten(1, (3, 4)), torch.nn.Softmax(dim=2))
    futures = measure(policy, world, features)
    with torch.no_grad():
        expected = compare_futures(policy(features).numpy(), world(features).numpy())
    assert futures.op == pytest.approx(expected.op, abs=1e-6)
    halves = measure(policy.to(torch.bfloat16), world.to(torch.bfloat16), features.to(torch.bfloat16))
    assert halves.op == pytest.approx(expected.op, abs=0.02)
    assert halves.outcome_distribution.sum() == pytest.approx(1, abs=1e-12)


@pytest.mark.parametrize("shared", [True, False])
def test_memory_does_not_grow_with_the_environments_numbers(monkeypatch, shared):
    """All windows at once would take 64 MB."""
    monkeypatch.setattr(batches, "_BATCH_BYTES", 2**20)
    n, n_actions, n_outcomes = 2000, 100, 40
    same = np.random.default_rng(0).dirichlet(np.ones(n_outcomes), size=n_actions)
    environment = same if shared else lambda x: np.stack([np.roll(same, shift, axis=1) for shift in x])
    tracemalloc.start()
    futures = measure(lambda x: x % n_actions, environment, np.arange(n))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert futures.n_windows == n
    assert peak < 8 * 2**20


@pytest.mark.parametrize(
    ("policy", "environment", "words"),
    [
        (lambda x: np.full((len(x), 2), 0.5), lambda x: np.full((len(x) - 1, 2, 3), 1 / 3), ["n = 8", "(7, 2, 3)"]),
        (lambda x: np.full((len(x) + 1, 2), 0.5), lambda x: np.full((len(x), 2, 3), 1 / 3), ["(8, 2)", "(9, 2)"]),
        (lambda x: np.full((len(x), 2), 0.5), np.full((19, 2, 3), 1 / 3), ["n = 8", "(19, 2, 3)"]),
        (np.zeros(19, dtype=int), np.full((2, 3), 1 / 3), ["policy (actions)", "(8,)", "(19,)"]),
    ],
)
def test_answers_for_other_windows_than_asked_for_are_refused(policy, environment, words):
    with pytest.raises(ValueError, match=r"^(policy|outcome_probabilities) \(") as caught:
        measure(policy, environment, np.arange(20))
    assert all(word in str(caught.value) for word in words), str(caught.value)


def test_a_mistake_in_a_later_batch_is_found(batches_of_five):
    policy, environment = example(29)
    environment[27, 1, 2] = np.nan
    with pytest.raises(ValueError, match=r"^outcome_probabilities \(environment\): expected finite .* got nan"):
        measure(Asked(policy), Asked(environment), np.arange(29))


def test_policies_may_be_sure_in_some_batches_and_not_in_others(batches_of_five):
    policy, environment = example(29)
    policy[:8] = np.eye(3)[policy[:8].argmax(axis=1)]
    futures = measure(lambda x: policy[x].argmax(axis=1) if x[0] == 0 else policy[x], Asked(environment), np.arange(29))
    assert_equal(futures, compare_futures(policy, environment))


@pytest.mark.parametrize("later", [(5, 3, 5), (5, 4, 4), (3, 4)])
def test_all_batches_are_of_the_same_actions_and_outcomes(batches_of_five, later):
    """Nor may an axis disappear, for example because a batch of one window was squeezed."""

    def environment(x):
        shape = (len(x), 3, 4) if x[0] == 0 else later
        return np.full(shape, 1 / shape[-1])

    with pytest.raises(ValueError, match=r"^outcome_probabilities \(environment\): expected shape \(n, 3, 4\), as for"):
        measure(lambda x: np.zeros(len(x), dtype=int), environment, np.arange(29))


def test_distinct_actions_come_in_their_order_and_take_little_memory(batches_of_five):
    n_actions = 100_000
    rng = np.random.default_rng(0)
    policy, same = rng.choice([70_000, 3, 500], 29), rng.dirichlet(np.ones(4), size=n_actions)
    tracemalloc.start()
    futures = measure(policy, same, np.arange(29))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert futures.answers.argmax(axis=1).tolist() == [3, 500, 70_000]
    np.testing.assert_array_equal(futures.answers.sum(axis=1), 1)
    assert peak < 20 * 2**20
