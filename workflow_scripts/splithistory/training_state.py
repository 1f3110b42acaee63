"""The state of a training run, from which it can be resumed with the same result, bit for bit."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from splithistory.extras import needs_extra
from splithistory.model import Policy
from splithistory.optimizer import Schedule, ScheduledAdamW
from splithistory.rollouts import Rollouts

State = dict[str, Any]
Row = dict[str, float | list[float]]  # one evaluation


class DivergedError(ArithmeticError):
    """A training run whose losses or parameters are no longer finite numbers."""


with needs_extra("torch"):
    import torch


class Observer:
    """Tracks the steps of a training run, and keeps its states. This base class does neither."""

    def steps(self, steps: range) -> Iterable[int]:
        """Iterate over the steps to take."""
        return steps

    def latest(self, check: Callable[[State], None]) -> State | None:
        """Return the latest state, or None if there is none or ``check`` rejects it by raising an error."""
        return None

    def keep(self, state: State) -> None:
        """Keep a state in place of the previous one."""


UNOBSERVED = Observer()


class TrainingState:
    """A training run between two steps, resumed from its observer's latest state if there is one.

    Args:
        policy: the policy that is trained.
        optimizers: the optimizers of its parameters.
        schedule: says how many steps there are, and after which of them the policy is evaluated.
        rng: source of windows and outcomes. Torch's global random state is part of the state as well.
        observer: keeps the states.
        rollouts: the rollouts that the policy is trained on, if any.

    Attributes:
        step: the step of the latest evaluation; 0 before the first.
        rows: the evaluations so far.
    """

    def __init__(
        self,
        policy: Policy,
        optimizers: Sequence[ScheduledAdamW],
        schedule: Schedule,
        *,
        rng: np.random.Generator,
        observer: Observer,
        rollouts: Rollouts | None = None,
    ) -> None:
        self._policy, self._optimizers, self._schedule = policy, optimizers, schedule
        self._rng, self._observer, self._rollouts = rng, observer, rollouts
        self._on_cuda = next(policy.parameters()).is_cuda
        self.step = 0
        self.rows: list[Row] = []
        if (state := observer.latest(self._check)) is not None:
            self._restore(state)

    def steps_left(self) -> Iterator[int]:
        """Iterate over the numbers of the remaining steps."""
        return iter(self._observer.steps(range(self.step + 1, self._schedule.n_steps + 1)))

    def require_finite(self, step: int, **numbers: float | list[float]) -> None:
        """Stop the training run if it diverges.

        Args:
            step: the step that led to the numbers.
            numbers: losses and other numbers, by name.

        Raises:
            DivergedError: if any is infinite or NaN.
        """
        if diverged := [f"{name} is {found}" for name, found in numbers.items() if not np.isfinite(found).all()]:
            raise DivergedError(f"the training diverged by step {step}: {', '.join(diverged)}")

    def record(self, step: int, row: Mapping[str, float | list[float]]) -> None:
        """Record the evaluation after a step, and have the observer keep the state.

        Raises:
            DivergedError: if one of the numbers or parameters is infinite or NaN; the state is then not kept.
        """
        self.require_finite(step, **row)
        if not _all_finite(self._policy.parameters()):
            raise DivergedError(f"the training diverged by step {step}: a parameter is infinite or NaN")
        self.step = step
        self.rows.append({"step": step, **row})
        self._observer.keep(self._state())

    def _state(self) -> State:
        return {
            "step": self.step,
            "rows": self.rows,
            "policy": self._policy.state_dict(),
            "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
            "rollouts": self._rollouts.state_dict() if self._rollouts else None,
            "rng": self._rng.bit_generator.state,
            "torch_rng": torch.get_rng_state(),
            "cuda_rng": torch.cuda.get_rng_state() if self._on_cuda else None,
        }

    def _check(self, state: State) -> None:
        """Check that a state belongs to this training run: it is complete, fits in shape and follows an evaluation.

        Raises:
            ValueError: if it does not; the message says why.
        """
        if not isinstance(state, dict):
            raise ValueError(f"it is a {type(state).__name__}, expected a dict")
        _require_alike(state, self._state() | {"rows": state.get("rows")}, "it")
        step, n_steps = state["step"], self._schedule.n_steps
        if not (1 <= step <= n_steps and self._schedule.is_evaluated(step)):
            raise ValueError(f"its step is {step}, after which a training of {n_steps} steps is not evaluated")
        evaluated = [earlier for earlier in range(1, step + 1) if self._schedule.is_evaluated(earlier)]
        if [row["step"] for row in state["rows"]] != evaluated:
            raise ValueError(f"its rows are not those of the evaluations up to step {step}")
        if not all(np.isfinite(value).all() for row in state["rows"] for value in row.values()):
            raise ValueError("its rows are not all finite numbers")
        if any(optimizer["n_steps"] != step for optimizer in state["optimizers"]):
            raise ValueError(f"its optimizers have not taken {step} steps")
        if not _all_finite(state["policy"].values()):
            raise ValueError("its parameters are not all finite numbers")
        # The generators raise errors for whatever is not one of their states.
        type(self._rng.bit_generator)().state = state["rng"]
        torch.Generator().set_state(state["torch_rng"])

    def _restore(self, state: State) -> None:
        self.step, self.rows = state["step"], state["rows"]
        self._policy.load_state_dict(state["policy"])
        for optimizer, optimizer_state in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(optimizer_state)
        if self._rollouts:
            self._rollouts.load_state_dict(state["rollouts"])
        self._rng.bit_generator.state = state["rng"]
        torch.set_rng_state(state["torch_rng"])
        if self._on_cuda:
            torch.cuda.set_rng_state(state["cuda_rng"])


def _all_finite(tensors: Iterable[torch.Tensor]) -> bool:
    return bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all())


def _require_alike(found: Any, expected: Any, name: str) -> None:
    """Check that two nested values have the same keys, lengths, types and shapes; their numbers may differ.

    Raises:
        ValueError: if they do not; the message names the first difference.
    """
    if type(found) is not type(expected):
        raise ValueError(f"{name} is a {type(found).__name__}, expected a {type(expected).__name__}")
    if isinstance(expected, Mapping):
        if found.keys() != expected.keys():
            raise ValueError(f"{name} has {sorted(map(str, found))}, expected {sorted(expected)}")
        for key, value in expected.items():
            _require_alike(found[key], value, f"{name}: {key}")
    elif isinstance(expected, list):
        if len(found) != len(expected):
            raise ValueError(f"{name} has {len(found)} entries, expected {len(expected)}")
        for i, value in enumerate(expected):
            _require_alike(found[i], value, f"{name}[{i}]")
    elif isinstance(expected, torch.Tensor):
        shapes = [f"{tensor.dtype} {list(tensor.shape)}" for tensor in (found, expected)]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{name} is {shapes[0]}, expected {shapes[1]}")
    elif isinstance(expected, str) and found != expected:
        raise ValueError(f"{name} is {found!r}, expected {expected!r}")
