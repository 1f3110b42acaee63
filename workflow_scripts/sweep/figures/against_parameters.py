"""Figures against the number of parameters: losses, success, Op and Imp."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from splithistory.sequence import N_OUTCOMES
from sweep.figures.style import (
    NEUTRAL,
    PAGE_WIDTH,
    CaptionedFigure,
    FigureStyle,
    captioned,
    count_text,
    finite_rows,
    good_fractions,
    left_out_text,
    legend_below,
    parameter_axis,
    task_handles,
    trend,
    trend_text,
)

_MARKS = (
    "Pale points are the single runs, with a marker a size; lines join means over seeds and bars are ± one standard "
    "error (none for a single seed). Tasks are set apart sideways for legibility."
)
_UNDEFINED = "where the measure is undefined"


def loss_vs_parameters(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Pretraining loss, loss on the rollouts' own outcomes and loss on natural chains, against parameters."""
    policies = tables["policies"]
    # Policies of all tasks share the pretrained model of their size and seed: count it once.
    pretrained = policies.drop_duplicates(["size", "seed"])
    figure = Figure(figsize=(PAGE_WIDTH, 2.5))
    before, *after = figure.subplots(1, 3)
    mean_with_runs(before, pretrained, "pretraining_loss", NEUTRAL, style)
    before.set_ylabel("cross-entropy (nats)")
    for axes, column in zip(after, ("maintenance_loss", "natural_loss"), strict=True):
        task_means(axes, policies, column, style)
    titles = ("pretrained, validation chains", "reinforced, its own rollouts", "reinforced, natural chains")
    for axes, title in zip((before, *after), titles, strict=True):
        axes.set_title(title)
        parameter_axis(axes, style)
    legend_below(figure, [_line(NEUTRAL, "before reinforcement"), *_task_lines(policies, style)])

    shape = trend(pretrained.groupby("size", observed=True)["pretraining_loss"].mean().reindex(style.sizes))
    title = f"Mean pretraining loss {shape or 'has no steady trend with size'}; " + trend_text(
        "mean maintenance loss", policies, "maintenance_loss", style
    )
    caption = (
        f"Cross-entropy of next-token predictions against model size, {count_text(policies)} from "
        f"{len(pretrained)} pretrained models. Left: pretraining loss on validation chains. Middle: maintenance loss, "
        "on the outcomes of the policies' own rollouts. Right: loss at even positions of untouched chains, after "
        f"reinforcement. {_MARKS} The vertical axes differ. "
        + left_out_text(
            policies,
            finite_rows(policies, "pretraining_loss", "maintenance_loss", "natural_loss"),
            "where a loss is undefined (in that panel only)",
        )
    )
    return captioned(figure, title, caption)


def success_vs_parameters(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Success rate of each task against parameters, with chance."""
    policies = tables["policies"]
    return _success_vs_parameters(
        policies,
        style,
        "success_rate",
        "success rate",
        trend_text("Mean success", finite_rows(policies, "success_rate"), "success_rate", style),
        "Success rate on a policy's own task against model size, at temperature 0 on test chains",
    )


def counterfactual_success_vs_parameters(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Success rate of each task under the split history against parameters, with chance."""
    policies = tables["policies"]
    # Not its trend: success under F' hardly changes, and the least change has a direction.
    distance = (policies["success_rate_counterfactual"] - policies["n_good"] / N_OUTCOMES).abs().max()
    return _success_vs_parameters(
        policies,
        style,
        "success_rate_counterfactual",
        "success rate under F'",
        f"Success under F' is at most {distance:.2g} from chance" if distance >= 0 else "Success under F' is undefined",
        "Success rate on a policy's own task under the split history, F', where its answer is that to another window, "
        "against model size",
    )


def _success_vs_parameters(
    policies: pd.DataFrame, style: FigureStyle, column: str, label: str, title: str, description: str
) -> CaptionedFigure:
    """A success rate of each task against parameters, with chance."""
    figure = Figure()
    axes = figure.subplots()
    shown = task_means(axes, policies, column, style)
    chances = good_fractions(policies)
    for task, chance in chances.items():
        axes.axhline(chance, color=style.color(task), linestyle="--", linewidth=0.8, zorder=1)
    parameter_axis(axes, style)
    axes.set_ylabel(label)
    legend_below(figure, [*_task_lines(shown, style), _line(NEUTRAL, "chance of each task", "--")])

    above = int((shown[column] > shown["task"].map(chances).astype(float)).sum())
    caption = (
        f"{description}, {count_text(shown)}. {_MARKS} Dashed: chance, the share of good outcomes. "
        f"{above} of {len(shown)} policies are above their task's chance. {left_out_text(policies, shown, _UNDEFINED)}"
    )
    return captioned(figure, title, caption)


def op_vs_parameters(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Op of each task against parameters, with the generator's own."""
    return _measure_vs_parameters(tables, style, "op", "Op", "Optimization, Op,")


def imp_vs_parameters(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Imp of each task against parameters, with the generator's own."""
    return _measure_vs_parameters(tables, style, "imp", "Imp", "Impact, Imp,")


def _measure_vs_parameters(
    tables: Mapping[str, pd.DataFrame], style: FigureStyle, column: str, symbol: str, name: str
) -> CaptionedFigure:
    """Op or Imp of each task against parameters, with the generator's own."""
    policies, generator = tables["policies"], tables["generator"]
    figure = Figure()
    axes = figure.subplots()
    shown = task_means(axes, policies, column, style)
    own = generator.loc[
        (generator["estimator"] == "exact") & (generator["counterfactual"] == "split_history"), column
    ].dropna()
    level, error = own.mean(), own.sem()
    axes.axhline(level, color=NEUTRAL, linestyle="--", linewidth=0.8, zorder=1)
    if np.isfinite(error):
        axes.axhspan(level - error, level + error, color=NEUTRAL, alpha=0.25, linewidth=0, zorder=0)
    parameter_axis(axes, style)
    axes.set_ylabel(f"{symbol} (nats)")
    legend_below(figure, [*_task_lines(shown, style), _line(NEUTRAL, "the sequence itself", "--")])

    above = int((shown[column] >= level).sum())
    caption = (
        f"{name} of each policy by the split-history method against model size, {count_text(shown)}. {_MARKS} "
        "Dashed: the sequence's own generator taken as the policy, with a band of ± one standard error over "
        f"{len(own)} repeats. {above} of {len(shown)} policies are at or above it. "
        f"{left_out_text(policies, shown, _UNDEFINED)}"
    )
    return captioned(figure, trend_text(f"Mean {symbol}", shown, column, style), caption)


def task_means(axes: Axes, policies: pd.DataFrame, column: str, style: FigureStyle) -> pd.DataFrame:
    """Means with every run behind, one line a task; returns the policies that are shown."""
    shown = finite_rows(policies, column)
    present = [task for task in style.tasks if task in set(shown["task"])]
    for place, task in enumerate(present):
        # Tasks side by side within a twelfth of the axis's distance between sizes that differ threefold.
        offset = np.exp(0.09 * (place - (len(present) - 1) / 2) * min(1, 4 / len(present)))
        mean_with_runs(axes, shown[shown["task"] == task], column, style.color(task), style, offset)
    return shown


def mean_with_runs(
    axes: Axes, rows: pd.DataFrame, column: str, color: Any, style: FigureStyle, offset: float = 1.0
) -> None:
    """Mean ± standard error over seeds of each size, joined by a line, with every run behind it.

    Args:
        axes: where to draw; x is the number of parameters.
        rows: one row a run, with ``size`` and ``column``.
        column: what is drawn.
        color: of the line, the bars and, paler, the runs.
        style: gives the sizes' markers and parameter counts.
        offset: factor by which x is moved, to keep lines apart.
    """
    by_size = finite_rows(rows, column).groupby("size", observed=True)[column]
    # pandas' standard error equals scipy.stats.sem and is silently undefined for one run.
    means, errors = by_size.mean(), by_size.sem()
    sizes = [size for size in style.sizes if size in means.index]
    x = [style.parameters[size] * offset for size in sizes]
    for size, position in zip(sizes, x, strict=True):
        runs = by_size.get_group(size)
        axes.scatter(
            np.full(len(runs), position), runs, s=13, marker=style.marker(size), color=color, alpha=0.4, linewidth=0
        )
    axes.errorbar(x, means[sizes], yerr=errors[sizes], color=color, marker="_", markersize=6, markeredgewidth=1)


def _task_lines(rows: pd.DataFrame, style: FigureStyle) -> list[Artist]:
    """Legend handles of the tasks' lines of means."""
    return task_handles(rows, style, marker=None, linestyle="-")


def _line(color: Any, label: str, linestyle: str = "-") -> Artist:
    """Legend handle of a line."""
    return Line2D([], [], color=color, linestyle=linestyle, label=label)
