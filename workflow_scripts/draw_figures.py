"""Draw every figure from the summary tables."""

import argparse
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from sweep import script
from sweep.figures import figure_names
from sweep.figures.drawing import draw, required_tables
from sweep.figures.marks import FigureStyle
from sweep.figures.theme import save
from sweep.layout import summary_table
from sweep.schemas.measure import GENERATOR
from sweep.schemas.summary import SUMMARY
from sweep.tables import read_table


def main(arguments: argparse.Namespace) -> None:
    settings = arguments.settings
    tasks = settings["sweep"]["tasks"]
    names = figure_names(tasks)
    needed = {"policies"}.union(*(required_tables(name, tasks) for name in names))
    schemas = SUMMARY | {"generator": GENERATOR}
    tables = {
        name: read_table(summary_table(arguments.results, name), schemas[name]).to_pandas() for name in sorted(needed)
    }
    draw_some = partial(
        draw_and_save,
        tables=tables,
        style=FigureStyle.from_policies(tasks, tables["policies"]),
        folder=arguments.folder,
        dpi=settings["figures"]["png_dpi"],
        made_by=script.made_by(arguments, packages=["matplotlib"]),
    )
    shares = [names[start :: arguments.processes] for start in range(arguments.processes)]
    if arguments.processes == 1:
        draw_some(names)
    else:
        with ProcessPoolExecutor(arguments.processes) as pool:
            list(pool.map(draw_some, shares))  # a list, so that the first failure is raised here


def draw_and_save(
    names: Sequence[str],
    *,
    tables: Mapping[str, pd.DataFrame],
    style: FigureStyle,
    folder: Path,
    dpi: int,
    made_by: Mapping[str, Any],
) -> None:
    """Draw figures one after the other, each as SVG and as PNG."""
    for name in names:
        stem = folder / name
        save(draw(name, tables, style), f"{stem}.svg", f"{stem}.png", dpi=dpi, made_by=made_by)
        script.log.info("drew %s", name)


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--results", required=True, help="folder of the sweep")
    options.add_argument("--folder", type=Path, required=True, help="folder of the figures to write")
    options.add_argument("--processes", type=int, default=1, help="number of processes that draw in parallel")
    script.run(main, options)
