"""The report of a sweep: one HTML file that opens without a network, made from summary tables and figures.

Modules build plain dictionaries of text; `page` lays them out with ``page.html``, which takes in ``style.css`` and
``policies.js``. All text is escaped there, so that no name or caption can break the page.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jinja2


def page(contents: Mapping[str, Any]) -> str:
    """The report as HTML.

    Args:
        contents: ``made_by`` as JSON, ``sweep`` from `results.sweep_size`, ``headline``, ``scorecard`` and
            ``policies`` from the functions of these names in `results`, ``groups`` from
            `illustrations.figure_groups`, ``schedule`` from `illustrations.illustration`, ``run`` from
            `run_details.run_details`.

    Raises:
        jinja2.UndefinedError: if something is missing.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html").render(contents)
