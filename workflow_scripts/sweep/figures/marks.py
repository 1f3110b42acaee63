"""Colours of tasks, markers of sizes, and the points that are drawn with them."""

import itertools
import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator

from splithistory.plots import COLORS, NEUTRAL
from sweep.figures.axes import category_axis

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", *(f"${letter}$" for letter in string.ascii_uppercase))
# Factors at which markers cover about as much as a circle does; 1 for the others.
MARKER_SCALES = {"s": 0.9, "D": 0.9, **dict.fromkeys("^v<>", 1.15)}


@dataclass(frozen=True)
class FigureStyle:
    """One colour a task and one marker a size, the same in every figure.

    Attributes:
        tasks: the configured tasks; their order gives the colours.
        parameters: parameter count of each size; its ascending order gives the markers.
    """

    tasks: tuple[str, ...]
    parameters: Mapping[str, int]

    def __post_init__(self) -> None:
        """Put the sizes in order."""
        ascending = dict(sorted(self.parameters.items(), key=lambda item: item[1]))
        object.__setattr__(self, "tasks", tuple(self.tasks))
        object.__setattr__(self, "parameters", ascending)

    @classmethod
    def from_policies(cls, tasks: Iterable[str], policies: pd.DataFrame) -> "FigureStyle":
        """Style for the configured tasks and the sizes that the `policies` table holds."""
        return cls(tuple(tasks), dict(zip(policies["size"], policies["n_parameters"].astype(int), strict=True)))

    @property
    def sizes(self) -> tuple[str, ...]:
        """Sizes from the smallest to the largest."""
        return tuple(self.parameters)

    def color(self, task: str) -> Any:
        """Colour of a task. Beyond eight tasks the colours come from a map whose lightness rises steadily."""
        index = self.tasks.index(task)
        if len(self.tasks) <= len(COLORS):
            return COLORS[index]
        return mpl.colormaps["viridis"](index / (len(self.tasks) - 1))

    def marker(self, size: str) -> str:
        """Marker of a size."""
        return MARKERS[self.sizes.index(size)]

    def marker_size(self, size: str, diameter: float | None = None) -> float:
        """Matplotlib's size of a size's marker, points, for the area of a circle of ``diameter``."""
        return (diameter or mpl.rcParams["lines.markersize"]) * MARKER_SCALES.get(self.marker(size), 1.0)

    def shade(self, color: Any, size: str) -> tuple[float, ...]:
        """A shade of ``color``: pale for the smallest size, full in the upper middle, dark for the largest."""
        rank = (self.sizes.index(size) + 1) / len(self.sizes)
        pale, dark = min(1.0, 0.15 + 1.15 * rank), min(1.0, 1.7 - rank)
        return tuple(dark * (1 - pale * (1 - np.array(to_rgb(color)))))


def parameter_axis(axes: Axes, style: FigureStyle) -> None:
    """A log axis of parameter counts with a tick a size."""
    counts = list(style.parameters.values())
    # A size whose name is not a count ("small") shows its count too.
    names = [name if name[0].isdigit() else f"{name}\n{count:,}" for name, count in style.parameters.items()]
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    axes.set_xticks(counts, names, rotation=0 if len(names) <= 5 else 45)
    axes.set_xlim(counts[0] / 1.5, counts[-1] * 1.5)
    axes.set_xlabel("parameters")


def policy_points(
    axes: Axes, rows: pd.DataFrame, x: str, y: str, style: FigureStyle
) -> tuple[list[Artist], list[Artist]]:
    """A point a policy, with the task's colour and the size's marker, through which others are seen.

    Args:
        axes: where to draw.
        rows: one row a policy.
        x: column; where there is a column ``{x}_stderr``, its values, if defined, are drawn as bars.
        y: likewise.
        style: gives colours and markers.

    Returns:
        Legend handles of the tasks and of the sizes that occur.
    """
    for (task, size), group in rows.groupby(["task", "size"], observed=True):
        errors = {
            f"{axis}err": group[f"{column}_stderr"].fillna(0.0)
            for axis, column in (("x", x), ("y", y))
            if f"{column}_stderr" in group
        }
        axes.errorbar(
            group[x],
            group[y],
            **errors,
            linestyle="none",
            elinewidth=0.7,
            color=style.color(task),
            zorder=3,
            **_marker(style, size, style.color(task)),
        )
    # Three-digit ticks must not run into each other at column width.
    axes.locator_params(nbins=6)
    return task_handles(rows, style), size_handles(rows, style)


@dataclass(frozen=True)
class Strips:
    """Rows as points, in one strip per category and group, with a bar beside each strip that summarizes it.

    Attributes:
        category: column of the category.
        names: label of each category, in their order.
        colors: of each group, in their order from left to right.
        style: gives the sizes' markers and their order, from left to right within a strip.
        summary: centre, lower and upper end of a strip's bar; no bar where an end is missing.
    """

    category: str
    names: Mapping[Any, str]
    colors: Mapping[Any, Any]
    style: FigureStyle
    summary: Callable[[pd.Series], tuple[float, float, float]]

    def draw(self, axes: Axes, rows: pd.DataFrame, column: str) -> None:
        """Draw one column.

        Args:
            axes: where to draw; x becomes an axis of categories.
            rows: one row per point, with the category, ``column``, ``size`` and ``group``, a key of ``colors``.
            column: what is drawn.
        """
        width = 0.84 / len(self.colors)
        for (place, key), (number, group) in itertools.product(enumerate(self.names), enumerate(self.colors)):
            strip = rows[(rows[self.category] == key) & (rows["group"] == group)]
            if not strip.empty:
                left = place + (number - len(self.colors) / 2) * width
                self._draw_points(axes, strip, column, color=self.colors[group], left=left, width=width)
                self._draw_summary(axes, strip[column], color=self.colors[group], beside=left + 0.82 * width)
        for boundary in range(1, len(self.names)):
            axes.axvline(boundary - 0.5, color="0.85", linewidth=0.6, zorder=0)
        category_axis(axes, list(self.names.values()))

    def _draw_points(self, axes: Axes, strip: pd.DataFrame, column: str, color: Any, left: float, width: float) -> None:
        n_sizes = len(self.style.sizes)
        for rank, size in enumerate(self.style.sizes):
            points = strip.loc[strip["size"] == size, column]
            x = np.full(len(points), left + (0.08 + 0.62 * (rank + 0.5) / n_sizes) * width)
            area = self.style.marker_size(size, 3.0) ** 2
            axes.scatter(x, points, s=area, marker=self.style.marker(size), color=color, alpha=0.55, linewidth=0)

    def _draw_summary(self, axes: Axes, values: pd.Series, color: Any, beside: float) -> None:
        centre, low, high = self.summary(values)
        line = {"color": color, "linewidth": 1.2, "solid_capstyle": "butt", "zorder": 3}
        half = 0.11 * 0.84 / len(self.colors)
        axes.plot([beside - half, beside + half], [centre, centre], **line)
        if np.isfinite([low, high]).all():
            axes.plot([beside, beside], [low, high], **line)


def mean_and_error(values: pd.Series) -> tuple[float, float, float]:
    """Mean, and mean ± one standard error; missing for a single value."""
    mean, error = values.mean(), values.sem()
    return mean, mean - error, mean + error


def median_and_quartiles(values: pd.Series) -> tuple[float, float, float]:
    """Median and quartiles."""
    return values.median(), values.quantile(0.25), values.quantile(0.75)


def task_handles(rows: pd.DataFrame, style: FigureStyle) -> list[Artist]:
    """Legend handles of the tasks in ``rows``: patches, since a marker would be that of a size."""
    present = set(rows["task"])
    return [Patch(color=style.color(task), label=task) for task in style.tasks if task in present]


def task_lines(rows: pd.DataFrame, style: FigureStyle, label: str | None = None) -> list[Artist]:
    """Lines in the colours of the tasks in ``rows``, with their names, or with one label for them all."""
    present = set(rows["task"])
    return [
        Line2D([], [], color=style.color(task), label=label or task, marker="none")
        for task in style.tasks
        if task in present
    ]


def size_handles(rows: pd.DataFrame, style: FigureStyle) -> list[Artist]:
    """Legend handles of the sizes in ``rows``."""
    present = set(rows["size"])
    return [
        Line2D([], [], linestyle="none", label=size, **_marker(style, size, NEUTRAL))
        for size in style.sizes
        if size in present
    ]


def _marker(style: FigureStyle, size: str, color: Any) -> dict[str, Any]:
    """How a size's marker is drawn in a colour: its edge full, its face half transparent."""
    return {
        "marker": style.marker(size),
        "markersize": style.marker_size(size),
        "markerfacecolor": to_rgba(color, 0.35),
        "markeredgecolor": color,
        "markeredgewidth": 0.7,
    }


def summary_handle(label: str) -> Artist:
    """Legend handle of the bars of `Strips`, or of means with errors."""
    return Line2D([], [], color=NEUTRAL, marker="$+$", linestyle="none", label=label)


def finite_rows(rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The rows where all these columns hold finite numbers."""
    return rows[np.isfinite(rows[list(columns)].astype(float)).all(axis=1)]
