"""Write the report of the sweep: one HTML file with every figure in it."""

import argparse
import json
from pathlib import Path

from sweep import script
from sweep.files import replacing
from sweep.layout import all_tables, summary_table
from sweep.report import page
from sweep.report.illustrations import figure_groups
from sweep.report.making import making
from sweep.report.results import headline, policies_table, scorecard, sweep_size
from sweep.tables import read_table


def main(arguments: argparse.Namespace) -> None:
    configuration, results = arguments.settings, arguments.results
    sweep = configuration["sweep"]
    claims, identification, policies = (
        read_table(summary_table(results, name), f"summary/{name}").to_pandas()
        for name in ("claims", "identification", "policies")
    )
    html = page(
        {
            "sweep": sweep_size(policies),
            "headline": headline(identification, sweep["tasks"]),
            "scorecard": scorecard(claims),
            "groups": figure_groups(results, sweep["tasks"]),
            "policies": policies_table(policies, sweep["tasks"], sweep["sizes"]),
            "made_by": json.dumps(script.made_by(arguments, packages=["jinja2"]), sort_keys=True),
            "making": making(results, [table.path for table in all_tables(results, sweep)], configuration),
        }
    )
    with replacing(arguments.report) as temporary:
        temporary.write_text(html, encoding="utf-8")


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--results", type=Path, required=True, help="folder of the sweep")
    options.add_argument("--report", type=Path, required=True, help="HTML file to write")
    script.run(main, options)
