"""Differential measures of policies and pretrained models, as rows of a table."""

from typing import Any

from splithistory.fast_model import FastPolicy
from splithistory.network_differential import network_differentials
from splithistory.sequence import Tokens
from sweep.errors import UserError


def differential_rows(policy: FastPolicy, contexts: Tokens, n_windows: int) -> list[dict[str, Any]]:
    """Measure a policy, and return the rows of its 'differential' table: one per block, component and future.

    Args:
        policy: the policy, on any device; the measures are taken on the CPU.
        contexts: (n, context_length) the windows that every policy is measured on.
        n_windows: number of windows to use, starting with the first.

    Raises:
        UserError: if there are fewer windows.
    """
    if len(contexts) < n_windows:
        raise UserError(
            f"measure.n_contexts_differential: {n_windows} windows are asked for, but there are only {len(contexts)} "
            "test chains"
        )
    return [row.summary() for row in network_differentials(policy, contexts[:n_windows])]
