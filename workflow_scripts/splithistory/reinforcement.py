"""Reinforcement of successes, with maintenance of the predictions (method, section 3)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from splithistory.actions import ActionTokens, allowed_tokens, likeliest, mask_logits
from splithistory.model import Policy, as_tensor, predict
from splithistory.optimizer import ScheduledAdamW
from splithistory.pretraining import evaluate
from splithistory.seeding import Stream, stream_rng
from splithistory.sequence import (
    Tokens,
    Windows,
    draw_windows,
    one_window_a_chain,
    outcome_of_action,
    outcome_probabilities,
    sample_outcomes,
    shifted,
)
from splithistory.training_state import NO_SNAPSHOTS, Snapshots, TrainingState

OUTCOME_PARITY = 0  # outcomes stand at even positions, actions at odd ones
ACTION_PARITY = 1


@dataclass(frozen=True)
class MaintenanceSettings:
    """Settings of maintenance; `config.yaml` explains each.

    Attributes:
        learning_rate: peak of the schedule.
        batch_size: examples a step.
        natural_fraction: share of the examples that are untouched windows of the training chains; the
            others are rollouts.
        rollout_policy: who answers in those: the policy itself ("own", the rollouts that are reinforced too), or
            chance ("random", each allowed token equally often), so that no outcome is favoured.
    """

    learning_rate: float
    batch_size: int
    natural_fraction: float
    rollout_policy: Literal["own", "random"]

    @property
    def n_natural(self) -> int:
        """Untouched windows a step."""
        return round(self.natural_fraction * self.batch_size)


@dataclass(frozen=True)
class FinetuneSettings:
    """Settings of reinforcement; `config.yaml` explains each.

    Attributes:
        batch_size: rollouts a step.
        n_steps: optimizer steps.
        learning_rate: peak of the schedule.
        warmup_fraction: share of the steps that rise to the peak.
        anneal_fraction: share of the steps that fall from it.
        weight_decay: AdamW's.
        dropout: rate on attention outputs and hidden units.
        gradient_clip: largest norm of a gradient.
        evaluation_interval: steps between two evaluations on the validation chains.
        action_tokens: tokens the policy may answer with.
        maintenance: settings of maintenance.
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
    action_tokens: ActionTokens
    maintenance: MaintenanceSettings

    @classmethod
    def from_mapping(cls, settings: dict[str, Any]) -> "FinetuneSettings":
        """Settings from the configuration's nested mapping."""
        return cls(**settings | {"maintenance": MaintenanceSettings(**settings["maintenance"])})


def finetune(
    policy: Policy,
    settings: FinetuneSettings,
    good: np.ndarray,
    noise: float,
    train: Tokens,
    validation: Tokens,
    seed: int,
    track: Callable[[range], Iterable[int]] = iter,
    snapshots: Snapshots = NO_SNAPSHOTS,
) -> tuple[Policy, list[dict[str, float]]]:
    """Reinforce a pretrained policy on a task, in place.

    Each step draws windows that end just before an odd position, samples an action a for each at
    temperature 1 and an outcome f from the recurrence, and takes two optimizer steps: one along the
    cross-entropy of a where f is good (a failure has no term), one along the cross-entropy of f given the
    window shifted by a, and of even positions of untouched windows. With ``rollout_policy`` "random", the
    second step has actions of its own, and their outcomes.

    Args:
        policy: pretrained, with the dropout of the settings.
        settings: how to train it.
        good: (8,) booleans, the task's good set.
        noise: the recurrence's.
        train: (n_chains, length) training chains.
        validation: (n_chains, length) validation chains; one window of each is evaluated.
        seed: of the windows drawn, the actions and outcomes sampled, and dropout.
        track: wraps the range of steps, for a progress bar.
        snapshots: where the state is kept at every evaluation; training goes on from the latest.

    Returns:
        The policy, in evaluation mode, and a row an evaluation: ``step``, ``sampled_success_rate`` and
        ``reinforcement_loss`` (means since the last evaluation), and the entries of `Evaluation`.
    """
    rng = stream_rng(seed, Stream.REINFORCEMENT)
    torch.manual_seed(int(rng.integers(2**63)))  # dropout and sampled actions
    policy.train()
    context_length = policy.architecture.context_length
    maintenance = settings.maintenance
    schedule = (
        settings.n_steps,
        settings.warmup_fraction,
        settings.anneal_fraction,
        settings.weight_decay,
        settings.gradient_clip,
    )
    reinforcer = ScheduledAdamW(policy.parameters(), settings.learning_rate, *schedule)
    maintainer = ScheduledAdamW(policy.parameters(), maintenance.learning_rate, *schedule)
    evaluation = Evaluation(validation, context_length, good, noise, settings.action_tokens)
    n_rollouts = maintenance.batch_size - maintenance.n_natural
    allowed = np.flatnonzero(allowed_tokens(settings.action_tokens)).astype(np.uint8)

    state = TrainingState(policy, [reinforcer, maintainer], rng, snapshots)
    since_evaluation: list[tuple[float, float]] = []
    for step in track(range(state.step + 1, settings.n_steps + 1)):
        windows = draw_windows(train, settings.batch_size, context_length, rng, ACTION_PARITY)
        logits = mask_logits(policy(as_tensor(windows.contexts, policy)), settings.action_tokens)  # (B, 16)
        actions = sample_actions(logits)  # (B,)
        outcomes = sample_outcomes(windows.contexts, actions, noise, rng)  # (B,)
        succeeded = torch.from_numpy(good[outcomes]).to(logits.device)
        losses = F.cross_entropy(logits, as_tensor(actions, policy), reduction="none")  # (B,)
        reinforcement_loss = losses[succeeded].sum() / settings.batch_size
        reinforcer.step(reinforcement_loss)

        practised = windows.contexts[:n_rollouts]
        if maintenance.rollout_policy == "random":
            answers = rng.choice(allowed, n_rollouts)
            rollouts = Windows(shifted(practised, answers), sample_outcomes(practised, answers, noise, rng))
        else:
            rollouts = Windows(shifted(practised, actions[:n_rollouts]), outcomes[:n_rollouts])
        natural = draw_windows(train, maintenance.n_natural, context_length, rng, OUTCOME_PARITY)
        contexts, targets = (np.concatenate(parts) for parts in zip(rollouts, natural, strict=True))
        maintainer.step(F.cross_entropy(policy(as_tensor(contexts, policy)), as_tensor(targets, policy)))

        since_evaluation.append((succeeded.float().mean().item(), reinforcement_loss.item()))
        if step % settings.evaluation_interval == 0 or step == settings.n_steps:
            sampled_success_rate, mean_loss = np.mean(since_evaluation, axis=0).tolist()
            state.record(
                step,
                {
                    "sampled_success_rate": sampled_success_rate,
                    "reinforcement_loss": mean_loss,
                    **evaluation(policy),
                },
            )
            since_evaluation.clear()
    return policy.eval(), state.rows


class Evaluation:
    """How a policy does on held-out chains, always on the same windows and noise.

    Args:
        chains: (n_chains, length) tokens; one window of each is used.
        context_length: tokens a window.
        good: (8,) booleans, the good set.
        noise: the recurrence's.
        action_tokens: tokens the policy may answer with.
    """

    def __init__(
        self, chains: Tokens, context_length: int, good: np.ndarray, noise: float, action_tokens: ActionTokens
    ) -> None:
        rng = np.random.default_rng(0)
        self.before_action = one_window_a_chain(chains, context_length, rng, ACTION_PARITY).contexts
        self.before_outcome = one_window_a_chain(chains, context_length, rng, OUTCOME_PARITY)
        self.good, self.noise, self.action_tokens = good, noise, action_tokens

    def __call__(self, policy: Policy) -> dict[str, float]:
        """Evaluate a policy, with dropout off.

        Returns:
            ``success_rate`` at temperature 0, the noise summed out; ``maintenance_loss``, the cross-entropy in
            nats of outcomes after actions sampled at temperature 1; ``natural_loss``, that of even positions of
            untouched chains.
        """
        logits = mask_logits(predict(policy, self.before_action), self.action_tokens)  # (n, 16)
        outcomes = outcome_of_action(self.before_action, likeliest(logits))  # (n,)
        success = outcome_probabilities(outcomes, self.noise)[:, self.good].sum(axis=1)  # (n,)

        rng = np.random.default_rng(0)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)  # not a GPU's, whose state belongs to the training
            sampled = sample_actions(logits.cpu())
        rollouts = Windows(
            shifted(self.before_action, sampled), sample_outcomes(self.before_action, sampled, self.noise, rng)
        )
        return {
            "success_rate": float(success.mean()),
            "maintenance_loss": evaluate(policy, rollouts)[0],
            "natural_loss": evaluate(policy, self.before_outcome)[0],
        }


def sample_actions(logits: Tensor) -> Tokens:
    """Sample a token from each row of (n, 16) logits at temperature 1, with torch's random state -> (n,)."""
    return torch.multinomial(logits.detach().softmax(dim=1), 1)[:, 0].cpu().numpy().astype(np.uint8)
