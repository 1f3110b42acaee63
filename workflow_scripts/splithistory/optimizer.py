"""The optimizer of both training stages: AdamW on a schedule, with clipped gradients (method, section 2)."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from splithistory.extras import needs_extra

with needs_extra("torch"):
    import torch
    from torch import Tensor, nn
    from torch.optim.adamw import adamw


@dataclass(frozen=True)
class Schedule:
    """The settings that pretraining and reinforcement have in common; `config.yaml` explains each.

    Attributes:
        batch_size: windows per step.
        n_steps: optimizer steps.
        learning_rate: peak learning rate.
        warmup_fraction: share of the steps in which the rate rises to its peak, in (0, 1).
        anneal_fraction: share of the steps in which the rate falls from its peak; both shares add up to at most 1.
        weight_decay: AdamW's decoupled weight decay, at least 0.
        dropout: dropout rate of attention outputs and hidden units, in [0, 1).
        gradient_clip: largest norm of a gradient.
        evaluation_interval: steps between two evaluations on the validation chains.
    """

    batch_size: int
    n_steps: int
    learning_rate: float
    warmup_fraction: float
    anneal_fraction: float
    weight_decay: float
    dropout: float
    gradient_clip: float
    evaluation_interval: int

    def is_evaluated(self, step: int) -> bool:
        """Return whether the policy is evaluated after a step, counted from 1; it always is after the last one."""
        return step % self.evaluation_interval == 0 or step == self.n_steps


class ScheduledAdamW:
    """AdamW with a learning rate that rises to a peak and anneals, and with gradients clipped by their norm.

    It calls the function that `torch.optim.AdamW` is built on, since creating any `torch.optim.Optimizer` imports all
    of torch.compile, which takes longer than a hundred steps of training.

    Args:
        parameters: the parameters to train; the loss must depend on each.
        schedule: the learning rate, weight decay and clipping.
    """

    def __init__(self, parameters: Iterable[nn.Parameter], schedule: Schedule) -> None:
        self.parameters = list(parameters)
        self._schedule = schedule
        self._n_steps = 0
        self._means, self._squares = ([torch.zeros_like(parameter) for parameter in self.parameters] for _ in range(2))
        self._counts = [
            torch.zeros((), device=parameter.device) for parameter in self.parameters
        ]  # adamw takes one per parameter

    @property
    def learning_rate(self) -> float:
        """Learning rate of the next step."""
        return self._schedule.learning_rate * share_of_peak(self._n_steps, self._schedule)

    def state_dict(self) -> dict[str, Any]:
        """Return what the next step depends on besides the parameters and their gradients."""
        return {"n_steps": self._n_steps, "means": self._means, "squares": self._squares}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue from a `state_dict`."""
        self._n_steps = state["n_steps"]
        for ours, kept in zip(self._means + self._squares, state["means"] + state["squares"], strict=True):
            ours.copy_(kept)
        for count in self._counts:
            count.fill_(self._n_steps)

    def step(self, loss: Tensor) -> None:
        """Compute the gradients of a scalar ``loss`` and descend one step along them."""
        for parameter in self.parameters:
            parameter.grad = None
        loss.backward()
        nn.utils.clip_grad_norm_(self.parameters, self._schedule.gradient_clip)
        with torch.no_grad():
            adamw(
                self.parameters,
                [parameter.grad for parameter in self.parameters],
                self._means,
                self._squares,
                [],
                self._counts,
                fused=True,
                amsgrad=False,
                beta1=0.9,
                beta2=0.999,
                lr=self.learning_rate,
                weight_decay=self._schedule.weight_decay,
                eps=1e-8,
                maximize=False,
            )
        self._n_steps += 1


def share_of_peak(step: int, schedule: Schedule) -> float:
    """Return the learning rate of a step as a share of its peak: a linear rise, the peak, half a cosine towards zero.

    Args:
        step: number of the step, from 0.
        schedule: its length, rise and fall; the rise takes at least one step.

    Returns:
        A share in [0, 1], which is 0 only after the last step.
    """
    n_warmup = max(1, round(schedule.warmup_fraction * schedule.n_steps))
    if step < n_warmup:
        return (step + 1) / n_warmup
    left = min(
        1.0, (schedule.n_steps - step) / max(1, schedule.anneal_fraction * schedule.n_steps)
    )  # share of the fall
    return 0.5 * (1 - math.cos(math.pi * left))
