"""The chains of the sequence as a table: a row a chain."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from splithistory.seeding import Stream, stream_rng
from splithistory.sequence import N_OUTCOMES, Tokens, one_window_a_chain
from sweep.errors import TableError
from sweep.tables import read_table, write_table


def write_chains(chains: Tokens, path: Path | str, provenance: Mapping[str, Any]) -> None:
    """Write (n_chains, length) tokens, whole or not at all."""
    write_table(pd.DataFrame({"chain": np.arange(len(chains)), "tokens": list(chains)}), "sequences", path, provenance)


def read_chains(path: Path | str) -> Tokens:
    """Read (n_chains, length) tokens.

    Raises:
        TableError: if the file is missing or unreadable, or its chains are not chains of the sequence.
    """
    table = read_table(path, "sequences")
    tokens = table["tokens"].combine_chunks()
    lengths = np.unique(tokens.value_lengths().to_numpy(zero_copy_only=False))
    if len(lengths) != 1:
        raise TableError(f"{path}: expected chains of one length, got lengths {lengths.tolist()}")
    chains = tokens.flatten().to_numpy().reshape(len(tokens), lengths[0])
    if not (chains // N_OUTCOMES == np.arange(lengths[0]) % 2).all():
        raise TableError(f"{path}: expected tokens 0..7 at even and 8..15 at odd positions of every chain")
    return chains


def measured_contexts(test: Tokens, context_length: int, seed: int) -> Tokens:
    """The windows that every policy is measured on, one a test chain, each ending just before an odd position.

    Args:
        test: (n_chains, length) test chains.
        context_length: tokens a window.
        seed: of the places in the chains.

    Returns:
        (n_chains, context_length) tokens.
    """
    return one_window_a_chain(test, context_length, stream_rng(seed, Stream.TEST_WINDOWS), target_parity=1).contexts
