"""Watch a sweep through its files and logs: jobs done, running and waiting, curves so far and the time left.

Without --configfile, watch the sweep that was started last, below results/ or from this clone. Ctrl-C ends the view,
not the sweep.
"""

import argparse
import time
from collections import deque
from contextlib import suppress
from pathlib import Path
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live

from sweep.code import SCRIPTS
from sweep.configuration import load
from sweep.errors import UserError
from sweep.places import one_spelling, started_sweeps
from sweep.watch.state import State, Sweep, read_sweep
from sweep.watch.view import view

INTERVAL = 3  # seconds between updates
MEMORY = 20  # updates over which to take the largest number of jobs at once, because there are gaps between jobs


def configuration_of(files: list[Path]) -> dict[str, Any]:
    """Load the configuration of the sweep: merged as by Snakemake, or recorded by the sweep that was started last.

    Raises:
        UserError: if a file is missing or not YAML, or the configuration is invalid.
    """
    if files:
        return load(files)
    if not (started := started_sweeps(SCRIPTS.parent)):
        raise UserError("no sweep was started below results/. Start one with make, or name one: make watch CONFIG=FILE")
    # Where it is now, whatever folder it was started in.
    return load(started[-1:]) | {"results_dir": one_spelling(str(started[-1].parents[1]))}


def run(arguments: argparse.Namespace) -> int:
    """Show the sweep until it is finished, or once if there is no terminal; return the exit status."""
    configuration = configuration_of(arguments.configfile)
    console = Console()
    n_running: deque[int] = deque(maxlen=MEMORY)

    def look() -> tuple[Sweep, RenderableType]:
        sweep = read_sweep(configuration, time.time())
        n_running.append(len(sweep.of(State.RUNNING)))
        return sweep, view(sweep, configuration, max(1, *n_running), width=console.width)

    sweep, seen = look()
    if not console.is_terminal:
        console.print(seen)
        return 0
    with suppress(KeyboardInterrupt), Live(seen, console=console, auto_refresh=False) as live:
        while sweep.unfinished:
            time.sleep(INTERVAL)
            sweep, seen = look()
            live.update(seen, refresh=True)
    return 0
