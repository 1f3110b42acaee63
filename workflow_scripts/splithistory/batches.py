"""The answers of policies and environments, batch by batch, so that many windows take little memory.

An environment with A actions and K outcomes has A·K probabilities in every window. They are requested, summed and
discarded in batches of some megabytes; those of an environment that is the same in every window are held once.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from splithistory.arguments import as_policy, as_probabilities, described
from splithistory.information import Floats

# Small, since only the first batch shows how large the others may be.
_FIRST_BATCH = 8
_BATCH_BYTES = 2**25  # the most memory that the C library reuses for the next batch, which saves a fifth of the time
_ENVIRONMENT = "outcome_probabilities (environment)"


class Batch(NamedTuple):
    """Some windows, with the answers of policies and the outcome probabilities.

    Attributes:
        policy: (n, A) π(a|x), or (n,) actions of a deterministic policy.
        outcome: (n, A, K) p(f|x, a), or (A, K) if it is the same in every window.
        alternative: answers of the policy to compare with, in the form of ``policy``; None for the split history.
    """

    policy: NDArray[Any]
    outcome: Floats
    alternative: NDArray[Any] | None = None

    @classmethod
    def checked(cls, policy: Any, outcome: Any, alternative: Any = None, n_windows: int | None = None) -> "Batch":
        """Create a batch from values in any form, after checking that they fit each other.

        Args:
            policy: answers of the policy.
            outcome: outcome probabilities.
            alternative: answers of the policy to compare with; None for the split history.
            n_windows: number of windows expected; any if None.

        Raises:
            ValueError: if shapes do not fit each other, or values are not probabilities or actions.
        """
        is_shared = n_axes(outcome) == 2
        outcome = as_probabilities(_ENVIRONMENT, outcome, "(A, K)" if is_shared else "(n, A, K)")
        if not is_shared and n_windows not in (None, len(outcome)):
            raise ValueError(
                f"{_ENVIRONMENT}: expected shape (n, A, K) with n = {n_windows}, as many as the windows that it was "
                f"asked for, or (A, K), got {outcome.shape}"
            )
        n_actions = outcome.shape[-2]
        policy = as_policy("policy", policy, n_windows=n_windows if is_shared else len(outcome), n_actions=n_actions)
        if alternative is not None:
            alternative = as_policy("alternative", alternative, n_windows=len(policy), n_actions=n_actions)
        return cls(policy, outcome, alternative)

    @property
    def n_windows(self) -> int:
        """Number of windows n, at least 1."""
        return len(self.policy)

    def sum_of_futures(self, policy: NDArray[Any]) -> Floats:
        """Sum the outcome probabilities under the answers of one of the policies over the windows: (K,)."""
        if self.outcome.ndim == 2:
            return sum_of_answers(policy, len(self.outcome)) @ self.outcome
        if policy.ndim == 1:
            return self.outcome[np.arange(len(policy)), policy].sum(axis=0)
        return np.einsum("xa,xaf->f", policy, self.outcome)

    def futures(self) -> Floats:
        """Return the (n, K) outcome probabilities under the policy's answer in each window."""
        if self.outcome.ndim == 2:
            return self.outcome[self.policy] if self.policy.ndim == 1 else self.policy @ self.outcome
        if self.policy.ndim == 1:
            return self.outcome[np.arange(self.n_windows), self.policy]
        return np.einsum("xa,xaf->xf", self.policy, self.outcome)

    def sum_of_outcomes(self) -> Floats:
        """Sum p(f|x, a) over the windows: (A, K)."""
        return self.n_windows * self.outcome if self.outcome.ndim == 2 else self.outcome.sum(axis=0)


class Batches:
    """The windows of a measurement, with the policies and the environment to measure in them.

    Args:
        policy: function of windows that returns answers, or the answers themselves; see `split_history.measure`.
        environment: function of windows that returns outcome probabilities, or these themselves.
        windows: n situations. Anything with a length that can be sliced is taken in batches, unless there are only a
            handful of windows; anything else as a whole.
        alternative: another policy, in the same form; None for the split history.
    """

    def __init__(self, policy: Any, environment: Any, windows: Any, alternative: Any = None) -> None:
        self.n_windows = _number_of(windows)  # None if they can't be sliced
        if self.n_windows == 0 and any(map(callable, (policy, environment, alternative))):
            raise ValueError(f"windows: expected at least one, found none ({described(windows)})")
        self._policy, self._environment, self._alternative = policy, environment, alternative
        self._windows = windows
        self._shared: Any = None  # the environment's answer, if it is the same in every window
        self._shape: tuple[str | int, ...] | None = None  # of the environment's answers
        self._batch_size = _FIRST_BATCH

    def all(self) -> Iterator[Batch]:
        """Iterate over batches of all windows, each window once."""
        if self.n_windows is not None and self.n_windows > _FIRST_BATCH:
            yield from self.between(0, self.n_windows)
            return
        given = (self._policy, self._environment, self._alternative)
        yield Batch.checked(*(value(self._windows) if callable(value) else value for value in given))

    def between(self, start: int, stop: int) -> Iterator[Batch]:
        """Iterate over batches of the windows in a range, each window once."""
        while start < stop:
            part = slice(start, min(start + self._batch_size, stop))
            outcome = self._ask(self._environment, part) if self._shared is None else self._shared
            if self._shape is None and n_axes(outcome) == 2:
                self._shared = outcome
            policy, alternative = (self._ask(source, part) for source in (self._policy, self._alternative))
            batch = Batch.checked(policy, outcome, alternative, n_windows=part.stop - part.start)
            self._require_same_shape(batch.outcome.shape)
            numbers = batch.outcome.size if self._shared is None else batch.n_windows * len(batch.outcome)
            self._batch_size = max(1, _BATCH_BYTES * batch.n_windows // (8 * numbers))
            yield batch
            start = part.stop

    def _require_same_shape(self, shape: tuple[int, ...]) -> None:
        """Check that all batches have the same actions and outcomes, and the same number of axes."""
        shape = shape if len(shape) == 2 else ("n", *shape[1:])
        self._shape = self._shape or shape
        if shape != self._shape:
            earlier, found = (f"({', '.join(map(str, each))})" for each in (self._shape, shape))
            raise ValueError(f"{_ENVIRONMENT}: expected shape {earlier}, as for the windows before, got {found}")

    def _ask(self, source: Any, part: slice) -> Any:
        answer = source(_rows(self._windows, part)) if callable(source) else source
        if answer is None or (source is self._environment and n_axes(answer) == 2):
            return answer
        # Answers that are given, or returned, for all windows at once need slicing.
        is_ready = part.stop - part.start != self.n_windows == _number_of(answer)
        return _rows(answer, part) if is_ready else answer


class Answers:
    """Gathers the distinct answers of a policy, batch by batch."""

    def __init__(self, n_actions: int) -> None:
        self._n_actions = n_actions
        self._distinct: list[NDArray[Any]] = []  # of each batch: (m, A) probabilities, or (m,) actions
        self._which: list[NDArray[np.intp]] = []  # index of each window's answer among all of these

    def add(self, policy: NDArray[Any]) -> None:
        """Gather the answers of a batch, (n, A) or (n,)."""
        distinct, which = _distinct(policy)
        self._which.append(which + sum(map(len, self._distinct)))
        self._distinct.append(distinct)

    def distinct(self) -> tuple[Floats, NDArray[np.intp]]:
        """Return (m, A) distinct answers as distributions over actions, and the (n,) index of each window's answer."""
        are_sure = [answers.ndim == 1 for answers in self._distinct]
        gathered = self._distinct if all(are_sure) else [self._probabilities(answers) for answers in self._distinct]
        answers, merged = _distinct(np.concatenate(gathered))
        return self._probabilities(answers), merged[np.concatenate(self._which)]

    def _probabilities(self, answers: NDArray[Any]) -> Floats:
        if answers.ndim == 2:
            return answers
        rows = np.zeros((len(answers), self._n_actions))
        rows[np.arange(len(answers)), answers] = 1
        return rows


def sum_of_answers(policy: NDArray[Any], n_actions: int) -> Floats:
    """Sum a policy's answers, as distributions over actions, over the windows: (A,)."""
    return np.bincount(policy, minlength=n_actions) if policy.ndim == 1 else policy.sum(axis=0)


def n_axes(answer: Any) -> int:
    """Return the number of axes of an array or of nested lists, without converting the lists."""
    if isinstance(answer, list | tuple):
        return 1 + (n_axes(answer[0]) if answer else 0)
    return getattr(answer, "ndim", 0)


def _distinct(answers: NDArray[Any]) -> tuple[NDArray[Any], NDArray[np.intp]]:
    """Return the m distinct answers among n, (n, A) or (n,), and the (n,) index of each."""
    if answers.ndim == 1:
        return np.unique(answers, return_inverse=True)
    # Comparing rows as bytes is ten times as fast as number by number.
    as_bytes = np.ascontiguousarray(answers).view(np.dtype((np.void, answers[0].nbytes)))[:, 0]
    _, first, which = np.unique(as_bytes, return_index=True, return_inverse=True)
    return answers[first], which


def _number_of(windows: Any) -> int | None:
    """Return the length of anything that can be sliced; None for anything else."""
    try:
        n = len(windows)
        return n if len(_rows(windows, slice(0, 1))) == min(n, 1) else None
    except Exception:  # objects of other libraries may raise anything
        return None


def _rows(windows: Any, part: slice) -> Any:
    return getattr(windows, "iloc", windows)[part]
