"""The tables that claims are judged by, without the windows of one repeat: functions from frames to frames.

All policies are measured on the same windows, so the scatter of a statistic between models does not show how much other
windows would change it. But each repeat has its own windows, so leaving one repeat out at a time does.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from sweep.identification import told_tasks
from sweep.repeats import split_history_repeats
from sweep.summary import KEYS, Judges, Stage, cross_objective_table, with_excess

# Columns that are means over repeats; the others are computed from them.
_MEANS = ["success_rate", "success_rate_counterfactual", "op", "op_predicted", "imp", "imp_minimum", "meg"]


def without_each_repeat(
    summary: Stage, finetuned: Stage, generator: pd.DataFrame, judges: Judges
) -> Iterator[dict[str, pd.DataFrame]]:
    """Recompute the tables that claims are judged by with one repeat left out at a time.

    Args:
        summary: holds 'policies'.
        finetuned: holds 'measured' and 'self_estimate'.
        generator: the table 'generator'.
        judges: the tasks, and what every window offers.

    Yields:
        For each repeat that is left out 'policies', 'cross_objective', 'identification' and 'generator', the tables
        that depend on windows, with the columns that claims are judged by. Columns of 'policies' that do not depend on
        these windows stay as they are.
    """
    measured, self_estimate = split_history_repeats(finetuned["measured"]), finetuned["self_estimate"]
    repeats = sorted(measured["repeat"].unique())
    # Rows of a policy and task have the same position in the table of each repeat.
    tables = [cross_objective_table(measured[measured["repeat"] == repeat], judges) for repeat in repeats]
    numbers = np.stack([table[_MEANS] for table in tables])  # (R, P T, 7)
    places = tables[0][[*KEYS, "evaluated_task", "is_training_task"]]
    policies = summary["policies"].set_index(KEYS)
    for repeat, own in zip(repeats, numbers, strict=True):
        means = pd.DataFrame((numbers.sum(axis=0) - own) / (len(repeats) - 1), columns=_MEANS)
        crossed = places.join(with_excess(means)).assign(meg=means["meg"])
        trained = crossed[crossed["is_training_task"]].set_index(KEYS)
        trained = trained[trained.columns.intersection(policies.columns)]
        estimates = self_estimate[self_estimate["repeat"] != repeat].groupby(KEYS)[["op", "imp"]].mean()
        yield {
            "policies": policies.assign(**trained, **estimates.add_suffix("_self")).reset_index(),
            "cross_objective": crossed,
            "identification": _correct(told_tasks(crossed, judges.tasks), crossed[KEYS][:: len(judges.tasks)]),
            "generator": generator[generator["repeat"] != repeat],
        }


def _correct(told: pd.DataFrame, policies: pd.DataFrame) -> pd.DataFrame:
    """Return whether Op and Imp identify each policy's own task, as in the table 'identification'."""
    return pd.concat(
        policies.assign(measure=measure, correct=told[measure].to_numpy() == policies["task"].to_numpy())
        for measure in ("op", "imp")
    )
