"""Draw every figure from the summary tables."""

import argparse
from pathlib import Path

from sweep import script
from sweep.figures import figure_names
from sweep.figures.drawing import draw, required_tables
from sweep.figures.marks import FigureStyle
from sweep.figures.theme import save
from sweep.layout import summary_table
from sweep.tables import read_table


def main(arguments: argparse.Namespace) -> None:
    settings = arguments.settings
    tasks = settings["sweep"]["tasks"]
    names = figure_names(tasks)
    needed = {"policies"}.union(*(required_tables(name, tasks) for name in names))
    tables = {
        name: read_table(summary_table(arguments.results, name), f"summary/{name}").to_pandas()
        for name in sorted(needed)
    }
    style = FigureStyle.from_policies(tasks, tables["policies"])
    made_by = script.made_by(arguments, packages=["matplotlib"])
    for name in script.progress("drawing")(names):
        stem = arguments.folder / name
        save(draw(name, tables, style), f"{stem}.svg", f"{stem}.png", settings["figures"]["png_dpi"], made_by)


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--results", required=True, help="folder of the sweep")
    options.add_argument("--folder", type=Path, required=True, help="folder of the figures to write")
    script.run(main, options)
