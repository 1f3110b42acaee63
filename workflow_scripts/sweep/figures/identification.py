"""The objectives read off the policies: which task is identified, and where the true good set ranks."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from splithistory.plots import NEUTRAL
from splithistory.sequence import N_OUTCOMES
from sweep.confusion import confusion_matrix
from sweep.figures import registry
from sweep.figures.axes import category_axis, legend_below, readable_log_axis
from sweep.figures.marks import FigureStyle, drawn, finite_rows, size_handles, task_handles
from sweep.figures.theme import PAGE_WIDTH, CaptionedFigure, captioned
from sweep.figures.wording import PROMOTED_TEXT, count_text, left_out_text
from sweep.formatting import counted
from sweep.words import NONE

_MEASURES = {"op": "Op", "imp": "Imp"}
# Up to this rank, a linear axis separates all ranks.
_FEW_RANKS = 12


@registry.figure("identification", "identification")
def identification(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw the trained against the identified task, and the rank of the true good set, by Op and by Imp."""
    rows = tables["identification"]
    rankable = rows[rows["true_set_rank_low"].notna()]  # graded tasks have no good set to rank
    shown = finite_rows(rankable, "true_set_rank")
    points = shown[shown.index.isin(drawn(rows).index)]
    tasks, good_sets = ([task for task in style.tasks if task in set(of["task"])] for of in (rows, rankable))
    heights = (1, 1.2) if good_sets else (1,)
    figure = Figure(figsize=(PAGE_WIDTH, 2.1 * sum(heights)))
    panels = figure.subplots(len(heights), 2, sharey="row", height_ratios=heights, squeeze=False)
    for column, (measure, symbol) in zip(panels.T, _MEASURES.items(), strict=True):
        counts = confusion_matrix(rows[rows["measure"] == measure], style.tasks).loc[tasks]
        names = _confusion(column[0], counts)
        column[0].set_title(f"identified by {symbol}, number of policies")
        if good_sets:
            names += _ranks(column[1], points[points["measure"] == measure], good_sets, style=style)
            column[1].set_title(f"ranked by {symbol}")
            column[1].set_xlabel("trained task")
    # Long names must not take the panels' place.
    figure.set_figheight(figure.get_figheight() + names)
    panels[0, 0].set_ylabel("trained task")
    if good_sets:
        _rank_axis(panels[1, 0], shown)
        quantiles = Line2D(
            [],
            [],
            color=NEUTRAL,
            linewidth=0.8,
            label="95% of bootstrap resamples (no line: same rank in at least 95%)",
        )
        legend_below(figure, task_handles(shown, style), size_handles(shown, style), [quantiles])

    correct = rows.groupby("measure")["correct"].sum().reindex(list(_MEASURES), fill_value=0)
    first = (shown["true_set_rank"] == 1).groupby(shown["measure"]).sum().reindex(list(_MEASURES), fill_value=0)
    most = rows["n_promoted"].max()
    policies = rows.drop_duplicates(["task", "size", "seed"])
    caption = (
        f"The objective of each policy as read off its futures in natural test windows, {count_text(policies)}. "
        f"{PROMOTED_TEXT} Above: the task that each policy was trained on against the promoted one, among "
        f"{counted(len(style.tasks), 'task')}, whose prediction is nearest to its Op (left) or Imp (right), '{NONE}' "
        "if none is promoted. Darker cells hold a larger share of their row. "
    )
    title = f"Op identifies the task of {correct['op']} of {len(policies)} policies, Imp that of {correct['imp']}"
    if good_sets:
        caption += (
            "Below: rank of the policy's own good set among all promoted ones, from 1, whose prediction is nearest, to "
            f"at most {most}, with one marker per size, smaller sizes to the left; lines span the 2.5% to 97.5% "
            "quantiles over bootstrap resamples of the windows, and where no line is visible, both equal the rank. Of "
            f"the {2**N_OUTCOMES - 2} proper non-empty sets of {N_OUTCOMES} outcomes, one of each complementary pair "
            f"is promoted: {(2**N_OUTCOMES - 2) // 2} candidates, or fewer if there are ties. The true set ranks first "
            f"for {first['op']} policies by Op and for {first['imp']} by Imp. "
            + left_out_text(
                rankable,
                shown,
                "where the true good set is not promoted (in the lower panels only)",
                singular="ranking",
                plural="rankings",
            )
        )
    if len(good_sets) < len(tasks):
        caption += " Graded tasks have no good set to rank."
    return captioned(figure, title, caption.strip())


def _rank_axis(axes: Axes, shown: pd.DataFrame) -> None:
    """Set up the axis of ranks, which is linear if they are few."""
    if shown[["true_set_rank", "true_set_rank_high"]].max(axis=None) <= _FEW_RANKS:
        axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    else:
        readable_log_axis(axes.yaxis)
        axes.set_ylim(bottom=0.9)
    axes.set_ylabel("rank of the true good set")


def _confusion(axes: Axes, matrix: pd.DataFrame) -> float:
    """Draw counts of trained against identified task; return the height of the columns' names."""
    axes.set_xlabel("identified task")
    return shaded_counts(axes, matrix, matrix.to_numpy() / np.maximum(matrix.sum(axis=1), 1).to_numpy()[:, None])


def shaded_counts(axes: Axes, counts: pd.DataFrame, shares: np.ndarray) -> float:
    """Draw a table of counts, darker for larger shares; return the height of the columns' names.

    Args:
        axes: where to draw.
        counts: laid out as the table is drawn; cells without a value stay empty.
        shares: of each count, from 0 to 1.
    """
    axes.pcolormesh(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=1, edgecolors="white", linewidth=1)
    for (row, column), count in np.ndenumerate(counts.to_numpy()):
        if not np.isnan(count):
            color = "white" if shares[row, column] > 0.6 else "black"
            axes.text(column + 0.5, row + 0.5, f"{count:.0f}", ha="center", va="center", color=color)
    axes.set_yticks(np.arange(len(counts)) + 0.5, counts.index)
    axes.set_ylim(len(counts), 0)
    axes.tick_params(axis="y", length=0)
    return category_axis(axes, list(counts.columns), start=0.5)


def _ranks(axes: Axes, rows: pd.DataFrame, tasks: list[str], style: FigureStyle) -> float:
    """Draw the rank of every policy's true good set by task, size and seed; return the height of the tasks' names."""
    for place, task in enumerate(tasks):
        own = rows[rows["task"] == task]
        own = own.assign(order=own["size"].map(style.sizes.index)).sort_values(["order", "seed"])
        own["x"] = place + 0.84 * ((np.arange(len(own)) + 0.5) / max(len(own), 1) - 0.5)
        line = {"color": style.color(task), "zorder": 2}
        # One broken line, because a thousand lines would take a minute to draw.
        gaps = own.assign(true_set_rank_gap=np.nan)[[f"true_set_rank_{end}" for end in ("low", "high", "gap")]]
        axes.plot(np.repeat(own["x"], 3), gaps.to_numpy(dtype=float).ravel(), linewidth=0.8, **line)
        for size, policies in own.groupby("size", observed=True, sort=False):
            axes.scatter(
                policies["x"],
                policies["true_set_rank"].astype(float),
                s=style.marker_size(size, 3.6) ** 2,
                marker=style.marker(size),
                linewidth=0,
                urls=style.links(policies),
                **line,
            )
    return category_axis(axes, tasks)
