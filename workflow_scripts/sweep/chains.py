"""The chains of the sequence as a table: one row per chain."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from splithistory.sequence import N_OUTCOMES, Tokens
from sweep.errors import TableError
from sweep.schemas.sequences import CHAINS
from sweep.tables import read_table, write_table


def write_chains(chains: Tokens, path: Path | str, provenance: Mapping[str, Any]) -> None:
    """Write (n_chains, length) tokens, whole or not at all."""
    write_table(
        pd.DataFrame({"chain": np.arange(len(chains)), "tokens": list(chains)}), CHAINS, path, provenance=provenance
    )


def read_chains(path: Path | str) -> Tokens:
    """Read (n_chains, length) tokens.

    Raises:
        TableError: if the file is missing or unreadable, or its rows are not chains of the sequence.
    """
    table = read_table(path, CHAINS)
    tokens = table["tokens"].combine_chunks()
    lengths = np.unique(tokens.value_lengths().to_numpy(zero_copy_only=False))
    if len(lengths) != 1:
        raise TableError(f"{path}: expected chains of one length, got lengths {lengths.tolist()}")
    chains = tokens.flatten().to_numpy().reshape(len(tokens), lengths[0])
    if not (chains // N_OUTCOMES == np.arange(lengths[0]) % 2).all():
        raise TableError(f"{path}: expected tokens 0..7 at even and 8..15 at odd positions of every chain")
    return chains
