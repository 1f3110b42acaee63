"""Measured impact against the least impact that the scores require."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from splithistory.plots import NEUTRAL, equal_limits, identity_line
from sweep.figures import registry
from sweep.figures.axes import legend_below
from sweep.figures.marks import FigureStyle, finite_rows, policy_points, task_lines
from sweep.figures.scores import imp_minimum_text, score, tasks_of
from sweep.figures.theme import CaptionedFigure, captioned
from sweep.figures.wording import POINTS_TEXT, count_text, left_out_text
from sweep.study_results import IMP_INTERCEPT, IMP_SLOPE
from sweep.words import ALL


@registry.figure("imp_vs_minimum", "policies", "fits")
def imp_vs_minimum(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw Imp against Imp_min, with a line fitted to all policies, one fitted to each task, and y = x."""
    policies, fits = tables["policies"], tables["fits"]
    judges = tasks_of(policies).values()
    shown = finite_rows(policies, "imp_minimum", "imp")
    figure = Figure(figsize=(3.5, 3.4))
    axes = figure.subplots()
    tasks, sizes = policy_points(axes, shown, "imp_minimum", y="imp", style=style)
    fits = finite_rows(fits[fits["figure"] == "imp_vs_minimum"], "slope", "intercept").set_index("group")
    groups = {ALL: (shown, NEUTRAL)} | {task: (shown[shown["task"] == task], style.color(task)) for task in style.tasks}
    equal_limits(axes)
    identity = identity_line(axes)  # fixes the axes' limits
    (study,) = axes.plot(
        axes.get_xlim(), IMP_INTERCEPT + IMP_SLOPE * np.array(axes.get_xlim()), color=NEUTRAL, linestyle=":", zorder=1
    )
    study.set_label("the study's fit")
    lines = [Line2D([], [], color=NEUTRAL, label="fit of all"), study, identity]
    fitted = shown[shown["task"].isin(fits.index)]
    if len(fitted):
        lines.insert(1, tuple(task_lines(fitted, style, "fit of each task")))
    for group, (rows, color) in groups.items():
        if group in fits.index and len(rows):
            # A line spans its own points only.
            x = np.array([rows["imp_minimum"].min(), rows["imp_minimum"].max()])
            axes.plot(x, fits.at[group, "intercept"] + fits.at[group, "slope"] * x, color=color, zorder=2)
    axes.set(xlabel=f"least impact for the {score(judges)}, Imp$_{{min}}$ (nats)", ylabel="Imp (nats)")
    legend_below(figure, tasks, sizes, lines[: len(lines) // 2], lines[len(lines) // 2 :])

    described = [
        f"{group} {fit.slope:.2f} ± {fit.slope_stderr:.2f} and {fit.intercept:.3f} ± {fit.intercept_stderr:.3f} "
        f"(R² = {fit.r_squared:.2f}, n = {fit.n:.0f})"
        for group, fit in fits.iterrows()
        if group in groups
    ]
    caption = (
        f"Measured impact against the least impact for the policies' {score(judges)}, {count_text(shown)}. "
        f"{POINTS_TEXT} {imp_minimum_text(judges)} "
        "Lines: least-squares fits to all policies (grey) and to each task (its colour); dotted: the fit of the "
        f"replicated study (2024), {IMP_SLOPE} x + {IMP_INTERCEPT}, to measurements on 200 windows; dashed: y = x, "
        "below which no policy can lie. Slopes and intercepts ± standard error: "
        f"{'; '.join(described) or 'no fit is defined'}. {_furthest_text(shown)}"
        + left_out_text(policies, shown, "where Imp_min is undefined or infinite" + _reasons(policies, shown))
    )
    title = "Imp against Imp_min"
    if ALL in fits.index:
        slope, error = fits.loc[ALL, ["slope", "slope_stderr"]]
        errors = f" ± {error:.2f}" if np.isfinite(error) else ""
        title = f"The slope of Imp against Imp_min is {slope:.2f}{errors}".replace("-", "−")
        title += f", compared with {IMP_SLOPE} in the study"
    return captioned(figure, title, caption)


def _furthest_text(shown: pd.DataFrame) -> str:
    """Give the slope without the policy of the largest Imp_min, which may determine it."""
    furthest = shown["imp_minimum"].astype(float).idxmax() if len(shown) else None
    rest = shown.drop(index=furthest) if len(shown) else shown
    if rest["imp_minimum"].nunique() < 2:
        return ""
    slope = np.polyfit(rest["imp_minimum"], rest["imp"], 1)[0]
    task, size, seed = shown.loc[furthest, ["task", "size", "seed"]]
    return f"Without the policy with the largest Imp_min ({task}, {size}, seed {seed}), the slope is {slope:.2f}. "


def _reasons(policies: pd.DataFrame, shown: pd.DataFrame) -> str:
    """List the recorded reasons for leaving policies out, each with its count."""
    counts = policies.drop(shown.index)["imp_minimum_reason"].dropna().value_counts()
    return f" ({', '.join(f'{reason}: {number}' for reason, number in counts.items())})" if len(counts) else ""
