"""Check a results folder against its configuration and the code, and list what is wrong."""

import argparse

from rich.console import Console
from rich.table import Table

from sweep.code import SCRIPTS
from sweep.configuration import load
from sweep.verification import Examination, examine


def run(arguments: argparse.Namespace) -> int:
    """Print what is wrong with the folder; returns the exit status, 1 if anything is."""
    config = load(arguments.configfile)
    results = config["results_dir"].rstrip("/")
    found = examine(config, results, SCRIPTS)
    console = Console()
    if found.problems or found.missing or found.notes:
        console.print(listed(found, results))
    n_wrong = len(found.problems) + len(found.missing)
    console.print(
        f"{results}: {len(found.current)} files are current, {n_wrong} are wrong or missing."
        + (" Rerun snakemake with the same configuration to make them." if n_wrong else "")
    )
    return 1 if n_wrong else 0


def listed(found: Examination, results: str) -> Table:
    """One table of all that was found; paths are relative to the results folder."""
    table = Table()
    table.add_column("file", overflow="fold")
    table.add_column("what is wrong, and what to do")
    texts = {path: "missing. Rerun snakemake to make it" for path in found.missing}
    texts |= {path: "\n".join(problems) for path, problems in found.problems.items()}
    texts |= {path: f"note: {note}" for path, note in found.notes.items()}
    for path, text in texts.items():
        table.add_row(path.removeprefix(f"{results}/"), text)
    return table
