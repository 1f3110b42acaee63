"""The windows of the test chains that everything is measured on."""

from splithistory.seeding import Stream, stream_rng
from splithistory.sequence import Tokens, one_window_per_chain


def measured_contexts(test: Tokens, context_length: int, seed: int) -> Tokens:
    """Cut the windows that every policy is measured on: one per test chain, each ending just before an odd position.

    Args:
        test: (n_chains, length) test chains.
        context_length: tokens per window.
        seed: seed of the windows' positions in their chains.

    Returns:
        (n_chains, context_length) tokens.

    Raises:
        ValueError: if the chains are too short for a window.
    """
    return one_window_per_chain(test, context_length, stream_rng(seed, Stream.TEST_WINDOWS), target_parity=1).contexts
