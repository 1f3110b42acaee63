"""What claims are judged by, without the windows of one repeat: frames in, frames out.

All policies are measured on the same windows, so that how much other windows would change a statistic does not show in
its scatter between models. But each repeat has windows of its own, and what changes when one is left out tells.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from splithistory.identification import is_promoted, nearest_objectives
from sweep.repeats import split_history_repeats
from sweep.summary import KEYS, Judges, Stage, cross_objective_table, with_excess

_MEANS = ["success_rate", "success_rate_counterfactual", "op", "op_predicted", "imp", "imp_minimum"]  # over repeats


def without_each_repeat(
    summary: Stage, finetuned: Stage, generator: pd.DataFrame, judges: Judges
) -> Iterator[dict[str, pd.DataFrame]]:
    """Those of the tables that claims are judged by which depend on the windows, without each repeat.

    Args:
        summary: 'policies'.
        finetuned: 'measured' and 'self_estimate'.
        generator: what was measured of the sequence's own generator.
        judges: the tasks, and what every window offers.

    Yields:
        For each repeat 'policies', 'cross_objective', 'identification' and 'generator', with the columns that claims
        are judged by. Columns of 'policies' that do not depend on these windows stay as they are.
    """
    measured, self_estimate = split_history_repeats(finetuned["measured"]), finetuned["self_estimate"]
    repeats = sorted(measured["repeat"].unique())
    # A policy and task have the same place in the table of each repeat.
    tables = [cross_objective_table(measured[measured["repeat"] == repeat], judges) for repeat in repeats]
    numbers = np.stack([table[_MEANS] for table in tables])  # (R, P T, 6)
    places = tables[0][[*KEYS, "evaluated_task", "is_training_task"]]
    policies = summary["policies"].set_index(KEYS)
    for repeat, own in zip(repeats, numbers, strict=True):
        means = with_excess(pd.DataFrame((numbers.sum(axis=0) - own) / (len(repeats) - 1), columns=_MEANS))
        crossed = places.join(means)
        trained = crossed[crossed["is_training_task"]].set_index(KEYS)[list(means)]
        estimates = self_estimate[self_estimate["repeat"] != repeat].groupby(KEYS)[["op", "imp"]].mean()
        yield {
            "policies": policies.assign(**trained, **estimates.add_suffix("_self")).reset_index(),
            "cross_objective": crossed,
            "identification": identified(crossed, judges),
            "generator": generator[generator["repeat"] != repeat],
        }


def identified(crossed: pd.DataFrame, judges: Judges) -> pd.DataFrame:
    """Whether Op and Imp point to the task that each policy was trained on.

    Args:
        crossed: 'cross_objective'.
        judges: the tasks, which every policy is judged by.

    Returns:
        A row per policy and measure: the keys, ``measure`` and ``correct``.
    """

    def by_task(column: str) -> np.ndarray:
        """(P, T) a row per policy."""
        return crossed[column].to_numpy(dtype=float).reshape(-1, len(judges.tasks))

    policies, names = crossed[KEYS][:: len(judges.tasks)], np.array([*judges.tasks, None], dtype=object)
    uniform = np.array([task.mean for task in judges.tasks.values()])
    every = []
    for measure, predicted, reference in (
        ("op", "op_predicted", uniform),
        ("imp", "imp_minimum", by_task("success_rate_counterfactual")),
    ):
        promoted = is_promoted(by_task("success_rate"), reference)
        nearest = names[nearest_objectives(by_task(measure)[:, 0], by_task(predicted), promoted)]
        every.append(policies.assign(measure=measure, correct=policies["task"].to_numpy() == nearest))
    return pd.concat(every)
