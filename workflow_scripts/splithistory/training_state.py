"""Everything that a training step changes, to be put away and taken up again: bit for bit the same training."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from splithistory.extras import needs_extra
from splithistory.model import Policy
from splithistory.optimizer import ScheduledAdamW

with needs_extra("torch"):
    import torch


class Observer:
    """Follows a training: shows how far it is, and keeps its states. This one does neither."""

    def steps(self, steps: range) -> Iterable[int]:
        """The steps to take, one by one."""
        return steps

    def latest(self) -> dict[str, Any] | None:
        """The last state kept, if there is one."""
        return None

    def keep(self, state: dict[str, Any]) -> None:
        """Put a state away, in place of the last one."""


UNOBSERVED = Observer()


class TrainingState:
    """A training between two steps; taken up where its observer's last state left it.

    Args:
        policy: being trained.
        optimizers: of its parameters.
        rng: draws the windows and outcomes; torch's own random state belongs to the training as well.
        observer: keeps the states.

    Attributes:
        step: the last step done.
        rows: the evaluations so far.
    """

    def __init__(
        self, policy: Policy, optimizers: Sequence[ScheduledAdamW], rng: np.random.Generator, observer: Observer
    ) -> None:
        self._policy, self._optimizers, self._rng, self._observer = policy, optimizers, rng, observer
        self._on_cuda = next(policy.parameters()).is_cuda
        self.step = 0
        self.rows: list[dict[str, float]] = []
        if (state := observer.latest()) is not None:
            self._restore(state)

    def steps_left(self, n_steps: int) -> Iterator[int]:
        """Numbers of the steps from the next one to the last of a training of ``n_steps``."""
        return iter(self._observer.steps(range(self.step + 1, n_steps + 1)))

    def record(self, step: int, row: dict[str, float]) -> None:
        """Note the evaluation after a step and put the state away."""
        self.step = step
        self.rows.append({"step": step, **row})
        self._observer.keep(
            {
                "step": self.step,
                "rows": self.rows,
                "policy": self._policy.state_dict(),
                "optimizers": [optimizer.state_dict() for optimizer in self._optimizers],
                "rng": self._rng.bit_generator.state,
                "torch_rng": torch.get_rng_state(),
                "cuda_rng": torch.cuda.get_rng_state() if self._on_cuda else None,
            }
        )

    def _restore(self, state: dict[str, Any]) -> None:
        self.step, self.rows = state["step"], state["rows"]
        self._policy.load_state_dict(state["policy"])
        for optimizer, optimizer_state in zip(self._optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(optimizer_state)
        self._rng.bit_generator.state = state["rng"]
        torch.set_rng_state(state["torch_rng"])
        if self._on_cuda:
            torch.cuda.set_rng_state(state["cuda_rng"])
