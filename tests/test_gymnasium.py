"""Gymnasium's toy worlds as environments, against recursion over their tables and against episodes."""

import math
import re

import gymnasium
import numpy as np
import pytest

import splithistory
from conftest import ROOT
from splithistory.gymnasium import environment
from test_docs import printed

WORLDS = [
    ("FrozenLake-v1", {}),
    ("FrozenLake-v1", {"is_slippery": False}),
    ("CliffWalking-v1", {}),
    ("CliffWalking-v1", {"is_slippery": True}),
    ("Taxi-v4", {}),
    ("Taxi-v4", {"is_rainy": True}),
]


class World:
    """A minimal environment with a table: three states, the last of which ends the episode."""

    def __init__(self, table=None, **more):
        self.P = {
            0: {0: [(1.0, 0, 0, False)], 1: [(0.25, 2, 1, True), (0.75, 1, 0, False)]},
            1: {0: [(1.0, 0, 0, False)], 1: [(0.5, 2, 1, True), (0.5, 2, 1, True)]},
            2: {0: [(1.0, 0, 0, False)], 1: [(1.0, 1, 0, False)]},  # as if it went on
        }
        self.P |= table or {}
        self.initial_state_distrib = np.array([1.0, 0, 0])
        vars(self).update(more)


@pytest.fixture(params=WORLDS, ids=lambda world: f"{world[0]}{''.join(world[1])}")
def world(request):
    name, options = request.param
    return gymnasium.make(name, **options)


def random_policy(world, seed=0):
    shape = (world.observation_space.n, world.action_space.n)
    return np.random.default_rng(seed).dirichlet(np.ones(shape[1]), size=shape[0])


def states_after(table, state, action, then, steps):
    """Probabilities of the states some steps after an action, by recursion over the table."""
    found = {}
    for p, to, _, ended in table[state][action]:
        if ended or steps == 1:
            found[to] = found.get(to, 0) + p
            continue
        for next_action, chance in enumerate(then[to]):
            for end, q in states_after(table, to, next_action, then, steps - 1).items():
                found[end] = found.get(end, 0) + p * chance * q
    return found


def test_the_outcome_is_the_state_some_steps_later_as_the_table_has_it(world):
    then, table = random_policy(world), world.unwrapped.P
    for horizon in (1, 2, 3):
        windows, outcome_probabilities = environment(world, horizon, then=then)
        some = np.random.default_rng(horizon).choice(windows, 4)
        outcome = outcome_probabilities(some)
        assert outcome.shape == (4, len(table[0]), len(table))
        for x, state in enumerate(some):
            for action in range(len(table[0])):
                expected = states_after(table, state, action, then, horizon)
                np.testing.assert_allclose(outcome[x, action, list(expected)], list(expected.values()), atol=1e-12)
                assert outcome[x, action].sum() == pytest.approx(1)


def test_windows_are_the_states_that_episodes_come_to(world):
    windows, _ = environment(world)
    met = set()
    rng = np.random.default_rng(0)
    for seed in range(40):
        state, _ = world.reset(seed=seed)
        for _ in range(100):
            met.add(int(state))
            state, _, ended, _, _ = world.step(rng.integers(world.action_space.n))
            if ended:
                break
    assert met <= set(windows.tolist())


def test_there_are_as_many_windows_as_the_worlds_documentation_says():
    assert environment(gymnasium.make("FrozenLake-v1"))[0].tolist() == [0, 1, 2, 3, 4, 6, 8, 9, 10, 13, 14]
    cliff = environment(gymnasium.make("CliffWalking-v1"))[0]
    assert cliff.tolist() == [*range(37)]  # three rows and the start: the cliff sends back to it, the goal ends
    assert len(environment(gymnasium.make("Taxi-v4"))[0]) == 400  # of 404 that are reachable, 4 at the end of a ride


def test_episodes_end_up_where_the_environment_says():
    world = gymnasium.make("FrozenLake-v1")
    then, horizon, n = random_policy(world, 5), 4, 4000
    _, outcome_probabilities = environment(world, horizon, then=then)
    rng = np.random.default_rng(0)
    counts = np.zeros(16)
    world.reset(seed=0)
    for _ in range(n):
        world.reset()
        action, ended = 2, False
        for _ in range(horizon):
            if not ended:
                state, _, ended, _, _ = world.step(action)
                action = rng.choice(4, p=then[state])
        counts[state] += 1
    expected = outcome_probabilities([0])[0, 2]
    assert (abs(counts / n - expected) <= 4 * np.sqrt(expected * (1 - expected) / n)).all()


def test_an_episode_that_has_ended_stays():
    windows, outcome_probabilities = environment(World(), horizon=9, then=[1, 1, 0])
    assert windows.tolist() == [0, 1]
    np.testing.assert_allclose(outcome_probabilities([0])[0, 1], [0, 0, 1])
    np.testing.assert_allclose(outcome_probabilities([2])[0], [[0, 0, 1], [0, 0, 1]])


def test_a_policy_may_be_probabilities_actions_or_a_function(world):
    actions = np.random.default_rng(0).integers(0, world.action_space.n, world.observation_space.n)
    one_hot = np.eye(world.action_space.n)[actions]
    windows, expected = environment(world, 3, then=one_hot)
    for then in (actions, lambda states: actions[states], lambda states: one_hot[states], actions.tolist()):
        np.testing.assert_array_equal(environment(world, 3, then=then)[1](windows), expected(windows))


def test_an_outcome_may_be_any_function_of_the_state(world):
    then = random_policy(world)
    windows, states = environment(world, 2, then=then)
    n_states = world.observation_space.n
    for outcome in (lambda state: state % 3, np.arange(n_states) % 3):
        _, thirds = environment(world, 2, then=then, outcome=outcome)
        expected = np.stack([states(windows)[..., rest::3].sum(axis=-1) for rest in range(3)], axis=-1)
        np.testing.assert_allclose(thirds(windows), expected, atol=1e-12)


def test_a_world_that_does_not_tell_its_starts_has_all_states_as_windows():
    world = World()
    del world.initial_state_distrib
    assert environment(world)[0].tolist() == [0, 1]
    assert environment(World(initial_state_distrib=np.array([0, 1.0, 0])))[0].tolist() == [0, 1]


def test_a_planner_is_directed_at_its_goal_and_a_random_policy_at_nothing():
    lake = gymnasium.make("FrozenLake-v1")
    windows, next_state = environment(lake)
    towards_goal = np.arange(16) / 15
    best = (next_state(windows) @ towards_goal).argmax(axis=1)
    directed = splithistory.goal_directedness(best, next_state, windows, towards_goal)
    assert directed.beta == np.inf
    # All four actions differ in what they gain everywhere but where walls make two of them the same.
    assert 0.9 * math.log(4) < directed.value <= math.log(4)
    assert splithistory.goal_directedness(np.full((11, 4), 0.25), next_state, windows, towards_goal).value < 1e-12


LAKE = gymnasium.make("FrozenLake-v1")
RANDOM = np.full((16, 4), 0.25)
BAD = [
    (gymnasium.make("Blackjack-v1"), {}, ["env", "transition table", "BlackjackEnv"]),
    (None, {}, ["env", "transition table", "NoneType"]),
    ("FrozenLake-v1", {}, ["env", "transition table", "str"]),
    (gymnasium.make("Taxi-v4", fickle_passenger=True), {}, ["env", "fickle passenger"]),
    (World({0: {0: [(1.0, 0, 0, False)]}}), {}, ["env", "1 actions in every state", "2 in state 1"]),
    (
        World({1: {0: [(1.0, 0, 0, False)], 2: [(1.0, 0, 0, False)]}}),
        {},
        ["env", "numbered from 0", "action 1 in state 1"],
    ),
    (World({1: None}), {}, ["env", "numbered from 0", "state 1"]),
    (
        World({1: {0: [(1.0, 0, 0, False)], 1: [(0.5, 0, 0, False)]}}),
        {},
        ["env", "sum to 1", "action 1 in state 1", "0.5"],
    ),
    (World({1: {0: [(1.0, 0, 0, False)], 1: []}}), {}, ["env", "sum to 1", "action 1 in state 1"]),
    (World({1: {0: [(1.0, 0, 0, False)], 1: [(2, 0, 0, False), (-1, 1, 0, False)]}}), {}, ["env", "sum to 1", "-1"]),
    (World({1: {0: [(1.0, 0, 0, False)], 1: [(1.0, 3, 0, False)]}}), {}, ["env", "next states from 0 to 2", "[3]"]),
    (World({1: {0: [(1.0, 0, 0, False)], 1: [(1.0, 0)]}}), {}, ["env", "(probability, next state", "(1.0, 0)"]),
    (World({1: {0: [(1.0, 0, 0, False)], 1: [("p", 0, 0, False)]}}), {}, ["env", "(probability, next state", "'p'"]),
    (World({1: {0: [(1.0, 0, 0, True)], 1: [(1.0, 2, 0, False)]}}), {}, ["env", "does not end before"]),
    (World({1: {0: [(1.0, 0, 0, False)], 1: [(1.0, 2, 0, False)]}}), {}, ["env", "always or never", "2"]),
    (World(initial_state_distrib=np.ones(2)), {}, ["env", "initial_state_distrib", "(3,)"]),
    (World(initial_state_distrib=np.zeros(3)), {}, ["env", "initial_state_distrib", "not zero"]),
    (World(initial_state_distrib=np.array([0, 0, 1.0])), {}, ["env", "does not end before"]),
    (World(P={}), {}, ["env", "transition table"]),
    (LAKE, {"horizon": 0}, ["horizon", "at least 1", "0"]),
    (LAKE, {"horizon": 1.5}, ["horizon", "whole number", "1.5"]),
    (LAKE, {"horizon": "soon"}, ["horizon", "whole number", "soon"]),
    (LAKE, {"horizon": True}, ["horizon", "whole number", "True"]),
    (LAKE, {"horizon": 4}, ["then", "3 steps", "None"]),
    (LAKE, {"horizon": 2, "then": RANDOM[:11]}, ["then", "(16, 4)", "(11, 4)"]),
    (LAKE, {"horizon": 2, "then": RANDOM[:, :3] * 4 / 3}, ["then", "(16, 4)", "(16, 3)"]),
    (LAKE, {"horizon": 2, "then": 2 * RANDOM}, ["then", "sum to 1", "2.0"]),
    (LAKE, {"horizon": 2, "then": np.full(16, 4)}, ["then", "from 0 to 3", "4"]),
    (LAKE, {"horizon": 2, "then": lambda states: states}, ["then", "from 0 to 3", "15"]),
    (LAKE, {"horizon": 2, "then": "greedy"}, ["then", "greedy"]),
    (LAKE, {"outcome": np.arange(15)}, ["outcome", "16 states", "(15,)"]),
    (LAKE, {"outcome": np.arange(16) - 1}, ["outcome", "at least 0", "-1"]),
    (LAKE, {"outcome": lambda state: state / 2}, ["outcome", "whole number", "float64"]),
    (LAKE, {"outcome": lambda state: (state, state)}, ["outcome", "whole number", "(16, 2)"]),
    (LAKE, {"outcome": lambda state: "ice"}, ["outcome", "whole number", "text"]),
    (LAKE, {"outcome": "row"}, ["outcome", "whole number", "row"]),
]


@pytest.mark.parametrize(("env", "options", "said"), BAD)
def test_bad_input_is_named(env, options, said):
    with pytest.raises(ValueError, match=rf"^{said[0]}") as raised:
        environment(env, **options)
    assert all(part in str(raised.value) for part in said), str(raised.value)


@pytest.mark.parametrize("states", [[16], [-1], [0.5], 3, ["ice"], [[0]]])
def test_states_that_are_none_are_named(states):
    with pytest.raises(ValueError, match=r"^windows: expected \(n,\) states, whole numbers from 0 to 15"):
        environment(LAKE)[1](states)


@pytest.mark.filterwarnings("ignore:.*deprecated")
def test_the_page_prints_what_it_says_and_draws_its_figure(capsys, monkeypatch, tmp_path):
    page = (ROOT / "docs" / "gymnasium.md").read_text(encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    outputs, said, names = printed(page, capsys)
    assert [output for output in outputs if output] == said
    assert len(said) == 6
    bars = [[bar.get_width() for bar in axes.patches] for axes in names["figure"].axes]
    assert [len(of) for of in bars] == [15, 15, 15]
    for suffix in ("svg", "png"):
        published = ROOT / "docs" / "gymnasium" / f"goals.{suffix}"
        assert 0.9 < (tmp_path / published.name).stat().st_size / published.stat().st_size < 1.1
    # The figure that is published shows these bars: their lengths are in its paths.
    assert shapes(tmp_path / "goals.svg") == pytest.approx(shapes(ROOT / "docs" / "gymnasium" / "goals.svg"), abs=0.1)


def shapes(svg):
    """All coordinates of an SVG's bars."""
    paths = re.findall(r'<g id="patch_\d+">\s*<path d="([^"]+)"', svg.read_text(encoding="utf-8"))
    return [float(number) for path in paths for number in re.findall(r"-?\d+\.?\d*", path)]
