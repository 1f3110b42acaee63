"""The report of a sweep: one HTML file that opens without a network, made from summary tables and figures.

Modules build plain dictionaries of text; `page` lays them out with ``page.html``, which takes in ``style.css`` and the
scripts. All text is escaped there, so that no name or caption can break the page; figures alone are elements, taken
over part by part in `charts`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from sweep.figures.marks import FigureStyle
from sweep.report.charts import Charts
from sweep.report.illustrations import figure_groups, illustration, key_figures, table_links
from sweep.report.results import headline, policies_overview, policy_names, rewarded, scorecard, sweep_size, too_small
from sweep.report.run_details import commit, run_details, when


@dataclass(frozen=True)
class Sweep:
    """What a report is made from.

    Attributes:
        folder: of the results; its name is the sweep's.
        configuration: merged, restricted to what was run.
        summaries: 'claims', 'identification' and 'policies'.
        jobs: from `jobs.recorded_jobs`.
        tables: paths of all tables.
    """

    folder: Path
    configuration: Mapping[str, Any]
    summaries: Mapping[str, pd.DataFrame]
    jobs: pd.DataFrame
    tables: list[str]

    @property
    def style(self) -> FigureStyle:
        """That of its figures."""
        return FigureStyle.from_policies(self.configuration["sweep"]["tasks"], self.summaries["policies"])


def page(sweep: Sweep, made_by: Mapping[str, Any]) -> str:
    """The report as HTML.

    Args:
        sweep: with its figures and its schedule in its folder.
        made_by: what the page says of its own making.

    Raises:
        TableError: if a table is unreadable or carries no metadata.
        UserError: if a figure is missing or not this workflow's.
    """
    policies, identification = (sweep.summaries[name] for name in ("policies", "identification"))
    grid, folder = sweep.configuration["sweep"], sweep.folder
    charts = Charts(policy_names(policies))
    contents = {
        "name": folder.resolve().name,
        "size": sweep_size(policies),
        "when": when(sweep.jobs),
        "commit": commit(Path(__file__).parent),
        "rewarded": rewarded(policies, sweep.style),
        "too_small": too_small(policies),
        "headline": headline(identification, grid["tasks"]),
        "scorecard": scorecard(sweep.summaries["claims"]),
        "key_figures": key_figures(folder, grid["tasks"], charts),
        "policies": policies_overview(policies, identification, grid),
        "groups": figure_groups(folder, grid["tasks"], charts),
        "schedule": illustration(folder / "schedule.svg", charts),
        "run": run_details(sweep.jobs, sweep.tables, sweep.configuration),
        "tables": {table["name"]: table for table in table_links(sweep.summaries)},
        "code": made_by["code"],
        "made_by": json.dumps(made_by, sort_keys=True),
    }
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html").render(contents, shared=charts.shared, colors=sorted(charts.colors))
