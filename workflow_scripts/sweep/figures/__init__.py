"""The figures, drawn from summary tables alone.

`figure_names` lists them for a choice of tasks and `draw` makes one of them from the tables that `required_tables`
names. The registry below says which module holds each figure; the function has the figure's name. Modules are imported
when a figure is drawn, so that listing names (the Snakefile does) needs neither matplotlib nor pandas.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:  # which the import graph reads: it cannot see that `draw` imports these by name
    import pandas as pd

    from sweep.figures import (  # noqa: F401
        against_parameters,
        counterfactual,
        cross_objective,
        differential,
        identification,
        impact,
        optimization,
        schematics,
        self_estimate,
        training,
    )
    from sweep.figures.marks import FigureStyle
    from sweep.figures.theme import CaptionedFigure


@dataclass(frozen=True)
class _Entry:
    """Where a figure is drawn, from which summary tables, and whether there is one a task."""

    module: str
    tables: tuple[str, ...]
    per_task: bool = False


_REGISTRY = {
    "training_runs": _Entry("training", ("policies", "training"), per_task=True),
    "training_summary": _Entry("training", ("policies", "training"), per_task=True),
    "loss_vs_parameters": _Entry("against_parameters", ("policies",)),
    "success_vs_parameters": _Entry("against_parameters", ("policies",)),
    "split_history": _Entry("schematics", ("policies", "actions")),
    "op_vs_parameters": _Entry("against_parameters", ("policies", "generator")),
    "op_vs_success": _Entry("optimization", ("policies",)),
    "op_vs_predicted": _Entry("optimization", ("policies",)),
    "training_outcomes": _Entry("schematics", ()),
    "cross_op_vs_success": _Entry("cross_objective", ("policies", "cross_objective"), per_task=True),
    "cross_op_vs_predicted": _Entry("cross_objective", ("policies", "cross_objective"), per_task=True),
    "identification": _Entry("identification", ("identification",)),
    "impact_kinds": _Entry("schematics", ()),
    "imp_vs_parameters": _Entry("against_parameters", ("policies", "generator")),
    "imp_vs_minimum": _Entry("impact", ("policies", "fits")),
    "counterfactual_success_vs_parameters": _Entry("against_parameters", ("policies",)),
    "counterfactuals": _Entry("counterfactual", ("counterfactuals",)),
    "cross_imp_vs_minimum": _Entry("cross_objective", ("policies", "cross_objective"), per_task=True),
    "imp_ratio": _Entry("cross_objective", ("policies", "cross_objective"), per_task=True),
    "imp_excess": _Entry("cross_objective", ("policies", "cross_objective"), per_task=True),
    "self_op_vs_measured": _Entry("self_estimate", ("policies",)),
    "self_imp_vs_measured": _Entry("self_estimate", ("policies",)),
    "differential": _Entry("differential", ("differential",)),
}


def figure_names(tasks: Sequence[str]) -> list[str]:
    """Names of all figures for these tasks, in the registry's order."""
    return [name for name, _, _ in _figures(tasks)]


def required_tables(name: str, tasks: Sequence[str]) -> tuple[str, ...]:
    """Names of the summary tables that a figure is drawn from."""
    return _REGISTRY[_resolve(name, tasks)[0]].tables


def figure_subject(name: str, tasks: Sequence[str]) -> str:
    """What a figure is about, in a word or two: that of its module."""
    return _REGISTRY[_resolve(name, tasks)[0]].module.replace("_", " ")


def draw(name: str, tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw one figure.

    Args:
        name: one of ``figure_names(style.tasks)``.
        tables: summary tables by name; at least ``required_tables(name, style.tasks)``.
        style: colours of the tasks and markers of the sizes.

    Returns:
        The figure with its title and caption.

    Raises:
        KeyError: if no figure has that name.
    """
    from sweep.figures.theme import style_context

    stem, task = _resolve(name, style.tasks)
    function = getattr(import_module(f"sweep.figures.{_REGISTRY[stem].module}"), stem)
    with style_context():
        return function(tables, style) if task is None else function(tables, style, task)


def _figures(tasks: Sequence[str]) -> list[tuple[str, str, str | None]]:
    """(name, registry key, task) of every figure."""
    return [
        (f"{stem}_{task}", stem, task) if task is not None else (stem, stem, None)
        for stem, entry in _REGISTRY.items()
        for task in (tasks if entry.per_task else [None])
    ]


def _resolve(name: str, tasks: Sequence[str]) -> tuple[str, str | None]:
    """Registry key and task of a figure, looked up rather than parsed: task names may hold underscores."""
    for known, stem, task in _figures(tasks):
        if known == name:
            return stem, task
    raise KeyError(f"no figure is named {name!r}; there are {', '.join(figure_names(tasks))}")
