"""Sizes of figures, and writing figures with their titles and captions to disk."""

import json
import textwrap
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties
from matplotlib.textpath import text_to_path

from splithistory.plots import style_context
from sweep.files import replacing

COLUMN_WIDTH = 3.5  # inches
PAGE_WIDTH = 7.1
LETTER_WIDTH = 0.054  # about, at the style sheet's 7 pt
TITLE_ID = "title"  # of the group of an SVG that holds the figure's title


@dataclass(frozen=True)
class CaptionedFigure:
    """A figure, with its finding in one line, and a caption on its marks, their number and, if so, what is left out."""

    figure: Figure
    title: str
    caption: str


def captioned(figure: Figure, title: str, caption: str) -> CaptionedFigure:
    """Put the title on the figure, folded to its width, and attach the caption, without the gaps of empty parts."""
    lines = folded(title, 0.95 * figure.get_figwidth(), "figure.titlesize")
    figure.suptitle(lines.replace("Imp_min", "Imp$_{min}$"), x=0.01, ha="left", gid=TITLE_ID)
    # A long title must not shrink the panels.
    figure.set_figheight(figure.get_figheight() + 0.13 * max(0, lines.count("\n") - 1))
    return CaptionedFigure(figure, title, " ".join(caption.split()))


def folded(text: str, width: float, size: str = "axes.labelsize") -> str:
    """Fold a text into as few lines as fit ``width`` inches, at the named font size of the style sheet."""
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
    """Write a figure as SVG and as PNG, each atomically.

    The metadata of both files hold the title, the caption and the provenance, but no date, so that equal tables give
    equal bytes.
    """
    metadata = {
        "Title": captioned_figure.title,
        "Description": captioned_figure.caption,
        "Source": json.dumps(made_by, sort_keys=True),
    }
    figure = captioned_figure.figure
    with style_context():
        # Figure.savefig would draw the figure once more for its layout, once for each file.
        svg = FigureCanvasSVG(figure)
        if layout := figure.get_layout_engine():
            layout.execute(figure)
        figure.set_layout_engine("none")
        with replacing(svg_path) as temporary:
            svg.print_svg(temporary, metadata={**metadata, "Date": None})
        figure.set_dpi(dpi)
        with replacing(png_path) as temporary:
            FigureCanvasAgg(figure).print_png(temporary, metadata=metadata)
