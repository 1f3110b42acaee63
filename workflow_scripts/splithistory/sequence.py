"""Chains of tokens, and the windows of them that policies see (method, section 1).

Even positions carry the tokens 0..7, odd positions 8..15: the token at position t is a value in 0..7 plus 8 (t mod 2).
Windows are rows of ``context_length`` consecutive tokens of one chain. Column ``c`` of a chain carries
a token of parity ``c mod 2``.
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
        targets: (n,) the token after each context.
    """

    contexts: Tokens
    targets: Tokens


class Chains(NamedTuple):
    """The chains that a policy is trained on, and those that it is evaluated on meanwhile.

    Attributes:
        train: (n_train, length) tokens.
        validation: (n_validation, length) tokens; one window of each chain is evaluated.
    """

    train: Tokens
    validation: Tokens


def shifted(contexts: Tokens, actions: Tokens) -> Tokens:
    """The windows one position later, their last token the action: (n, T), (n,) -> (n, T)."""
    return np.concatenate([contexts[:, 1:], actions[:, None]], axis=1)


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
    ends = _draw_ends(chains.shape[1], n_windows, context_length, rng=rng, target_parity=target_parity)
    return _cut(chains, rows, ends, context_length=context_length)


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
    ends = _draw_ends(chains.shape[1], len(chains), context_length, rng=rng, target_parity=target_parity)
    return _cut(chains, np.arange(len(chains)), ends, context_length=context_length)


def evaluation_windows(chains: Tokens, context_length: int, target_parity: int) -> Windows:
    """The windows that policies are evaluated on while they train: one per chain, the same at every evaluation.

    Args:
        chains: (n_chains, length) validation chains.
        context_length: tokens per window.
        target_parity: 1 for windows before the policy's answers, 0 for those before outcomes.
    """
    return one_window_a_chain(chains, context_length, np.random.default_rng(0), target_parity=target_parity)


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
