"""Take over a results folder that came without Snakemake's records, such as a copy from another machine.

Every file is checked as `verify` does. Those that are current are recorded as such, so that the next run does not make
them again; the others are marked as old, so that it does.
"""

import argparse
import os
from pathlib import Path

from sweep.code import SCRIPTS
from sweep.configuration import load
from sweep.snakemake_internals import record
from sweep.verification import examine


def run(arguments: argparse.Namespace) -> int:
    """Record what is current and mark the rest as old; returns the exit status."""
    config = load(arguments.configfile)
    results = config["results_dir"].rstrip("/")
    found = examine(config, results, SCRIPTS)
    record(found.current, arguments.configfile)
    stale = [path for path in found.expected if path not in set(found.current) and Path(path).exists()]
    for path in stale:
        os.utime(path, (1, 1))  # older than any input, so that Snakemake makes it again; 0 is no time to it
    print(f"{results}: {len(found.current)} files are current and were adopted.")
    if stale:
        print(
            f"{len(stale)} files are wrong, or made from what is wrong or missing, and will be made again; "
            f"make verify says why:",
            *stale,
            sep="\n  ",
        )
    return 0
