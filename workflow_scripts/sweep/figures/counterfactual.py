"""Op and Imp under each counterfactual future."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from sweep.figures.style import (
    PAGE_WIDTH,
    CaptionedFigure,
    FigureStyle,
    captioned,
    count_text,
    finite_rows,
    left_out_text,
    legend_below,
    mean_and_error,
    size_handles,
    strips,
    task_handles,
)

_NAMES = {
    "split_history": "split\nhistory",
    "do_nothing": "do\nnothing",
    "random_token": "random\ntoken",
    "untrained": "untrained\nmodel",
    "pretrained": "pretrained\nmodel",
}


def counterfactuals(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Op and Imp of every policy under each counterfactual future, with means for each task."""
    rows = tables["counterfactuals"]
    rows = rows.assign(group=rows["task"])
    shown = finite_rows(rows, "op", "imp")
    names = {key: name for key, name in _NAMES.items() if key in set(rows["counterfactual"])}
    colors = {task: style.color(task) for task in style.tasks if task in set(rows["task"])}
    figure = Figure(figsize=(PAGE_WIDTH, 2.9))
    panels = figure.subplots(1, 2)
    for axes, column, label in zip(panels, ("op", "imp"), ("Op (nats)", "Imp (nats)"), strict=True):
        strips(axes, shown, "counterfactual", column, names, colors, style, mean_and_error)
        axes.axhline(0, color="black", linewidth=0.6, zorder=1)
        axes.set(ylabel=label, xlabel="counterfactual future")
    legend_below(figure, task_handles(shown, style), size_handles(shown, style))

    means = shown.groupby("counterfactual")["op"].mean().reindex(list(names)).dropna()
    title = "Op under counterfactual futures"
    if len(means):
        (low, least), (high, most) = (
            (names[key].replace("\n", " "), means[key]) for key in (means.idxmin(), means.idxmax())
        )
        title = f"By counterfactual future, mean Op ranges from {least:.2f} nats ({low}) to {most:.2f} ({high})"
    caption = (
        f"Op (left) and Imp (right) of the policies against each counterfactual future, "
        f"{count_text(shown.drop_duplicates(['task', 'size', 'seed']))}. Pale points are the policies, with a marker a "
        "size, the smaller sizes to the left; bars are means of a task's policies ± one standard error (none for a "
        "single policy). Under the split history, Op and Imp are means over the futures F'|x''; the other futures are "
        "one distribution each. "
        + left_out_text(rows, shown, "where Op or Imp is undefined or infinite", "measurement", "measurements")
    )
    return captioned(figure, title, caption)
