"""What all figures share: colours, markers, legends, the wording of captions, and writing to disk."""

import itertools
import json
import string
import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
import pandas as pd
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.colors import to_rgb, to_rgba
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.legend import Legend
from matplotlib.legend_handler import HandlerTuple
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.textpath import text_to_path
from matplotlib.ticker import LogLocator, NullLocator

from sweep.files import replacing

# Derived from Okabe and Ito's palette: each pair stays apart for normal vision and for the three kinds of colour
# blindness, the first three best (tests/test_figures.py measures it), and all are dark enough to be read on white.
TASK_COLORS = ("#0072B2", "#DE9200", "#882255", "#56B4E9", "#332288", "#CC4A00", "#D58FB8", "#5C3300")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", *(f"${letter}$" for letter in string.ascii_uppercase))
# Factors at which markers cover about as much as a circle does; 1 for the others.
MARKER_SCALES = {"s": 0.9, "D": 0.9, **dict.fromkeys("^v<>", 1.15)}
# What belongs to no task: the pretrained model, the sequence's own generator, a fit of all policies.
NEUTRAL = "#707070"

# What `policy_points` draws, for captions; the latter where the measures have standard errors.
MARKERS_TEXT = "A point is a policy; its colour is the task it was trained on, its marker its size."
POINTS_TEXT = f"{MARKERS_TEXT[:-1]}, its bar, often hidden in it, ± one standard error over repeated measurements."

COLUMN_WIDTH = 3.5  # inches
PAGE_WIDTH = 7.1
LETTER_WIDTH = 0.054  # about, at the style sheet's 7 pt


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
        if len(self.tasks) <= len(TASK_COLORS):
            return TASK_COLORS[index]
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


@dataclass(frozen=True)
class CaptionedFigure:
    """A figure, what is seen in it (one line), and what its marks are, how many, and what was left out."""

    figure: Figure
    title: str
    caption: str


def style_context() -> AbstractContextManager[None]:
    """Matplotlib's defaults and the style sheet, whatever the user's own settings are."""
    return matplotlib.style.context(Path(__file__).with_name("splithistory.mplstyle"), after_reset=True)


def captioned(figure: Figure, title: str, caption: str) -> CaptionedFigure:
    """Put the title on the figure, folded to its width, and join it to its caption."""
    lines = folded(title, 0.95 * figure.get_figwidth(), "figure.titlesize")
    figure.suptitle(lines.replace("Imp_min", "Imp$_{min}$"), x=0.01, ha="left")
    # A long title must not take the panels' place.
    figure.set_figheight(figure.get_figheight() + 0.13 * max(0, lines.count("\n") - 1))
    return CaptionedFigure(figure, title, caption)


def folded(text: str, width: float, size: str = "axes.labelsize") -> str:
    """A text in as few lines as fit into ``width`` inches, at the style sheet's size of that name."""
    font = FontProperties(size=mpl.rcParams[size])
    for characters in range(int(20 * width), 8, -1):
        lines = textwrap.wrap(text, characters)
        widths = [text_to_path.get_text_width_height_descent(line, font, ismath=False)[0] for line in lines]
        if max(widths) <= 72 * width:  # points
            break
    return "\n".join(lines)


def save(
    captioned_figure: CaptionedFigure, svg_path: Path | str, png_path: Path | str, dpi: int, made_by: Mapping[str, Any]
) -> None:
    """Write a figure as SVG and as PNG, each whole or not at all.

    Title, caption and what made it go into the metadata of both files. No date does: equal tables give equal bytes.
    """
    texts = {
        "Title": captioned_figure.title,
        "Description": captioned_figure.caption,
        "Source": json.dumps(made_by, sort_keys=True),
    }
    figure = captioned_figure.figure
    with style_context():
        with replacing(svg_path) as temporary:
            figure.savefig(temporary, format="svg", metadata={**texts, "Date": None})
        with replacing(png_path) as temporary:
            figure.savefig(temporary, format="png", dpi=dpi, metadata=texts)


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


def equal_limits(axes: Axes) -> None:
    """One range for both axes, wide enough for all points, so that y = x is a diagonal."""
    low = min(axes.dataLim.x0, axes.dataLim.y0)
    high = max(axes.dataLim.x1, axes.dataLim.y1)
    if low <= high:  # there is data
        axes.update_datalim([(low, low), (high, high)])
        axes.autoscale_view()
    ends = (*axes.get_xlim(), *axes.get_ylim())
    axes.set(xlim=(min(ends), max(ends)), ylim=(min(ends), max(ends)))


def identity_line(axes: Axes) -> Line2D:
    """The line y = x across the axes, whose limits stay what the points made them; returns its legend handle."""
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    label = "y = x" if axes.get_xlim() == axes.get_ylim() else "y = x (unequal axes)"
    axes.axline((0, 0), slope=1, color="black", linestyle="--", linewidth=0.8, zorder=1)
    return Line2D([], [], color="black", linestyle="--", linewidth=0.8, label=label)


def unequal_text(axes: Axes) -> str:
    """What a caption adds where `identity_line` is no diagonal."""
    return "" if axes.get_xlim() == axes.get_ylim() else "The axes have unequal scales, so this line is no diagonal. "


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


def strips(
    axes: Axes,
    rows: pd.DataFrame,
    category: str,
    column: str,
    names: Mapping[Any, str],
    colors: Mapping[Any, Any],
    style: FigureStyle,
    summary: Callable[[pd.Series], tuple[float, float, float]],
) -> None:
    """Every row a point, a strip of points for each category and, within it, each group; a bar beside it sums it up.

    Args:
        axes: where to draw; x becomes an axis of categories.
        rows: one row a point, with ``category``, ``column``, ``size`` and ``group``, a key of ``colors``.
        category: column of the category.
        column: what is drawn.
        names: label of each category, in their order.
        colors: of each group, in their order from left to right.
        style: gives the sizes' markers and their order, from left to right within a strip.
        summary: centre, lower and upper end of a strip's bar; no bar where an end is missing.
    """
    width = 0.84 / len(colors)
    for (place, key), (number, group) in itertools.product(enumerate(names), enumerate(colors)):
        strip = rows[(rows[category] == key) & (rows["group"] == group)]
        if strip.empty:
            continue
        left = place + (number - len(colors) / 2) * width
        for rank, size in enumerate(style.sizes):
            points = strip.loc[strip["size"] == size, column]
            x = np.full(len(points), left + (0.08 + 0.62 * (rank + 0.5) / len(style.sizes)) * width)
            area = style.marker_size(size, 3.0) ** 2
            axes.scatter(x, points, s=area, marker=style.marker(size), color=colors[group], alpha=0.55, linewidth=0)
        beside = left + 0.82 * width
        centre, low, high = summary(strip[column])
        line = {"color": colors[group], "linewidth": 1.2, "solid_capstyle": "butt", "zorder": 3}
        axes.plot([beside - 0.11 * width, beside + 0.11 * width], [centre, centre], **line)
        if np.isfinite([low, high]).all():
            axes.plot([beside, beside], [low, high], **line)
    for boundary in range(1, len(names)):
        axes.axvline(boundary - 0.5, color="0.85", linewidth=0.6, zorder=0)
    category_axis(axes, list(names.values()))


def category_axis(axes: Axes, names: Sequence[str], start: float = 0.0) -> float:
    """An axis of categories, one unit wide each, with names on end where they would run into each other.

    Args:
        axes: whose x axis it is.
        names: of the categories, from left to right; a name may have several lines.
        start: middle of the first.

    Returns:
        About how high the names are, inches.
    """
    middles = start + np.arange(len(names))
    longest = max(len(line) for name in names for line in name.split("\n"))
    # About half an inch of each panel goes to its y axis.
    room = (axes.get_figure().get_figwidth() / axes.get_gridspec().ncols - 0.5) / len(names)
    on_end = LETTER_WIDTH * (longest + 1) > room
    axes.set_xticks(middles, names, rotation=90 if on_end else 0)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(middles[0] - 0.5, middles[-1] + 0.5)
    return LETTER_WIDTH * longest if on_end else 0.12 * (1 + max(name.count("\n") for name in names))


def mean_and_error(values: pd.Series) -> tuple[float, float, float]:
    """Mean, and mean ± one standard error; missing for a single value."""
    mean, error = values.mean(), values.sem()
    return mean, mean - error, mean + error


def median_and_quartiles(values: pd.Series) -> tuple[float, float, float]:
    """Median and quartiles."""
    return values.median(), values.quantile(0.25), values.quantile(0.75)


def readable_log_axis(axis: Axis) -> None:
    """A log axis with plain numbers, the more between powers of ten the fewer of those it spans.

    Call it when all is drawn.
    """
    name = axis.axis_name
    getattr(axis.axes, f"set_{name}scale")("log")
    low, high = axis.get_view_interval()
    decades = np.log10(high / low)
    steps = (1, 2, 3, 5) if decades < 1.5 else (1, 3) if decades < 3 else (1,)
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter(lambda value, _: f"{value:g}")
    axis.set_minor_locator(NullLocator())


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
    """Legend handle of the bars of `strips`, or of means with errors."""
    return Line2D([], [], color=NEUTRAL, marker="$+$", linestyle="none", label=label)


def legend_below(figure: Figure, *rows: Sequence[Artist | tuple[Artist, ...]]) -> None:
    """A legend under the axes, where it covers no data, with one kind of thing a row, folded to the figure's width.

    A tuple of artists with one label is one entry.
    """
    style = {"frameon": False, "handler_map": {tuple: HandlerTuple(ndivide=None, pad=0.1)}}
    legend = None
    for line in itertools.chain.from_iterable(_legend_lines(row, figure.get_figwidth()) for row in rows):
        entries = {"handles": line, "labels": list(map(_label_of, line)), "ncols": len(line), **style}
        if legend is None:
            legend = figure.legend(loc="outside lower center", **entries)
        else:
            # Matplotlib has one grid a legend, in which one long label would spread all lines.
            legend._legend_box.get_children().append(Legend(figure, **entries)._legend_handle_box)


def _legend_lines(row: Sequence[Artist | tuple[Artist, ...]], width: float) -> list[list[Artist | tuple[Artist, ...]]]:
    """A row of legend entries in as many lines as ``width`` inches ask for."""
    lines: list[list[Artist | tuple[Artist, ...]]] = []
    room = 0.0
    for handle in row:
        needed = 0.4 + LETTER_WIDTH * len(_label_of(handle))  # about, with its key and spacing
        if needed > room:
            lines.append([])
            room = width
        lines[-1].append(handle)
        room -= needed
    return lines


def _label_of(handle: Artist | tuple[Artist, ...]) -> str:
    """Label of a legend entry."""
    return str((handle[0] if isinstance(handle, tuple) else handle).get_label())


def finite_rows(rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The rows where all these columns hold finite numbers."""
    return rows[np.isfinite(rows[list(columns)].astype(float)).all(axis=1)]


def count_text(rows: pd.DataFrame) -> str:
    """How many policies there are, and of what: '48 policies (3 tasks × 4 sizes × 4 seeds)'."""
    tasks, sizes, seeds = (rows[key].nunique() for key in ("task", "size", "seed"))
    product = " × ".join([_plural(tasks, "task"), _plural(sizes, "size"), _plural(seeds, "seed")])
    # An uneven sweep is no product; the numbers of each are still true.
    counts = product if tasks * sizes * seeds == len(rows) else product.replace(" × ", ", ")
    return f"n = {_plural(len(rows), 'policy', 'policies')} ({counts})"


def left_out_text(
    all_rows: pd.DataFrame, shown: pd.DataFrame, reason: str, singular: str = "policy", plural: str = "policies"
) -> str:
    """The sentence on what a figure leaves out: how many of the rows, and for what reason."""
    missing = len(all_rows) - len(shown)
    if not missing:
        return "Nothing is left out."
    return f"Left out: {missing} of {_plural(len(all_rows), singular, plural)}, {reason}."


def trend(means: pd.Series, errors: pd.Series) -> str | None:
    """How means, ordered by size, go with it: each step must exceed two standard errors of the difference.

    Args:
        means: of each size, from the smallest to the largest.
        errors: their standard errors; undefined where there is one seed, which shows no trend.

    Returns:
        The trend in words; None where the means neither rise nor fall at every step nor are U-shaped.
    """
    steps = np.diff(means.to_numpy(dtype=float))
    variances = errors.to_numpy(dtype=float) ** 2
    if len(steps) == 0 or not np.all(np.abs(steps) > 2 * np.sqrt(variances[1:] + variances[:-1])):
        return None
    rising = steps > 0
    if rising.all() or not rising.any():
        return f"{'rises' if rising[0] else 'falls'} with size at every step"
    return "is U-shaped in size" if not rising[0] and np.diff(rising).sum() == 1 else None


# What a title's trend is, for captions.
TREND_TEXT = (
    "A trend is named where every step between sizes exceeds two standard errors of the difference; "
    "otherwise, as for a single seed, the least and the largest mean are given."
)


def trend_text(quantity: str, unit: str, rows: pd.DataFrame, column: str, style: FigureStyle) -> str:
    """On how many tasks a quantity's mean over seeds has which trend; its range on each task where none has any.

    Args:
        quantity: its name, as in the middle of a sentence.
        unit: its unit, with a blank before it; empty where there is none.
        rows: one row a policy.
        column: its column.
        style: gives the order of the sizes and tasks.
    """
    values = rows.groupby(["task", "size"], observed=True)[column]
    sizes = [size for size in style.sizes if size in set(rows["size"])]
    means, errors = (table.unstack("size").reindex(columns=sizes) for table in (values.mean(), values.sem()))
    trends = [trend(means.loc[task].dropna(), errors.loc[task, means.loc[task].notna()]) for task in means.index]
    # The most frequent trend; the first to occur of equally frequent ones.
    seen = max(filter(None, trends), key=trends.count, default=None)
    mean = quantity if rows["seed"].nunique() == 1 else f"mean {quantity}"
    if seen is not None:
        number = trends.count(seen)
        where = f"{number} of {len(trends)} tasks" if number < len(trends) else "every task"
        text = f"{mean} {seen} on {means.index[0] if len(trends) == 1 else where}"
    else:
        ranges = [
            (f"{unit} on {task}".strip(), means.loc[task].dropna()) for task in style.tasks if task in means.index
        ]
        if len(ranges) > 4:
            ranges = [(f"{unit} on {len(ranges)} tasks".strip(), means.stack())]
        text = f"{mean} over {_plural(len(sizes), 'size')}: {ranges_text(ranges)}" + seeds_text(rows)
    return text[:1].upper() + text[1:]


def seeds_text(rows: pd.DataFrame) -> str:
    """What a title adds where numbers may be one seed's noise."""
    return " (one seed)" if rows["seed"].nunique() == 1 else ""


def ranges_text(groups: Sequence[tuple[str, pd.Series]]) -> str:
    """Least and largest value of each named group: '0.10 to 0.30 on a and 2.0 to 2.5 on b'.

    Ranges, since a median may lie between two clusters, where nothing is.
    """
    return joined([f"{range_text(values)} {name}" for name, values in groups if len(values)]) or "undefined"


def range_text(values: pd.Series) -> str:
    """Least and largest value, or the one where they are printed alike."""
    ends = [two_digits(values.min()), two_digits(values.max())]
    return " to ".join(dict.fromkeys(ends))


def two_digits(value: float) -> str:
    """A number to two significant digits, never as a power of ten where it is large."""
    rounded = float(f"{value:.2g}")
    text = f"{rounded:,.0f}" if abs(rounded) >= 10 else f"{rounded:#.2g}" if rounded else "0"
    return text.replace("-", "−")


def joined(parts: Sequence[str]) -> str:
    """'a, b and c'."""
    return " and ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)


def _plural(number: int, singular: str, plural: str | None = None) -> str:
    """'1 seed', '4 seeds'."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
