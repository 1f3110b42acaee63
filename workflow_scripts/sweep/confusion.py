"""Confusion matrices of the tasks that policies were trained on and those that they are identified as."""

from collections.abc import Sequence

import pandas as pd

from sweep.words import NONE


def confusion_matrix(identification: pd.DataFrame, tasks: Sequence[str]) -> pd.DataFrame:
    """Count policies by the task that they were trained on (rows) and the identified task (columns, the last for none).

    Args:
        identification: rows of the 'identification' table for one measure.
        tasks: the configured tasks, in order.
    """
    identified = identification["identified_task"].astype(object).fillna(NONE)
    counts = pd.crosstab(identification["task"].astype(object), identified)
    return counts.reindex(index=list(tasks), columns=[*tasks, NONE], fill_value=0)
