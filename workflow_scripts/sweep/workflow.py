"""All stages of the workflow: those that make tables, and those that use them.

This module is separate from `stages`, so that no summary table depends on which figures there are.
"""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

from sweep.figures import figure_names
from sweep.layout import Job, Stage, jobs_of
from sweep.schemas.manifest import MANIFEST as COLUMNS
from sweep.stages import OF_TABLES, drawing, summarizing

FIGURES = Stage(
    "figures",
    "draw_figures.py",
    drawing,
    files=lambda tasks: [f"figures/{name}.{suffix}" for name, suffix in product(figure_names(tasks), ("svg", "png"))],
)
REPORT = Stage(
    "report",
    "write_report.py",
    drawing,
    files=lambda tasks: ["report.html", "schedule.svg", "schedule.png"],  # the schedule of the jobs before it
)
MANIFEST = Stage("manifest", "write_manifest.py", summarizing, schemas=(COLUMNS,))
STAGES = (*OF_TABLES, FIGURES, REPORT, MANIFEST)


def all_jobs(results: str, sweep: Mapping[str, Any]) -> Iterator[Job]:
    """Iterate over every job of a sweep, each after the jobs whose outputs it reads; see `layout.jobs_of`."""
    return jobs_of(STAGES, results, sweep)
