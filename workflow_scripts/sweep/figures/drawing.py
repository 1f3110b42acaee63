"""Drawing any figure by its name."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pandas as pd

# Each module registers its figures when it is imported.
from sweep.figures import (  # noqa: F401
    against_parameters,
    along_training,
    counterfactual,
    cross_objective,
    differential,
    figures_of,
    goal_directedness,
    graphical_abstract,
    identification,
    impact,
    optimization,
    schematics,
    self_estimate,
    training,
    windows,
)
from sweep.figures.marks import FigureStyle, with_short_names
from sweep.figures.registry import REGISTRY, Entry
from sweep.figures.theme import CaptionedFigure, style_context

_NAMES_SAID = 12  # most names explained in a caption


def draw(name: str, tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw one figure.

    Args:
        name: one of ``figure_names(style.tasks)``.
        tables: summary tables by name; at least ``required_tables(name, style.tasks)``.
        style: gives the colours of the tasks and the markers of the sizes.

    Returns:
        The figure with its title and caption.

    Raises:
        KeyError: if no figure has that name.
    """
    entry, task = _entry(name, style.tasks)
    tables, style, short = with_short_names(tables, style)
    with style_context():
        drawn = entry.draw(tables, style) if task is None else entry.draw(tables, style, short.get(task, task))
    if not short:
        return drawn
    said = [f"{label} is {name}" for name, label in short.items()]
    more = [f"and {len(said) - _NAMES_SAID} more"] if len(said) > _NAMES_SAID else []
    return replace(drawn, caption=f"{drawn.caption} Names are shortened: {'; '.join(said[:_NAMES_SAID] + more)}.")


def required_tables(name: str, tasks: Sequence[str]) -> tuple[str, ...]:
    """Return the names of the summary tables that a figure is drawn from."""
    return _entry(name, tasks)[0].tables


def figure_subject(name: str, tasks: Sequence[str]) -> str:
    """Return the subject of a figure, in a word or two."""
    return _entry(name, tasks)[0].subject


def _entry(name: str, tasks: Sequence[str]) -> tuple[Entry, str | None]:
    """Look up the registered figure of a name, and its task."""
    figures = figures_of(tasks)
    if name not in figures:
        raise KeyError(f"no figure is named {name!r}; there are {', '.join(figures)}")
    listed, task = figures[name]
    return REGISTRY[listed], task
