"""Measured optimization against what the score predicts."""

from collections.abc import Iterable, Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from splithistory.plots import equal_limits, identity_line
from splithistory.task import Task
from splithistory.theory import predicted_optimization
from sweep.figures import registry
from sweep.figures.axes import legend_below
from sweep.figures.marks import FigureStyle, finite_rows, policy_points, task_lines
from sweep.figures.scores import predicted_op_text, score, tasks_of, theory_text
from sweep.figures.theme import CaptionedFigure, captioned, folded
from sweep.figures.wording import POINTS_TEXT, count_text, left_out_text, range_text, two_digits
from sweep.formatting import number

_UNDEFINED = "where Op or its prediction is undefined"


@registry.figure("op_vs_success", "policies")
def op_vs_success(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw Op of every policy against its success rate or mean utility, with the theoretical curve of each task."""
    policies = tables["policies"]
    judges = tasks_of(policies).values()
    shown = finite_rows(policies, "success_rate", "op", "op_predicted")
    figure = Figure(figsize=(3.5, 3.2))
    axes = figure.subplots()
    tasks, sizes = policy_points(axes, shown, "success_rate", y="op", style=style)
    theory_curves(axes, tasks_of(shown).values(), style)
    axes.set(xlabel=score(judges), ylabel="Op (nats)")
    legend_below(figure, [*tasks, tuple(task_lines(shown, style, "expected for each task"))], sizes)

    height = shown["op"] - shown["op_predicted"]
    title = "Op against the curves of theory"
    if len(shown):
        title = (
            f"{_above(shown)} of {len(shown)} policies lie above their task's curve: Op minus the curve is "
            f"{range_text(height)} nats"
        )
    caption = (
        f"Measured optimization against {score(judges)}, {count_text(shown)}. {POINTS_TEXT} Curves: "
        f"{theory_text(judges)} {bound_text(shown, 'curve')} "
        f"Op minus the task's curve: {_range_and_median(height)}. {left_out_text(policies, shown, _UNDEFINED)}"
    )
    return captioned(figure, title, caption)


@registry.figure("op_vs_predicted", "policies")
def op_vs_predicted(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw measured Op against the Op predicted from the success rate or mean utility."""
    policies = tables["policies"]
    judges = tasks_of(policies).values()
    shown = finite_rows(policies, "op_predicted", "op")
    figure = Figure(figsize=(3.5, 3.4))
    axes = figure.subplots()
    tasks, sizes = policy_points(axes, shown, "op_predicted", y="op", style=style)
    equal_limits(axes)
    line = identity_line(axes)
    axes.set(xlabel=folded(f"Op predicted from {score(judges)} (nats)", 2.7), ylabel="measured Op (nats)")
    legend_below(figure, [*tasks, line], sizes)

    explained = explained_about_identity(shown["op_predicted"], shown["op"])
    title = "Op against its prediction"
    if explained is not None:
        title += f": R² about y = x is {number(explained, '.3f')}"
    difference = shown["op"] - shown["op_predicted"]
    caption = (
        f"Measured optimization against the optimization predicted from the {score(judges)}, {count_text(shown)}. "
        f"{POINTS_TEXT} The prediction is {predicted_op_text(judges)}. Dashed: y = x. {bound_text(shown, 'line')} "
        "R² about the line is 1 − SS(Op − predicted) / SS(Op − mean), without any fit: 1 if all policies lie on it, "
        "and negative if they lie further from it than from their mean. "
        f"{_above(shown)} of {len(shown)} policies have more Op than predicted. Op minus its prediction: "
        f"{_range_and_median(difference)}. {left_out_text(policies, shown, _UNDEFINED)}"
    )
    return captioned(figure, title, caption)


def theory_curves(axes: Axes, tasks: Iterable[Task], style: FigureStyle) -> None:
    """Draw the Op expected at each success rate or mean utility, one curve per task, after the points.

    Args:
        axes: where to draw; x is the success rate or mean utility.
        tasks: the tasks whose curves to draw.
        style: gives the colours.
    """
    # From the lowest chance, where a curve touches zero, to the points: further out, curves would dwarf the rest.
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    tasks = list(tasks)
    least = min((task.mean for task in tasks), default=left)
    axes.set(xlim=(min(left, least - 0.02), min(right, 1.01)), ylim=(min(bottom, -0.01), top))
    for task in tasks:
        for end, alpha in ((min(task.utility), 0.35), (max(task.utility), 1.0)):
            rates = np.linspace(*sorted([end, task.mean]), 251)
            expected = predicted_optimization(rates, task.utility)
            axes.plot(rates, expected, color=style.color(task.name), alpha=alpha, zorder=2)


def _above(shown: pd.DataFrame) -> int:
    """Count the policies with more Op than predicted."""
    return int((shown["op"] > shown["op_predicted"]).sum())


def _range_and_median(difference: pd.Series) -> str:
    """Give the range of a difference, nats, and its median absolute value."""
    if difference.empty:
        return "undefined"
    return f"{range_text(difference)} nats (median absolute value {difference.abs().median():.2g} nats)"


def bound_text(policies: pd.DataFrame, what: str) -> str:
    """Say how far the curve or line of Op_pred is a bound (method, section 4.9)."""
    most = policies["op_nonuniformity"].max()
    here = f", here at most {two_digits(most)} nats" if np.isfinite(most) else ""
    return (
        f"The {what} is a lower bound where all outcomes are equally likely under the split history; a policy can lie "
        f"below it by as much as the futures F'|x'' fall short of that, ln 8 minus their mean entropy{here}. What lies "
        "above it is favouritism: outcomes preferred to others that count the same."
    )


def explained_about_identity(predicted: pd.Series, measured: pd.Series) -> float | None:
    """Compute R² about y = x, 1 − SS(measured − predicted) / SS_total, at most 1; None if undefined."""
    total = ((measured - measured.mean()) ** 2).sum()
    return None if len(measured) < 2 or total == 0 else float(1 - ((measured - predicted) ** 2).sum() / total)
