"""The policies' own estimates of Op and Imp against what was measured."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from sweep.figures.optimization import explained_about_identity
from sweep.figures.style import (
    MARKERS_TEXT,
    CaptionedFigure,
    FigureStyle,
    captioned,
    count_text,
    finite_rows,
    identity_line,
    left_out_text,
    legend_below,
    policy_points,
)


def self_op_vs_measured(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Self-estimated Op against measured Op."""
    return _self_estimate_vs_measured(tables["policies"], style, "op", "Op", "optimization")


def self_imp_vs_measured(tables: Mapping[str, pd.DataFrame], style: FigureStyle) -> CaptionedFigure:
    """Self-estimated Imp against measured Imp."""
    return _self_estimate_vs_measured(tables["policies"], style, "imp", "Imp", "impact")


def _self_estimate_vs_measured(
    policies: pd.DataFrame, style: FigureStyle, column: str, symbol: str, name: str
) -> CaptionedFigure:
    """The self-estimate of one measure against its measured value."""
    own = f"{column}_self"
    shown = finite_rows(policies, column, own)
    figure = Figure(figsize=(3.5, 3.4))
    axes = figure.subplots()
    tasks, sizes = policy_points(axes, shown, column, own, style)
    # One range for both axes, which shows y = x wherever the points lie.
    values = shown[[column, own]].to_numpy()
    axes.update_datalim(np.repeat([[values.min()], [values.max()]], 2, axis=1) if len(shown) else np.empty((0, 2)))
    axes.autoscale_view()
    ends = (*axes.get_xlim(), *axes.get_ylim())
    axes.set(xlim=(min(ends), max(ends)), ylim=(min(ends), max(ends)))
    line = identity_line(axes)
    axes.set(xlabel=f"measured {symbol} (nats)", ylabel=f"self-estimated {symbol} (nats)")
    legend_below(figure, [*tasks, line], sizes)

    explained = explained_about_identity(shown[own], shown[column])
    share = "undefined" if explained is None else f"{explained:.2f}".replace("-", "−")
    axes.set_title(f"R² about y = x: {share}, n = {len(shown)}")
    below = int((shown[own] < shown[column]).sum())
    shares = (shown[own] - shown[column]).groupby(shown["task"]).mean()
    differences = ", ".join(
        f"{task} " + f"{shares[task]:+.3f}".replace("-", "−") for task in style.tasks if task in shares
    )
    caption = (
        f"Self-estimated {name}, with the policy's own predictions in place of the recurrence, against measured "
        f"{name}, {count_text(shown)}. {MARKERS_TEXT} Horizontal bars are ± one standard error over repeated "
        f"measurements. Dashed: y = x. Mean self-estimate less measured {symbol}, nats: "
        f"{differences or 'undefined'}. {left_out_text(policies, shown, 'where either is undefined')}"
    )
    return captioned(figure, f"{below} of {len(shown)} policies estimate less {symbol} than is measured", caption)
