"""Snakemake's lock on a working folder, without what dead runs left of it.

Snakemake marks the files it is about to write and, if it is killed, leaves the marks: the next run asks for
``--unlock``. A lock of the operating system ends with the process that holds it, so it tells the dead from the living.
"""

import fcntl
import platform
import shutil
from pathlib import Path
from typing import IO


def take_over(folder: Path) -> IO[str] | None:
    """Remove the locks of runs that are dead; leave those of a run that lives, or lived on another machine.

    Args:
        folder: Snakemake's own, ``.snakemake`` in the working folder.

    Returns:
        What holds the place until the process ends; None if another run holds it, or nothing can be written here.
    """
    try:
        folder.mkdir(exist_ok=True)
        owner = (folder / "owner").open("a+")
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return None
    owner.seek(0)
    # Not every network's file system shows a lock to other machines.
    if owner.read() in ("", platform.node()):
        shutil.rmtree(folder / "locks", ignore_errors=True)
    owner.truncate(0)
    owner.write(platform.node())
    owner.flush()
    return owner
