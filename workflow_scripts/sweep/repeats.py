"""The repeats of a 'measured' table that everything except the comparison of counterfactuals uses."""

import pandas as pd


def split_history_repeats(measured: pd.DataFrame, estimator: str = "exact", windows: str = "natural") -> pd.DataFrame:
    """Select the rows in which the split history is the counterfactual future.

    Args:
        measured: rows of 'measured' tables, or of 'generator'.
        estimator: 'exact' or 'monte_carlo'.
        windows: 'natural', or 'rollouts' for those of the policies' own rollouts.
    """
    kept = {"counterfactual": "split_history", "estimator": estimator, "windows": windows}
    return measured[(measured[list(kept)] == list(kept.values())).all(axis=1)]
