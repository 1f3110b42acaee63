"""Environments, which decide what follows an action: the pseudorandom recurrence (method, sections 1 and 15).

A policy acts by answering a window, which ends just before an odd position, with any of the 16 tokens. The value in
0..7 at the even position that follows is the outcome.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splithistory.sequence import N_OUTCOMES, N_TOKENS, Tokens

MODULUS = 17
MEMORY = 16  # factors in the product
BURN_IN = 64  # tokens dropped at the start of a chain, including the 16 uniform ones

Floats = NDArray[np.float64]


class Environment(Protocol):
    """An environment in which a policy acts once per window.

    Attributes:
        n_actions: number of actions A that a policy chooses among.
        n_outcomes: number of outcomes K that can follow.
    """

    n_actions: int
    n_outcomes: int

    def outcome_of_each_action(self, contexts: Tokens) -> Tokens:
        """Return the outcome v(x, a) that each action has without noise: (n, context_length) -> (n, A)."""

    def outcome_probabilities(self, contexts: Tokens) -> Floats:
        """Return p(f | x, a), with the noise summed out: (n, context_length) -> (n, A, K)."""

    def sample(self, contexts: Tokens, rng: np.random.Generator, actions: Tokens | None = None) -> Tokens:
        """Sample one outcome of each action, (n, A), or of one given action per window, (n,) -> (n,)."""

    def chance(self, utility: ArrayLike) -> float:
        """Return the mean utility of random answers; for a good set, their success rate."""


class SequenceEnvironment(Environment, Protocol):
    """An environment that also generates chains, odd positions included, for pretraining."""

    def generate_chains(self, n_chains: int, length: int, rng: np.random.Generator) -> Tokens:
        """Generate (n_chains, length) tokens of independent chains."""

    def next_probabilities(self, contexts: Tokens) -> Floats:
        """Return (n, K) probabilities of the value that the environment itself generates after each context."""


ENVIRONMENTS: dict[str, Callable[..., SequenceEnvironment]] = {}  # by name, as in `sequence.environment`


def environment(kind: type) -> type:
    """Register a class of environments under its name in lower case, which config.schema.yaml must list too."""
    ENVIRONMENTS[kind.__name__.lower()] = kind
    return kind


def environment_of(settings: Mapping[str, Any]) -> SequenceEnvironment:
    """Create the environment of the configuration's section ``sequence``, or of the settings that made some chains."""
    return ENVIRONMENTS[settings["environment"]](settings["noise"], tuple(settings["outcome_of_residue"]))


@environment
@dataclass(frozen=True)
class Recurrence:
    """The recurrence: the product of the last 16 tokens decides the next value, except for noise.

    With s_t the token at position t and v_t its value in 0..7::

        v_t = outcome of ((s_{t-1}+1)(s_{t-2}+1)···(s_{t-16}+1) mod 17)     with probability 1 - noise
        v_t ~ Uniform{0..7}                                                 with probability noise

    17 is prime and every factor s+1 lies in 1..16, so the product never vanishes. In discrete logarithms (base 3) it is
    a sliding sum modulo 16, which lets thousands of chains advance together. Multiplying by a + 1 permutes the
    residues, so each outcome is as frequent among the 16 actions as it is among the residues.

    Attributes:
        noise: probability that a value is uniform, in [0, 1].
        outcome_of_residue: (16,) outcome in 0..7 of each residue 1..16. The study takes the residue modulo 8, which
            makes all outcomes equally likely; other choices can make them uneven (method, section 15).
    """

    noise: float
    outcome_of_residue: tuple[int, ...] = tuple(residue % N_OUTCOMES for residue in range(1, MODULUS))

    n_actions: ClassVar[int] = N_TOKENS
    n_outcomes: ClassVar[int] = N_OUTCOMES
    _residues: ClassVar[NDArray[np.int64]] = np.array([pow(3, exponent, MODULUS) for exponent in range(N_TOKENS)])
    terms: ClassVar[Tokens] = np.argsort(_residues).astype(np.uint8)  # (16,) log_3 of token + 1

    @cached_property
    def outcome_of_sum(self) -> Tokens:
        """(16,) outcome for each sum of logarithms modulo 16."""
        return np.array(self.outcome_of_residue, dtype=np.uint8)[self._residues - 1]

    def generate_chains(self, n_chains: int, length: int, rng: np.random.Generator, burn_in: int = BURN_IN) -> Tokens:
        """Generate independent chains, all advanced together.

        Args:
            n_chains: number of chains.
            length: tokens kept of each chain.
            rng: source of randomness.
            burn_in: tokens dropped at the start; even, so that columns have the parity of their positions.

        Returns:
            (n_chains, length) tokens in 0..15; even columns hold 0..7, odd columns 8..15.

        Raises:
            ValueError: if ``burn_in`` is odd or shorter than the recurrence's memory.
        """
        if burn_in % 2 or burn_in < MEMORY:
            raise ValueError(f"burn_in must be even and at least {MEMORY}, got {burn_in}")
        tokens = np.empty((burn_in + length, n_chains), dtype=np.uint8)  # time first: each step is one contiguous row
        parity = (np.arange(burn_in + length) % 2 * N_OUTCOMES).astype(np.uint8)
        tokens[:MEMORY] = rng.integers(0, N_OUTCOMES, (MEMORY, n_chains), dtype=np.uint8) + parity[:MEMORY, None]
        total = self.terms[tokens[:MEMORY]].sum(axis=0, dtype=np.uint8)  # sums wrap at 256, a multiple of 16
        for t in range(MEMORY, burn_in + length):
            tokens[t] = self._with_noise(self.outcome_of_sum[total % N_TOKENS], rng) + parity[t]
            total += self.terms[tokens[t]] - self.terms[tokens[t - MEMORY]]
        return np.ascontiguousarray(tokens[burn_in:].T)

    def outcome_of_each_action(self, contexts: Tokens) -> Tokens:
        """Return the noise-free outcome v(x, a) of answering each context with each token.

        Args:
            contexts: (n, context_length) tokens, context_length at least 15.

        Returns:
            (n, 16) values in 0..7: the recurrence's next value after context ``x`` and token ``a``.
        """
        total = self.terms[contexts[:, -(MEMORY - 1) :]].sum(axis=1, dtype=np.uint8)  # (n,)
        return self.outcome_of_sum[(total[:, None] + self.terms[None, :]) % N_TOKENS]

    def outcome_probabilities(self, contexts: Tokens) -> Floats:
        """Return p(f | x, a) = (1 - noise)·[f = v(x, a)] + noise/8: (n, context_length) -> (n, 16, 8)."""
        return self.probabilities_of(self.outcome_of_each_action(contexts))

    def next_value(self, contexts: Tokens) -> Tokens:
        """Return the noise-free value that follows each context: (n, context_length of at least 16) -> (n,)."""
        total = self.terms[contexts[:, -MEMORY:]].sum(axis=1, dtype=np.uint8)
        return self.outcome_of_sum[total % N_TOKENS]

    def next_probabilities(self, contexts: Tokens) -> Floats:
        """Return (n, 8) probabilities of the value that follows each context, with the noise summed out."""
        return self.probabilities_of(self.next_value(contexts))

    def probabilities_of(self, values: Tokens) -> Floats:
        """Return the outcome probabilities that belong to noise-free outcomes: any shape -> that shape + (8,)."""
        return (1 - self.noise) * np.eye(N_OUTCOMES)[values] + self.noise / N_OUTCOMES

    def sample(self, contexts: Tokens, rng: np.random.Generator, actions: Tokens | None = None) -> Tokens:
        """Sample one outcome of each action, or of one given action per context.

        Args:
            contexts: (n, context_length) tokens, context_length at least 15.
            rng: source of randomness.
            actions: (n,) one action per context; by default all 16 in every context.

        Returns:
            (n, 16) values in 0..7, or (n,) for given actions.
        """
        values = self.outcome_of_each_action(contexts)
        if actions is not None:
            values = np.take_along_axis(values, actions[:, None], axis=1)[:, 0]
        return self._with_noise(values, rng)

    def chance(self, utility: ArrayLike) -> float:
        """Return the mean utility of random answers, which no context changes; for a good set, their success rate.

        Args:
            utility: (8,) utility of each outcome.
        """
        utility = np.asarray(utility, dtype=float)
        return float((1 - self.noise) * utility[self.outcome_of_sum].mean() + self.noise * utility.mean())

    def _with_noise(self, values: Tokens, rng: np.random.Generator) -> Tokens:
        """Replace each value, with probability ``noise``, by a uniform one in 0..7."""
        noisy = rng.random(values.shape, dtype=np.float32) < self.noise
        sampled = values.copy()
        sampled[noisy] = rng.integers(0, N_OUTCOMES, np.count_nonzero(noisy), dtype=np.uint8)
        return sampled
