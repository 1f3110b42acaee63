"""Op and Imp under each counterfactual future."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from sweep.figures import registry
from sweep.figures.axes import legend_below
from sweep.figures.marks import (
    FigureStyle,
    Strips,
    finite_rows,
    mean_and_error,
    size_handles,
    summary_handle,
    task_handles,
)
from sweep.figures.theme import PAGE_WIDTH, CaptionedFigure, captioned
from sweep.figures.wording import count_text, joined, left_out_text, two_digits

_NAMES = {
    "split_history": "split\nhistory",
    "do_nothing": "do\nnothing",
    "random_token": "random\ntoken",
    "untrained": "untrained\nmodel",
    "pretrained": "pretrained\nmodel",
}
# Describes the futures for the caption.
_FUTURES_TEXT = (
    "In a counterfactual future, the same windows are answered with the policy's answer to another window (split "
    "history), one fixed token (do nothing), a uniformly random token (random token), or the answer of the model "
    "before any training (untrained) or before reinforcement (pretrained)."
)


@registry.figure("counterfactuals", "counterfactuals")
def counterfactuals(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw Op and Imp of every policy under each counterfactual future, with means per task."""
    rows = tables["counterfactuals"]
    rows = rows.assign(group=rows["task"])
    shown = finite_rows(rows, "op", "imp")
    names = {key: name for key, name in _NAMES.items() if key in set(rows["counterfactual"])}
    colors = {task: style.color(task) for task in style.tasks if task in set(rows["task"])}
    figure = Figure(figsize=(PAGE_WIDTH, 2.9))
    strips = Strips("counterfactual", names, colors=colors, style=style, summary=mean_and_error)
    panels = figure.subplots(1, 2)
    for axes, column, label in zip(panels, ("op", "imp"), ("Op (nats)", "Imp (nats)"), strict=True):
        strips.draw(axes, shown, column)
        axes.axhline(0, color="black", linewidth=0.6, zorder=1)
        axes.set(ylabel=label, xlabel="counterfactual future")
    legend_below(
        figure, task_handles(shown, style), [*size_handles(shown, style), summary_handle("mean of a task's policies")]
    )

    title, changes = _finding(shown, names, style)
    caption = (
        "Op (left) and Imp (right) of the policies against each counterfactual future, "
        f"{count_text(shown.drop_duplicates(['task', 'size', 'seed']))}. Pale points are policies, with one marker "
        "per size, smaller sizes to the left; the crosses beside them are means over all policies of a task ± one "
        "standard error, which includes differences between sizes (none for fewer than three policies). "
        f"{_FUTURES_TEXT} Under the split history, Op and Imp are means over the futures F'|x''; each other future is "
        f"a single distribution. {changes}"
        + left_out_text(
            rows, shown, "where Op or Imp is undefined or infinite", singular="measurement", plural="measurements"
        )
    )
    return captioned(figure, title, caption)


def _finding(shown: pd.DataFrame, names: Mapping[str, str], style: FigureStyle) -> tuple[str, str]:
    """Say under which future Imp changes most from the split history, and, for the caption, how much it changes."""
    means = shown.groupby(["counterfactual", "task"])[["op", "imp"]].mean()
    others = [key for key in names if key != "split_history" and key in means.index]
    if "split_history" not in means.index or not others:
        return "Op and Imp under counterfactual futures", ""
    # Drop tasks that lack a mean under either future.
    changes = {key: (means.loc[key] - means.loc["split_history"]).dropna() for key in others}
    furthest = max(others, key=lambda key: changes[key]["imp"].abs().max() if len(changes[key]) else -1.0)
    change = changes[furthest]
    if change.empty:
        return "Op and Imp under counterfactual futures", ""
    tasks = [task for task in style.tasks if task in change.index]
    if len(tasks) > 4:
        moved = f"at most {two_digits(change['imp'].abs().max())} nats"
    else:
        signed = [f"{'+' if change.at[task, 'imp'] > 0 else ''}{two_digits(change.at[task, 'imp'])}" for task in tasks]
        moved = joined([f"{number} nats on {task}" for number, task in zip(signed, tasks, strict=True)])
    name = names[furthest].replace("\n", " ")
    return (
        f"Compared with the split history, mean Imp changes most under “{name}”",
        f"From split history to {name}, mean Imp changes by {moved}, mean Op by at most "
        f"{two_digits(change['op'].abs().max())} nats. ",
    )
