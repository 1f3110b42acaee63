"""Figures against the number of parameters: losses, scores, Op and Imp."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from splithistory.plots import NEUTRAL
from sweep.figures import registry
from sweep.figures.axes import legend_below
from sweep.figures.marks import (
    FEWEST_RUNS,
    FigureStyle,
    drawn,
    finite_rows,
    mean_and_error,
    parameter_axis,
    size_handles,
    standard_errors,
    summary_handle,
    task_lines,
)
from sweep.figures.scores import chance_text, score, short_score, tasks_of
from sweep.figures.theme import PAGE_WIDTH, CaptionedFigure, captioned, folded
from sweep.figures.wording import TREND_TEXT, count_text, left_out_text, ranges_text, trend, trend_text
from sweep.repeats import split_history_repeats

_UNDEFINED = "where the measure is undefined"


@registry.figure("loss_vs_parameters", "policies")
def loss_vs_parameters(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw pretraining loss, loss on the policies' own rollouts and loss on natural chains against parameters."""
    policies = tables["policies"]
    # Policies of all tasks share the pretrained model of their size and seed, which counts once.
    pretrained = policies.drop_duplicates(["size", "seed"]).assign(task=pd.NA)
    figure = Figure(figsize=(PAGE_WIDTH, 2.5))
    before, *after = figure.subplots(1, 3)
    mean_with_runs(before, pretrained.assign(is_point=True), "pretraining_loss", color=NEUTRAL, style=style)
    before.set_ylabel("cross-entropy (nats)")
    for axes, column in zip(after, ("maintenance_loss", "natural_loss"), strict=True):
        task_means(axes, policies, column, style=style)
    titles = ("pretraining loss", "maintenance loss, own rollouts", "natural loss, untouched chains")
    for axes, title in zip((before, *after), titles, strict=True):
        axes.set_title(title)
        parameter_axis(axes, style)
    legend_below(
        figure, [_line(NEUTRAL, "before reinforcement"), *task_lines(policies, style)], _run_handles(policies, style)
    )

    losses = finite_rows(pretrained, "pretraining_loss").groupby("size", observed=True)["pretraining_loss"]
    runs = dict(list(losses))
    shape = trend([runs[size] for size in style.sizes if size in runs])
    maintained = finite_rows(policies, "maintenance_loss")
    title = trend_text("maintenance loss", " nats", maintained, column="maintenance_loss", style=style)
    caption = (
        f"Cross-entropy of next-token predictions against model size, {count_text(policies)} from "
        f"{len(pretrained)} pretrained models. Left: pretraining loss on validation chains. Middle: maintenance loss, "
        "on the outcomes of the policies' own rollouts, after reinforcement. Right: natural loss, at even positions of "
        f"untouched chains, after reinforcement. {_marks_text(policies)} {TREND_TEXT} Pretraining loss "
        f"{shape or 'is ' + ranges_text([('nats', losses.mean())])}. The vertical axes differ. "
        + left_out_text(
            policies,
            finite_rows(policies, "pretraining_loss", "maintenance_loss", "natural_loss"),
            "where a loss is undefined (in that panel only)",
        )
    )
    return captioned(figure, title, caption)


@registry.figure("success_vs_parameters", "policies")
def success_vs_parameters(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw the success rate or mean utility on each task against parameters, with chance."""
    policies = tables["policies"]
    figure = Figure()
    axes = figure.subplots()
    shown = task_means(axes, policies, "success_rate", style=style)
    tasks = tasks_of(policies)
    chances = {name: task.chance for name, task in tasks.items()}
    for task, chance in chances.items():
        axes.axhline(chance, color=style.color(task), linestyle="--", linewidth=0.8, zorder=1)
    parameter_axis(axes, style)
    axes.set_ylabel(score(tasks.values()))
    chance_lines = tuple(
        _line(style.color(task), "chance of each task", "--") for task in style.tasks if task in chances
    )
    legend_below(figure, task_lines(shown, style), [chance_lines], _run_handles(shown, style))

    above = int((shown["success_rate"] > shown["task"].map(chances).astype(float)).sum())
    caption = (
        f"{score(tasks.values()).capitalize()} on a policy's own task against model size, at temperature 0 on test "
        f"chains, {count_text(shown)}. {_marks_text(shown)} {TREND_TEXT} "
        f"Dashed: chance, {chance_text(tasks.values())}. "
        f"{above} of {len(shown)} policies exceed chance on their task. {left_out_text(policies, shown, _UNDEFINED)}"
    )
    quantity = f"{short_score(tasks.values())} on test chains"
    return captioned(figure, trend_text(quantity, "", shown, column="success_rate", style=style), caption)


@registry.figure("counterfactual_success_vs_parameters", "policies")
def counterfactual_success_vs_parameters(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw the success rate or mean utility under the split history minus chance against parameters, by task."""
    policies, tasks = tables["policies"], tasks_of(tables["policies"])
    chance = policies["task"].map({name: task.chance for name, task in tasks.items()}).astype(float)
    # The distance from chance would be invisible on an axis of rates, as chance is far larger.
    policies = policies.assign(beyond=policies["success_rate_counterfactual"] - chance)
    figure = Figure()
    axes = figure.subplots()
    shown = task_means(axes, policies, "beyond", style=style)
    axes.axhline(0, color=NEUTRAL, linestyle="--", linewidth=0.8, zorder=1)
    parameter_axis(axes, style)
    axes.set_ylabel(folded(f"{score(tasks.values())} under the split history − chance", 1.6))
    legend_below(figure, [*task_lines(shown, style), _line(NEUTRAL, "chance", "--")], _run_handles(shown, style))

    # Not its trend: this score hardly changes, and even the smallest change has a direction.
    distance, above = shown["beyond"].abs().max(), int((shown["beyond"] > 0).sum())
    whose = f"{short_score(tasks.values()).capitalize()} under the split history"
    title = f"{whose} is within {distance:.2g} of chance" if len(shown) else f"{whose} is undefined"
    caption = (
        f"{score(tasks.values()).capitalize()} on a policy's own task under the split history, in which it gives its "
        "answer to another window, x'', averaged over all x'' and thus that of F', the mean of the futures F'|x''; "
        f"minus chance, {chance_text(tasks.values())}; against model size, {count_text(shown)}. "
        f"{_marks_text(shown)} "
        f"{above} of {len(shown)} policies exceed chance on their task even so. "
        f"{left_out_text(policies, shown, _UNDEFINED)}"
    )
    return captioned(figure, title, caption)


@registry.figure("op_vs_parameters", "policies", "generator")
def op_vs_parameters(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw Op on each task against parameters, with that of the generator."""
    return _measure_vs_parameters(tables, style, "op", symbol="Op", name="Optimization, Op,")


@registry.figure("imp_vs_parameters", "policies", "generator")
def imp_vs_parameters(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw Imp on each task against parameters, with that of the generator."""
    return _measure_vs_parameters(tables, style, "imp", symbol="Imp", name="Impact, Imp,")


def _measure_vs_parameters(
    tables: Mapping[str, pd.DataFrame], style: FigureStyle, column: str, symbol: str, name: str
) -> CaptionedFigure:
    """Draw Op or Imp on each task against parameters, with that of the generator."""
    policies, generator = tables["policies"], tables["generator"]
    figure = Figure()
    axes = figure.subplots()
    shown = task_means(axes, policies, column, style=style)
    own = split_history_repeats(generator)[column].dropna()
    level, low, high = mean_and_error(own)
    axes.axhline(level, color=NEUTRAL, linestyle="--", linewidth=0.8, zorder=1)
    if np.isfinite(low):
        axes.axhspan(low, high, color=NEUTRAL, alpha=0.25, linewidth=0, zorder=0)
    parameter_axis(axes, style)
    axes.set_ylabel(f"{symbol} (nats)")
    generator_line = _line(NEUTRAL, "the sequence's own rule", "--")
    legend_below(figure, task_lines(shown, style), [generator_line], _run_handles(shown, style))

    above = int((shown[column] >= level).sum())
    band = f", with a band of ± one standard error over {len(own)} repeats" if np.isfinite(low) else ""
    caption = (
        f"{name} of each policy by the split-history method against model size, {count_text(shown)}. "
        f"{_marks_text(shown)} {TREND_TEXT} Dashed: the sequence's own rule, its generator, taken as a policy{band}. "
        f"{above} of {len(shown)} policies are at or above it. {left_out_text(policies, shown, _UNDEFINED)}"
    )
    return captioned(figure, trend_text(symbol, " nats", shown, column=column, style=style), caption)


def task_means(axes: Axes, policies: pd.DataFrame, column: str, style: FigureStyle) -> pd.DataFrame:
    """Draw means, one line per task, over points of single runs; return the policies that are shown."""
    shown = finite_rows(policies, column)
    present, points = [task for task in style.tasks if task in set(shown["task"])], drawn(shown).index
    for place, task in enumerate(present):
        # Tasks lie side by side, within a twelfth of the distance between sizes that differ threefold.
        offset = np.exp(0.09 * (place - (len(present) - 1) / 2) * min(1, 4 / len(present)))
        runs = shown[shown["task"] == task].assign(is_point=lambda runs: runs.index.isin(points))
        mean_with_runs(axes, runs, column, color=style.color(task), style=style, offset=offset)
    return shown


def mean_with_runs(
    axes: Axes, rows: pd.DataFrame, column: str, color: Any, style: FigureStyle, offset: float = 1.0
) -> None:
    """Draw the mean ± standard error over seeds of each size, joined by a line, over points of single runs.

    A single seed has no mean, so its runs are joined. Fewer than three seeds have no error.

    Args:
        axes: where to draw; x is the number of parameters.
        rows: one row per run, with ``task`` (missing for a pretrained model), ``size``, ``seed``, ``column`` and
            ``is_point``, whether the run itself is drawn.
        column: the column to draw.
        color: colour of the line, the bars and the runs, which are paler if there are means.
        style: gives the sizes' markers and parameter counts.
        offset: factor that shifts x, to keep lines apart.
    """
    by_size = finite_rows(rows, column).groupby("size", observed=True)[column]
    means, errors = by_size.mean(), standard_errors(by_size)
    sizes = [size for size in style.sizes if size in means.index]
    x = [style.parameters[size] * offset for size in sizes]
    over_seeds = bool((by_size.count() > 1).any())
    points = finite_rows(rows[rows["is_point"]], column)
    for size, position in zip(sizes, x, strict=True):
        runs = points[points["size"] == size]
        axes.scatter(
            np.full(len(runs), position),
            runs[column],
            s=style.marker_size(size, 3.6 if over_seeds else None) ** 2,
            marker=style.marker(size),
            color=color,
            alpha=0.4 if over_seeds else 1.0,
            linewidth=0,
            urls=style.links(runs),
        )
    dash = {"marker": "_", "markersize": 6, "markeredgewidth": 1} if over_seeds else {}
    axes.errorbar(x, means[sizes], yerr=errors[sizes] if over_seeds else None, color=color, **dash)


def _marks_text(rows: pd.DataFrame) -> str:
    """Describe what `task_means` draws, for captions."""
    points = "Points are single runs, one marker per size; lines join those of a task."
    n_seeds = rows["seed"].nunique()
    if n_seeds > 1:
        bars = "bars are ± one standard error" if n_seeds >= FEWEST_RUNS else "two seeds are too few for error bars"
        points = (
            "Pale points are single runs, with one marker per size; dashes, joined by lines, are means over seeds; "
            f"{bars}."
        )
    return f"{points} Tasks are offset horizontally for legibility."


def _run_handles(rows: pd.DataFrame, style: FigureStyle) -> list[Artist]:
    """Make legend handles of the runs' markers and, if there are several seeds, of their means."""
    means = [summary_handle("mean over seeds")] if rows["seed"].nunique() > 1 else []
    return [*size_handles(rows, style), *means]


def _line(color: Any, label: str, linestyle: str = "-") -> Artist:
    """Make the legend handle of a line."""
    return Line2D([], [], color=color, linestyle=linestyle, label=label)
