"""Differential Op and Imp inside the networks, before and after reinforcement."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FixedLocator, NullLocator

from splithistory.plots import NEUTRAL
from sweep.figures import registry
from sweep.figures.axes import legend_below, readable_log_axis
from sweep.figures.marks import (
    FigureStyle,
    Strips,
    finite_rows,
    median_and_quartiles,
    size_handles,
    summary_handle,
    task_handles,
)
from sweep.figures.theme import PAGE_WIDTH, CaptionedFigure, captioned
from sweep.figures.wording import count_text, left_out_text

_BEFORE = "before reinforcement"
_COMPONENTS = {"attention": "attention", "mlp": "MLP"}
_FUTURES = {"block": "future: after the same block", "end": "future: after the last block"}


@registry.figure("differential", "differential")
def differential(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw differential Op and Imp of every model by block and component, for both futures."""
    rows = tables["differential"]
    pretrained = rows["stage"] == "pretrain"
    rows = rows.assign(
        group=rows["task"].where(~pretrained, _BEFORE),
        place=rows["block"].astype(str) + " " + rows["component"].astype(str),
    )
    # Imp lies on a log axis.
    shown = finite_rows(rows, "op_median", "imp_median").query("imp_median > 0")
    places = rows.sort_values(["block", "component"]).drop_duplicates("place")
    names = {row.place: f"block {row.block + 1}\n{_COMPONENTS[row.component]}" for row in places.itertuples()}
    colors = {_BEFORE: NEUTRAL} | {task: style.color(task) for task in style.tasks if task in set(rows["task"])}
    figure = Figure(figsize=(PAGE_WIDTH, 4.4))
    strips = Strips("place", names, colors=colors, style=style, summary=median_and_quartiles)
    panels = figure.subplots(2, 2, sharex=True, sharey="row")
    for axes, (future, title) in zip(panels.T, _FUTURES.items(), strict=True):
        of_future = shown[shown["future"] == future]
        for part, column in zip(axes, ("op_median", "imp_median"), strict=True):
            strips.draw(part, of_future, column)
        axes[0].axhline(0, color="black", linewidth=0.6, zorder=1)
        axes[0].set_title(title)
    _signed_log_axis(panels[0, 0], shown["op_median"])
    readable_log_axis(panels[1, 0].yaxis)
    panels[0, 0].set_ylabel("differential Op (nats)")
    panels[1, 0].set_ylabel("differential Imp (nats)")
    before = Patch(color=NEUTRAL, label=_BEFORE)
    summary = summary_handle("median over models, with quartiles")
    legend_below(figure, [before, *task_handles(rows, style)], [*size_handles(rows, style), summary])

    policies = rows[~pretrained].drop_duplicates(["task", "size", "seed"])
    models = rows[pretrained].drop_duplicates(["size", "seed"])
    caption = (
        f"Differential Op (above) and Imp (below) of attention and MLP at the last position, {count_text(policies)}, "
        f"and {len(models)} pretrained models. The past is the residual stream before the block; the future is the "
        "one after the same block (left) or after the last block (right); the two coincide for the last block. Pale "
        "points are medians over the windows of a model, with one marker per size, smaller sizes to the left; the "
        "crosses beside them are medians over all models of a colour, with quartiles. The title counts pairs of a task "
        "and a component, with the future after the last block. The axis of Op is linear near zero and logarithmic "
        "further out, that of Imp is logarithmic. The study calls these measures speculative. "
        f"{rows['n_undefined'].sum():,} of {rows['n_windows'].sum():,} evaluations at single windows are undefined. "
        + left_out_text(
            rows, shown, "undefined in every window, or with an Imp of zero", singular="median", plural="medians"
        )
    )
    return captioned(figure, _title(shown[shown["future"] == "end"]), caption)


def _signed_log_axis(axes: Axes, values: pd.Series) -> None:
    """Scale y linearly near zero and logarithmically further out, as Op varies in sign and by orders of magnitude."""
    typical = values.abs().median()
    width = typical / 3 if typical > 0 else 1.0
    axes.set_yscale("asinh", linear_width=width)
    axes.margins(y=0.08)
    powers = 10.0 ** np.arange(np.floor(np.log10(width)), np.floor(np.log10(width)) + 6)
    steps = np.outer(powers, (1, 3)).ravel()
    steps = steps[steps > width]
    axes.yaxis.set_major_locator(FixedLocator([*-steps[::-1], 0, *steps]))
    axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}".replace("-", "−"))
    axes.yaxis.set_minor_locator(NullLocator())


def _title(rows: pd.DataFrame) -> str:
    """Count the strips in which the quartiles of Op after reinforcement overlap those before."""
    strips_of = rows.groupby(["place", "group"])["op_median"]
    low, high = (strips_of.quantile(q).unstack() for q in (0.25, 0.75))
    tasks = low.columns.drop(_BEFORE, errors="ignore")
    if _BEFORE not in low or low.isna().any(axis=None) or tasks.empty:
        return "Differential Op and Imp by block and component"
    overlap = low[tasks].le(high[_BEFORE], axis=0) & high[tasks].ge(low[_BEFORE], axis=0)
    return (
        "Quartiles of differential Op before and after reinforcement overlap in "
        f"{int(overlap.to_numpy().sum())} of {overlap.size} cases"
    )
