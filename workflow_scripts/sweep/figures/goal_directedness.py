"""Op beside maximum-entropy goal-directedness (MEG); how well each measure tells the objective (method, section 13)."""

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.figure import Figure

from splithistory.plots import equal_limits, identity_line
from sweep.figures import registry
from sweep.figures.axes import legend_below
from sweep.figures.identification import shaded_counts
from sweep.figures.marks import FigureStyle, finite_rows, policy_points
from sweep.figures.scores import score, tasks_of
from sweep.figures.theme import PAGE_WIDTH, CaptionedFigure, captioned, folded
from sweep.figures.wording import POINTS_TEXT, count_text, joined, left_out_text, range_text

# Measures that an objective is read off, and their names.
_MEASURES = {"op": "Op", "imp": "Imp", "meg": "MEG", "success_rate": "success above chance"}
_LABELS = _MEASURES | {"success_rate": "success\nabove chance"}


@registry.figure("op_vs_goal_directedness", "policies")
def op_vs_goal_directedness(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Op against MEG for some utility of the outcome, and Op_pred against MEG for the policy's own task."""
    policies = tables["policies"]
    judges = tasks_of(policies).values()
    shown = finite_rows(policies, "op", "op_predicted", "meg_any", "meg_task")
    figure = Figure(figsize=(PAGE_WIDTH, 3.5))
    for axes, (x, y), names in zip(
        figure.subplots(1, 2),
        (("meg_any", "op"), ("meg_task", "op_predicted")),
        (
            ("MEG for some utility (nats)", "measured Op (nats)"),
            ("MEG for the policy's own task (nats)", f"Op predicted from {score(judges)} (nats)"),
        ),
        strict=True,
    ):
        tasks, sizes = policy_points(axes, shown, x, y=y, style=style)
        equal_limits(axes)
        line = identity_line(axes)
        axes.set(xlabel=names[0], ylabel=folded(names[1], 2.7))
    legend_below(figure, [*tasks, line], sizes)

    beyond, own_beyond = (shown[x] - shown[y] for x, y in (("meg_any", "op"), ("meg_task", "op_predicted")))
    title = "Op beside goal-directedness"
    if len(shown):
        title = (
            f"Goal-directedness for some utility exceeds Op by {range_text(beyond)} nats; for the policy's own task it "
            f"exceeds Op_pred by {range_text(own_beyond)}"
        )
    caption = (
        f"Optimization against maximum-entropy goal-directedness (MEG), {count_text(shown)}. {POINTS_TEXT} Left: Op "
        "against MEG for the utility of the outcome that predicts the policy's answers best. Right: Op_pred, which "
        f"follows from the {score(judges)}, against MEG for the policy's own task. Dashed: y = x, on which both lie "
        "where the sequence has no noise and all outcomes are alike under the split history. Noise lowers Op and "
        "Op_pred, as fewer outcomes are as intended, and leaves MEG as it is, as answers are the same with a larger β. "
        f"{left_out_text(policies, shown, 'where a measure is undefined')}"
    )
    return captioned(figure, title, caption)


@registry.figure("identification_by_measure", "goal_directedness")
def identification_by_measure(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """How many policies' tasks each measure tells, and for how many the true good set ranks first."""
    rows = tables["goal_directedness"]
    tasks = [task for task in style.tasks if task in set(rows["task"])]
    rankable = rows[~rows["task"].isin(_without_ranks(rows))]
    n_policies = rows[rows["measure"] == "op"].groupby("task").size().reindex(tasks)
    figure = Figure(figsize=(PAGE_WIDTH, 0.9 + 0.25 * (len(tasks) + 1)))
    panels = figure.subplots(1, 2, sharey=True)
    for axes, of, hits, name in zip(
        panels,
        (rows, rankable),
        (rows["correct"], rankable["true_set_rank"] == 1),
        ("task identified, number of policies", "true good set first, number of policies"),
        strict=True,
    ):
        counts = hits.astype(int).groupby([of["task"], of["measure"]]).sum().unstack("measure")
        counts = _with_total(counts.reindex(index=tasks, columns=list(_MEASURES)))
        shares = counts.div(_with_total(n_policies[counts.index[:-1]].where(counts["op"][:-1].notna())), axis=0)
        names = shaded_counts(axes, counts.rename(columns=_LABELS), shares.to_numpy())
        axes.set_title(name)
    figure.set_figheight(figure.get_figheight() + names)
    panels[0].set_ylabel("trained task")

    correct, first = _sums(rows["correct"], rows), _sums(rankable["true_set_rank"] == 1, rankable)
    n_ranked = int((rankable["measure"] == "op").sum())
    title = f"The task of {joined(_counts_text(correct))} of {int(n_policies.sum())} policies is identified"
    if n_ranked:
        title += f"; the true good set ranks first for {joined(_counts_text(first))} of {n_ranked}"
    caption = (
        f"How well each measure tells what a policy was trained on, "
        f"{count_text(rows.drop_duplicates(['task', 'size', 'seed']))}. Left: policies whose task is identified among "
        f"{len(style.tasks)}. By Op and Imp it is the promoted task whose prediction is nearest; by MEG the one that "
        "the policy is most directed at; by success above chance, the one on which the success rate exceeds that of "
        "random answers by most. Right: policies whose own good set ranks first among all that are promoted. The "
        "darker, the larger the share of a row. "
    )
    caption += "Graded tasks have no rank." if len(rankable) < len(rows) else "Nothing is left out."
    return captioned(figure, title, caption)


def _without_ranks(rows: pd.DataFrame) -> list[str]:
    """The tasks of which no policy's good set has a rank by any measure: the graded ones."""
    ranked = rows["true_set_rank"].notna().groupby(rows["task"]).any()
    return list(ranked.index[~ranked])


def _with_total(counts: pd.DataFrame | pd.Series) -> pd.DataFrame | pd.Series:
    """A last row, or entry, with the sums over tasks."""
    total = counts.sum()
    if isinstance(counts, pd.Series):
        return pd.concat([counts, pd.Series({"all": total})])
    return pd.concat([counts, total.to_frame("all").T])


def _sums(hits: pd.Series, rows: pd.DataFrame) -> pd.Series:
    """Number of hits by each measure."""
    return hits.astype(int).groupby(rows["measure"]).sum().reindex(list(_MEASURES), fill_value=0)


def _counts_text(counts: pd.Series) -> Sequence[str]:
    """'47 (Op)' of each measure."""
    return [f"{int(count)} ({_MEASURES[measure]})" for measure, count in counts.items()]
