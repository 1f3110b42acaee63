"""All policies judged by one task: its own lie near theory's line, those of other tasks do not."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from splithistory.plots import identity_line
from splithistory.task import Task
from sweep.figures import registry
from sweep.figures.axes import legend_below, readable_log_axis
from sweep.figures.marks import FigureStyle, finite_rows, policy_points
from sweep.figures.optimization import theory_curves
from sweep.figures.scores import (
    better_text,
    imp_minimum_text,
    predicted_op_text,
    score,
    short_score,
    tasks_of,
    theory_text,
)
from sweep.figures.theme import CaptionedFigure, captioned, folded
from sweep.figures.wording import MARKERS_TEXT, POINTS_TEXT, count_text, left_out_text, ranges_text, unequal_text

_KEYS = ["task", "size", "seed"]
_OP_UNDEFINED = "where Op or its prediction is undefined"
_IMP_UNDEFINED = "where Imp_min is undefined or infinite (F'|x'' may lack outcomes that the score requires)"


@registry.figure("cross_op_vs_success_{task}", "policies", "cross_objective")
def cross_op_vs_success(tables: Mapping[str, pd.DataFrame], style: FigureStyle, task: str) -> CaptionedFigure:
    """Draw Op of all policies against their score on one task, with that task's theoretical curve."""
    judged, judge = _judged_by(task, tables, "op_stderr")
    shown = finite_rows(judged, "success_rate", "op", "op_predicted")
    figure = Figure(figsize=(3.5, 3.2))
    axes = figure.subplots()
    tasks, sizes = policy_points(axes, shown, "success_rate", y="op", style=style)
    theory_curves(axes, [judge], style)
    axes.set(xlabel=_label(score([judge]), task), ylabel="Op (nats)")
    legend_below(figure, [*tasks, Line2D([], [], color=style.color(task), label=f"expected for {task}")], sizes)

    caption = (
        f"Measured optimization of all policies against their {score([judge])} judged by {task}, {count_text(shown)}. "
        f"{POINTS_TEXT} Curve: {theory_text([judge])} "
        f"{_better_text(shown, judge.chance, judge, name='chance')} {left_out_text(judged, shown, _OP_UNDEFINED)}"
    )
    return captioned(
        figure, _range_title(shown, task, "op_excess", quantity="Op minus the curve (nats)", style=style), caption
    )


@registry.figure("cross_op_vs_predicted_{task}", "policies", "cross_objective")
def cross_op_vs_predicted(tables: Mapping[str, pd.DataFrame], style: FigureStyle, task: str) -> CaptionedFigure:
    """Draw measured Op of all policies against the Op predicted from their score on one task."""
    judged, judge = _judged_by(task, tables, "op_stderr")
    shown = finite_rows(judged, "op_predicted", "op")
    figure = Figure(figsize=(3.5, 3.4))
    axes = figure.subplots()
    tasks, sizes = policy_points(axes, shown, "op_predicted", y="op", style=style)
    line = identity_line(axes)
    axes.set(xlabel=_label(f"Op predicted from {short_score([judge])}", task, " (nats)"), ylabel="measured Op (nats)")
    legend_below(figure, [*tasks, line], sizes)

    caption = (
        f"Measured optimization of all policies against that predicted from their {score([judge])} judged by {task}, "
        f"{count_text(shown)}. {POINTS_TEXT} The prediction for {task} is {predicted_op_text([judge])}. Dashed: y = x. "
        f"{unequal_text(axes)}{_better_text(shown, judge.chance, judge, name='chance')} "
        f"{left_out_text(judged, shown, _OP_UNDEFINED)}"
    )
    return captioned(
        figure, _range_title(shown, task, "op_excess", quantity="Op minus its prediction (nats)", style=style), caption
    )


@registry.figure("cross_imp_vs_minimum_{task}", "policies", "cross_objective")
def cross_imp_vs_minimum(tables: Mapping[str, pd.DataFrame], style: FigureStyle, task: str) -> CaptionedFigure:
    """Draw Imp of all policies against the least impact for their scores on one task."""
    judged, judge = _judged_by(task, tables, "imp_stderr")
    shown = finite_rows(judged, "imp_minimum", "imp")
    figure = Figure(figsize=(3.5, 3.4))
    axes = figure.subplots()
    tasks, sizes = policy_points(axes, shown, "imp_minimum", y="imp", style=style)
    line = identity_line(axes)
    axes.set(xlabel=_label("Imp$_{min}$", task, " (nats)"), ylabel="Imp (nats)")
    legend_below(figure, [*tasks, line], sizes)

    own_most = shown.loc[shown["is_training_task"], "imp_excess"].max()
    caption = (
        f"Measured impact of all policies against the least impact for their {score([judge])} judged by {task}, "
        f"{count_text(shown)}. {POINTS_TEXT} {imp_minimum_text([judge])} Dashed: y = x, below which no policy can lie. "
        f"{unequal_text(axes)}"
        f"{_better_text(shown, shown['success_rate_counterfactual'], judge, name='under the split history')} "
        f"{left_out_text(judged, shown, _IMP_UNDEFINED)}"
    )
    place = f"further above y = x than every policy of {task}"
    return captioned(figure, _share_title(shown, task, "imp_excess", bound=own_most, place=place), caption)


@registry.figure("imp_ratio_{task}", "policies", "cross_objective")
def imp_ratio(tables: Mapping[str, pd.DataFrame], style: FigureStyle, task: str) -> CaptionedFigure:
    """Draw Imp as a multiple of the least impact on one task, against the latter."""
    judged, judge = _judged_by(task, tables)
    shown = finite_rows(judged, "imp_minimum", "imp_ratio")
    shown = shown[shown["imp_ratio"] > 0]
    figure = Figure(figsize=(3.5, 3.2))
    axes = figure.subplots()
    tasks, sizes = policy_points(axes, shown, "imp_minimum", y="imp_ratio", style=style)
    readable_log_axis(axes.xaxis)
    floor = axes.axhline(1, color="black", linestyle="--", linewidth=0.8, zorder=1, label="least possible")
    readable_log_axis(axes.yaxis)
    axes.set(xlabel=_label("Imp$_{min}$", task, " (nats)"), ylabel="Imp / Imp$_{min}$ (ratio)")
    legend_below(figure, [*tasks, floor], sizes)

    caption = (
        f"Measured impact of all policies, divided by the least impact for their {score([judge])} judged by {task}, "
        f"against the latter, {count_text(shown)}. {MARKERS_TEXT} {imp_minimum_text([judge])} It is the denominator "
        "of the ratio, which is therefore large where Imp_min is nearly zero, however small Imp is. Both axes are "
        "logarithmic. "
        "Dashed: a ratio of one, below which no policy can lie. "
        f"{left_out_text(judged, shown, _IMP_UNDEFINED + ', or where it is zero')}"
    )
    return captioned(figure, _range_title(shown, task, "imp_ratio", quantity="Imp / Imp_min", style=style), caption)


@registry.figure("imp_excess_{task}", "policies", "cross_objective")
def imp_excess(tables: Mapping[str, pd.DataFrame], style: FigureStyle, task: str) -> CaptionedFigure:
    """Draw Imp beyond the least impact on one task, against the latter."""
    judged, judge = _judged_by(task, tables)
    shown = finite_rows(judged, "imp_minimum", "imp_excess")
    figure = Figure(figsize=(3.5, 3.2))
    axes = figure.subplots()
    tasks, sizes = policy_points(axes, shown, "imp_minimum", y="imp_excess", style=style)
    floor = axes.axhline(0, color="black", linestyle="--", linewidth=0.8, zorder=1, label="least possible")
    axes.set(xlabel=_label("Imp$_{min}$", task, " (nats)"), ylabel="Imp − Imp$_{min}$ (nats)")
    legend_below(figure, [*tasks, floor], sizes)

    caption = (
        f"Measured impact of all policies beyond the least impact for their {score([judge])} judged by {task}, against "
        f"the latter, {count_text(shown)}. {MARKERS_TEXT} {imp_minimum_text([judge])} Dashed: zero, below which no "
        f"policy can lie. {left_out_text(judged, shown, _IMP_UNDEFINED)}"
    )
    return captioned(
        figure, _range_title(shown, task, "imp_excess", quantity="Imp − Imp_min (nats)", style=style), caption
    )


def _judged_by(task: str, tables: Mapping[str, pd.DataFrame], *errors: str) -> tuple[pd.DataFrame, Task]:
    """Return all policies judged by a task, with standard errors, which do not depend on it, and the task."""
    crossed, policies = tables["cross_objective"], tables["policies"]
    judged = crossed[crossed["evaluated_task"] == task].merge(policies[[*_KEYS, *errors]], on=_KEYS, how="left")
    return judged, tasks_of(policies)[task]


def _label(quantity: str, task: str, unit: str = "") -> str:
    """Label the axis of a quantity that depends on the judging task, whose name may be long."""
    return folded(f"{quantity} judged by {task}{unit}", 2.7)


def _share_title(shown: pd.DataFrame, task: str, column: str, bound: float, place: str) -> str:
    """Say how many policies of other tasks exceed a bound, if there are both these and the task's own."""
    others = shown[~shown["is_training_task"].astype(bool)]
    if others.empty:
        return f"Judged by {task}, no policies of other tasks can be shown"
    if len(others) == len(shown):
        return f"Judged by {task}, none of its own policies can be shown"
    number = int((others[column] > bound).sum())
    return f"Judged by {task}, {number} of {len(others)} policies of other tasks lie {place}"


def _range_title(shown: pd.DataFrame, task: str, column: str, quantity: str, style: FigureStyle) -> str:
    """Give the ranges of a column over the task's own policies and those of each other task, or of many together."""
    whose = shown["task"].where(~shown["is_training_task"].astype(bool))  # of other tasks
    others = [other for other in style.tasks if other in set(whose.dropna())]
    groups = [("for its own policies", shown.loc[whose.isna(), column])]
    if len(others) <= 3:
        groups += [(f"for {other}'s", shown.loc[whose == other, column]) for other in others]
    else:
        groups.append((f"for those of {len(others)} other tasks", shown.loc[whose.notna(), column]))
    return f"Judged by {task}, {quantity} is " + ranges_text(groups)


def _better_text(shown: pd.DataFrame, reference: float | pd.Series, judge: Task, name: str) -> str:
    """Say how many policies do better than a reference score on the judging task."""
    return better_text(int((shown["success_rate"] > reference).sum()), len(shown), judge, reference=name)
