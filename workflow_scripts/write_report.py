"""Write the report of the sweep, one HTML file that contains every figure, and draw the schedule of its jobs."""

import argparse
from pathlib import Path

from sweep import script
from sweep.figures.marks import FigureStyle
from sweep.figures.schedule import draw_schedule
from sweep.figures.theme import save, style_context
from sweep.files import replacing
from sweep.jobs import recorded_jobs
from sweep.layout import summary_table
from sweep.report import Sweep, page
from sweep.schemas.summary import SUMMARY
from sweep.stages import all_tables
from sweep.tables import read_table


def main(arguments: argparse.Namespace) -> None:
    configuration, results = arguments.settings, arguments.results
    sweep = configuration["sweep"]
    summaries = {
        name: read_table(summary_table(results, name), SUMMARY[name]).to_pandas()
        for name in ("claims", "cross_objective", "goal_directedness", "policies")
    }
    made_by = script.made_by(arguments, packages=["jinja2", "matplotlib"])
    jobs = recorded_jobs(results / "logs", sweep)
    with style_context():
        schedule = draw_schedule(jobs, FigureStyle.from_policies(sweep["tasks"], summaries["policies"]))
    save(
        schedule,
        results / "schedule.svg",
        results / "schedule.png",
        dpi=configuration["figures"]["png_dpi"],
        made_by=made_by,
    )
    tables = [table.path for table in all_tables(results, sweep)]
    html = page(Sweep(results, configuration, summaries=summaries, jobs=jobs, tables=tables), made_by)
    with replacing(arguments.report) as temporary:
        temporary.write_text(html, encoding="utf-8")


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--results", type=Path, required=True, help="folder of the sweep")
    options.add_argument("--report", type=Path, required=True, help="HTML file to write")
    script.run(main, options)
