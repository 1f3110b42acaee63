"""Check a results folder against its configuration and the code, and list the problems."""

import argparse
from collections.abc import Iterator

from sweep.code import SCRIPTS
from sweep.configuration import load
from sweep.formatting import counted
from sweep.verification import Examination, examine

_MOST_MISSING = 5  # most missing files listed one by one


def run(arguments: argparse.Namespace) -> int:
    """Print what is wrong with the folder; return the exit status, 1 if anything is."""
    config = load(arguments.configfile)
    results = config["results_dir"]
    found = examine(config, results, SCRIPTS)
    for line in listed(found):
        print(line)
    n_wrong = len(found.problems) + len(found.missing)
    print(
        f"{results}: {len(found.current)} files are current, {n_wrong} are wrong or missing."
        + (" Rerun snakemake with the same configuration to make them." if n_wrong else "")
    )
    return 1 if n_wrong else 0


def listed(found: Examination) -> Iterator[str]:
    """Yield one line per finding, starting with the path, for other programs to parse; only a few missing files."""
    yield from (f"{path}: missing. Rerun snakemake to make it" for path in found.missing[:_MOST_MISSING])
    if (more := len(found.missing) - _MOST_MISSING) > 0:
        yield f"... and {counted(more, 'other file')} missing"
    yield from (f"{path}: {_in_one_line(text)}" for path, problems in found.problems.items() for text in problems)
    yield from (f"{path}: note: {note}" for path, note in found.notes.items())


def _in_one_line(text: str) -> str:
    first, *listed = text.splitlines()
    return " ".join([first, "; ".join(line.strip(" -") for line in listed)]).rstrip()
