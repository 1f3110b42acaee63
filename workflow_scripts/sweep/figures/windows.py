"""Policies on windows of untouched chains, and on those that their own answers lead to."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure

from splithistory.plots import equal_limits, identity_line
from sweep.figures import registry
from sweep.figures.axes import legend_below
from sweep.figures.marks import FigureStyle, finite_rows, policy_points
from sweep.figures.scores import score, scoring_less, short_score, tasks_of
from sweep.figures.theme import PAGE_WIDTH, CaptionedFigure, captioned, folded
from sweep.figures.wording import POINTS_TEXT, count_text, joined, left_out_text, range_text, two_digits

_MEASURED = ["success_rate", "op", "imp"]


@registry.figure("rollouts_vs_natural", "policies", "windows")
def rollouts_vs_natural(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw score, Op and Imp on the policies' own rollouts against those on natural windows."""
    judges = tasks_of(tables["policies"]).values()
    names = dict(zip(_MEASURED, [short_score(judges), "Op", "Imp"], strict=True))
    labels = dict(zip(_MEASURED, [score(judges), "Op (nats)", "Imp (nats)"], strict=True))
    policies = _side_by_side(tables["windows"])
    shown = finite_rows(policies, *(f"{name}_{kind}" for name in _MEASURED for kind in ("natural", "rollouts")))
    figure = Figure(figsize=(PAGE_WIDTH, 3.1))
    for axes, column in zip(figure.subplots(1, 3), _MEASURED, strict=True):
        tasks, sizes = policy_points(axes, shown, f"{column}_natural", y=f"{column}_rollouts", style=style)
        equal_limits(axes)
        line = identity_line(axes)
        axes.set_xlabel(folded(f"{labels[column]}, natural windows", 1.9))
        axes.set_ylabel(folded(f"{labels[column]}, own rollouts", 1.9))
    legend_below(figure, [*tasks, line], sizes)

    changes = {names[column]: shown[f"{column}_rollouts"] - shown[f"{column}_natural"] for column in _MEASURED}
    numbers = joined([_change_text(name, change) for name, change in changes.items() if len(change)])
    caption = (
        "Measurements on the policies' own rollouts against the same on natural windows, "
        f"{count_text(shown)}, each judged by its own task. {POINTS_TEXT} Rollouts begin with natural windows and "
        "continue with the policy's answers at temperature 0 at odd positions and the recurrence's values at even "
        f"ones. Dashed: y = x. From natural windows to rollouts, {numbers or 'no change is defined'}. To steer less is "
        "to have less Op. The noise of outcomes is summed out. Imp is biased upwards, the more so the fewer the "
        "windows, and there may be fewer windows of rollouts. "
        f"{left_out_text(policies, shown, 'where a measure is undefined')}"
    )
    return captioned(figure, _finding(changes[names["success_rate"]], changes["Op"], scoring_less(judges)), caption)


def _side_by_side(windows: pd.DataFrame) -> pd.DataFrame:
    """Join what was measured by each policy's own task on both kinds of windows, with standard errors."""
    own = windows[windows["is_training_task"] & (windows["estimator"] == "exact")].set_index(["task", "size", "seed"])
    kinds = []
    for kind in ("natural", "rollouts"):
        rows = own[own["windows"] == kind]
        errors = rows[["op_stderr", "imp_stderr"]]
        errors.columns = [f"op_{kind}_stderr", f"imp_{kind}_stderr"]
        kinds.append(rows[_MEASURED].add_suffix(f"_{kind}").join(errors))
    return kinds[0].join(kinds[1]).reset_index()


def _change_text(name: str, change: pd.Series) -> str:
    """Say by how much a measure falls, rises or changes: its range and median."""
    verb, sign = ("falls", -1) if (change < 0).all() else ("rises", 1) if (change > 0).all() else ("changes", 1)
    unit = " nats" if name in ("Op", "Imp") else ""
    down = f", down for {(change < 0).sum()}" if verb == "changes" else ""
    return f"{name} {verb} by {range_text(sign * change)}{unit} (median {two_digits(sign * change.median())}{down})"


def _finding(score: pd.Series, op: pd.Series, scoring_less: str) -> str:
    """Say how many policies score less and steer less on their own rollouts.

    Args:
        score: change of the success rate or mean utility of each policy.
        op: change of its Op.
        scoring_less: what policies do whose score is lower.
    """
    n, lower, weaker = len(score), score < 0, op < 0
    if not n:
        return "Policies on their own rollouts against natural windows"
    everyone = f"all {n}" if n > 1 else "the only one"
    first = {n: f"All {n}" if n > 1 else "1 of 1", 0: f"None of {n}"}.get(lower.sum(), f"{lower.sum()} of {n}")
    if lower.equals(weaker):
        and_ = ", and steer less," if lower.any() else " or steer less"
        return f"{first} policies {scoring_less}{and_} on their own rollouts"
    second = {n: everyone, 0: "none"}.get(weaker.sum(), str(weaker.sum()))
    return f"{first} policies {scoring_less} on their own rollouts, and {second} steer less"
