"""Measured optimization against what the success rate predicts."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from splithistory.information import predicted_optimization
from sweep.figures.style import (
    POINTS_TEXT,
    CaptionedFigure,
    FigureStyle,
    captioned,
    count_text,
    finite_rows,
    good_fractions,
    identity_line,
    left_out_text,
    legend_below,
    policy_points,
)

# What `theory_curves` draws, for captions.
THEORY_TEXT = (
    "Op expected, at a success rate s, of a policy indifferent within the good outcomes and within the others, "
    "s ln(s/p) + (1 − s) ln((1 − s)/(1 − p)), with p the share of good outcomes."
)
_UNDEFINED = "where Op or its prediction is undefined"


def op_vs_success(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Op of every policy against its success rate, on the theoretical curve of its task."""
    policies = tables["policies"]
    shown = finite_rows(policies, "success_rate", "op", "op_predicted")
    figure = Figure(figsize=(3.5, 3.2))
    axes = figure.subplots()
    tasks, sizes = policy_points(axes, shown, "success_rate", "op", style)
    theory_curves(axes, good_fractions(shown), style)
    axes.set(xlabel="success rate", ylabel="Op (nats)")
    legend_below(figure, tasks, sizes)

    distance = (shown["op"] - shown["op_predicted"]).abs()
    title = f"Half of the policies lie within {distance.median():.2g} nats of their curve"
    caption = (
        f"Measured optimization against success rate, {count_text(shown)}. {POINTS_TEXT} Curves: {THEORY_TEXT} "
        f"The largest distance of Op from the task's curve is {distance.max():.2g} nats. "
        f"{left_out_text(policies, shown, _UNDEFINED)}"
    )
    return captioned(figure, title, caption)


def op_vs_predicted(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Measured Op against the Op predicted from the success rate."""
    policies = tables["policies"]
    shown = finite_rows(policies, "op_predicted", "op")
    figure = Figure(figsize=(3.5, 3.4))
    axes = figure.subplots()
    tasks, sizes = policy_points(axes, shown, "op_predicted", "op", style)
    line = identity_line(axes)
    axes.set(xlabel="Op predicted from success rate (nats)", ylabel="measured Op (nats)")
    legend_below(figure, [*tasks, line], sizes)

    explained = explained_about_identity(shown["op_predicted"], shown["op"])
    if explained is None:
        title, share = "Measured Op against prediction", "undefined"
    else:
        title = f"The success rate predicts {max(explained, 0):.0%} of the variance of Op"
        share = f"{explained:.3f}".replace("-", "−")
    axes.set_title(f"R² about y = x: {share}, n = {len(shown)}")
    below = int((shown["op"] < shown["op_predicted"]).sum())
    caption = (
        f"Measured optimization against the optimization predicted from the success rate, {count_text(shown)}. "
        f"{POINTS_TEXT} Dashed: y = x. R² about it, 1 − SS(Op − predicted) / SS(Op − mean), involves no fit. "
        f"{below} of {len(shown)} policies lie below it. {left_out_text(policies, shown, _UNDEFINED)}"
    )
    return captioned(figure, title, caption)


def theory_curves(axes: Axes, fractions: pd.Series, style: FigureStyle) -> None:
    """Op expected at each success rate, a curve a task; call it when the points are drawn.

    Args:
        axes: where to draw; x is the success rate.
        fractions: share of good outcomes of each task.
        style: gives the colours.
    """
    # From the least chance, where a curve touches zero, to the points: beyond them the curves dwarf the rest.
    left, right = axes.get_xlim()
    bottom, top = axes.get_ylim()
    axes.set(xlim=(min(left, fractions.min() - 0.02), min(right, 1.01)), ylim=(min(bottom, -0.01), top))
    rates = np.linspace(0, 1, 501)
    for task, fraction in fractions.items():
        axes.plot(rates, predicted_optimization(rates, fraction), color=style.color(task), zorder=2)


def explained_about_identity(predicted: pd.Series, measured: pd.Series) -> float | None:
    """1 − SS(measured − predicted) / SS_total, the share of variance that y = x explains; None without variance."""
    total = ((measured - measured.mean()) ** 2).sum()
    return None if len(measured) < 2 or total == 0 else float(1 - ((measured - predicted) ** 2).sum() / total)
