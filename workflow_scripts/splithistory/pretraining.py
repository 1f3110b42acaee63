"""Pretraining: next-token prediction on the sequence (method, section 2)."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn import functional as F

from splithistory.model import Architecture, Policy, as_tensor, initial_policy, predict
from splithistory.optimizer import ScheduledAdamW
from splithistory.seeding import Stream, stream_rng
from splithistory.sequence import Tokens, Windows, draw_windows, one_window_a_chain


@dataclass(frozen=True)
class PretrainSettings:
    """Settings of pretraining; `config.yaml` explains each.

    Attributes:
        batch_size: windows a step.
        n_steps: optimizer steps.
        learning_rate: peak of the schedule.
        warmup_fraction: share of the steps that rise to the peak.
        anneal_fraction: share of the steps that fall from it.
        weight_decay: AdamW's.
        dropout: rate on attention outputs and hidden units.
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


def pretrain(
    architecture: Architecture,
    settings: PretrainSettings,
    train: Tokens,
    validation: Tokens,
    seed: int,
    device: torch.device | str = "cpu",
    track: Callable[[Iterable[int]], Iterable[int]] = iter,
    report: Callable[[dict[str, float]], None] = lambda row: None,
) -> tuple[Policy, list[dict[str, float]]]:
    """Train a policy from scratch to predict the next token.

    Args:
        architecture: the policy's shape.
        settings: how to train it.
        train: (n_chains, length) training chains.
        validation: (n_chains, length) validation chains; one window of each is evaluated.
        seed: of the initial parameters, the windows drawn and dropout.
        device: where to train.
        track: wraps the range of steps, for a progress bar.
        report: is given each row as it comes.

    Returns:
        The trained policy, in evaluation mode, and a row an evaluation: ``step``, ``train_loss`` (mean since
        the last evaluation, nats), ``validation_loss`` (nats), ``validation_accuracy``, ``learning_rate``.
    """
    policy = initial_policy(architecture, seed, settings.dropout).to(device).train()
    rng = stream_rng(seed, Stream.PRETRAINING)
    torch.manual_seed(int(rng.integers(2**63)))  # dropout
    optimizer = ScheduledAdamW(
        policy.parameters(),
        settings.learning_rate,
        settings.n_steps,
        settings.warmup_fraction,
        settings.anneal_fraction,
        settings.weight_decay,
        settings.gradient_clip,
    )
    held_out = one_window_a_chain(validation, architecture.context_length, np.random.default_rng(0))
    rows: list[dict[str, float]] = []
    losses: list[torch.Tensor] = []
    for step in track(range(1, settings.n_steps + 1)):
        windows = draw_windows(train, settings.batch_size, architecture.context_length, rng)
        loss = F.cross_entropy(policy(as_tensor(windows.contexts, policy)), as_tensor(windows.targets, policy))
        optimizer.step(loss)
        losses.append(loss.detach())
        if step % settings.evaluation_interval == 0 or step == settings.n_steps:
            validation_loss, accuracy = evaluate(policy, held_out)
            rows.append(
                {
                    "step": step,
                    "train_loss": torch.stack(losses).mean().item(),
                    "validation_loss": validation_loss,
                    "validation_accuracy": accuracy,
                    "learning_rate": optimizer.learning_rate,
                }
            )
            report(rows[-1])
            losses.clear()
    return policy.eval(), rows


def evaluate(policy: Policy, windows: Windows) -> tuple[float, float]:
    """Cross-entropy in nats and accuracy of next-token prediction, dropout off.

    Args:
        policy: any policy.
        windows: n windows and the tokens that follow them.

    Returns:
        Mean cross-entropy (at least 0) and share of targets that are the likeliest token.
    """
    logits = predict(policy, windows.contexts)  # (n, 16)
    targets = as_tensor(windows.targets, policy)
    return F.cross_entropy(logits, targets).item(), (logits.argmax(1) == targets).float().mean().item()
