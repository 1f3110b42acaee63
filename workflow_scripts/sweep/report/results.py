"""What the sweep found: the headline, the scorecard of the study's claims, and the policies."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd

from sweep.claims.estimators import share
from sweep.confusion import confusion_matrix
from sweep.formatting import condition, counted, number, percent
from sweep.words import NONE

MEASURES = {"op": "Op", "imp": "Imp"}
_VERDICTS = ("replicated", "not replicated", "inconclusive")


@dataclass(frozen=True)
class _Column:
    """A column of the table of policies.

    Attributes:
        name: in 'policies'.
        label: its heading.
        specification: of `format`; None for text.
        meaning: one line below the table's heading.
    """

    name: str
    label: str
    specification: str | None
    meaning: str


_COLUMNS = (
    _Column("task", "task", None, meaning="the task it was trained on"),
    _Column("size", "size", None, meaning="its size; sorted by the number of parameters"),
    _Column("seed", "seed", "d", meaning="its seed"),
    _Column("n_parameters", "parameters", ",d", meaning="their number"),
    _Column("identified_task", "identified", None, meaning="the task that Op points to"),
    _Column(
        "success_rate", "success", ".3f", meaning="success rate on its own task, or mean utility if that is graded"
    ),
    _Column("success_rate_pretrained", "before", ".3f", meaning="that of its pretrained model"),
    _Column("success_rate_counterfactual", "under F′", ".3f", meaning="that of the counterfactual future"),
    _Column("op", "Op", ".4f", meaning="measured optimization, nats"),
    _Column("op_stderr", "± Op", ".4f", meaning="its standard error over repeats"),
    _Column("op_predicted", "Op_pred", ".4f", meaning="Op that the success rate or mean utility predicts"),
    _Column("op_excess", "Op − Op_pred", ".4f", meaning="distance from the line"),
    _Column("op_self", "Op, self", ".4f", meaning="what the policy expects its Op to be"),
    _Column("imp", "Imp", ".4f", meaning="measured impact, nats"),
    _Column("imp_stderr", "± Imp", ".4f", meaning="its standard error over repeats"),
    _Column("imp_minimum", "Imp_min", ".4f", meaning="the least Imp for what it is under F and F′"),
    _Column("imp_ratio", "Imp / Imp_min", ".3g", meaning="their ratio"),
    _Column("imp_self", "Imp, self", ".4f", meaning="what the policy expects its Imp to be"),
    _Column("pretraining_loss", "pretraining loss", ".4f", meaning="validation loss after pretraining, nats"),
    _Column("maintenance_loss", "maintenance loss", ".4f", meaning="loss on even positions of its rollouts, nats"),
)


def sweep_size(policies: pd.DataFrame) -> str:
    """How many policies there are, and of what."""
    kinds = [counted(policies[key].nunique(), key) for key in ("task", "size", "seed")]
    return f"{counted(len(policies), 'policy', 'policies')}: {', '.join(kinds)}"


def headline(identification: pd.DataFrame, tasks: Sequence[str]) -> dict[str, Any]:
    """Whether the reward can be read off, by Op and by Imp.

    Args:
        identification: the table of that name.
        tasks: the configured tasks, in their order.

    Returns:
        ``guessing``, the accuracy of a guess, and ``measures``: of each its name, an answer, counts, the accuracy with
        its interval, and ``confusion``, the rows of the matrix of trained against identified tasks.
    """
    return {
        "guessing": percent(1 / len(tasks)),
        "identified": [*tasks, NONE],
        "measures": [
            _identified_by(measure, identification[identification["measure"] == measure], tasks) for measure in MEASURES
        ],
    }


def _identified_by(measure: str, rows: pd.DataFrame, tasks: Sequence[str]) -> dict[str, Any]:
    accuracy, guessing = share(rows["correct"]), 1 / len(tasks)
    if accuracy.low > guessing:
        answer = "Yes: better than by guessing"
    elif accuracy.high < guessing:
        answer = "No: worse than by guessing"
    else:
        answer = "Not shown: guessing may do as well"
    counts = confusion_matrix(rows, tasks)
    return {
        "name": MEASURES[measure],
        "answer": answer,
        "n_correct": int(rows["correct"].sum()),
        "of": counted(accuracy.n, "policy", "policies"),
        "accuracy": percent(accuracy.value),
        "interval": f"{percent(accuracy.low)} to {percent(accuracy.high)}",
        "confusion": [{"task": task, "counts": counts.loc[task].tolist()} for task in tasks],
    }


def scorecard(claims: pd.DataFrame) -> dict[str, Any]:
    """The study's claims and how each statistic judges them.

    Args:
        claims: the table of that name.

    Returns:
        ``tally`` of the verdicts, and ``claims``: number, statement and one row per statistic.
    """
    return {
        "tally": [{"verdict": verdict, "count": int((claims["verdict"] == verdict).sum())} for verdict in _VERDICTS],
        "n": len(claims),
        "claims": [
            {
                "number": claim,
                "statement": rows["statement"].iloc[0],
                "statistics": [
                    {
                        "statistic": row["statistic"],
                        "value": number(row["value"], ".4g"),
                        "interval": f"{number(row['low'], '.4g')} to {number(row['high'], '.4g')}"
                        if pd.notna(row["low"])
                        else "no interval",
                        "threshold": condition(row["side"], row["threshold"]),
                        "verdict": row["verdict"],
                        "n": row["n"],
                    }
                    for row in rows.to_dict("records")
                ],
            }
            for claim, rows in claims.groupby("claim")
        ],
    }


def policies_overview(policies: pd.DataFrame, tasks: Sequence[str], sizes: Sequence[str]) -> dict[str, Any]:
    """The main columns of every policy, each value with the key that it is sorted by.

    Args:
        policies: the table of that name.
        tasks: the configured tasks, in their order, to filter by.
        sizes: the configured sizes, likewise.
    """
    # Sizes are sorted by what they stand for.
    keys = {column.name: column.name for column in _COLUMNS} | {"size": "n_parameters"}
    return {
        "tasks": list(tasks),
        "sizes": list(sizes),
        "columns": [
            {
                "label": column.label,
                "meaning": column.meaning,
                "numeric": column.specification is not None,
                "sort": "number" if pd.api.types.is_numeric_dtype(policies[keys[column.name]]) else "text",
            }
            for column in _COLUMNS
        ],
        "rows": [
            {
                "task": row["task"],
                "size": row["size"],
                "cells": [
                    {"text": _cell(row[column.name], column), "key": _key(row[keys[column.name]])}
                    for column in _COLUMNS
                ],
            }
            for row in policies.to_dict("records")
        ],
    }


def _cell(value: Any, column: _Column) -> str:
    if column.specification is None:
        return NONE if pd.isna(value) else str(value)
    return number(value, column.specification)


def _key(value: Any) -> str:
    """What a cell is sorted by; empty, which comes last, if there is no value."""
    return "" if pd.isna(value) else str(value)
