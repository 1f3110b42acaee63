"""Figures of the training runs: one panel per run, and all sizes in one."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from splithistory.plots import NEUTRAL
from splithistory.task import Task
from sweep.figures import registry
from sweep.figures.axes import legend_below, readable_log_axis
from sweep.figures.marks import FigureStyle, standard_errors
from sweep.figures.scores import score, short_score, tasks_of
from sweep.figures.theme import COLUMN_WIDTH, PAGE_WIDTH, CaptionedFigure, captioned
from sweep.figures.wording import STEPS_TEXT, TREND_TEXT, count_text, joined, trend_text

_CHANCE = {"color": "black", "linestyle": "--", "linewidth": 0.6, "zorder": 1}
# Most runs of a figure with one panel per run, and how many are shown if there are more.
_MANY_RUNS, _FEW_RUNS = 48, 12
_FEW_SIZES = 6  # whose steps are listed one by one


@registry.figure("training_runs_{task}", "policies", "training")
def training_runs(tables: Mapping[str, pd.DataFrame], style: FigureStyle, task: str) -> CaptionedFigure:
    """Draw score and losses of a task's reinforcement runs: one column per seed, two rows per size."""
    rows, judge = _finetuning(tables, task), tasks_of(tables["policies"])[task]
    runs = dict(list(rows.groupby(["size", "seed"], observed=True)))
    sizes = [size for size in style.sizes if size in set(rows["size"])]
    all_seeds = sorted(rows["seed"].unique())
    many = len(all_seeds) * len(sizes) > _MANY_RUNS
    seeds = all_seeds[: max(1, _FEW_RUNS // len(sizes))] if many else all_seeds
    # Panels keep their size, so that more runs make a larger figure.
    figure = Figure(figsize=(max(COLUMN_WIDTH, 0.5 + 1.65 * len(seeds)), 0.8 + 1.75 * len(sizes)))
    panels = figure.subplots(2 * len(sizes), len(seeds), sharex=True, squeeze=False)
    for place, size in enumerate(sizes):
        for column, seed in enumerate(seeds):
            success, loss = panels[2 * place : 2 * place + 2, column]
            success.sharey(panels[0, 0])
            loss.sharey(panels[1, 0])
            success.set_title(f"{size}, seed {seed}")
            run = runs.get((size, seed))
            if run is None:
                success.set_title(f"{size}, seed {seed}: no run")
                continue
            sampled = _curve(success, run, "sampled_success_rate", color=style.color(task), linewidth=0.6, alpha=0.5)
            greedy = _curve(success, run, "success_rate", color=style.color(task))
            success.axhline(judge.chance, **_CHANCE)
            own = _curve(loss, run, "maintenance_loss", color="black")
            natural = _curve(loss, run, "natural_loss", color="black", linestyle=":")
        panels[2 * place, 0].set_ylabel(score([judge]))
        panels[2 * place + 1, 0].set_ylabel("loss (nats)")
    for axes in panels.flat:
        axes.label_outer()
    for axes in panels[-1]:
        axes.set_xlabel("reinforcement step")
    for handle, label in (
        (greedy, f"{short_score([judge])} at temperature 0"),
        (sampled, f"{short_score([judge])}, sampled"),
        (own, "maintenance loss (own rollouts)"),
        (natural, "natural loss (untouched chains)"),
    ):
        handle.set_label(label)
    panels[0, 0].yaxis.set_major_locator(MaxNLocator(4))
    panels[1, 0].yaxis.set_major_locator(MaxNLocator(4))
    legend_below(figure, [greedy, sampled], [_chance_handle(judge)], [own, natural])

    rising = sum(_gain(run) > 0 for run in runs.values())
    which = "" if seeds == all_seeds else f" (the first {len(seeds)} of {len(all_seeds)})"
    caption = (
        f"Reinforcement on {task}, {count_text(_policies(rows), points=False)}: one column per seed{which} and "
        f"two panels per run, all on the same scales. Upper panels: {score([judge])} of actions sampled in training "
        "(thin) and at temperature 0 on validation chains (thick); dashed: chance. Lower panels: cross-entropy at even "
        "positions of the run's own rollouts, the maintenance loss (solid), and of untouched chains, the natural loss "
        f"(dotted). In the title, a run rises if its last evaluation is above its first, at step {_first_steps(runs)}. "
        f"{_lengths_text(rows, style)} Pretraining is left out."
    )
    title = f"On {task}, {short_score([judge])} rises during reinforcement in {rising} of {len(runs)} runs"
    return captioned(figure, title, caption)


@registry.figure("training_summary_{task}", "policies", "training")
def training_summary(tables: Mapping[str, pd.DataFrame], style: FigureStyle, task: str) -> CaptionedFigure:
    """Draw pretraining loss, score and losses of all sizes against step, as means over seeds."""
    rows, judge = _finetuning(tables, task), tasks_of(tables["policies"])[task]
    gained = short_score([judge])
    pretraining = tables["training"][tables["training"]["stage"] == "pretrain"]
    figure = Figure(figsize=(PAGE_WIDTH, 4.4))
    panels = figure.subplots(2, 2)
    curves = (
        (panels[0, 0], pretraining, "validation_loss", NEUTRAL, "pretraining loss, validation chains"),
        (panels[0, 1], rows, "success_rate", style.color(task), f"reinforcement: {gained}, validation chains"),
        (panels[1, 0], rows, "maintenance_loss", style.color(task), "reinforcement: maintenance loss (own rollouts)"),
        (panels[1, 1], rows, "natural_loss", style.color(task), "reinforcement: natural loss (untouched chains)"),
    )
    for axes, source, column, color, title in curves:
        _mean_curves(axes, source, column, color=color, style=style)
        axes.set(title=title, xlabel="step", ylabel=score([judge]) if column == "success_rate" else "loss (nats)")
    panels[0, 1].axhline(judge.chance, **_CHANCE)
    readable_log_axis(panels[0, 0].yaxis)
    for axes, source, column, color, _ in curves:
        _label_ends(axes, source, column, color=color, style=style)
    sizes = [size for size in style.sizes if size in set(rows["size"])]
    lines = [Line2D([], [], label=size, **_line(style, size, style.color(task))) for size in sizes]
    legend_below(figure, [*lines, _chance_handle(judge)])

    final = rows.dropna(subset=["success_rate"]).sort_values("step").groupby(["task", "size", "seed"], observed=True)
    caption = (
        f"Training by size, {count_text(_policies(rows), points=False)} on {task}. Lines are means over seeds, bands "
        "± one standard error (none for fewer than three seeds); larger models have darker lines, labelled with "
        "their sizes at the end. Top left: pretraining, which all tasks share. Other panels: reinforcement, with "
        f"{gained} at temperature 0 on validation chains (dashed: chance) and cross-entropy at even positions of the "
        "policies' own rollouts, the maintenance loss, and of untouched chains, the natural loss. "
        f"{_lengths_text(rows, style)} {TREND_TEXT} Left out: losses on the training chains, and single runs, which "
        "another figure shows."
    )
    title = trend_text(
        f"final {gained} on validation chains", "", final.last().reset_index(), column="success_rate", style=style
    )
    return captioned(figure, title, caption)


def _finetuning(tables: Mapping[str, pd.DataFrame], task: str) -> pd.DataFrame:
    """Select the reinforcement rows of one task."""
    training = tables["training"]
    return training[(training["stage"] == "finetune") & (training["task"] == task)]


def _lengths_text(rows: pd.DataFrame, style: FigureStyle) -> str:
    """Say how many steps the runs of a task take, by size if there are few, and why."""
    last = rows.groupby("size", observed=True)["step"].max().reindex(style.sizes).dropna()
    by_size = [f"{step:,.0f} ({size})" for size, step in last.items()]
    ends = " to ".join(dict.fromkeys(f"{step:,.0f}" for step in (last.min(), last.max())))
    steps = joined(by_size) if last.nunique() > 1 and len(last) <= _FEW_SIZES else ends
    return f"Runs end at step {steps}. {STEPS_TEXT}"


def _policies(rows: pd.DataFrame) -> pd.DataFrame:
    """Select one row per run."""
    return rows.drop_duplicates(["task", "size", "seed"])


def _gain(run: pd.DataFrame) -> float:
    """Compute the rise of the score from the first to the last evaluation of a run."""
    rates = run.dropna(subset=["success_rate"]).sort_values("step")["success_rate"]
    return rates.iloc[-1] - rates.iloc[0] if len(rates) else 0.0


def _curve(axes: Axes, run: pd.DataFrame, column: str, **line: Any) -> Line2D:
    """Draw one quantity of one run against step, at the steps where it was evaluated."""
    taken = run.dropna(subset=[column]).sort_values("step")
    return axes.plot(taken["step"], taken[column], **line)[0]


def _first_steps(runs: Mapping[Any, pd.DataFrame]) -> str:
    """Give the steps of the runs' first evaluations: '100', or '0 to 100' if they differ."""
    first = [run.dropna(subset=["success_rate"])["step"].min() for run in runs.values()]
    return " to ".join(dict.fromkeys(f"{step:.0f}" for step in (min(first), max(first))))


def _chance_handle(task: Task) -> Line2D:
    """Make the legend handle of the chance line."""
    return Line2D([], [], label=f"chance, {task.chance:.3g}", **_CHANCE)


def _mean_curves(axes: Axes, rows: pd.DataFrame, column: str, color: Any, style: FigureStyle) -> None:
    """Draw means over seeds against step, one line per size, in shades of ``color`` and with the sizes' markers."""
    for place, size in enumerate(style.sizes):
        by_step = _by_step(rows, column, size)
        means, errors = by_step.mean(), standard_errors(by_step)
        line = _line(style, size, color)
        # Five markers per line, staggered between sizes so that they do not cover each other.
        axes.plot(means.index, means, markevery=(0.04 * place + 0.02, 0.2), **line)
        axes.fill_between(means.index, means - errors, means + errors, color=line["color"], alpha=0.25, linewidth=0)


def _label_ends(axes: Axes, rows: pd.DataFrame, column: str, color: Any, style: FigureStyle) -> None:
    """Write the sizes' names beside the ends of their lines, moved apart; call it after drawing everything else."""
    ends = {}
    to_axes = axes.transScale + axes.transLimits
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    for size in style.sizes:
        means = _by_step(rows, column, size).mean()
        if len(means):
            end = (means.index[-1], means.iloc[-1])
            ends[size] = (end, to_axes.transform(end)[1])
    order = sorted(ends, key=lambda size: ends[size][1])
    gap = min(0.1, 1 / max(len(order), 1))  # of the axes' height
    heights = np.array([ends[size][1] for size in order])
    # Place each at least a gap above the last, then move all down as far as the topmost require.
    places = gap * np.arange(len(order))
    heights = np.maximum.accumulate(heights - places)
    heights = np.minimum(heights, 1 - places[-1:].sum()) + places
    for size, height in zip(order, heights, strict=True):
        shade = style.shade(color, size)
        axes.text(1.05, height, size, transform=axes.transAxes, color=shade, va="center")
        leader = {"arrowstyle": "-", "color": shade, "linewidth": 0.4, "linestyle": ":", "shrinkA": 0, "shrinkB": 0}
        axes.annotate("", ends[size][0], xytext=(1.04, height), textcoords="axes fraction", arrowprops=leader)


def _by_step(rows: pd.DataFrame, column: str, size: str) -> Any:
    """Group a column of one size's runs by step."""
    return rows[rows["size"] == size].dropna(subset=[column]).groupby("step")[column]


def _line(style: FigureStyle, size: str, color: Any) -> dict[str, Any]:
    """Return the line style of a size."""
    return {"color": style.shade(color, size), "marker": style.marker(size), "markersize": style.marker_size(size, 4.0)}
