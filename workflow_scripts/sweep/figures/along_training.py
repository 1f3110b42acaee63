"""The objectives read off the policies while they learn."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from sweep.figures import registry
from sweep.figures.axes import legend_below, readable_log_axis
from sweep.figures.marks import FigureStyle, drawn, policy_points, size_handles, task_handles
from sweep.figures.scores import measure_names, score, short_score, tasks_of
from sweep.figures.theme import COLUMN_WIDTH, CaptionedFigure, captioned, folded
from sweep.figures.wording import MARKERS_TEXT, PROMOTED_TEXT, STEPS_TEXT, count_text, joined, two_digits

_POLICY = ["task", "size", "seed"]
# Colours stand for tasks. Measures often agree, so lines drawn first are wider and stay visible under later ones.
_LINES = {
    "success_rate": {"color": "0.75", "linewidth": 3.2},
    "meg": {"color": "0.45", "linewidth": 2.0, "linestyle": (0, (1, 1))},
    "imp": {"color": "0.25", "linewidth": 1.2, "linestyle": (0, (5, 2.5))},
    "op": {"color": "black", "linewidth": 0.8},
}


@registry.figure("identification_along_training", "policies", "along_training", "first_identified")
def identification_along_training(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw how much policies have learned once each measure identifies their task, and their Op on the way."""
    policies, along, first = (tables[name] for name in ("policies", "along_training", "first_identified"))
    judges = tasks_of(policies).values()
    names = measure_names(judges)
    along_op, first_op = (rows[rows["measure"] == "op"] for rows in (along, first))
    figure = Figure(figsize=(COLUMN_WIDTH, 5.0))
    above, below = figure.subplots(2, 1)
    measures = _shares(above, first, along["gained"], names=names)
    above.set_title("task identified from then on")
    above.set_xlabel(folded(f"{short_score(judges)} gained, from chance (0) to the most possible (1)", 2.8))
    above.set_ylabel("share of policies")
    tasks, sizes = _courses(below, along_op, first_op, style=style)
    below.set_title("marker: from here on, Op identifies the task")
    below.set_xlabel("reinforcement step")
    below.set_ylabel("Op (nats)")
    legend_below(figure, measures, tasks, sizes)

    begun = along_op.groupby(_POLICY, observed=True)["step"].min()
    counts = joined([_count_text(name, first[first["measure"] == measure], begun) for measure, name in names.items()])
    caption = (
        f"The objective read off policies during reinforcement, {count_text(policies)}, from their answers to one "
        "window of each validation chain; in the test windows that all other figures are about, more or fewer may be "
        "identified. Above: share of policies whose task a measure identifies at an evaluation and at all later "
        f"ones, against what they had gained by the first of these: {score(judges)} minus chance, as a share of its "
        f"largest possible value. In numbers: {counts}. {PROMOTED_TEXT} As for trained policies, Op and Imp identify "
        f"the promoted task, among {len(style.tasks)}, whose prediction is nearest; goal-directedness (MEG) and "
        f"{names['success_rate']} the promoted task with the largest value. Below: Op of every policy, with a marker "
        f"where Op begins to identify its task. {MARKERS_TEXT} Tasks identified at the first evaluation, at step "
        f"{' to '.join(dict.fromkeys(f'{end:,}' for end in (begun.min(), begun.max())))}, may have been identifiable "
        f"before. {STEPS_TEXT}"
    )
    return captioned(figure, _finding(first, short_score(judges)), caption)


def _shares(axes: Axes, first: pd.DataFrame, gained: pd.Series, names: Mapping[str, str]) -> list[Artist]:
    """Draw the share of policies identified against what they had gained; return the measures' legend handles."""
    ends = min(0.0, first["gained"].min()), max(gained.max(), 0.0)
    for measure, line in _LINES.items():
        rows = first[first["measure"] == measure]
        reached = np.sort(rows["gained"].dropna())
        shares = np.arange(len(reached) + 1) / max(len(rows), 1)
        axes.step([ends[0], *reached, ends[1]], [*shares, shares[-1]], where="post", **line)
    axes.set_ylim(-0.03, 1.03)
    return [Line2D([], [], label=name, **_LINES[measure]) for measure, name in names.items()]


def _courses(
    axes: Axes, along: pd.DataFrame, first: pd.DataFrame, style: FigureStyle
) -> tuple[list[Artist], list[Artist]]:
    """Draw Op against step, one line per policy, with a marker where its task begins to be identified.

    Args:
        axes: where to draw.
        along: rows of 'along_training' by Op.
        first: rows of 'first_identified' by Op.
        style: gives colours and markers.

    Returns:
        Legend handles of the tasks and of the sizes that occur.
    """
    chosen = drawn(first)
    courses = along.merge(chosen[_POLICY], on=_POLICY).sort_values("step")
    for task, rows in courses.groupby("task", observed=True, sort=False):
        # One broken line, because a thousand lines would take a minute to draw.
        broken = [run[["step", "value"]].to_numpy(dtype=float) for _, run in rows.groupby(["size", "seed"])]
        points = np.concatenate([part for run in broken for part in (run, [[np.nan, np.nan]])])
        axes.plot(*points.T, color=style.color(task), linewidth=0.6, alpha=0.55, zorder=2)
    marked = chosen.merge(along[[*_POLICY, "step", "value"]], on=[*_POLICY, "step"])
    policy_points(axes, marked, "step", y="value", style=style)
    if along["step"].max() > 10 * along["step"].min():
        readable_log_axis(axes.xaxis)
    return task_handles(first, style), size_handles(first, style)


def _count_text(name: str, first: pd.DataFrame, begun: pd.Series) -> str:
    """Count the policies that a measure identifies to the end, and say how much half of them had gained by then."""
    identified = first.dropna(subset=["step"])
    if identified.empty:
        return f"none by {name}"
    at_once = (identified.set_index(_POLICY)["step"] == begun.loc[pd.MultiIndex.from_frame(identified[_POLICY])]).sum()
    return (
        f"{len(identified)} by {name} (half of them at {two_digits(identified['gained'].median())} or less, "
        f"{at_once} at the first evaluation)"
    )


def _finding(first: pd.DataFrame, score_name: str) -> str:
    """Say for how many policies Op identifies the task earlier than the score alone, and for how many later."""
    steps = first.pivot(index=_POLICY, columns="measure", values="step").astype(float).fillna(np.inf)
    told = np.isfinite(steps[["op", "success_rate"]]).any(axis=1)
    if not told.any():
        return f"Neither Op nor {score_name} alone identifies any policy's task to the end of its training"
    earlier, later = (steps["op"] < steps["success_rate"]).sum(), (steps["op"] > steps["success_rate"]).sum()
    return (
        f"Op identifies the task earlier in training than {score_name} alone for {earlier} of {len(steps)} policies, "
        f"later for {later}"
    )
