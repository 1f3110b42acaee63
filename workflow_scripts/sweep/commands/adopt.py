"""Adopt a results folder that lacks Snakemake's records, such as a copy from another machine.

Every file is checked as by `verify`. Current files are recorded as such, so that the next run keeps them; the others
are marked as outdated, so that it rebuilds them.
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
    """Record current files, mark the others as outdated, and return the exit status."""
    config = load(arguments.configfile)
    results = config["results_dir"]
    found = examine(config, results, SCRIPTS)
    require_own([path for path in found.expected if Path(path).exists()])
    record(found.current, arguments.configfile)
    stale = [path for path in found.expected if path not in set(found.current) and Path(path).exists()]
    for path in stale:
        os.utime(path, (1, 1))  # older than any input, so that Snakemake rebuilds it; it ignores a time of 0
    print(f"{results}: {len(found.current)} files are current and were adopted.")
    if stale:
        print(
            f"{len(stale)} files are wrong, or depend on wrong or missing files, and will be rebuilt; "
            "make verify says why:",
            *first_of(stale, most=20),
            sep="\n  ",
        )
    return 0


def require_own(paths: Sequence[str]) -> None:
    """Refuse files of other users, whose modification times cannot be set.

    Raises:
        UserError: if there are any, unless the user is root.
    """
    others = [path for path in paths if os.stat(path).st_uid != os.geteuid()] if os.geteuid() else []
    if others:
        owner = os.stat(others[0]).st_uid
        with suppress(KeyError):
            owner = pwd.getpwuid(owner).pw_name
        raise UserError(
            f"{counted(len(others), 'file')}, such as {others[0]}, belong to {owner} and cannot be adopted. "
            f"Copy the folder with cp -R to own the copies, or ask {owner} to run make adopt"
        )
