"""Differential Op and Imp inside the networks, before and after reinforcement."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sweep.figures.style import (
    NEUTRAL,
    PAGE_WIDTH,
    CaptionedFigure,
    FigureStyle,
    captioned,
    count_text,
    finite_rows,
    left_out_text,
    legend_below,
    median_and_quartiles,
    readable_log_axis,
    size_handles,
    strips,
    task_handles,
)

_BEFORE = "before reinforcement"
_COMPONENTS = {"attention": "attention", "mlp": "MLP"}
_FUTURES = {"block": "future: after the same block", "end": "future: after the last block"}


def differential(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Differential Op and Imp of every model by block and component, for both futures."""
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
    panels = figure.subplots(2, 2, sharex=True, sharey="row")
    for axes, (future, title) in zip(panels.T, _FUTURES.items(), strict=True):
        of_future = shown[shown["future"] == future]
        for part, column in zip(axes, ("op_median", "imp_median"), strict=True):
            strips(part, of_future, "place", column, names, colors, style, median_and_quartiles)
        axes[0].axhline(0, color="black", linewidth=0.6, zorder=1)
        axes[0].set_title(title)
    readable_log_axis(panels[1, 0].yaxis)
    panels[0, 0].set_ylabel("differential Op (nats)")
    panels[1, 0].set_ylabel("differential Imp (nats)")
    before = Line2D([], [], color=NEUTRAL, marker="o", linestyle="none", label=_BEFORE)
    legend_below(figure, [before, *task_handles(rows, style)], size_handles(rows, style))

    policies = rows[~pretrained].drop_duplicates(["task", "size", "seed"])
    models = rows[pretrained].drop_duplicates(["size", "seed"])
    caption = (
        f"Differential Op (above) and Imp (below, on a log axis) of attention and MLP at the last position, "
        f"{count_text(policies)}, and {len(models)} pretrained models. The past is the residual stream before the "
        "block; the future is that after the same block (left) or after the last one (right). Pale points are medians "
        "over the windows of a model, with a marker a size, the smaller sizes to the left; bars are medians over "
        "models, with quartiles. The study gives these measures as speculative. "
        f"{rows['n_undefined'].sum():,} of {rows['n_windows'].sum():,} evaluations at a window are undefined. "
        + left_out_text(rows, shown, "which no window defines or whose Imp is zero", "median", "medians")
    )
    return captioned(figure, _title(shown[shown["future"] == "end"]), caption)


def _title(rows: pd.DataFrame) -> str:
    """In how many places the median over policies is above that over pretrained models."""
    medians = rows.groupby(["place", rows["stage"] == "pretrain"])["op_median"].median().unstack()
    if medians.isna().any(axis=None) or medians.shape[1] < 2:
        return "Differential Op and Imp by block and component"
    higher = int((medians[False] > medians[True]).sum())
    where = f"{higher} of {len(medians)} components"
    return f"Median differential Op is higher after reinforcement in {where} (future: after the last block)"
