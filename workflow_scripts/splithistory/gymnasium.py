"""Gymnasium's toy-text environments (FrozenLake, CliffWalking, Taxi and others like them), for `measure`.

They publish their dynamics as a table: ``env.unwrapped.P[state][action]`` lists the possible transitions, each with its
probability, the next state, the reward, and whether the episode ends there. The outcome is the state some steps after
an action, or any function of that state. This module does not import gymnasium.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

from splithistory.arguments import as_array, as_policy, as_whole_number, described
from splithistory.information import Floats

States = NDArray[np.int64]

# Largest deviation from 1 of the sum of a table's probabilities.
_SUM_TOLERANCE = 1e-6


def environment(
    env: Any,
    horizon: int = 1,
    then: ArrayLike | Callable[[States], ArrayLike] | None = None,
    outcome: ArrayLike | Callable[[int], int] | None = None,
) -> tuple[States, Callable[[ArrayLike], Floats]]:
    """Convert a toy-text environment's table to the windows and the environment that `measure` takes.

    An episode that has ended stays in the state in which it ended.

    Args:
        env: a Gymnasium environment with a table of S states and A actions.
        horizon: steps from the state in which the action is taken to the outcome; at least 1.
        then: the policy that continues after the action, needed if ``horizon`` exceeds 1: (S, A) probabilities, (S,)
            actions, or a function of the (S,) states that returns either.
        outcome: the outcome of each state, a whole number from 0: (S,) numbers, or a function of one state; by default
            the state itself.

    Returns:
        The windows, (n,) distinct states that an episode can reach and in which it has not ended; and the environment,
        a function of (n,) states that returns (n, A, K) probabilities p(f|x, a), where K is one more than the largest
        outcome.

    Raises:
        ValueError: if the environment has no valid table, or an argument is not as described.
    """
    transitions, windows = _read(env)  # (S * A, S), (n,)
    n_states = transitions.shape[1]
    n_actions = transitions.shape[0] // n_states
    horizon = as_whole_number("horizon (steps)", horizon, least=1)
    future = _outcomes(outcome, n_states)  # (S, K) outcome probabilities from each state, with no steps left
    if then is not None:
        policy = then(np.arange(n_states)) if callable(then) else then
        policy = as_policy("then", policy, n_windows=n_states, n_actions=n_actions)
        policy = np.eye(n_actions)[policy] if policy.ndim == 1 else policy  # (S, A)
        mixing = sparse.csr_array(
            (policy.ravel(), np.arange(policy.size), np.arange(n_states + 1) * n_actions), (n_states, policy.size)
        )
        step = mixing @ transitions  # (S, S)
        for _ in range(horizon - 1):
            future = step @ future
    elif horizon > 1:
        raise ValueError(
            f"then: expected the policy that plays the {horizon - 1} steps after the action, as horizon is {horizon}, "
            "got None"
        )

    def outcome_probabilities(states: ArrayLike) -> Floats:
        """Return p(f | x, a): (n,) states -> (n, A, K)."""
        expected = f"(n,) states, whole numbers from 0 to {n_states - 1}"
        x = as_array("windows", states, expected)
        if x.ndim != 1 or x.dtype.kind not in "iu" or ((x < 0) | (x >= n_states)).any():
            raise ValueError(f"windows: expected {expected}, got {described(states)}")
        rows = x[:, None] * n_actions + np.arange(n_actions)
        return (transitions[rows.ravel()] @ future).reshape(len(x), n_actions, -1)

    return windows, outcome_probabilities


def _read(env: Any) -> tuple[sparse.csr_array, States]:
    """Read (S * A, S) probabilities of the next state, which stays once the episode has ended, and the windows.

    The windows are the states that an episode can reach, by any actions, and in which it has not ended.
    """
    unwrapped = getattr(env, "unwrapped", env)
    table = getattr(unwrapped, "P", None)
    if not isinstance(table, Mapping | list) or len(table) == 0:
        raise ValueError(
            "env: expected an environment with a transition table, env.unwrapped.P, such as FrozenLake, CliffWalking "
            f"or Taxi, got {type(unwrapped).__name__}"
        )
    if getattr(unwrapped, "fickle_passenger", False):
        raise ValueError("env: expected a table that holds all that may follow, got a Taxi with a fickle passenger")
    n_states = len(table)
    n_actions = len(_entry(table, 0, "state 0"))
    listed = [
        (state * n_actions + action, *transition)
        for state in range(n_states)
        for action, following in enumerate(_actions(table, state, n_actions))
        for transition in _transitions(following, n_states, f"action {action} in state {state}")
    ]
    row, probability, to, done = (np.array(column) for column in zip(*listed, strict=True))
    of = row // n_actions
    ends = np.bincount(to[done], minlength=n_states) > 0
    onward = ~ends[of]
    moves = sparse.csr_array((probability[onward], (row[onward], to[onward])), (n_states * n_actions, n_states))
    stays = sparse.csr_array(ends[:, None] * sparse.eye_array(n_states))
    transitions = moves + sparse.kron(stays, np.ones((n_actions, 1)), format="csr")
    met = _met(_starts(unwrapped, n_states), transitions)
    if (both := ends[to] & ~done & onward & met[of]).any():
        raise ValueError(f"env: expected each state to end an episode always or never, got both for {to[both][0]}")
    if not (windows := np.flatnonzero(met & ~ends)).size:
        raise ValueError("env: expected an episode that does not end before it starts")
    return transitions, windows


def _starts(unwrapped: Any, n_states: int) -> NDArray[np.bool_]:
    """Return (S,) booleans that mark the states an episode can start in: all, if the environment does not tell."""
    chances = np.asarray(getattr(unwrapped, "initial_state_distrib", np.ones(n_states)))
    if chances.shape != (n_states,) or not (chances > 0).any():
        raise ValueError(
            f"env: expected an initial_state_distrib of shape {(n_states,)} that is not zero, got {chances!r}"
        )
    return chances > 0


def _met(starts: NDArray[np.bool_], transitions: sparse.csr_array) -> NDArray[np.bool_]:
    """Return (S,) booleans that mark the states an episode can reach, by any actions."""
    n_states = len(starts)
    any_action = np.ones((1, transitions.shape[0] // n_states))
    leads_to = sparse.kron(sparse.eye_array(n_states), any_action, format="csr") @ transitions  # (S, S)
    met, n_known = starts.copy(), 0
    while met.sum() > n_known:
        n_known = met.sum()
        met |= met @ leads_to > 0
    return met


def _actions(table: Any, state: int, n_actions: int) -> list[Any]:
    """Return the table's entries for each action in a state."""
    actions = _entry(table, state, f"state {state}")
    if len(actions) != n_actions:
        raise ValueError(f"env: expected {n_actions} actions in every state, got {len(actions)} in state {state}")
    return [_entry(actions, action, f"action {action} in state {state}") for action in range(n_actions)]


def _entry(entries: Any, number: int, place: str) -> Any:
    """Return one entry of the table, or of a state's actions."""
    try:
        entry = entries[number]
        len(entry)
    except (TypeError, LookupError):
        raise ValueError(f"env: expected states and actions numbered from 0, got no transitions of {place}") from None
    return entry


def _transitions(following: Any, n_states: int, place: str) -> list[tuple[float, int, bool]]:
    """Return the possible transitions after an action: probability, next state, and whether the episode ends."""
    try:
        transitions = [(float(chance), int(to), bool(ended)) for chance, to, _, ended in following]
    except (TypeError, ValueError):
        raise ValueError(
            f"env: expected (probability, next state, reward, terminated) of all that may follow {place}, "
            f"got {following!r}"
        ) from None
    chances, states = [chance for chance, _, _ in transitions], [to for _, to, _ in transitions]
    if not (min(chances, default=-1) >= 0 and abs(sum(chances) - 1) <= _SUM_TOLERANCE):
        raise ValueError(f"env: expected probabilities that sum to 1 for {place}, got {chances}")
    if not all(0 <= to < n_states for to in states):
        raise ValueError(f"env: expected next states from 0 to {n_states - 1} for {place}, got {states}")
    return transitions


def _outcomes(outcome: ArrayLike | Callable[[int], int] | None, n_states: int) -> Floats:
    """Return the (S, K) one-hot outcomes of the states."""
    given = range(n_states) if outcome is None else outcome
    expected = f"a whole number of at least 0 for each of the {n_states} states"
    numbers = as_array("outcome", [given(state) for state in range(n_states)] if callable(given) else given, expected)
    if numbers.shape != (n_states,) or numbers.dtype.kind not in "iu":
        raise ValueError(f"outcome: expected {expected}, got {numbers.dtype} of shape {numbers.shape}")
    if numbers.min() < 0:
        raise ValueError(f"outcome: expected {expected}, got {numbers.min()}")
    return np.eye(numbers.max() + 1)[numbers]
