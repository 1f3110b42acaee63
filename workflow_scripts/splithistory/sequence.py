"""Chains of tokens, and the windows of them that policies see (method, section 1).

Even positions carry the tokens 0..7, odd positions 8..15: the token at position t is a value in 0..7 plus 8 (t mod 2).
Arrays of chains have one row per chain, and column ``c`` holds a position of parity ``c mod 2``. A window is
``context_length`` consecutive tokens of one chain.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

N_TOKENS = 16
N_OUTCOMES = 8

Tokens = NDArray[np.uint8]


class Windows(NamedTuple):
    """Windows and the tokens that follow them.

    Attributes:
        contexts: (n, context_length) tokens.
        targets: (n,) the token that follows each context.
    """

    contexts: Tokens
    targets: Tokens


class Chains(NamedTuple):
    """The chains that a policy is trained on, and those that it is evaluated on during training.

    Attributes:
        train: (n_train, length) tokens.
        validation: (n_validation, length) tokens; evaluations use one window of each chain.
    """

    train: Tokens
    validation: Tokens


def shifted(contexts: Tokens, actions: Tokens) -> Tokens:
    """Append an action to each window and drop its first token: (n, T), (n,) -> (n, T)."""
    return np.concatenate([contexts[:, 1:], actions[:, None]], axis=1)


def draw_windows(
    chains: Tokens, n_windows: int, context_length: int, rng: np.random.Generator, target_parity: int | None = None
) -> Windows:
    """Draw windows uniformly from all positions in all chains; no window spans two chains.

    Args:
        chains: (n_chains, length) tokens.
        n_windows: number of windows to draw, with replacement.
        context_length: tokens per window.
        rng: source of randomness.
        target_parity: 0 to draw only windows that end just before an even position, 1 for an odd one; None for both.

    Returns:
        ``n_windows`` windows.

    Raises:
        ValueError: if the chains are too short for a window.
    """
    rows = rng.integers(0, len(chains), n_windows)
    ends = _draw_ends(chains.shape[1], n_windows, context_length, rng=rng, target_parity=target_parity)
    return _cut(chains, rows, ends, context_length=context_length)


def one_window_per_chain(
    chains: Tokens, context_length: int, rng: np.random.Generator, target_parity: int | None = None
) -> Windows:
    """Cut one window from each chain, at a random position.

    Args:
        chains: (n_chains, length) tokens.
        context_length: tokens per window.
        rng: source of randomness.
        target_parity: 0 to cut only windows that end just before an even position, 1 for an odd one; None for both.

    Returns:
        ``n_chains`` independent windows, in the order of the chains.

    Raises:
        ValueError: if the chains are too short for a window.
    """
    ends = _draw_ends(chains.shape[1], len(chains), context_length, rng=rng, target_parity=target_parity)
    return _cut(chains, np.arange(len(chains)), ends, context_length=context_length)


def evaluation_windows(chains: Tokens, context_length: int, target_parity: int) -> Windows:
    """Cut the windows that policies are evaluated on during training: one per chain, the same at every evaluation.

    Args:
        chains: (n_chains, length) validation chains.
        context_length: tokens per window.
        target_parity: 1 for windows that end just before an answer, 0 for those that end just before an outcome.

    Raises:
        ValueError: if the chains are too short for a window.
    """
    return one_window_per_chain(chains, context_length, np.random.default_rng(0), target_parity=target_parity)


def _draw_ends(
    length: int, n_windows: int, context_length: int, rng: np.random.Generator, target_parity: int | None
) -> NDArray[np.int64]:
    """Draw (n_windows,) positions of target tokens, uniformly among the allowed ones."""
    allowed = np.arange(context_length, length)
    if target_parity is not None:
        allowed = allowed[allowed % 2 == target_parity]
    if not len(allowed):
        raise ValueError(f"chains: {length} tokens are too few for windows of {context_length} and what follows them")
    return rng.choice(allowed, n_windows)


def _cut(chains: Tokens, rows: NDArray[np.int64], ends: NDArray[np.int64], context_length: int) -> Windows:
    """Cut the windows that end just before the given positions out of the given rows."""
    columns = ends[:, None] - np.arange(context_length, 0, -1)  # (n, context_length)
    return Windows(chains[rows[:, None], columns], chains[rows, ends])
