"""Pretraining: next-token prediction on the sequence (method, section 2)."""

import numpy as np

from splithistory.extras import needs_extra
from splithistory.fast_model import initial_policy
from splithistory.model import Architecture, Policy, as_tensor, predict
from splithistory.optimizer import Schedule, ScheduledAdamW
from splithistory.seeding import Stream, stream_rng
from splithistory.sequence import Chains, Windows, draw_windows, one_window_per_chain
from splithistory.training_state import UNOBSERVED, Observer, TrainingState

with needs_extra("torch"):
    import torch
    from torch.nn import functional as F


def pretrain(
    architecture: Architecture,
    schedule: Schedule,
    chains: Chains,
    seed: int,
    device: torch.device | str = "cpu",
    observer: Observer = UNOBSERVED,
) -> tuple[Policy, list[dict[str, float]]]:
    """Train a policy from scratch to predict the next token.

    Args:
        architecture: the policy's shape.
        schedule: the settings of training.
        chains: the chains to train and evaluate on.
        seed: seed of the initial parameters, the training windows and dropout.
        device: the device to train on.
        observer: tracks the steps and receives the state at every evaluation; training continues from its latest state.

    Returns:
        The trained policy, in evaluation mode, and one row per evaluation: ``step``, ``train_loss`` (mean since the
        previous evaluation, nats), ``validation_loss`` (nats), ``validation_accuracy`` in [0, 1], ``learning_rate``.

    Raises:
        DivergedError: at the first evaluation with an infinite or NaN loss or parameter.
        ValueError: if the chains are too short for a window.
    """
    policy = initial_policy(architecture, seed, schedule.dropout).to(device).train()
    rng = stream_rng(seed, Stream.PRETRAINING)
    torch.manual_seed(int(rng.integers(2**63)))  # dropout
    optimizer = ScheduledAdamW(policy.parameters(), schedule)
    held_out = one_window_per_chain(chains.validation, architecture.context_length, np.random.default_rng(0))
    state = TrainingState(policy, [optimizer], schedule, rng=rng, observer=observer)
    losses: list[torch.Tensor] = []  # since the previous evaluation
    for step in state.steps_left():
        windows = draw_windows(chains.train, schedule.batch_size, architecture.context_length, rng=rng)
        loss = F.cross_entropy(policy(as_tensor(windows.contexts, policy)), as_tensor(windows.targets, policy))
        optimizer.step(loss)
        losses.append(loss.detach())
        if schedule.is_evaluated(step):
            validation_loss, accuracy = evaluate(policy, held_out)
            state.record(
                step,
                {
                    "train_loss": torch.stack(losses).mean().item(),
                    "validation_loss": validation_loss,
                    "validation_accuracy": accuracy,
                    "learning_rate": optimizer.learning_rate,
                },
            )
            losses.clear()
    return policy.eval(), state.rows


def evaluate(policy: Policy, windows: Windows) -> tuple[float, float]:
    """Evaluate next-token prediction, with dropout off.

    Args:
        policy: any policy.
        windows: n windows and the tokens that follow them.

    Returns:
        The mean cross-entropy in nats, at least 0, and the accuracy, the share of targets that are the likeliest token.
    """
    logits = predict(policy, windows.contexts)  # (n, 16)
    targets = as_tensor(windows.targets, policy)
    return F.cross_entropy(logits, targets).item(), (logits.argmax(1) == targets).float().mean().item()
