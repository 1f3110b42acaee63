"""Take over a results folder that came without Snakemake's records, such as a copy from another machine.

Every file is checked as `verify` does. Those that are current are recorded as such, so that the next run does not make
them again; the others are marked as old, so that it does.
"""

import argparse
import os
import pwd
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from sweep.code import SCRIPTS
from sweep.configuration import load
from sweep.errors import UserError
from sweep.formatting import counted, first_of
from sweep.snakemake_internals import record
from sweep.verification import examine


def run(arguments: argparse.Namespace) -> int:
    """Record what is current and mark the rest as old; returns the exit status."""
    config = load(arguments.configfile)
    results = config["results_dir"]
    found = examine(config, results, SCRIPTS)
    require_own([path for path in found.expected if Path(path).exists()])
    record(found.current, arguments.configfile)
    stale = [path for path in found.expected if path not in set(found.current) and Path(path).exists()]
    for path in stale:
        os.utime(path, (1, 1))  # older than any input, so that Snakemake makes it again; 0 is no time to it
    print(f"{results}: {len(found.current)} files are current and were adopted.")
    if stale:
        print(
            f"{len(stale)} files are wrong, or made from what is wrong or missing, and will be made again; "
            f"make verify says why:",
            *first_of(stale, most=20),
            sep="\n  ",
        )
    return 0


def require_own(paths: Sequence[str]) -> None:
    """Refuse files of somebody else, whose times cannot be set.

    Raises:
        UserError: if there are any, unless the user is root.
    """
    others = [path for path in paths if os.stat(path).st_uid != os.geteuid()] if os.geteuid() else []
    if others:
        owner = os.stat(others[0]).st_uid
        with suppress(KeyError):
            owner = pwd.getpwuid(owner).pw_name
        raise UserError(
            f"{counted(len(others), 'file')}, such as {others[0]}, belong to {owner}, so that they cannot be adopted. "
            f"Copy the folder with cp -R, which makes the copies yours, or have {owner} run make adopt"
        )
