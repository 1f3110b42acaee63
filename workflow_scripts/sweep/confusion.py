"""The tasks that policies were trained on against those that they are identified by."""

from collections.abc import Sequence

import pandas as pd

from sweep.words import NONE


def confusion_matrix(identification: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """Number of policies: a row per task that they were trained on, a column per identified task, the last for none.

    Args:
        identification: rows of the table of that name, by one measure.
        tasks: the configured tasks, in their order.
    """
    identified = identification["identified_task"].astype(object).fillna(NONE)
    counts = pd.crosstab(identification["task"].astype(object), identified)
    return counts.reindex(index=list(tasks), columns=[*tasks, NONE], fill_value=0)
