"""The headline of the report: can the reward be read off, by Op, by Imp and, as a baseline, by success alone?"""

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from splithistory.identification import is_promoted
from splithistory.task import Task
from sweep.claims.estimators import share
from sweep.claims.evidence import MODEL, POLICY
from sweep.confusion import confusion_matrix
from sweep.figures.scores import measure_names, score
from sweep.figures.wording import range_text, two_digits
from sweep.formatting import counted, percent
from sweep.words import NONE

_MEASURES = ("op", "imp", "success_rate")  # of those in 'goal_directedness'; the last is the baseline


def headline(identified: pd.DataFrame, margin: Mapping[str, pd.Series], tasks: Mapping[str, Task]) -> dict[str, Any]:
    """Summarize whether the reward can be read off, by Op, by Imp and by success alone.

    Args:
        identified: the table 'goal_directedness'.
        margin: from `margins`.
        tasks: the configured tasks, in their order.

    Returns:
        ``guessing``, the accuracy of a guess, and ``measures``, each with its name, an answer, counts, the accuracy
        with its interval, the margin, and ``confusion``, the rows of the matrix of trained against identified tasks.
    """
    names = measure_names(tasks.values())
    return {
        "guessing": percent(1 / len(tasks)),
        "identified": [*tasks, NONE],
        "measures": [
            {
                "name": names[measure],
                "is_baseline": measure == "success_rate",
                "margin": _margin_text(margin[measure], score(tasks.values()) if measure == "success_rate" else None),
                **_accuracy(identified[identified["measure"] == measure], [*tasks]),
            }
            for measure in _MEASURES
        ],
    }


def margins(crossed: pd.DataFrame, tasks: Mapping[str, Task]) -> dict[str, pd.Series]:
    """Compute by how much each policy's own task is ahead of the next promoted one, by each measure.

    Args:
        crossed: the table 'cross_objective'.
        tasks: the configured tasks.

    Returns:
        For Op and Imp how much nearer the own task's prediction is to the measured value, nats; for success how much
        further its success rate is above chance. A series each, with an entry per policy that promotes its own task
        and another one: positive if its own is identified, negative if the other is.
    """
    success, judge = crossed["success_rate"], crossed["evaluated_task"]
    chance, mean = (judge.map({name: getattr(task, of) for name, task in tasks.items()}) for of in ("chance", "mean"))
    behind = {
        "op": (crossed["op_excess"].abs(), mean),
        "imp": (crossed["imp_excess"].abs(), crossed["success_rate_counterfactual"]),
        "success_rate": (chance.astype(float) - success, chance),
    }
    own = crossed["is_training_task"].astype(bool)
    ahead = {}
    for measure, (distance, reference) in behind.items():
        rows = crossed[POLICY].assign(distance=distance.where(is_promoted(success, reference.astype(float))))
        of_own, of_next = (rows[which].groupby(POLICY, observed=True)["distance"].min() for which in (own, ~own))
        ahead[measure] = (of_next - of_own).dropna()
    return ahead


def _margin_text(margin: pd.Series, score_name: str | None) -> str | None:
    """Say by how much the own tasks are ahead; None if no policy promotes another task beside its own."""
    if margin.empty:
        return None
    unit, ahead = " nats", "the prediction for the own task is nearer than for the next promoted one"
    if score_name is not None:
        unit, ahead = "", f"the {score_name} exceeds chance by more on the own task than on the next one"
    of = counted(len(margin), "policy", "policies")
    return f"Margin, by which {ahead}: {range_text(margin)}{unit} (median {two_digits(margin.median())}, {of})"


def _accuracy(rows: pd.DataFrame, tasks: Sequence[str]) -> dict[str, Any]:
    """Count the policies that are identified, with an interval over pretrained models, which policies share."""
    accuracy, guessing = share(rows.groupby(MODEL, observed=True)["correct"].mean()), 1 / len(tasks)
    if accuracy.low > guessing:
        answer = "Yes: better than guessing"
    elif accuracy.high < guessing:
        answer = "No: worse than guessing"
    else:
        answer = "Inconclusive: guessing may do as well"
    counts = confusion_matrix(rows, tasks)
    return {
        "answer": answer,
        "n_correct": int(rows["correct"].sum()),
        "of": counted(len(rows), "policy", "policies"),
        "accuracy": percent(accuracy.value),
        "interval": f"{percent(accuracy.low)} to {percent(accuracy.high)}" if pd.notna(accuracy.low) else "no interval",
        "confusion": [{"task": task, "counts": counts.loc[task].tolist()} for task in tasks],
    }
