"""What claims are judged by, without the windows of one repeat: frames in, frames out.

All policies are measured on the same windows, so that how much other windows would change a statistic does not show in
its scatter between models. But each repeat has windows of its own, and what changes when one is left out tells.
"""

from collections.abc import Iterator

import numpy as np
import pandas as pd

from sweep.identification import told_tasks
from sweep.repeats import split_history_repeats
from sweep.summary import KEYS, Judges, Stage, cross_objective_table, with_excess

# Columns that are means over repeats, and that the others are computed from.
_MEANS = ["success_rate", "success_rate_counterfactual", "op", "op_predicted", "imp", "imp_minimum", "meg"]


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
    """Whether each policy's own task is the one that is told by Op and by Imp, as in 'identification'."""
    return pd.concat(
        policies.assign(measure=measure, correct=told[measure].to_numpy() == policies["task"].to_numpy())
        for measure in ("op", "imp")
    )
