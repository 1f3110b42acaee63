"""The figures with their titles, captions and sources."""

import base64
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from sweep.figures import figure_names
from sweep.figures.drawing import figure_subject, required_tables
from sweep.figures.svg_metadata import title_and_caption
from sweep.layout import csv_beside, summary_table
from sweep.report.charts import Charts

# The method in one figure, above all others.
ABSTRACT = "graphical_abstract"
# The five figures to look at first: can the reward be identified, does theory hold, and did the policies learn?
KEY_FIGURES = ("identification", "op_vs_success", "op_vs_predicted", "imp_vs_minimum", "success_vs_parameters")
# Vector images stay sharp, follow the page's colours and have points that link to policies. A larger one is replaced
# by its PNG if that is smaller, so that the report stays usable for sweeps of many tasks and policies.
LARGEST_SVG = 400_000  # bytes
_PIXELS_PER_POINT = 2  # on a wide screen, where the smallest text is then 14 pixels high
_WIDE, _WIDER = 400, 600  # points; wider figures span both columns, and on paper two or all of three


def abstract(folder: Path, tasks: Sequence[str], charts: Charts) -> dict[str, Any]:
    """Describe the graphical abstract, as `figure_groups` does."""
    return _figure(folder, ABSTRACT, tasks, charts=charts)


def key_figures(folder: Path, tasks: Sequence[str], charts: Charts) -> list[dict[str, Any]]:
    """Describe the figures to see first, each as `figure_groups` does."""
    return [_figure(folder, name, tasks, charts=charts) for name in KEY_FIGURES]


def figure_groups(folder: Path, tasks: Sequence[str], charts: Charts) -> list[dict[str, Any]]:
    """All other figures of the registry, by subject.

    Args:
        folder: the folder of the sweep, which links are relative to.
        tasks: the configured tasks.
        charts: collects what the figures share.

    Returns:
        For each subject, its name and its figures, each with name, title, caption, image, size, and links to tables and
        files.

    Raises:
        UserError: if a figure is missing or was not made by this workflow.
    """
    groups: dict[str, list[dict[str, Any]]] = {}
    for name in figure_names(tasks):
        if name not in (ABSTRACT, *KEY_FIGURES):
            groups.setdefault(figure_subject(name, tasks), []).append(_figure(folder, name, tasks, charts=charts))
    return [{"subject": subject, "figures": figures} for subject, figures in groups.items()]


def _figure(folder: Path, name: str, tasks: Sequence[str], charts: Charts) -> dict[str, Any]:
    tables = table_links(required_tables(name, tasks))
    return illustration(folder / "figures" / f"{name}.svg", charts, "figures/") | {"tables": tables}


def table_links(tables: Iterable[str]) -> list[dict[str, Any]]:
    """Link summary tables, given by name, as Parquet and as CSV; links are relative to the sweep's folder."""
    paths = {name: Path(summary_table(".", name)).as_posix() for name in tables}
    return [
        {"name": name, "files": [_link(Path(file), file) for file in (path, csv_beside(path))]}
        for name, path in paths.items()
    ]


def illustration(svg: Path, charts: Charts, folder: str = "") -> dict[str, Any]:
    """Describe a figure for the page, from its two files.

    Args:
        svg: path of the SVG; the PNG is next to it.
        charts: collects what the figures share.
        folder: the folder of both, relative to the report.

    Returns:
        Name, title, caption, the image as an element or a data URI, its size, and links to the files.

    Raises:
        UserError: if a file is missing or was not made by this workflow.
    """
    png = svg.with_suffix(".png")
    title, caption = title_and_caption(svg)
    alternative = f"Figure: {title}. {_first_sentence(caption)}"
    chart = charts.chart(svg, alternative)
    as_png = len(chart.svg) > LARGEST_SVG and 4 / 3 * png.stat().st_size < len(chart.svg)
    return {
        "name": svg.stem,
        "title": title,
        "caption": caption,
        "alternative": alternative,
        "chart": None if as_png else chart.svg,
        "png": f"data:image/png;base64,{base64.b64encode(png.read_bytes()).decode()}" if as_png else None,
        "width": round(chart.width * _PIXELS_PER_POINT),
        "wide": chart.width > _WIDE,
        "wider": chart.width > _WIDER,
        "has_points": chart.has_points and not as_png,
        "files": [_link(path, folder + path.name) for path in (svg, png)],
    }


def _link(path: Path, reference: str) -> dict[str, str]:
    return {"kind": {".parquet": "Parquet"}.get(path.suffix, path.suffix[1:].upper()), "href": quote(reference)}


def _first_sentence(caption: str) -> str:
    """Return the text up to the first full stop that ends a sentence."""
    return re.split(r"(?<=\.) (?=[A-Z])", caption, maxsplit=1)[0]
