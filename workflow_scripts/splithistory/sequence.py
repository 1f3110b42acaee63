"""The pseudo-random sequence that the policies predict and act in (method, section 1).

Even positions carry the tokens 0..7, odd positions 8..15. With s_t the token at position t::

    s_t = v_t + 8 (t mod 2)
    v_t = ((s_{t-1}+1)(s_{t-2}+1)···(s_{t-16}+1) mod 17) mod 8     with probability 1 - noise
    v_t ~ Uniform{0..7}                                            with probability noise

17 is prime and every factor s+1 lies in 1..16, so the product never vanishes. In discrete logarithms
(base 3) it is a sliding sum modulo 16, which lets thousands of chains advance together.

Windows are rows of ``context_length`` consecutive tokens of one chain. Column ``c`` of a chain carries
a token of parity ``c mod 2``.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

N_TOKENS = 16
N_OUTCOMES = 8
MODULUS = 17
MEMORY = 16  # factors in the product
BURN_IN = 64  # tokens dropped at the head of a chain, its 16 uniform ones among them

Tokens = NDArray[np.uint8]

_POWERS = np.array([pow(3, exponent, MODULUS) for exponent in range(N_TOKENS)])
# (16,) log_3 of token + 1, modulo 17
_LOG_OF_TOKEN = np.argsort(_POWERS).astype(np.uint8)
# (16,) the value v that belongs to a product, given the product's logarithm
_VALUE_OF_LOG = (_POWERS % N_OUTCOMES).astype(np.uint8)


class Windows(NamedTuple):
    """Windows and the tokens that follow them.

    Attributes:
        contexts: (n, context_length) tokens.
        targets: (n,) the token after each context.
    """

    contexts: Tokens
    targets: Tokens


def generate_chains(
    n_chains: int, length: int, noise: float, rng: np.random.Generator, burn_in: int = BURN_IN
) -> Tokens:
    """Draw independent chains of the recurrence, all advanced together.

    Args:
        n_chains: number of chains.
        length: tokens kept of each chain.
        noise: probability that a value is uniform instead of the product's, in [0, 1].
        rng: source of randomness.
        burn_in: tokens dropped at the head; even, so that column parity is token parity.

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
    logs = _LOG_OF_TOKEN[tokens[:MEMORY]]
    product_log = logs.sum(axis=0, dtype=np.uint8)  # sums wrap at 256, a multiple of 16
    for t in range(MEMORY, burn_in + length):
        values = sample_with_noise(_VALUE_OF_LOG[product_log % N_TOKENS], noise, rng)
        tokens[t] = values + parity[t]
        product_log += _LOG_OF_TOKEN[tokens[t]] - _LOG_OF_TOKEN[tokens[t - MEMORY]]
    return np.ascontiguousarray(tokens[burn_in:].T)


def sample_with_noise(values: Tokens, noise: float, rng: np.random.Generator) -> Tokens:
    """Replace each value by a uniform one of 0..7 with probability ``noise``.

    Args:
        values: values in 0..7, any shape.
        noise: probability, in [0, 1].
        rng: source of randomness.

    Returns:
        An array of the same shape.
    """
    noisy = rng.random(values.shape, dtype=np.float32) < noise
    sampled = values.copy()
    sampled[noisy] = rng.integers(0, N_OUTCOMES, np.count_nonzero(noisy), dtype=np.uint8)
    return sampled


def outcome_of_each_action(contexts: Tokens) -> Tokens:
    """The noise-free outcome v(x, a) of answering each context with each token.

    Args:
        contexts: (n, context_length) tokens, context_length at least 15.

    Returns:
        (n, 16) values in 0..7: the recurrence's next value once token ``a`` follows context ``x``.
    """
    product_log = _LOG_OF_TOKEN[contexts[:, -(MEMORY - 1) :]].sum(axis=1, dtype=np.uint8)  # (n,)
    return _VALUE_OF_LOG[(product_log[:, None] + _LOG_OF_TOKEN[None, :]) % N_TOKENS]


def outcome_of_action(contexts: Tokens, actions: Tokens) -> Tokens:
    """The noise-free outcome v(x, a) of one answer to each context: (n, context_length), (n,) -> (n,)."""
    return np.take_along_axis(outcome_of_each_action(contexts), actions[:, None], axis=1)[:, 0]


def sample_outcomes(contexts: Tokens, actions: Tokens, noise: float, rng: np.random.Generator) -> Tokens:
    """One sampled outcome of one answer to each context: (n, context_length), (n,) -> (n,) values in 0..7."""
    return sample_with_noise(outcome_of_action(contexts, actions), noise, rng)


def shifted(contexts: Tokens, actions: Tokens) -> Tokens:
    """The windows one position later, their last token the action: (n, T), (n,) -> (n, T)."""
    return np.concatenate([contexts[:, 1:], actions[:, None]], axis=1)


def next_value(contexts: Tokens) -> Tokens:
    """The noise-free value v that follows each context.

    Args:
        contexts: (n, context_length) tokens, context_length at least 16.

    Returns:
        (n,) values in 0..7.
    """
    product_log = _LOG_OF_TOKEN[contexts[:, -MEMORY:]].sum(axis=1, dtype=np.uint8)
    return _VALUE_OF_LOG[product_log % N_TOKENS]


def outcome_probabilities(outcomes: Tokens, noise: float) -> NDArray[np.float64]:
    """The recurrence's p(f | x, a) with the noise summed out.

    Args:
        outcomes: noise-free outcomes in 0..7, any shape.
        noise: probability of a uniform outcome.

    Returns:
        The shape of ``outcomes`` + (8,): (1 - noise)·[f = v] + noise/8.
    """
    return (1 - noise) * np.eye(N_OUTCOMES)[outcomes] + noise / N_OUTCOMES


def draw_windows(
    chains: Tokens, n_windows: int, context_length: int, rng: np.random.Generator, target_parity: int | None = None
) -> Windows:
    """Draw windows uniformly from all places in all chains; a window never straddles two chains.

    Args:
        chains: (n_chains, length) tokens.
        n_windows: number of windows to draw, with replacement.
        context_length: tokens a window.
        rng: source of randomness.
        target_parity: 0 or 1 to draw only windows that end just before an even or odd position.

    Returns:
        ``n_windows`` windows.

    Raises:
        ValueError: if the chains are too short for a window.
    """
    rows = rng.integers(0, len(chains), n_windows)
    ends = _draw_ends(chains.shape[1], n_windows, context_length, rng, target_parity)
    return _cut(chains, rows, ends, context_length)


def one_window_a_chain(
    chains: Tokens, context_length: int, rng: np.random.Generator, target_parity: int | None = None
) -> Windows:
    """Cut one window from each chain, at a random place.

    Args:
        chains: (n_chains, length) tokens.
        context_length: tokens a window.
        rng: source of randomness.
        target_parity: 0 or 1 to cut only windows that end just before an even or odd position.

    Returns:
        ``n_chains`` independent windows, in the order of the chains.

    Raises:
        ValueError: if the chains are too short for a window.
    """
    ends = _draw_ends(chains.shape[1], len(chains), context_length, rng, target_parity)
    return _cut(chains, np.arange(len(chains)), ends, context_length)


def _draw_ends(
    length: int, n_windows: int, context_length: int, rng: np.random.Generator, target_parity: int | None
) -> NDArray[np.int64]:
    """(n_windows,) positions of the target token, uniform over the allowed ones."""
    allowed = np.arange(context_length, length)
    if target_parity is not None:
        allowed = allowed[allowed % 2 == target_parity]
    if not len(allowed):
        raise ValueError(f"chains: {length} tokens are too few for windows of {context_length} and what follows them")
    return rng.choice(allowed, n_windows)


def _cut(chains: Tokens, rows: NDArray[np.int64], ends: NDArray[np.int64], context_length: int) -> Windows:
    """Windows of the given rows that end just before the given positions."""
    columns = ends[:, None] - np.arange(context_length, 0, -1)  # (n, context_length)
    return Windows(chains[rows[:, None], columns], chains[rows, ends])
