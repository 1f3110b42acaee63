"""Figures of the training runs: a panel a run, and all sizes in one."""

from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sweep.figures.style import (
    COLUMN_WIDTH,
    NEUTRAL,
    PAGE_WIDTH,
    CaptionedFigure,
    FigureStyle,
    captioned,
    count_text,
    legend_below,
    readable_log_axis,
    seeds_text,
    trend,
)


def training_runs(tables: Mapping[str, pd.DataFrame], style: FigureStyle, task: str) -> CaptionedFigure:
    """Success and losses of each reinforcement run of a task: a column a seed, two rows of axes a size."""
    rows = _finetuning(tables, task)
    runs = dict(list(rows.groupby(["size", "seed"], observed=True)))
    sizes = [size for size in style.sizes if size in set(rows["size"])]
    seeds = sorted(rows["seed"].unique())
    # Panels keep their size: more runs make a larger figure.
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
            own = _curve(loss, run, "maintenance_loss", color="black")
            natural = _curve(loss, run, "natural_loss", color="black", linestyle=":")
        panels[2 * place, 0].set_ylabel("success rate")
        panels[2 * place + 1, 0].set_ylabel("loss (nats)")
    for axes in panels.flat:
        axes.label_outer()
    for axes in panels[-1]:
        axes.set_xlabel("reinforcement step")
    for handle, label in (
        (greedy, "success at temperature 0"),
        (sampled, "success, sampled"),
        (own, "maintenance loss, own rollouts"),
        (natural, "loss on natural chains"),
    ):
        handle.set_label(label)
    legend_below(figure, [greedy, sampled], [own, natural])

    rising = sum(_gain(run) > 0 for run in runs.values())
    caption = (
        f"Reinforcement on {task}, {count_text(_policies(rows))}: a column a seed, a pair of axes a run, all on "
        "the same scales. Above: success rate, of actions sampled while training (thin) and at temperature 0 on "
        "validation chains (thick). Below: cross-entropy on even positions of the run's own rollouts (solid) and of "
        "natural chains (dotted). Pretraining is left out."
    )
    return captioned(figure, f"{task}: success ends above its start in {rising} of {len(runs)} runs", caption)


def training_summary(tables: Mapping[str, pd.DataFrame], style: FigureStyle, task: str) -> CaptionedFigure:
    """Pretraining loss, success and losses of all sizes, means over seeds against step."""
    rows = _finetuning(tables, task)
    pretraining = tables["training"][tables["training"]["stage"] == "pretrain"]
    figure = Figure(figsize=(PAGE_WIDTH, 4.4))
    panels = figure.subplots(2, 2)
    curves = (
        (panels[0, 0], pretraining, "validation_loss", NEUTRAL, "pretraining: validation (solid), train (dotted)"),
        (panels[0, 1], rows, "success_rate", style.color(task), "reinforcement: temperature 0, validation chains"),
        (panels[1, 0], rows, "maintenance_loss", style.color(task), "reinforcement: own rollouts"),
        (panels[1, 1], rows, "natural_loss", style.color(task), "reinforcement: natural chains"),
    )
    for axes, source, column, color, title in curves:
        _mean_curves(axes, source, column, color, style)
        axes.set(title=title, xlabel="step", ylabel="success rate" if column == "success_rate" else "loss (nats)")
    _mean_curves(panels[0, 0], pretraining, "train_loss", NEUTRAL, style, linestyle=":")
    readable_log_axis(panels[0, 0].yaxis)
    legend_below(
        figure,
        [
            Line2D([], [], color=style.shade(style.color(task), size), marker=style.marker(size), label=size)
            for size in style.sizes
            if size in set(rows["size"])
        ],
    )

    final = rows.dropna(subset=["success_rate"]).sort_values("step").groupby(["size", "seed"], observed=True).last()
    direction = trend(final.groupby("size", observed=True)["success_rate"].mean().reindex(style.sizes))
    caption = (
        f"Training by size, {count_text(_policies(rows))} on {task}. Lines are means over seeds, bands ± one standard "
        "error (none for a single seed); the larger the model, the darker its line. Top left: pretraining, which all "
        "tasks share. The others: reinforcement, with success at temperature 0 on validation chains and cross-entropy "
        "on even positions of the policies' own rollouts and of natural chains. Single runs are left out; another "
        "figure shows them."
    )
    title = f"{task}: mean final success {direction or 'has no steady trend with size'}{seeds_text(rows)}"
    return captioned(figure, title, caption)


def _finetuning(tables: Mapping[str, pd.DataFrame], task: str) -> pd.DataFrame:
    """Reinforcement rows of one task."""
    training = tables["training"]
    return training[(training["stage"] == "finetune") & (training["task"] == task)]


def _policies(rows: pd.DataFrame) -> pd.DataFrame:
    """One row a run."""
    return rows.drop_duplicates(["task", "size", "seed"])


def _gain(run: pd.DataFrame) -> float:
    """Rise of the success rate from the first to the last evaluation of a run."""
    rates = run.dropna(subset=["success_rate"]).sort_values("step")["success_rate"]
    return rates.iloc[-1] - rates.iloc[0] if len(rates) else 0.0


def _curve(axes: Axes, run: pd.DataFrame, column: str, **line: Any) -> Line2D:
    """One quantity of one run against step, over the steps where it was taken."""
    taken = run.dropna(subset=[column]).sort_values("step")
    return axes.plot(taken["step"], taken[column], **line)[0]


def _mean_curves(
    axes: Axes, rows: pd.DataFrame, column: str, color: Any, style: FigureStyle, linestyle: str = "-"
) -> None:
    """Mean over seeds against step, a line a size, in tints of ``color`` and with the sizes' markers."""
    for place, size in enumerate(style.sizes):
        by_step = rows[rows["size"] == size].dropna(subset=[column]).groupby("step")[column]
        means, errors = by_step.mean(), by_step.sem()
        tint = style.shade(color, size)
        # Five markers a line, out of step between sizes so that they do not cover each other.
        axes.plot(
            means.index,
            means,
            color=tint,
            linestyle=linestyle,
            marker=style.marker(size) if linestyle == "-" else None,
            markevery=(0.04 * place + 0.02, 0.2),
        )
        axes.fill_between(means.index, means - errors, means + errors, color=tint, alpha=0.25, linewidth=0)
