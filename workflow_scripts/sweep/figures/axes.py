"""Axes of categories, readable log axes, and the legend below the axes."""

import itertools
from collections.abc import Sequence

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.legend_handler import HandlerTuple
from matplotlib.offsetbox import VPacker
from matplotlib.ticker import LogLocator, NullLocator

from sweep.figures.theme import LETTER_WIDTH


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
            *_, entries_box = _box_of(Legend(figure, **entries)).get_children()
            _box_of(legend).get_children().append(entries_box)


def _box_of(legend: Legend) -> VPacker:
    """What a legend shows: the box of its title and, under it, that of its entries."""
    return next(part for part in legend.get_children() if isinstance(part, VPacker))


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
