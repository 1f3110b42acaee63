"""Op and maximum-entropy goal-directedness (MEG), and how well each measure identifies tasks (method, section 13)."""

from collections.abc import Iterable, Mapping, Sequence

import pandas as pd
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from splithistory.plots import equal_limits, identity_line
from sweep.figures import registry
from sweep.figures.axes import legend_below
from sweep.figures.identification import shaded_counts
from sweep.figures.marks import FigureStyle, finite_rows, policy_points
from sweep.figures.scores import measure_names, score, short_score, tasks_of
from sweep.figures.theme import PAGE_WIDTH, CaptionedFigure, captioned, folded
from sweep.figures.wording import POINTS_TEXT, PROMOTED_TEXT, count_text, joined, left_out_text, range_text
from sweep.formatting import counted


@registry.figure("op_vs_goal_directedness", "policies")
def op_vs_goal_directedness(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw Op against MEG for some utility of the outcome, and Op_pred against MEG for the policy's own task."""
    policies = tables["policies"]
    judges = tasks_of(policies).values()
    shown = finite_rows(policies, "op", "op_predicted", "meg_any", "meg_task")
    figure = Figure(figsize=(PAGE_WIDTH, 3.5))
    for axes, (x, y), names in zip(
        figure.subplots(1, 2),
        (("meg_any", "op"), ("meg_task", "op_predicted")),
        (
            ("MEG for some utility (nats)", "measured Op (nats)"),
            ("MEG for the policy's own task (nats)", f"Op predicted from {short_score(judges)} (nats)"),
        ),
        strict=True,
    ):
        tasks, sizes = policy_points(axes, shown, x, y=y, style=style)
        equal_limits(axes)
        line = identity_line(axes)
        axes.set(xlabel=names[0], ylabel=folded(names[1], 2.3))
    legend_below(figure, [*tasks, line], sizes)

    beyond, own_beyond = (shown[x] - shown[y] for x, y in (("meg_any", "op"), ("meg_task", "op_predicted")))
    title, differences = "Op and goal-directedness", ""
    if len(shown):
        title = f"Goal-directedness for some utility exceeds Op for {(beyond > 0).sum()} of {len(shown)} policies"
        differences = (
            f"Goal-directedness for some utility exceeds Op by {range_text(beyond)} nats, and for the policy's own "
            f"task it exceeds Op_pred by {range_text(own_beyond)} nats. "
        )
    caption = (
        f"Optimization against maximum-entropy goal-directedness (MEG), {count_text(shown)}. {POINTS_TEXT} Left: Op "
        "against MEG for the utility of the outcome that best predicts the policy's answers. Right: Op_pred, which "
        f"follows from the {score(judges)}, against MEG for the policy's own task. {differences}Dashed: y = x, where "
        "both would lie if the sequence had no noise and outcomes were equally likely under the split history. Noise "
        "lowers Op and Op_pred, because fewer outcomes are the intended ones, but leaves MEG unchanged, because a "
        f"larger β gives the same answers. {left_out_text(policies, shown, 'where a measure is undefined')}"
    )
    return captioned(figure, title, caption)


@registry.figure("identification_by_measure", "policies", "goal_directedness")
def identification_by_measure(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw how many policies' tasks each measure identifies, and for how many the true good set ranks first."""
    rows, policies = tables["goal_directedness"], tables["policies"]
    judges = tasks_of(policies)
    names = measure_names(judges.values())
    tasks = [task for task in style.tasks if task in judges]
    good_sets = [task for task in tasks if judges[task].is_good_set]
    panels = {"task identified": (tasks, rows["correct"])}
    if good_sets:
        panels["true good set ranks first"] = (good_sets, rows["true_set_rank"] == 1)
    counts = {
        name: _counts(hits.fillna(False).astype(int), rows, of, measures=names) for name, (of, hits) in panels.items()
    }
    figure = Figure(figsize=(PAGE_WIDTH, 1.3 + 0.25 * (len(tasks) + 1)))
    drawn = figure.subplots(1, len(panels), squeeze=False)[0]
    for axes, (name, (of, _)) in zip(drawn, panels.items(), strict=True):
        n_policies = _with_total(policies.groupby("task").size()[of].to_frame()).to_numpy()  # (T + 1, 1)
        labels = {measure: text.replace(" above", "\nabove") for measure, text in names.items()}
        height = shaded_counts(axes, counts[name].rename(columns=labels), counts[name].to_numpy() / n_policies)
        axes.set_title(name)
    figure.set_figheight(figure.get_figheight() + height)
    drawn[0].set_ylabel("trained task")
    shades = [
        Patch(color=colormaps["Blues"](end), label=label)
        for end, label in ((0.0, "none of a row"), (1.0, "all of a row"))
    ]
    legend_below(figure, [*shades])

    (first, number), *others = [
        (names[measure], count) for measure, count in counts["task identified"].loc["all"].items()
    ]
    title = joined(
        [f"{first} identifies the task of {number} of {len(policies)} policies"]
        + [f"{name} of {count}" for name, count in others]
    )
    caption = (
        f"How well each measure identifies what a policy was trained on, {count_text(policies)}, in natural test "
        f"windows after reinforcement. {'Left: n' if good_sets else 'N'}umber of policies whose task is identified "
        f"correctly among {counted(len(style.tasks), 'task')}. {PROMOTED_TEXT} Op and Imp identify the promoted task "
        "whose prediction is nearest; goal-directedness (MEG) the one that the policy is most directed at; "
        f"{names['success_rate']} the one on which the {score(judges.values())} exceeds that of random answers by "
        "most. Darker cells hold a larger share of their row. "
    )
    if good_sets:
        ranked = policies["task"].isin(good_sets).sum()
        firsts = [f"{count} ({names[of]})" for of, count in counts["true good set ranks first"].loc["all"].items()]
        caption += (
            "Right: number of policies whose own good set ranks first among all promoted ones; "
            f"it ranks first for {joined(firsts)} of {ranked}. "
        )
    if len(good_sets) < len(tasks):
        caption += "Left out: ranks of graded tasks, which have none."
    return captioned(figure, title, caption)


def _counts(hits: pd.Series, rows: pd.DataFrame, tasks: Sequence[str], measures: Iterable[str]) -> pd.DataFrame:
    """Count hits in one row per task and a last one for all, and one column per measure."""
    by_task = hits.groupby([rows["task"], rows["measure"]]).sum().unstack("measure")
    return _with_total(by_task.loc[list(tasks), list(measures)])


def _with_total(counts: pd.DataFrame) -> pd.DataFrame:
    """Add a last row with the sums."""
    return pd.concat([counts, counts.sum().to_frame("all").T])
