"""Differential measures as rows of a table, of policies and of pretrained models."""

from typing import Any

from splithistory.fast_model import FastPolicy
from splithistory.network_differential import network_differentials
from splithistory.sequence import Tokens
from sweep.errors import UserError


def differential_rows(policy: FastPolicy, contexts: Tokens, n_windows: int) -> list[dict[str, Any]]:
    """Rows of a 'differential' table: one row per block, component and future.

    Args:
        policy: on any device; the measures are taken on the processor.
        contexts: (n, context_length) the windows that every policy is measured on.
        n_windows: how many of them to take, from the first.

    Raises:
        UserError: if there are fewer.
    """
    if len(contexts) < n_windows:
        raise UserError(
            f"measure.n_contexts_differential: {n_windows} windows are asked for, but there are only {len(contexts)} "
            "test chains"
        )
    return [row.summary() for row in network_differentials(policy, contexts[:n_windows])]
