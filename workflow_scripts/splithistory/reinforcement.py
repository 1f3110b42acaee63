"""Reinforcement of successes, with maintenance of the predictions (method, section 3)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from splithistory.actions import ActionTokens, allowed_tokens, likeliest, mask_logits
from splithistory.model import Policy, as_tensor, predict
from splithistory.optimizer import Schedule, ScheduledAdamW
from splithistory.pretraining import evaluate
from splithistory.seeding import Stream, stream_rng
from splithistory.sequence import (
    N_OUTCOMES,
    Tokens,
    Windows,
    draw_windows,
    one_window_a_chain,
    outcome_of_each_action,
    outcome_probabilities,
    sample_outcomes,
    shifted,
)
from splithistory.successes import WAYS, Answers
from splithistory.training_state import NO_SNAPSHOTS, Snapshots, TrainingState

OUTCOME_PARITY = 0  # outcomes stand at even positions, actions at odd ones
ACTION_PARITY = 1


@dataclass(frozen=True)
class MaintenanceSettings:
    """Settings of maintenance; `config.yaml` explains each.

    Attributes:
        learning_rate: peak of the schedule.
        batch_size: examples per step.
        natural_fraction: share of the examples that are untouched windows of the training chains; the others are
            rollouts.
        random_fraction: share of the rollouts that chance answers, each allowed token equally often; the policy
            being trained answers the others, which are rollouts that are reinforced too.
    """

    learning_rate: float
    batch_size: int
    natural_fraction: float
    random_fraction: float

    @property
    def n_natural(self) -> int:
        """Untouched windows per step."""
        return round(self.natural_fraction * self.batch_size)

    @property
    def n_random(self) -> int:
        """Rollouts per step that chance answers."""
        return round(self.random_fraction * (self.batch_size - self.n_natural))

    @property
    def n_own(self) -> int:
        """Rollouts per step that the policy answers itself."""
        return self.batch_size - self.n_natural - self.n_random


@dataclass(frozen=True)
class FinetuneSettings(Schedule):
    """Settings of reinforcement; `config.yaml` explains each.

    Attributes:
        successes: how successes are reinforced, one of `successes.WAYS`.
        action_tokens: tokens the policy may answer with.
        maintenance: settings of maintenance.
    """

    successes: str
    action_tokens: ActionTokens
    maintenance: MaintenanceSettings

    @classmethod
    def from_mapping(cls, settings: dict[str, Any]) -> "FinetuneSettings":
        """Settings from the configuration's nested mapping."""
        return cls(**settings | {"maintenance": MaintenanceSettings(**settings["maintenance"])})


def finetune(
    policy: Policy,
    settings: FinetuneSettings,
    utility: np.ndarray,
    noise: float,
    train: Tokens,
    validation: Tokens,
    seed: int,
    track: Callable[[range], Iterable[int]] = iter,
    snapshots: Snapshots = NO_SNAPSHOTS,
) -> tuple[Policy, list[dict[str, float]]]:
    """Reinforce a pretrained policy on a task, in place.

    Each step draws windows that end just before an odd position, samples an action a for each at temperature 1 and an
    outcome f from the recurrence, and takes two optimizer steps. One reinforces successes, in one of `successes.WAYS`.
    The other maintains the predictions: it descends the cross-entropy of outcomes f given the window shifted by a, for
    the policy's own answers and for random ones, and that of even positions of untouched windows.

    Args:
        policy: pretrained, with the dropout of the settings.
        settings: how to train it.
        utility: (8,) how good each outcome is, in [0, 1]; for a good set 1 on it and 0 off it.
        noise: the recurrence's.
        train: (n_chains, length) training chains.
        validation: (n_chains, length) validation chains; one window of each is evaluated.
        seed: of the windows drawn, the actions and outcomes sampled, and dropout.
        track: wraps the range of steps, for a progress bar.
        snapshots: where the state is kept at every evaluation; training goes on from the latest.

    Returns:
        The policy, in evaluation mode, and one row per evaluation: ``step``, ``sampled_success_rate`` and
        ``reinforcement_loss`` (means since the last evaluation), and the entries of `Evaluation`.
    """
    rng = stream_rng(seed, Stream.REINFORCEMENT)
    torch.manual_seed(int(rng.integers(2**63)))  # dropout and sampled actions
    policy.train()
    context_length = policy.architecture.context_length
    maintenance = settings.maintenance
    reinforcer = ScheduledAdamW(policy.parameters(), settings)
    maintainer = ScheduledAdamW(policy.parameters(), replace(settings, learning_rate=maintenance.learning_rate))
    loss_of = WAYS[settings.successes]
    evaluation = Evaluation(validation, context_length, utility, noise, settings.action_tokens)
    allowed = np.flatnonzero(allowed_tokens(settings.action_tokens)).astype(np.uint8)

    state = TrainingState(policy, [reinforcer, maintainer], rng, snapshots)
    since_evaluation: list[tuple[float, float]] = []
    for step in track(range(state.step + 1, settings.n_steps + 1)):
        contexts = draw_windows(train, settings.batch_size, context_length, rng, ACTION_PARITY).contexts  # (B, T)
        logits = mask_logits(policy(as_tensor(contexts, policy)), settings.action_tokens)  # (B, 16)
        actions = sample_actions(logits)  # (B,)
        outcomes = sample_outcomes(contexts, actions, noise, rng)  # (B,)
        sampled_utility = utility[outcomes]
        answers = Answers(
            log_probabilities=logits.log_softmax(dim=1),
            expected_utility=_like(logits, expected_utility(contexts, utility, noise)),
            sampled_action=as_tensor(actions, policy),
            sampled_utility=_like(logits, sampled_utility),
        )
        reinforcement_loss = loss_of(answers)
        reinforcer.step(reinforcement_loss)

        own = slice(maintenance.n_own)
        before_chance = draw_windows(train, maintenance.n_random, context_length, rng, ACTION_PARITY).contexts
        by_chance = rng.choice(allowed, maintenance.n_random)
        practised = [
            Windows(shifted(contexts[own], actions[own]), outcomes[own]),
            Windows(shifted(before_chance, by_chance), sample_outcomes(before_chance, by_chance, noise, rng)),
            draw_windows(train, maintenance.n_natural, context_length, rng, OUTCOME_PARITY),
        ]
        examples, targets = (np.concatenate(parts) for parts in zip(*practised, strict=True))
        maintainer.step(F.cross_entropy(policy(as_tensor(examples, policy)), as_tensor(targets, policy)))

        since_evaluation.append((sampled_utility.mean(), reinforcement_loss.item()))
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


def expected_utility(contexts: Tokens, utility: np.ndarray, noise: float) -> np.ndarray:
    """What each action brings on average, r(x, a) = Σ_f p(f|x, a) u(f).

    Args:
        contexts: (n, context_length) windows before odd positions.
        utility: (8,) u(f), in [0, 1].
        noise: the recurrence's, which is summed out.

    Returns:
        (n, 16) expected utilities, in [0, 1].
    """
    return (outcome_probabilities(np.arange(N_OUTCOMES), noise) @ utility)[outcome_of_each_action(contexts)]


def _like(logits: Tensor, numbers: np.ndarray) -> Tensor:
    """Numbers of any shape as a tensor of the logits' type, on their device."""
    return torch.from_numpy(numbers).to(logits)


class Evaluation:
    """How a policy does on held-out chains, always on the same windows and noise.

    Args:
        chains: (n_chains, length) tokens; one window of each is used.
        context_length: tokens a window.
        utility: (8,) how good each outcome is, in [0, 1].
        noise: the recurrence's.
        action_tokens: tokens the policy may answer with.
    """

    def __init__(
        self, chains: Tokens, context_length: int, utility: np.ndarray, noise: float, action_tokens: ActionTokens
    ) -> None:
        rng = np.random.default_rng(0)
        self.before_action = one_window_a_chain(chains, context_length, rng, ACTION_PARITY).contexts
        self.before_outcome = one_window_a_chain(chains, context_length, rng, OUTCOME_PARITY)
        self.utility, self.noise, self.action_tokens = utility, noise, action_tokens

    def __call__(self, policy: Policy) -> dict[str, float]:
        """Evaluate a policy, with dropout off.

        Returns:
            ``success_rate``, the mean utility at temperature 0, the noise summed out; ``maintenance_loss``, the
            cross-entropy in nats of outcomes after actions sampled at temperature 1; ``natural_loss``, that of even
            positions of untouched chains.
        """
        logits = mask_logits(predict(policy, self.before_action), self.action_tokens)  # (n, 16)
        utility = expected_utility(self.before_action, self.utility, self.noise)  # (n, 16)
        success = np.take_along_axis(utility, likeliest(logits)[:, None], axis=1)  # (n, 1)

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
