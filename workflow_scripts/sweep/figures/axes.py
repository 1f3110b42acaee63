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

_LINE, _FEW_LINES = 0.19, 6  # height of a legend line, inches, and how many lines every figure has room for


def category_axis(axes: Axes, names: Sequence[str], start: float = 0.0) -> float:
    """Make an axis of categories, one unit wide each, with vertical names where horizontal ones would collide.

    Args:
        axes: their x axis becomes the axis of categories.
        names: names of the categories, from left to right; a name may have several lines.
        start: position of the first category.

    Returns:
        Approximate height of the names, inches.
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
    """Make a log axis with plain numbers, more of them between powers of ten if it spans few of these.

    Call it after drawing everything else.
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
    """Put a legend under the axes, where it covers no data, with one row per kind of entry, folded to the width.

    A tuple of artists counts as one entry, with the label of the first.
    """
    style = {"frameon": False, "handler_map": {tuple: HandlerTuple(ndivide=None, pad=0.1)}}
    legend = None
    lines = list(itertools.chain.from_iterable(_legend_lines(row, figure.get_figwidth()) for row in rows))
    # Dozens of sizes must not shrink the panels.
    figure.set_figheight(figure.get_figheight() + _LINE * max(0, len(lines) - _FEW_LINES))
    for line in lines:
        entries = {"handles": line, "labels": list(map(_label_of, line)), "ncols": len(line), **style}
        if legend is None:
            legend = figure.legend(loc="outside lower center", **entries)
        else:
            # Matplotlib uses one grid per legend, in which a long label would stretch every line.
            *_, entries_box = _box_of(Legend(figure, **entries)).get_children()
            _box_of(legend).get_children().append(entries_box)


def _box_of(legend: Legend) -> VPacker:
    """Return the box that holds a legend's title and, under it, its entries."""
    return next(part for part in legend.get_children() if isinstance(part, VPacker))


def _legend_lines(row: Sequence[Artist | tuple[Artist, ...]], width: float) -> list[list[Artist | tuple[Artist, ...]]]:
    """Break a row of legend entries into as many lines as ``width`` inches require."""
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
    """Return the label of a legend entry."""
    return str((handle[0] if isinstance(handle, tuple) else handle).get_label())
