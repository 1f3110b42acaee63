"""The findings of a sweep: what was rewarded, the scorecard of the study's claims, and the policies."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
from matplotlib.colors import to_hex

from sweep.figures.marks import FigureStyle, policy_anchor
from sweep.figures.scores import tasks_of
from sweep.formatting import condition, counted, number
from sweep.schemas.summary import SUMMARY
from sweep.words import NONE

# Verdicts rest on intervals over pretrained models and on differences between sizes and seeds, which a single size or
# seed cannot show. If all models agree, a sign test of five stays above 5 %; one of eight is below 1 %, which leaves
# some margin for judging dozens of statistics at once.
FEWEST_MODELS, FEWEST_SIZES, FEWEST_SEEDS = 8, 2, 2
_KEYS = ["task", "size", "seed"]
_VERDICTS = ("replicated", "not replicated", "inconclusive")


@dataclass(frozen=True)
class _Column:
    """A column of the table of policies.

    Attributes:
        name: its name in 'policies', whose schema explains it.
        label: its heading.
        specification: the format specification; None for text.
        meaning: the explanation of a column that is not in 'policies'.
        told: whether it is shown when hovering over a policy's point.
    """

    name: str
    label: str
    specification: str | None = None
    meaning: str = ""
    told: bool = False

    def __str__(self) -> str:
        """Explain the column, with its unit."""
        if self.meaning:
            return self.meaning
        column = SUMMARY["policies"].columns[self.name]
        return f"{column.meaning}, {column.unit}" if column.unit else column.meaning


_COLUMNS = (
    _Column("policy", "policy", meaning="its task, size and seed; click to mark it in the figures"),
    _Column("task", "task"),
    _Column("size", "size"),
    _Column("seed", "seed", "d"),
    _Column("n_parameters", "parameters", ",d"),
    _Column("identified_op", "by Op", meaning="task that Op identifies; ✗ if it is not the policy's own", told=True),
    _Column("identified_imp", "by Imp", meaning="task that Imp identifies; ✗ if it is not the policy's own", told=True),
    _Column("success_rate", "success", ".3f", told=True),
    _Column("success_rate_pretrained", "before", ".3f"),
    _Column("success_rate_counterfactual", "under F′", ".3f"),
    _Column("op", "Op", ".4f", told=True),
    _Column("op_stderr", "± Op", ".4f"),
    _Column("op_predicted", "Op_pred", ".4f", told=True),
    _Column("op_excess", "Op − Op_pred", ".4f"),
    _Column("op_self", "Op, self", ".4f"),
    _Column("imp", "Imp", ".4f", told=True),
    _Column("imp_stderr", "± Imp", ".4f"),
    _Column("imp_minimum", "Imp_min", ".4f", told=True),
    _Column("imp_ratio", "Imp / Imp_min", ".3g"),
    _Column("imp_self", "Imp, self", ".4f"),
    _Column("pretraining_loss", "pretraining loss", ".4f"),
    _Column("maintenance_loss", "maintenance loss", ".4f"),
)


def sweep_size(policies: pd.DataFrame) -> str:
    """Count the policies, tasks, sizes and seeds."""
    kinds = [counted(policies[key].nunique(), key) for key in ("task", "size", "seed")]
    return f"{counted(len(policies), 'policy', 'policies')}: {', '.join(kinds)}"


def too_small(policies: pd.DataFrame) -> str | None:
    """Say what a sweep has too few of for verdicts on the study's claims; None if it has enough."""
    found = {
        "pretrained model": (len(policies[["size", "seed"]].drop_duplicates()), FEWEST_MODELS),
        "size": (policies["size"].nunique(), FEWEST_SIZES),
        "seed": (policies["seed"].nunique(), FEWEST_SEEDS),
    }
    few = [f"{counted(count, name)}, fewer than {fewest}" for name, (count, fewest) in found.items() if count < fewest]
    return "; ".join(few) or None


def rewarded(policies: pd.DataFrame, style: FigureStyle) -> list[dict[str, str]]:
    """Describe each task: its colour in the figures, good outcomes or utilities, chance and number of policies."""
    rows = []
    for name, task in tasks_of(policies).items():
        good = ", ".join(str(outcome) for outcome, utility in enumerate(task.utility) if utility == 1)
        utilities = ", ".join(f"{utility:g}" for utility in task.utility)
        rows.append(
            {
                "task": name,
                "color": to_hex(style.color(name)).removeprefix("#"),
                "rewards": f"outcomes {good}, its good set" if task.is_good_set else f"outcomes 0, 1, … by {utilities}",
                "chance": number(task.chance, ".3g"),
                "policies": f"{(policies['task'] == name).sum():,}",
            }
        )
    return rows


def scorecard(claims: pd.DataFrame) -> dict[str, Any]:
    """Describe the study's claims and the verdict of each statistic.

    Args:
        claims: the table of that name; statistics that have been replaced do not count and are left out.

    Returns:
        ``tally``, the counts of verdicts on whole claims, and ``claims``, each with its number, statement, verdict and
        one row per statistic.
    """
    claims = claims[claims["replaced_by"].isna()]
    verdicts = claims.drop_duplicates("claim")["verdict_claim"]
    return {
        "tally": [{"verdict": verdict, "count": int((verdicts == verdict).sum())} for verdict in _VERDICTS],
        "n": len(claims),
        "claims": [
            {
                "number": claim,
                "statement": rows["statement"].iloc[0],
                "verdict": rows["verdict_claim"].iloc[0],
                "statistics": [
                    {
                        "statistic": row["statistic"],
                        "value": number(row["value"], ".4g"),
                        "interval": f"{number(row['low'], '.4g')} to {number(row['high'], '.4g')}"
                        if pd.notna(row["low"])
                        else "no interval",
                        "threshold": condition(row["side"], row["threshold"], row["centre"]),
                        "verdict": row["verdict"],
                        "n": row["n"],
                    }
                    for row in rows.to_dict("records")
                ],
            }
            for claim, rows in claims.groupby("claim")
        ],
    }


def policy_names(policies: pd.DataFrame) -> dict[str, str]:
    """Map the anchor of each policy's row to the policy's name."""
    keys = policies[_KEYS].itertuples(index=False, name=None)
    return {policy_anchor(*policy): f"{policy[0]}, {policy[1]}, seed {policy[2]}" for policy in keys}


def policies_overview(
    policies: pd.DataFrame, identification: pd.DataFrame, sweep: Mapping[str, Sequence[Any]]
) -> dict[str, Any]:
    """Describe the main columns of every policy, each value with its sort key.

    Args:
        policies: the table of that name.
        identification: the table of that name or 'goal_directedness'.
        sweep: the configured tasks and sizes, for the filters.
    """
    identified = identification.pivot(index=_KEYS, columns="measure", values="identified_task")
    rows = policies.join(identified.add_prefix("identified_"), on=_KEYS)
    names = policy_names(policies)
    # Policies are sorted in the order of the configuration, sizes by their numbers of parameters.
    rows = rows.assign(policy=list(names.values()), place=range(len(rows)))
    keys = {column.name: column.name for column in _COLUMNS} | {"size": "n_parameters", "policy": "place"}
    return {
        "tasks": list(sweep["tasks"]),
        "sizes": list(sweep["sizes"]),
        "columns": [
            {
                "label": column.label,
                "meaning": str(column),
                "numeric": column.specification is not None,
                "told": column.told,
                "sort": "number" if pd.api.types.is_numeric_dtype(rows[keys[column.name]]) else "text",
            }
            for column in _COLUMNS
        ],
        "rows": [
            {
                "anchor": anchor,
                "task": row["task"],
                "size": row["size"],
                "misidentified": any(_is_wrong(row, column) for column in _COLUMNS),
                "cells": [
                    {
                        "text": _cell(row[column.name], column),
                        "key": _key(row[keys[column.name]]),
                        "wrong": _is_wrong(row, column),
                    }
                    for column in _COLUMNS
                ],
            }
            for anchor, row in zip(names, rows.to_dict("records"), strict=True)
        ],
    }


def _is_wrong(row: Mapping[str, Any], column: _Column) -> bool:
    """Return whether a column identifies a task other than the policy's own, or none."""
    is_identified = column.name.startswith("identified_")
    return is_identified and _cell(row[column.name], column) != row["task"]


def _cell(value: Any, column: _Column) -> str:
    if column.specification is None:
        return NONE if pd.isna(value) else str(value)
    return number(value, column.specification)


def _key(value: Any) -> str:
    """Return the sort key of a cell; empty, which comes last, if it has no value."""
    return "" if pd.isna(value) else str(value)
