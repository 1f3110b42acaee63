"""Draws any figure by its name."""

from collections.abc import Mapping, Sequence

import pandas as pd

# Each module registers its figures as it is imported.
from sweep.figures import (  # noqa: F401
    against_parameters,
    counterfactual,
    cross_objective,
    differential,
    figures_of,
    goal_directedness,
    identification,
    impact,
    optimization,
    schematics,
    self_estimate,
    training,
)
from sweep.figures.marks import FigureStyle
from sweep.figures.registry import REGISTRY, Entry
from sweep.figures.theme import CaptionedFigure, style_context


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
    entry, task = _entry(name, style.tasks)
    with style_context():
        return entry.draw(tables, style) if task is None else entry.draw(tables, style, task)


def required_tables(name: str, tasks: Sequence[str]) -> tuple[str, ...]:
    """Names of the summary tables that a figure is drawn from."""
    return _entry(name, tasks)[0].tables


def figure_subject(name: str, tasks: Sequence[str]) -> str:
    """What a figure is about, in a word or two."""
    return _entry(name, tasks)[0].subject


def _entry(name: str, tasks: Sequence[str]) -> tuple[Entry, str | None]:
    """The registered figure of a name, and its task."""
    figures = figures_of(tasks)
    if name not in figures:
        raise KeyError(f"no figure is named {name!r}; there are {', '.join(figures)}")
    listed, task = figures[name]
    return REGISTRY[listed], task
