"""Reinforcement of successes, with maintenance of the predictions (method, section 3)."""

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
        windows: that are answered, ``natural`` ones or those of ``rollouts``.
        rollout_length: answers after which a rollout begins anew with a natural window.
        successes: how successes are reinforced, one of `successes.WAYS`.
        failure_weight: of the failures' log-probability in what is descended, against 1 for the successes'; at least 0.
        action_tokens: tokens the policy may answer with.
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
        """Settings from the configuration's nested mapping."""
        return cls(**settings | {"maintenance": MaintenanceSettings(**settings["maintenance"])})


class Reward(NamedTuple):
    """What the policy's answers bring.

    Attributes:
        environment: decides which outcome follows an answer.
        utility: (K,) how good each outcome is, in [0, 1].
    """

    environment: Environment
    utility: np.ndarray

    def expected(self, contexts: Tokens) -> np.ndarray:
        """What each action brings on average, Σ_f p(f|x, a) u(f) in [0, 1]: (n, context_length) -> (n, A)."""
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
    outcome f from the environment, and takes two optimizer steps. One reinforces successes, in one of `successes.WAYS`.
    The other maintains the predictions: it descends the cross-entropy of outcomes f given the window shifted by a, for
    the policy's own answers and for random ones, and that of even positions of untouched windows; it is left out where
    its batch is empty. The windows are natural ones, or those that the answers and outcomes so far have led to.

    Args:
        policy: pretrained, with the dropout of the settings.
        settings: how to train it.
        reward: what its answers bring.
        chains: what it is trained and evaluated on.
        seed: of the windows drawn, the actions and outcomes sampled, and dropout.
        observer: follows the steps, and is given the state at every evaluation; training goes on from the latest.

    Returns:
        The policy, in evaluation mode, and one row per evaluation: ``step``, ``sampled_success_rate`` and
        ``reinforcement_loss`` (means since the last evaluation), and the entries of `Evaluation`.

    Raises:
        DivergedError: at the first step that shows an infinite or NaN loss, or evaluation that shows such a parameter.
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
            before_chance = draw(maintenance.n_random, ACTION_PARITY).contexts
            by_chance = rng.choice(allowed, maintenance.n_random)
            practised = [
                Windows(shifted(contexts[own], actions[own]), outcomes[own]),
                Windows(shifted(before_chance, by_chance), environment.sample(before_chance, rng, by_chance)),
                draw(maintenance.n_natural, OUTCOME_PARITY),
            ]
            examples, targets = (np.concatenate(parts) for parts in zip(*practised, strict=True))
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
    """Numbers of any shape as a tensor of the logits' type, on their device."""
    return torch.from_numpy(numbers).to(logits)


class Evaluation:
    """How a policy does on held-out chains, always on the same windows and noise.

    Args:
        reward: what answers bring.
        chains: (n_chains, length) tokens; one window of each is used.
        context_length: tokens per window.
        action_tokens: tokens the policy may answer with.
    """

    def __init__(self, reward: Reward, chains: Tokens, context_length: int, action_tokens: ActionTokens) -> None:
        self.before_action, self.before_outcome = (
            evaluation_windows(chains, context_length, parity) for parity in (ACTION_PARITY, OUTCOME_PARITY)
        )
        self.reward, self.action_tokens = reward, action_tokens

    def __call__(self, policy: Policy) -> Row:
        """Evaluate a policy, with dropout off.

        Returns:
            ``success_rate``, the mean utility at temperature 0, the noise summed out; of the same windows F as
            ``outcome_distribution`` and the share of each action as ``action_weights``; ``maintenance_loss``, the
            cross-entropy in nats of outcomes after actions sampled at temperature 1; ``natural_loss``, that of even
            positions of untouched chains.
        """
        contexts = self.before_action.contexts
        logits = mask_logits(predict(policy, contexts), self.action_tokens)  # (n, 16)
        outcomes = self.reward.environment.outcome_probabilities(contexts)  # (n, 16, 8)
        answers = likeliest(logits)
        outcome_distribution = outcomes[np.arange(len(answers)), answers].mean(axis=0)  # (8,)

        rng = np.random.default_rng(0)
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(0)  # not a GPU's, whose state belongs to the training
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
    """Sample a token from each row of (n, 16) logits at temperature 1, with torch's random state -> (n,).

    Rows of NaN, as a training that diverges has them, are sampled as if all tokens were equally likely.
    """
    # Their loss is NaN as well, which is looked at anyway. Torch fails on them, and on a GPU takes the process with it.
    probabilities = logits.detach().softmax(dim=1).nan_to_num(nan=1.0)
    return torch.multinomial(probabilities, 1)[:, 0].cpu().numpy().astype(np.uint8)
