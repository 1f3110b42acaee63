"""Op and Imp of the sequence's policies, by both estimators (method, section 4)."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np

from splithistory.information import Floats
from splithistory.seeding import Stream, stream_rng
from splithistory.sequence import (
    N_OUTCOMES,
    N_TOKENS,
    Tokens,
    next_value,
    outcome_of_each_action,
    outcome_probabilities,
    sample_with_noise,
)
from splithistory.split_history import Futures, compare_futures

Estimator = Literal["exact", "monte_carlo"]
# Added to every count of sampled outcomes for Imp and success rates, which empty cells would make infinite.
PSEUDOCOUNT = 0.5


@dataclass(frozen=True)
class MeasureSettings:
    """Settings of measuring; `config.yaml` explains each.

    Attributes:
        seed: of the windows and of the sampled outcomes.
        n_repeats: measurements, each on fresh windows.
        n_contexts_exact: windows a repeat of the exact estimator.
        n_contexts_monte_carlo: windows a repeat of the Monte Carlo estimator.
    """

    seed: int
    n_repeats: int
    n_contexts_exact: int
    n_contexts_monte_carlo: int

    @property
    def n_contexts_a_repeat(self) -> int:
        """Fresh windows a repeat, which the two estimators share."""
        return max(self.n_contexts_exact, self.n_contexts_monte_carlo)

    @property
    def n_contexts(self) -> int:
        """Windows in all."""
        return self.n_repeats * self.n_contexts_a_repeat


@dataclass(frozen=True)
class Measurement:
    """One repeat by one estimator."""

    repeat: int
    estimator: Estimator
    futures: Futures


def repeats(
    action_probabilities: Floats, contexts: Tokens, noise: float, settings: MeasureSettings
) -> Iterator[Measurement]:
    """Measure a policy in the recurrence, by both estimators, repeat by repeat.

    A repeat's Monte Carlo windows are the first of its exact ones, so that the two can be compared in pairs.

    Args:
        action_probabilities: (n, 16) the policy's π(a|x) in each context.
        contexts: (n, context_length) windows before odd positions; n is at least ``settings.n_contexts``.
        noise: the recurrence's.
        settings: how often, and on how many windows.

    Yields:
        ``2 * n_repeats`` measurements.

    Raises:
        ValueError: if there are too few contexts.
    """
    if len(contexts) < settings.n_contexts:
        raise ValueError(f"contexts: expected at least {settings.n_contexts}, got {len(contexts)}")
    rng = stream_rng(settings.seed, Stream.MEASURED_OUTCOMES)
    for repeat, start in enumerate(range(0, settings.n_contexts, settings.n_contexts_a_repeat)):
        fresh = slice(start, start + settings.n_contexts_a_repeat)
        policy = action_probabilities[fresh]  # (n, 16)
        values = outcome_of_each_action(contexts[fresh])  # (n, 16)

        n = settings.n_contexts_exact
        probabilities = outcome_probabilities(values[:n], noise)  # (n, 16, 8)
        yield Measurement(repeat, "exact", compare_futures(policy[:n], probabilities))

        n = settings.n_contexts_monte_carlo
        sampled = np.eye(N_OUTCOMES)[sample_with_noise(values[:n], noise, rng)]  # (n, 16, 8) one-hot
        yield Measurement(repeat, "monte_carlo", compare_futures(policy[:n], sampled, PSEUDOCOUNT))


def deterministic_policy(actions: Tokens) -> Floats:
    """A policy at temperature 0 as probabilities: (n,) actions -> (n, 16)."""
    return np.eye(N_TOKENS)[actions]


def generator_policy(contexts: Tokens, noise: float) -> Floats:
    """The sequence's own generator taken as a policy, its noise included (method, section 4).

    Args:
        contexts: (n, context_length) windows before odd positions.
        noise: the recurrence's.

    Returns:
        (n, 16) probabilities; odd positions carry v + 8.
    """
    probabilities = np.zeros((len(contexts), N_TOKENS))
    probabilities[:, N_OUTCOMES:] = outcome_probabilities(next_value(contexts), noise)
    return probabilities
