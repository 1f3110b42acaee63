"""Drawing measurements with Matplotlib on axes of your own.

Each function takes the axes first, draws on them, labels them, and returns handles for a legend. `style_context` makes
figures look like those of this project; the functions also work without it.
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from splithistory.arguments import as_array, as_probabilities, as_utility, described
from splithistory.candidates import Identification
from splithistory.extras import needs_extra
from splithistory.split_history import Futures

with needs_extra("plots"):
    import matplotlib.style
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.colors import to_rgb
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

# Derived from Okabe and Ito's palette: every pair is distinguishable with normal vision and with the three kinds of
# colour blindness, the first three best (tests/test_figures.py measures it), and all are dark enough to read on white.
COLORS = ("#0072B2", "#DE9200", "#882255", "#56B4E9", "#332288", "#CC4A00", "#D58FB8", "#5C3300")
# For everything that belongs to no coloured category.
NEUTRAL = "#707070"
LIGHT = "#D0D0D0"
# With more outcomes than this, ticks are at round numbers only.
_MOST_TICKS = 20


def style_context() -> AbstractContextManager[None]:
    """Apply the project's style sheet to Matplotlib's defaults, ignoring the user's settings, in a ``with`` block.

    To use only the style sheet: ``matplotlib.style.use("splithistory.plots.splithistory")``.
    """
    return matplotlib.style.context(Path(__file__).with_name("splithistory.mplstyle"), after_reset=True)


def futures(
    axes: Axes,
    measured: Futures,
    utility: ArrayLike | None = None,
    names: Sequence[str] | None = None,
    color: Any = COLORS[0],
) -> list[Artist]:
    """Draw the future F of a policy as bars, with the futures F'|x'' that it is compared with.

    Args:
        axes: where to draw.
        measured: the result of `measure`, with K outcomes.
        utility: (K,) utility of each outcome, from 0 to 1; the better an outcome, the closer its bar is to ``color``.
            By default, all bars have that colour.
        names: (K,) names of the outcomes; by default, their numbers.
        color: any Matplotlib colour.

    Returns:
        Legend handles: F, F'|x'' (one tick per distinct answer), their mean, and the line of equal probabilities.

    Raises:
        ValueError: if an argument is not as described; the message names it.
    """
    if not isinstance(measured, Futures):
        raise ValueError(f"measured: expected the futures that splithistory.measure gives, got {described(measured)}")
    n_outcomes = len(measured.outcome_distribution)
    shades = np.ones(n_outcomes) if utility is None else as_utility("utility", utility, n_outcomes)
    if names is not None and (isinstance(names, str) or len(names) != n_outcomes):
        raise ValueError(f"names: expected one for each of the {n_outcomes} outcomes, got {described(names)}")
    outcome_bars(axes, measured.outcome_distribution, shades, color=color, names=names)
    x = np.broadcast_to(np.arange(n_outcomes), measured.counterfactuals.shape)
    axes.scatter(x, measured.counterfactuals, s=60, marker="_", color=NEUTRAL, linewidth=0.8, alpha=0.6, zorder=2)
    outcome_marks(axes, measured.counterfactual_distribution)
    axes.set(xlabel="outcome", ylabel="probability")
    tick = Line2D([], [], color=NEUTRAL, marker="_", markersize=7, linestyle="none", label="F'|x'', one per answer")
    return [Patch(color=color, label="F"), tick, mark_handle("mean of all F'|x''"), even_handle()]


def measured_against_predicted(
    axes: Axes,
    predicted: ArrayLike,
    measured: ArrayLike,
    names: Sequence[str] | None = None,
    label: str = "Op",
) -> list[Artist]:
    """Draw what was measured against what theory predicts, with theory's line, y = x.

    Args:
        axes: where to draw; both axes get the same range.
        predicted: (n,) Op_pred or Imp_min in nats.
        measured: (n,) Op or Imp in nats.
        names: (n,) names of the points, each of which then has its own colour and legend handle.
        label: name of the measure.

    Returns:
        Legend handles: the named points, and the line.

    Raises:
        ValueError: if an argument is not as described; the message names it.
    """
    x, y = (
        as_array(name, values, "finite numbers of shape (n,)")
        for name, values in (("predicted", predicted), ("measured", measured))
    )
    for name, values in (("predicted", x), ("measured", y)):
        if values.ndim != 1 or not np.isfinite(values).all():
            raise ValueError(f"{name}: expected finite numbers of shape (n,), got {values!r}")
    if x.shape != y.shape:
        raise ValueError(f"measured: expected shape {x.shape} as predicted has, got {y.shape}")
    if names is not None and (isinstance(names, str) or len(names) != len(x)):
        raise ValueError(f"names: expected one for each of the {len(x)} points, got {described(names)}")
    handles = []
    for number, point in enumerate(zip(x, y, strict=True)):
        color = COLORS[0] if names is None else COLORS[number % len(COLORS)]
        handles += axes.plot(*point, "o", color=color, label=None if names is None else names[number], zorder=3)
    equal_limits(axes)
    line = identity_line(axes)
    axes.set(xlabel=f"{label} predicted (nats)", ylabel=f"{label} measured (nats)")
    return [line] if names is None else [*handles, line]


def excess(axes: Axes, identification: Identification, measure: Literal["op", "imp"] = "op") -> list[Artist]:
    """Draw how much a policy exceeds what each candidate for its objective predicts.

    Args:
        axes: where to draw one bar per candidate, whose length is measured minus predicted Op or Imp; a word replaces
            the bar of a candidate that the policy does not promote, or whose prediction is infinite.
        identification: the result of `identify`.
        measure: which measure to draw.

    Returns:
        Legend handles: the nearest candidate, if there is one, and the others.

    Raises:
        ValueError: if an argument is not as described; the message names it.
    """
    if not isinstance(identification, Identification):
        raise ValueError(f"identification: expected what splithistory.identify gives, got {described(identification)}")
    if measure not in ("op", "imp"):
        raise ValueError(f"measure: expected 'op' or 'imp', got {measure!r}")
    nearest = getattr(identification, measure)
    rows = [row for row in identification.rows if row.measure == measure]
    for place, row in enumerate(rows):
        is_shown = row.promoted and np.isfinite(row.excess)
        length = row.excess if is_shown else 0.0
        text = f"{length:.3f}".replace("-", "−") if is_shown else "infinite" if row.promoted else "not promoted"
        axes.barh(place, length, color=COLORS[0] if row.name == nearest else LIGHT)
        beside = {"xytext": (3, 0), "ha": "left"} if length >= 0 else {"xytext": (-3, 0), "ha": "right"}
        axes.annotate(text, (length, place), textcoords="offset points", va="center", **beside)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.margins(x=0.2)
    axes.set_yticks(range(len(rows)), [row.name for row in rows])
    axes.invert_yaxis()
    symbol = {"op": "Op − Op$_{pred}$", "imp": "Imp − Imp$_{min}$"}[measure]
    axes.set_xlabel(f"{symbol} (nats)")
    others = Patch(color=LIGHT, label="other candidate")
    return [others] if nearest is None else [Patch(color=COLORS[0], label="nearest candidate"), others]


def outcome_bars(
    axes: Axes,
    distribution: ArrayLike,
    utility: Sequence[float],
    color: Any = COLORS[0],
    names: Sequence[str] | None = None,
) -> None:
    """Draw one bar per outcome, closer to ``color`` the better it is, and a line where all would be equal."""
    probabilities = as_probabilities("distribution", distribution, "(K,)")
    n_outcomes = len(probabilities)
    axes.bar(range(n_outcomes), probabilities, color=[shade(color, value) for value in utility])
    axes.axhline(1 / n_outcomes, color="black", linestyle="--", linewidth=0.8)
    if names is not None or n_outcomes <= _MOST_TICKS:
        axes.set_xticks(range(n_outcomes), names)


def outcome_marks(axes: Axes, distribution: ArrayLike) -> None:
    """Draw a second distribution as crosses over the bars of the first."""
    axes.scatter(range(len(distribution)), distribution, s=16, marker="x", color="black", linewidth=1, zorder=3)


def mark_handle(label: str) -> Artist:
    """Make the legend handle of `outcome_marks`."""
    return Line2D([], [], color="black", marker="x", markersize=4, markeredgewidth=1, linestyle="none", label=label)


def even_handle() -> Artist:
    """Make the legend handle of the line of `outcome_bars`."""
    return Line2D([], [], color="black", linestyle="--", linewidth=0.8, label="equal probabilities")


def shade(color: Any, utility: float) -> tuple[float, ...]:
    """Return the colour of an outcome's bar: light grey for utility 0, ``color`` for utility 1."""
    return tuple((1 - utility) * np.array(to_rgb(LIGHT)) + utility * np.array(to_rgb(color)))


def equal_limits(axes: Axes) -> None:
    """Give both axes the same range, wide enough for all points, so that y = x is the diagonal."""
    low = min(axes.dataLim.x0, axes.dataLim.y0)
    high = max(axes.dataLim.x1, axes.dataLim.y1)
    if low <= high:  # there is data
        axes.update_datalim([(low, low), (high, high)])
        axes.autoscale_view()
    ends = (*axes.get_xlim(), *axes.get_ylim())
    axes.set(xlim=(min(ends), max(ends)), ylim=(min(ends), max(ends)))


def identity_line(axes: Axes) -> Line2D:
    """Draw the line y = x across the axes without changing their limits; return its legend handle."""
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    label = "y = x" if axes.get_xlim() == axes.get_ylim() else "y = x (unequal axes)"
    axes.axline((0, 0), slope=1, color="black", linestyle="--", linewidth=0.8, zorder=1)
    return Line2D([], [], color="black", linestyle="--", linewidth=0.8, label=label)
