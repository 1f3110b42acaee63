"""The figures, inlined, with their captions and what they are drawn from."""

import base64
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sweep.figures import figure_names
from sweep.figures.drawing import figure_subject, required_tables
from sweep.figures.svg_metadata import title_and_caption
from sweep.layout import summary_table

# Vector images stay sharp and most are small. A larger one is shown as its PNG if that is smaller, which keeps the
# report of a large sweep at some ten megabytes.
LARGEST_SVG = 200_000  # bytes
_PIXELS_PER_POINT = 2  # on a wide screen; the smallest print is then 14 pixels high
_WIDE = 400  # points; wider figures take both columns


def figure_groups(folder: Path, tasks: Sequence[str]) -> list[dict[str, Any]]:
    """Every figure of the registry, by subject.

    Args:
        folder: of the sweep; links are relative to it.
        tasks: the configured tasks.

    Returns:
        Of each subject its name and its figures: name, title, caption, alternative text, image as a data URI with its
        size, and links to tables and files.

    Raises:
        UserError: if a figure is missing or not this workflow's.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for name in figure_names(tasks):
        groups.setdefault(figure_subject(name, tasks), []).append(_figure(folder, name, tasks))
    return [{"subject": subject, "figures": figures} for subject, figures in groups.items()]


def _figure(folder: Path, name: str, tasks: Sequence[str]) -> dict[str, Any]:
    tables = [
        {"name": table, "href": quote(summary_table(".", table).removeprefix("./"))}
        for table in required_tables(name, tasks)
    ]
    return illustration(folder / "figures" / f"{name}.svg", "figures/") | {"tables": tables}


def illustration(svg: Path, folder: str = "") -> dict[str, Any]:
    """A figure for the page, from its two files.

    Args:
        svg: the one; the PNG lies beside it.
        folder: that they lie in, relative to the report.

    Returns:
        Name, title, caption, alternative text, image as a data URI with its size, and links to the files.

    Raises:
        UserError: if a file is missing or not this workflow's.
    """
    name, png = svg.stem, svg.with_suffix(".png")
    title, caption = title_and_caption(svg)
    width, height = _size_in_points(svg)
    return {
        "name": name,
        "title": title,
        "caption": caption,
        "alternative": f"Figure: {title}. {_first_sentence(caption)}",
        "image": _data_uri(_shown(svg, png)),
        "width": round(width * _PIXELS_PER_POINT),
        "height": round(height * _PIXELS_PER_POINT),
        "wide": width > _WIDE,
        "files": [{"name": path.suffix[1:].upper(), "href": quote(folder + path.name)} for path in (svg, png)],
    }


def _size_in_points(svg: Path) -> tuple[float, float]:
    """Width and height that Matplotlib writes into the root element."""
    with svg.open(encoding="utf-8") as stream:
        width, height = re.search(r'<svg [^>]*width="([\d.]+)pt" height="([\d.]+)pt"', stream.read(2000)).groups()
    return float(width), float(height)


def _first_sentence(caption: str) -> str:
    """Up to the first full stop that ends a sentence."""
    return re.split(r"(?<=\.) (?=[A-Z])", caption, maxsplit=1)[0]


def _shown(svg: Path, png: Path) -> Path:
    svg_size, png_size = svg.stat().st_size, png.stat().st_size
    return png if svg_size > LARGEST_SVG and png_size < svg_size else svg


def _data_uri(path: Path) -> str:
    kind = {".svg": "svg+xml", ".png": "png"}[path.suffix]
    return f"data:image/{kind};base64,{base64.b64encode(path.read_bytes()).decode()}"
