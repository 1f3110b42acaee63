"""The policies' own estimates of Op and Imp against the measured values."""

from collections.abc import Mapping

import pandas as pd
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from splithistory.plots import NEUTRAL, equal_limits, identity_line
from sweep.figures import registry
from sweep.figures.axes import legend_below
from sweep.figures.marks import FigureStyle, finite_rows, policy_points
from sweep.figures.optimization import explained_about_identity
from sweep.figures.theme import CaptionedFigure, captioned
from sweep.figures.wording import MARKERS_TEXT, count_text, left_out_text
from sweep.formatting import number


@registry.figure("self_op_vs_measured", "policies")
def self_op_vs_measured(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw self-estimated Op against measured Op."""
    return _self_estimate_vs_measured(tables["policies"], style, "op", symbol="Op", name="optimization")


@registry.figure("self_imp_vs_measured", "policies")
def self_imp_vs_measured(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Draw self-estimated Imp against measured Imp."""
    return _self_estimate_vs_measured(tables["policies"], style, "imp", symbol="Imp", name="impact")


def _self_estimate_vs_measured(
    policies: pd.DataFrame, style: FigureStyle, column: str, symbol: str, name: str
) -> CaptionedFigure:
    """Draw the self-estimate of one measure against its measured value."""
    own = f"{column}_self"
    shown = finite_rows(policies, column, own)
    figure = Figure(figsize=(3.5, 3.4))
    axes = figure.subplots()
    tasks, sizes = policy_points(axes, shown, column, y=own, style=style)
    equal_limits(axes)
    lines = [identity_line(axes)]
    if axes.get_ylim()[0] < 0:
        axes.axhline(0, color=NEUTRAL, linestyle=":", linewidth=0.8, zorder=1)
        lines.append(Line2D([], [], color=NEUTRAL, linestyle=":", linewidth=0.8, label="zero"))
    axes.set(xlabel=f"measured {symbol} (nats)", ylabel=f"self-estimated {symbol} (nats)")
    legend_below(figure, tasks, sizes, lines)

    explained = explained_about_identity(shown[own], shown[column])
    share = "undefined" if explained is None else number(explained, ".2f")
    axes.set_title(f"R² about y = x: {share}, n = {len(shown)}")
    below = int((shown[own] < shown[column]).sum())
    shares = (shown[own] - shown[column]).groupby(shown["task"]).mean()
    differences = ", ".join(
        f"{task} " + f"{shares[task]:+.3f}".replace("-", "−") for task in style.tasks if task in shares
    )
    caption = (
        f"Self-estimated {name}, with the policy's own predictions in place of the recurrence, against measured "
        f"{name}, {count_text(shown)}. {MARKERS_TEXT} Horizontal bars, often hidden in the markers, are ± one standard "
        "error over repeated measurements. Dashed: y = x. R² about it is negative if the estimates are further from "
        f"the measured values than their mean is. Mean of self-estimated minus measured {symbol}, nats: "
        f"{differences or 'undefined'}. {left_out_text(policies, shown, 'where either is undefined')}"
    )
    return captioned(figure, f"{below} of {len(shown)} policies underestimate their own {symbol}", caption)
