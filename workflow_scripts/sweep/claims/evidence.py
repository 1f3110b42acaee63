"""The summary tables of a sweep, rearranged by pretrained model for estimating the claims.

Rows and entries per model are indexed by size and seed. The model is the unit of every statistic.
"""

from collections.abc import Mapping
from functools import cached_property

import numpy as np
import pandas as pd

from sweep.repeats import split_history_repeats

MODEL = ["size", "seed"]
POLICY = ["task", *MODEL]
JUDGED = ["task", "evaluated_task"]

Pair = tuple[str, str]  # the task that policies were trained on, and the one that judges them


class Evidence:
    """The policies trained on good sets, and the contents of the tables about them.

    Policies of graded tasks and judgements by graded tasks are left out, since the study had none. A missing table or
    column raises KeyError when it is used; missing values and rows do not.

    Args:
        tables: summary tables by name: 'policies', 'cross_objective', 'generator', 'identification', 'training' and
            'differential'.
        size: size of the policies; None for all sizes.
    """

    def __init__(self, tables: Mapping[str, pd.DataFrame], size: str | None = None) -> None:
        self._tables, self._size = tables, size

    def _rows(self, name: str) -> pd.DataFrame:
        """Select the rows of a table about these policies and no graded task."""
        rows = self._tables[name]
        is_about = ~rows[rows.columns.intersection(JUDGED)].isin(self._graded).any(axis=1)
        if self._size is not None and "size" in rows:
            is_about &= rows["size"] == self._size
        return rows[is_about]

    @cached_property
    def _graded(self) -> np.ndarray:
        """Graded tasks."""
        policies = self._tables["policies"]
        return policies.loc[policies["n_good"].isna(), "task"].unique()

    @cached_property
    def policies(self) -> pd.DataFrame:
        """The table 'policies', indexed by task, number of good outcomes, size and seed."""
        return self._rows("policies").set_index(["task", "n_good", *MODEL])

    @cached_property
    def sizes(self) -> dict[tuple[str, int], float]:
        """log10 of the number of parameters of each model."""
        return np.log10(self.policies["n_parameters"].groupby(MODEL).mean()).to_dict()

    @cached_property
    def by_size(self) -> dict[str, "Evidence"]:
        """The evidence on the policies of each size, ordered by number of parameters."""
        sizes = self.policies["n_parameters"].groupby("size").mean().sort_values().index
        return {size: Evidence(self._tables, size) for size in sizes}

    @cached_property
    def good_sets(self) -> dict[str, list[int]]:
        """Good outcomes of each task that policies were trained on."""
        return {task: list(good) for task, good in self.policies["good_set"].groupby("task").first().items()}

    @cached_property
    def generator(self) -> pd.DataFrame:
        """Measurements of the sequence's own generator: exact repeats against the split history."""
        return split_history_repeats(self._rows("generator"))

    @cached_property
    def pretraining(self) -> pd.DataFrame:
        """Training curves of the pretrained models in order of steps, indexed by size and seed."""
        rows = self._rows("training")
        return rows[rows["stage"] == "pretrain"].sort_values("step").set_index(MODEL)

    @cached_property
    def differential(self) -> pd.DataFrame:
        """Differential measures of the policies, with each block's output as its future, indexed by policy."""
        rows = self._rows("differential").dropna(subset="task")
        return rows[rows["future"] == "block"].set_index(POLICY)

    def crossed(self, column: str) -> pd.DataFrame:
        """Arrange a column of 'cross_objective' in one row per model and one column per trained and judging task."""
        return _by_model(self._cross_objective[column], *JUDGED)

    @cached_property
    def _cross_objective(self) -> pd.DataFrame:
        return self._rows("cross_objective").set_index([*POLICY, "evaluated_task"])

    def identified(self, measure: str) -> pd.DataFrame:
        """Return whether 'op' or 'imp' identifies each policy's task, with one row per model and one column per task.

        There are no rows for a single task, which cannot be mistaken for another.
        """
        rows = self._rows("identification").set_index(POLICY)
        correct = by_task(rows.loc[rows["measure"] == measure, "correct"])
        return correct if correct.shape[1] > 1 else correct.iloc[:0]


def by_task(values: pd.Series) -> pd.DataFrame:
    """Arrange values per policy in one row per model and one column per task."""
    return _by_model(values.dropna(), "task")


def by_n_good(values: pd.Series) -> pd.DataFrame:
    """Average values per policy over tasks, in one row per model and one column per number of good outcomes."""
    return _by_model(values.dropna(), "n_good")


def drops(by_n_good: pd.DataFrame) -> pd.DataFrame:
    """Compute how much values fall from each column to the next."""
    return -by_n_good.diff(axis=1).iloc[:, 1:]


def averages(values: pd.Series) -> pd.Series:
    """Average per model over tasks, without models that lack a task, so that all average over the same ones."""
    return by_task(values).dropna().mean(axis=1)


def wrong_and_right(crossed: pd.DataFrame) -> list[tuple[Pair, Pair]]:
    """Pair each column of policies judged by another task with that of the judging task's own policies."""
    return [((task, judge), (judge, judge)) for task, judge in crossed if task != judge and (judge, judge) in crossed]


def _by_model(values: pd.Series, *across: str) -> pd.DataFrame:
    """Arrange values in one row per model and one column per value of some index levels, in ascending order."""
    return values.astype(float).groupby([*MODEL, *across]).mean().unstack(list(across))
