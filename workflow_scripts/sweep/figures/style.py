"""What all figures share: colours, markers, legends, the wording of captions, and writing to disk."""

import string
import textwrap
from collections.abc import Iterable, Mapping, Sequence
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
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import NullLocator

from splithistory.sequence import N_OUTCOMES
from sweep.files import replacing

# Derived from Okabe and Ito's palette: each pair stays apart for normal vision and for the three kinds of colour
# blindness, the first three best (tests/test_figures.py measures it), and all are dark enough to be read on white.
TASK_COLORS = ("#0072B2", "#DE9200", "#882255", "#56B4E9", "#332288", "#CC4A00", "#D58FB8", "#5C3300")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", *(f"${letter}$" for letter in string.ascii_uppercase))
# What belongs to no task: the pretrained model, the sequence's own generator, a fit of all policies.
NEUTRAL = "#707070"

# What `policy_points` draws, for captions.
POINTS_TEXT = (
    "A point is a policy; its colour is the task it was trained on, its marker its size, its bar ± one standard error "
    "over repeated measurements."
)

COLUMN_WIDTH = 3.5  # inches
PAGE_WIDTH = 7.1


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

    def shade(self, color: Any, size: str) -> tuple[float, ...]:
        """A tint of ``color``, pale for the smallest size and full for the largest."""
        rank = (self.sizes.index(size) + 1) / len(self.sizes)
        strength = 0.35 + 0.65 * rank
        return tuple(1 - strength * (1 - np.array(to_rgb(color))))


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
    characters = int(figure.get_figwidth() * 17)
    figure.suptitle(textwrap.fill(title, characters), x=0.01, ha="left")
    return CaptionedFigure(figure, title, caption)


def save(captioned_figure: CaptionedFigure, svg_path: Path | str, png_path: Path | str, dpi: int) -> None:
    """Write a figure as SVG and as PNG, each whole or not at all.

    Title and caption go into the metadata of both files. No date does: equal tables give equal bytes.
    """
    texts = {"Title": captioned_figure.title, "Description": captioned_figure.caption}
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


def identity_line(axes: Axes, label: str = "y = x") -> Line2D:
    """The line y = x across the axes, whose limits stay what the points made them; returns its legend handle."""
    axes.set(xlim=axes.get_xlim(), ylim=axes.get_ylim())
    axes.axline((0, 0), slope=1, color="black", linestyle="--", linewidth=0.8, zorder=1)
    return Line2D([], [], color="black", linestyle="--", linewidth=0.8, label=label)


def policy_points(
    axes: Axes, rows: pd.DataFrame, x: str, y: str, style: FigureStyle
) -> tuple[list[Artist], list[Artist]]:
    """A point a policy, with the task's colour, the size's marker and ± one ``{y}_stderr`` where that is defined.

    Returns:
        Legend handles of the tasks and of the sizes that occur.
    """
    for (task, size), group in rows.groupby(["task", "size"], observed=True):
        axes.errorbar(
            group[x],
            group[y],
            yerr=group[f"{y}_stderr"].fillna(0.0),
            linestyle="none",
            elinewidth=0.7,
            marker=style.marker(size),
            color=style.color(task),
            markeredgecolor="white",
            markeredgewidth=0.4,
            zorder=3,
        )
    # Three-digit ticks must not run into each other at column width.
    axes.locator_params(nbins=6)
    return task_handles(rows, style), size_handles(rows, style)


def task_handles(rows: pd.DataFrame, style: FigureStyle, **line: Any) -> list[Artist]:
    """Legend handles of the tasks in ``rows``; a dot unless ``line`` says otherwise."""
    line = {"marker": "o", "linestyle": "none"} | line
    present = set(rows["task"])
    return [Line2D([], [], color=style.color(task), label=task, **line) for task in style.tasks if task in present]


def size_handles(rows: pd.DataFrame, style: FigureStyle, color: Any = NEUTRAL) -> list[Artist]:
    """Legend handles of the sizes in ``rows``."""
    present = set(rows["size"])
    return [
        Line2D([], [], color=color, marker=style.marker(size), linestyle="none", label=size)
        for size in style.sizes
        if size in present
    ]


def legend_below(figure: Figure, *rows: Sequence[Artist]) -> None:
    """A legend under the axes, where it covers no data, with one kind of thing a row, folded to the figure's width."""
    for columns in range(max(map(len, rows)), 0, -1):
        lines = [list(row[start : start + columns]) for row in rows for start in range(0, len(row), columns)]
        # Matplotlib fills legends column by column; blanks keep each row together.
        grid = [line + [Line2D([], [], linestyle="none", label=" ")] * (columns - len(line)) for line in lines]
        by_column = list(zip(*grid, strict=True))
        # About 0.054 inch a letter and 0.4 a key with its spacing, at the style sheet's 7 pt.
        width = sum(0.4 + 0.054 * max(len(str(handle.get_label())) for handle in column) for column in by_column)
        if width <= figure.get_figwidth():
            break
    handles = [handle for column in by_column for handle in column]
    figure.legend(handles=handles, loc="outside lower center", ncols=columns)


def finite_rows(rows: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """The rows where all these columns hold finite numbers."""
    return rows[np.isfinite(rows[list(columns)].astype(float)).all(axis=1)]


def good_fractions(rows: pd.DataFrame) -> pd.Series:
    """Share of good outcomes, which is chance, of each task in ``rows``."""
    return rows.groupby("task", observed=True)["n_good"].first() / N_OUTCOMES


def count_text(rows: pd.DataFrame) -> str:
    """How many policies there are, and of what: '48 policies (3 tasks × 4 sizes × 4 seeds)'."""
    tasks, sizes, seeds = (rows[key].nunique() for key in ("task", "size", "seed"))
    product = " × ".join([_plural(tasks, "task"), _plural(sizes, "size"), _plural(seeds, "seed")])
    # An uneven sweep is no product; the numbers of each are still true.
    counts = product if tasks * sizes * seeds == len(rows) else product.replace(" × ", ", ")
    return f"n = {_plural(len(rows), 'policy', 'policies')} ({counts})"


def left_out_text(all_rows: pd.DataFrame, shown: pd.DataFrame, reason: str) -> str:
    """The sentence on what a figure leaves out: how many of the policies, and for what reason."""
    missing = len(all_rows) - len(shown)
    if not missing:
        return "Nothing is left out."
    return f"Left out: {missing} of {_plural(len(all_rows), 'policy', 'policies')}, {reason}."


def trend(means: pd.Series) -> str | None:
    """How means, ordered by size, go with it; None where they neither rise nor fall nor are U-shaped."""
    steps = np.sign(np.diff(means.dropna().to_numpy(dtype=float)))
    turns = np.flatnonzero(np.diff(steps))
    if len(steps) == 0 or 0 in steps:
        return None
    if len(turns) == 0:
        return "rises with size" if steps[0] > 0 else "falls with size"
    return "is U-shaped in size" if len(turns) == 1 and steps[0] < 0 else None


def trend_text(quantity: str, rows: pd.DataFrame, column: str, style: FigureStyle) -> str:
    """A title that says on how many tasks a quantity's mean rises, falls or is U-shaped with size."""
    if rows["size"].nunique() < 2:
        return f"{quantity} at one size"
    means = rows.groupby(["task", "size"], observed=True)[column].mean().unstack("size")
    trends = [trend(means.loc[task].reindex(style.sizes)) for task in means.index]
    # The most frequent trend; the first to occur of equally frequent ones.
    seen = max(filter(None, trends), key=trends.count, default=None)
    if seen is None:
        return f"{quantity} has no steady trend with size"
    number = trends.count(seen)
    where = "every task" if number == len(trends) else f"{number} of {len(trends)} tasks"
    return f"{quantity} {seen}" if len(trends) == 1 else f"{quantity} {seen} on {where}"


def _plural(number: int, singular: str, plural: str | None = None) -> str:
    """'1 seed', '4 seeds'."""
    return f"{number} {singular if number == 1 else plural or singular + 's'}"
