"""The repeats of a 'measured' table that everything but the comparison of counterfactuals is about."""

import pandas as pd


def split_history_repeats(measured: pd.DataFrame, estimator: str = "exact") -> pd.DataFrame:
    """Rows in which the split history is the counterfactual future.

    Args:
        measured: rows of 'measured' tables, or of the generator's.
        estimator: 'exact' or 'monte_carlo'.
    """
    return measured[(measured["estimator"] == estimator) & (measured["counterfactual"] == "split_history")]
