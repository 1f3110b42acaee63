"""Colours of tasks, markers of sizes, and the points that are drawn with them."""

import string
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import NullLocator
from pandas.api.typing import SeriesGroupBy

from splithistory.plots import COLORS, NEUTRAL
from sweep.figures.axes import category_axis

MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", *(f"${letter}$" for letter in string.ascii_uppercase))
MOST_POINTS = 400  # policies; readers cannot tell more of them apart
FEWEST_RUNS = 3  # that an error or a trend is drawn from: two runs say next to nothing about their scatter
# Factors that give markers about the area of a circle; 1 for the others.
MARKER_SCALES = {"s": 0.9, "D": 0.9, **dict.fromkeys("^v<>", 1.15)}
LONGEST_NAME = 26  # most characters that a figure has room for
_OF_NAMES = ("task", "size", "evaluated_task", "identified_task", "group")  # columns that hold names


def policy_anchor(task: str, size: str, seed: int) -> str:
    """Return the anchor of a policy's row in the report, which is as its folder: ``task=good2/size=18k/seed=0``."""
    return quote(f"task={task}/size={size}/seed={seed}", safe="=/")


@dataclass(frozen=True)
class FigureStyle:
    """One colour per task and one marker per size, the same in every figure.

    Attributes:
        tasks: the configured tasks; their order gives the colours.
        parameters: parameter count of each size; its ascending order gives the markers.
        full_names: full name of each task and size whose name is shortened.
    """

    tasks: tuple[str, ...]
    parameters: Mapping[str, int]
    full_names: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Sort the sizes."""
        ascending = dict(sorted(self.parameters.items(), key=lambda item: item[1]))
        object.__setattr__(self, "tasks", tuple(self.tasks))
        object.__setattr__(self, "parameters", ascending)

    @classmethod
    def from_policies(cls, tasks: Iterable[str], policies: pd.DataFrame) -> "FigureStyle":
        """Make the style for the configured tasks and the sizes in the `policies` table."""
        return cls(tuple(tasks), dict(zip(policies["size"], policies["n_parameters"].astype(int), strict=True)))

    @property
    def sizes(self) -> tuple[str, ...]:
        """Sizes from the smallest to the largest."""
        return tuple(self.parameters)

    def color(self, task: str) -> Any:
        """Return the colour of a task, from a map of steadily rising lightness if there are more than eight tasks."""
        index = self.tasks.index(task)
        if len(self.tasks) <= len(COLORS):
            return COLORS[index]
        return mpl.colormaps["viridis"](index / (len(self.tasks) - 1))

    def marker(self, size: str) -> str:
        """Return the marker of a size. Once single letters run out, markers are pairs, AA to ZZ, and so on."""
        index, letters = self.sizes.index(size), ""
        if index < len(MARKERS):
            return MARKERS[index]
        index -= len(MARKERS) - len(string.ascii_uppercase)
        while index >= 0:
            index, letter = divmod(index, len(string.ascii_uppercase))
            letters = string.ascii_uppercase[letter] + letters
            index -= 1
        return f"${letters}$"

    def marker_size(self, size: str, diameter: float | None = None) -> float:
        """Return Matplotlib's size of a size's marker, points, for the area of a circle of ``diameter``."""
        return (diameter or mpl.rcParams["lines.markersize"]) * MARKER_SCALES.get(self.marker(size), 1.0)

    def links(self, rows: pd.DataFrame) -> list[str | None]:
        """Return the link of each row's point, for ``urls`` of a scatter: its policy's row in the report.

        Pretrained models, which have no task, have no row.
        """
        return [
            None
            if pd.isna(task)
            else f"#{policy_anchor(*(self.full_names.get(name, name) for name in (task, size)), seed)}"
            for task, size, seed in rows[["task", "size", "seed"]].itertuples(index=False)
        ]

    def shade(self, color: Any, size: str) -> tuple[float, ...]:
        """Return a shade of ``color``: pale for the smallest size, full in the upper middle, dark for the largest."""
        rank = (self.sizes.index(size) + 1) / len(self.sizes)
        pale, dark = min(1.0, 0.15 + 1.15 * rank), min(1.0, 1.7 - rank)
        return tuple(dark * (1 - pale * (1 - np.array(to_rgb(color)))))


def with_short_names(
    tables: Mapping[str, pd.DataFrame], style: FigureStyle
) -> tuple[Mapping[str, pd.DataFrame], FigureStyle, dict[str, str]]:
    """Shorten names that would leave the panels no room, in tables and style.

    Returns:
        The tables, the style, and each long name's short one; the same tables and style where no name is long.
    """
    short: dict[str, str] = {}
    for name in (name for name in (*style.tasks, *style.sizes) if len(name) > LONGEST_NAME):
        label = f"{name[:7]}…{name[-7:]}"
        # Names may differ only in the middle.
        same = sum(other.split(" ")[0] == label for other in short.values())
        short[name] = f"{label} ({same + 1})" if same else label
    if not short:
        return tables, style, {}
    renamed = {
        table: rows.assign(**{column: rows[column].replace(short) for column in _OF_NAMES if column in rows})
        for table, rows in tables.items()
    }
    tasks = [short.get(task, task) for task in style.tasks]
    parameters = {short.get(size, size): count for size, count in style.parameters.items()}
    return renamed, FigureStyle(tasks, parameters, {label: name for name, label in short.items()}), short


def parameter_axis(axes: Axes, style: FigureStyle) -> None:
    """Make a log axis of parameter counts with one tick per size."""
    counts = list(style.parameters.values())
    # A size whose name is not a count ("small") shows its count too.
    names = [name if name[0].isdigit() else f"{name}\n{count:,}" for name, count in style.parameters.items()]
    axes.set_xscale("log")
    axes.xaxis.set_minor_locator(NullLocator())
    every = 1 + len(counts) // 12  # more ticks would collide
    axes.set_xticks(counts[::every], names[::every], rotation=0 if len(names) <= 5 else 45)
    axes.set_xlim(counts[0] / 1.5, counts[-1] * 1.5)
    axes.set_xlabel("parameters")


def drawn(rows: pd.DataFrame) -> pd.DataFrame:
    """Select the rows to draw as points: those of all policies, or of one in ``step_of(rows)`` if there are many.

    Rows of pretrained models, which have no task, are all selected.
    """
    return rows[~(_number(rows) % step_of(rows) > 0)]


def step_of(rows: pd.DataFrame) -> int:
    """Return 1 if every policy is drawn as a point, 2 if every second one is, and so on."""
    return 1 + int(_number(rows).max()) // MOST_POINTS if len(rows) > MOST_POINTS else 1


def _number(rows: pd.DataFrame) -> pd.Series:
    """Number each row's policy in order of appearance; missing for a pretrained model."""
    return rows.groupby(["task", "size", "seed"], sort=False, observed=True).ngroup()


def policy_points(
    axes: Axes, rows: pd.DataFrame, x: str, y: str, style: FigureStyle
) -> tuple[list[Artist], list[Artist]]:
    """Draw one translucent point per policy, with the task's colour and the size's marker.

    Args:
        axes: where to draw.
        rows: one row per policy.
        x: column; if there is also a column ``{x}_stderr``, its defined values are drawn as bars.
        y: likewise.
        style: gives colours and markers.

    Returns:
        Legend handles of the tasks and of the sizes that occur.
    """
    for (task, size), group in drawn(rows).groupby(["task", "size"], observed=True):
        errors = {
            f"{axis}err": group[f"{column}_stderr"].fillna(0.0)
            for axis, column in (("x", x), ("y", y))
            if f"{column}_stderr" in group
        }
        color = style.color(task)
        axes.errorbar(group[x], group[y], **errors, fmt="none", elinewidth=0.7, color=color, zorder=3)
        axes.scatter(
            group[x],
            group[y],
            s=style.marker_size(size) ** 2,
            marker=style.marker(size),
            facecolor=to_rgba(color, 0.35),
            edgecolor=color,
            linewidth=0.7,
            zorder=3,
            urls=style.links(group),
        )
    # Three-digit ticks must not collide at column width.
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
        groups, places = list(self.colors), {key: place for place, key in enumerate(self.names)}
        for (key, group), strip in rows.groupby([self.category, "group"], observed=True, sort=False):
            left = places[key] + (groups.index(group) - len(groups) / 2) * width
            self._draw_summary(axes, strip[column], color=self.colors[group], beside=left + 0.82 * width)
        self._draw_points(axes, drawn(rows), column, width=width)
        for boundary in range(1, len(self.names)):
            axes.axvline(boundary - 0.5, color="0.85", linewidth=0.6, zorder=0)
        category_axis(axes, list(self.names.values()))

    def _draw_points(self, axes: Axes, rows: pd.DataFrame, column: str, width: float) -> None:
        groups, places = list(self.colors), {key: place for place, key in enumerate(self.names)}
        for rank, size in enumerate(self.style.sizes):
            points = rows[rows["size"] == size]
            strips = points[self.category].map(places) + (points["group"].map(groups.index) - len(groups) / 2) * width
            axes.scatter(
                strips + (0.08 + 0.62 * (rank + 0.5) / len(self.style.sizes)) * width,
                points[column],
                s=self.style.marker_size(size, 3.0) ** 2,
                marker=self.style.marker(size),
                color=[self.colors[group] for group in points["group"]],
                alpha=0.55,
                linewidth=0,
                urls=self.style.links(points),
            )

    def _draw_summary(self, axes: Axes, values: pd.Series, color: Any, beside: float) -> None:
        centre, low, high = self.summary(values)
        line = {"color": color, "linewidth": 1.2, "solid_capstyle": "butt", "zorder": 3}
        half = 0.11 * 0.84 / len(self.colors)
        axes.plot([beside - half, beside + half], [centre, centre], **line)
        if np.isfinite([low, high]).all():
            axes.plot([beside, beside], [low, high], **line)


def standard_errors(groups: SeriesGroupBy) -> pd.Series:
    """Compute the standard error of each group's mean; it is missing for fewer than three values."""
    return groups.sem().where(groups.count() >= FEWEST_RUNS)


def mean_and_error(values: pd.Series) -> tuple[float, float, float]:
    """Compute the mean and the mean ± one standard error, which is missing for fewer than three values."""
    mean, error = values.mean(), values.sem() if values.count() >= FEWEST_RUNS else np.nan
    return mean, mean - error, mean + error


def median_and_quartiles(values: pd.Series) -> tuple[float, float, float]:
    """Compute median and quartiles."""
    return values.median(), values.quantile(0.25), values.quantile(0.75)


def task_handles(rows: pd.DataFrame, style: FigureStyle) -> list[Artist]:
    """Make legend handles of the tasks in ``rows``: patches, because markers stand for sizes."""
    present = set(rows["task"])
    return [Patch(color=style.color(task), label=task) for task in style.tasks if task in present]


def task_lines(rows: pd.DataFrame, style: FigureStyle, label: str | None = None) -> list[Artist]:
    """Make lines in the colours of the tasks in ``rows``, with their names or one common label."""
    present = set(rows["task"])
    return [
        Line2D([], [], color=style.color(task), label=label or task, marker="none")
        for task in style.tasks
        if task in present
    ]


def size_handles(rows: pd.DataFrame, style: FigureStyle) -> list[Artist]:
    """Make legend handles of the sizes in ``rows``."""
    present = set(rows["size"])
    return [
        Line2D([], [], linestyle="none", label=size, **_marker(style, size, NEUTRAL))
        for size in style.sizes
        if size in present
    ]


def _marker(style: FigureStyle, size: str, color: Any) -> dict[str, Any]:
    """Return the style of a size's marker in a colour: opaque edge, translucent face."""
    return {
        "marker": style.marker(size),
        "markersize": style.marker_size(size),
        "markerfacecolor": to_rgba(color, 0.35),
        "markeredgecolor": color,
        "markeredgewidth": 0.7,
    }


def summary_handle(label: str) -> Artist:
    """Make the legend handle of the bars of `Strips`, or of means with errors."""
    return Line2D([], [], color=NEUTRAL, marker="$+$", linestyle="none", label=label)


def finite_rows(rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """Select the rows where all these columns hold finite numbers."""
    return rows[np.isfinite(rows[list(columns)].astype(float)).all(axis=1)]
