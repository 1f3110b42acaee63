"""The report of a sweep: one HTML file that needs no network, made from summary tables and figures.

The modules build plain dictionaries of text, which `page` renders with ``page.html``, together with ``style.css`` and
the scripts. The template escapes all text, so that no name or caption can break the page; only figures are inserted as
elements, which `charts` copies part by part.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jinja2
import pandas as pd

from sweep.figures.marks import FigureStyle
from sweep.figures.scores import imp_minimum_text, predicted_op_text, tasks_of
from sweep.report.charts import Charts
from sweep.report.identified import headline, margins
from sweep.report.illustrations import abstract, figure_groups, illustration, key_figures, table_links
from sweep.report.results import policies_overview, policy_names, rewarded, scorecard, sweep_size, too_small
from sweep.report.run_details import commit, reinforced, run_details, when
from sweep.study_results import STUDY_URL


@dataclass(frozen=True)
class Sweep:
    """The contents of a report.

    Attributes:
        folder: the results folder, which gives the sweep its name.
        configuration: the merged configuration, restricted to what was run.
        summaries: the summary tables 'claims', 'cross_objective', 'goal_directedness' and 'policies'.
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
        """The style of its figures."""
        return FigureStyle.from_policies(self.configuration["sweep"]["tasks"], self.summaries["policies"])


def page(sweep: Sweep, made_by: Mapping[str, Any]) -> str:
    """Render the report as HTML.

    Args:
        sweep: a sweep whose folder contains its figures and its schedule.
        made_by: the provenance of the page.

    Raises:
        TableError: if a table is unreadable or carries no metadata.
        UserError: if a figure is missing or was not made by this workflow.
    """
    policies, identified = (sweep.summaries[name] for name in ("policies", "goal_directedness"))
    grid, folder = sweep.configuration["sweep"], sweep.folder
    judges = {task: tasks_of(policies)[task] for task in grid["tasks"]}
    charts = Charts(policy_names(policies))
    contents = {
        "name": folder.resolve().name,
        "size": sweep_size(policies),
        "when": when(sweep.jobs),
        "commit": commit(Path(__file__).parent),
        "study_url": STUDY_URL,
        "reinforced": reinforced(sweep.configuration),
        "rewarded": rewarded(policies, sweep.style),
        "too_small": too_small(policies),
        "abstract": abstract(folder, grid["tasks"], charts),
        "op_predicted": predicted_op_text(judges.values()),
        "imp_minimum": imp_minimum_text(judges.values()),
        "headline": headline(identified, margins(sweep.summaries["cross_objective"], judges), judges),
        "scorecard": scorecard(sweep.summaries["claims"]),
        "key_figures": key_figures(folder, grid["tasks"], charts),
        "policies": policies_overview(policies, identified, grid),
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
