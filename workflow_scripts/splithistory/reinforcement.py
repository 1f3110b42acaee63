"""Reinforcement of successes, alongside maintenance of the policy's predictions (method, section 3)."""

from dataclasses import dataclass, replace
from typing import Any, Literal, NamedTuple

import numpy as np

from splithistory.actions import ActionTokens, allowed_tokens, likeliest, mask_logits
from splithistory.environment import Environment
from splithistory.extras import needs_extra
from splithistory.model import Policy, as_tensor, predict
from splithistory.optimizer import Schedule, ScheduledAdamW
from splithistory.pretraining import evaluate
from splithistory.rollouts import Rollouts
from splithistory.seeding import Stream, stream_rng
from splithistory.sequence import Chains, Tokens, Windows, draw_windows, evaluation_windows, shifted
from splithistory.successes import WAYS, Answers, failures
from splithistory.training_state import UNOBSERVED, Observer, Row, TrainingState

with needs_extra("torch"):
    import torch
    from torch import Tensor
    from torch.nn import functional as F

OUTCOME_PARITY = 0  # outcomes are at even positions, actions at odd ones
ACTION_PARITY = 1


@dataclass(frozen=True)
class MaintenanceSettings:
    """Settings of maintenance; `config.yaml` explains each.

    Attributes:
        learning_rate: peak learning rate, on the schedule of reinforcement.
        batch_size: examples per step; 0 for no maintenance.
        natural_fraction: share of the examples that are untouched windows of the training chains, in [0, 1]; the others
            are rollouts.
        random_fraction: share of the rollouts that are answered at random, with each allowed token equally likely, in
            [0, 1]; the others are taken from the rollouts that the policy answers to be reinforced.
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
        """Rollouts per step that are answered at random."""
        return round(self.random_fraction * (self.batch_size - self.n_natural))

    @property
    def n_own(self) -> int:
        """Rollouts per step that the policy answers."""
        return self.batch_size - self.n_natural - self.n_random


@dataclass(frozen=True)
class FinetuneSettings(Schedule):
    """Settings of reinforcement; `config.yaml` explains each.

    Attributes:
        windows: kind of windows that the policy answers, ``natural`` ones or those of ``rollouts``.
        rollout_length: answers after which a rollout restarts from a natural window.
        successes: how successes are reinforced, one of `successes.WAYS`.
        failure_weight: weight of sampled failures in the loss, relative to successes; at least 0.
        action_tokens: tokens that the policy may answer with.
        maintenance: settings of maintenance.
    """

    windows: Literal["natural", "rollouts"]
    rollout_length: int
    successes: str
    failure_weight: float
    action_tokens: ActionTokens
    maintenance: MaintenanceSettings

    @classmethod
    def from_mapping(cls, settings: dict[str, Any]) -> "FinetuneSettings":
        """Create settings from the nested mapping in the configuration."""
        return cls(**settings | {"maintenance": MaintenanceSettings(**settings["maintenance"])})


class Reward(NamedTuple):
    """The reward for a policy's answers: the utility of the outcomes that follow.

    Attributes:
        environment: decides which outcome follows an answer.
        utility: (K,) utility of each outcome, in [0, 1].
    """

    environment: Environment
    utility: np.ndarray

    def expected(self, contexts: Tokens) -> np.ndarray:
        """Return each action's expected utility, Σ_f p(f|x, a) u(f) in [0, 1]: (n, context_length) -> (n, A)."""
        return self.environment.outcome_probabilities(contexts) @ self.utility


def finetune(
    policy: Policy,
    settings: FinetuneSettings,
    reward: Reward,
    chains: Chains,
    seed: int,
    observer: Observer = UNOBSERVED,
) -> tuple[Policy, list[Row]]:
    """Reinforce a pretrained policy on a task, in place.

    Each step takes windows that end just before an odd position, samples an action a for each at temperature 1 and an
    outcome f from the environment, and updates the policy twice. The first update reinforces successes, in one of
    `successes.WAYS`. The second maintains the predictions: it descends the cross-entropy of outcomes f given the window
    shifted by a, for the policy's own answers and for random ones, and that of even positions given untouched windows.
    It is skipped if its batch is empty. The windows are either natural ones, or those that earlier answers and their
    outcomes have led to.

    Args:
        policy: a pretrained policy, with the dropout rate of the settings.
        settings: the settings of training.
        reward: the reward for the policy's answers.
        chains: the chains to train and evaluate on.
        seed: seed of the training windows, the sampled actions and outcomes, and dropout.
        observer: tracks the steps and receives the state at every evaluation; training continues from its latest state.

    Returns:
        The policy, in evaluation mode, and one row per evaluation: ``step``, ``sampled_success_rate`` in [0, 1] and
        ``reinforcement_loss`` in nats (means since the previous evaluation), and the entries of `Evaluation`.

    Raises:
        DivergedError: at the first step with an infinite or NaN loss, or the first evaluation with such a parameter.
        ValueError: if the chains are too short for a window.
    """
    rng = stream_rng(seed, Stream.REINFORCEMENT)
    torch.manual_seed(int(rng.integers(2**63)))  # dropout and sampled actions
    policy.train()
    environment, utility = reward
    maintenance = settings.maintenance
    reinforcer = ScheduledAdamW(policy.parameters(), settings)
    maintainer = ScheduledAdamW(policy.parameters(), replace(settings, learning_rate=maintenance.learning_rate))
    optimizers = [reinforcer, maintainer] if maintenance.batch_size else [reinforcer]
    loss_of = WAYS[settings.successes]
    evaluation = Evaluation(
        reward, chains.validation, policy.architecture.context_length, action_tokens=settings.action_tokens
    )
    allowed = np.flatnonzero(allowed_tokens(settings.action_tokens)).astype(np.uint8)

    def draw(n_windows: int, target_parity: int) -> Windows:
        length = policy.architecture.context_length
        return draw_windows(chains.train, n_windows, length, rng=rng, target_parity=target_parity)

    rollouts = Rollouts(
        lambda n: draw(n, ACTION_PARITY).contexts,
        settings.batch_size,
        length=settings.rollout_length if settings.windows == "rollouts" else 1,
        rng=rng,
    )
    state = TrainingState(policy, optimizers, settings, rng=rng, observer=observer, rollouts=rollouts)
    since_evaluation: list[tuple[float, float]] = []
    for step in state.steps_left():
        contexts = rollouts.contexts  # (B, T)
        logits = mask_logits(policy(as_tensor(contexts, policy)), settings.action_tokens)  # (B, 16)
        actions = sample_actions(logits)  # (B,)
        outcomes = environment.sample(contexts, rng, actions)  # (B,)
        sampled_utility = utility[outcomes]
        answers = Answers(
            log_probabilities=logits.log_softmax(dim=1),
            expected_utility=_like(logits, reward.expected(contexts)),
            sampled_action=as_tensor(actions, policy),
            sampled_utility=_like(logits, sampled_utility),
        )
        reinforcement_loss = loss_of(answers) - settings.failure_weight * failures(answers)
        reinforcer.step(reinforcement_loss)

        if maintenance.batch_size:
            own = slice(maintenance.n_own)
            random_contexts = draw(maintenance.n_random, ACTION_PARITY).contexts
            random_actions = rng.choice(allowed, maintenance.n_random)
            kinds = [
                Windows(shifted(contexts[own], actions[own]), outcomes[own]),
                Windows(
                    shifted(random_contexts, random_actions), environment.sample(random_contexts, rng, random_actions)
                ),
                draw(maintenance.n_natural, OUTCOME_PARITY),
            ]
            examples, targets = (np.concatenate(parts) for parts in zip(*kinds, strict=True))
            maintainer.step(F.cross_entropy(policy(as_tensor(examples, policy)), as_tensor(targets, policy)))
        rollouts.answered(actions, outcomes)

        loss = reinforcement_loss.item()
        state.require_finite(step, reinforcement_loss=loss)
        since_evaluation.append((sampled_utility.mean(), loss))
        if settings.is_evaluated(step):
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


def _like(logits: Tensor, numbers: np.ndarray) -> Tensor:
    """Convert numbers of any shape to a tensor with the type and device of the logits."""
    return torch.from_numpy(numbers).to(logits)


class Evaluation:
    """Evaluates policies on held-out chains, always with the same windows and noise.

    Args:
        reward: the reward for answers.
        chains: (n_chains, length) tokens; one window of each chain is used.
        context_length: tokens per window.
        action_tokens: tokens that a policy may answer with.
    """

    def __init__(self, reward: Reward, chains: Tokens, context_length: int, action_tokens: ActionTokens) -> None:
        self.before_action, self.before_outcome = (
            evaluation_windows(chains, context_length, parity) for parity in (ACTION_PARITY, OUTCOME_PARITY)
        )
        self.reward, self.action_tokens = reward, action_tokens

    def __call__(self, policy: Policy) -> Row:
        """Evaluate a policy, with dropout off.

        Returns:
            ``success_rate``, the mean utility at temperature 0, with the noise summed out, in [0, 1];
            ``outcome_distribution``, the (K,) probabilities F of the outcomes in the same windows; ``action_weights``,
            the (A,) shares of these windows that are answered with each action; ``maintenance_loss``, the cross-entropy
            in nats of outcomes after actions sampled at temperature 1; and ``natural_loss``, that of even positions of
            untouched chains.
        """
        contexts = self.before_action.contexts
        logits = mask_logits(predict(policy, contexts), self.action_tokens)  # (n, 16)
        outcomes = self.reward.environment.outcome_probabilities(contexts)  # (n, 16, 8)
        answers = likeliest(logits)
        outcome_distribution = outcomes[np.arange(len(answers)), answers].mean(axis=0)  # (8,)

        rng = np.random.default_rng(0)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)  # not the generator of a GPU, whose state belongs to the training
            sampled = sample_actions(logits.cpu())
        rollouts = Windows(shifted(contexts, sampled), self.reward.environment.sample(contexts, rng, sampled))
        return {
            "success_rate": float(outcome_distribution @ self.reward.utility),
            "outcome_distribution": outcome_distribution.tolist(),
            "action_weights": (np.bincount(answers, minlength=outcomes.shape[1]) / len(answers)).tolist(),
            "maintenance_loss": evaluate(policy, rollouts)[0],
            "natural_loss": evaluate(policy, self.before_outcome)[0],
        }


def sample_actions(logits: Tensor) -> Tokens:
    """Sample a token at temperature 1 from each row of logits, with torch's random state: (n, 16) -> (n,).

    Rows of NaN, which training produces when it diverges, are sampled uniformly.
    """
    # The loss of such rows is NaN too, which ends the training; torch would fail on them, and on a GPU end the process.
    probabilities = logits.detach().softmax(dim=1).nan_to_num(nan=1.0)
    return torch.multinomial(probabilities, 1)[:, 0].cpu().numpy().astype(np.uint8)
