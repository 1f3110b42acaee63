"""Runs of Snakemake: only one at a time writes to a results folder, and signals end it in an orderly way.

Snakemake's own locks outlive a killed run, and a run that ends deletes those of all others. A run therefore writes a
note to its results folder, and holds a lock of the operating system on it.
"""

import atexit
import getpass
import json
import os
import platform
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import IO, Any

import psutil

from sweep.errors import UserError
from sweep.locks import lock

_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

_held: dict[Path, IO[str]] = {}  # the notes that this process has locked
_stopped_by: int | None = None  # number of the signal


@dataclass(frozen=True)
class Run:
    """What a run notes about itself.

    Attributes:
        pid: process ID of its Snakemake.
        host: the machine that it runs on.
        user: who started it.
        since: when it started, in seconds since the epoch.
        configuration: paths of its configuration files.
        ended: whether it has ended, with an error or without; a killed run cannot note this.
    """

    pid: int
    host: str
    user: str
    since: float
    configuration: Sequence[str]
    ended: bool = False

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M", time.localtime(self.since))
        return f"process {self.pid} of {self.user} on {self.host}, since {since}, with {' '.join(self.configuration)}"


def note(results: Path | str) -> Path:
    """Return the path of the note that a run keeps locked while it is alive."""
    return Path(results, "logs", "run.json")


def hold(results: str, configuration: Sequence[str], noted: bool = True) -> bool:
    """Keep all other runs out of a results folder until this process ends.

    Args:
        results: the folder, which is created if necessary.
        configuration: paths of this run's configuration files.
        noted: whether to note this run as the latest one of the folder; a run that makes nothing is not noted.

    Returns:
        Whether other runs are kept out; false if the file system has no locks.

    Raises:
        UserError: if another run holds the folder, or may hold it on another machine, or the folder is not writable.
    """
    path = note(results)
    if path in _held:
        return True
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror}, so nothing can be written to {results}") from None
    locked = lock(file)
    before = _read(file)
    if locked is False:
        raise UserError(
            f"{results} is being written by another run: {before or 'one that has just started'}. Wait until it ends, "
            "or stop it. Another sweep can run at the same time if it has its own results_dir, clone or --directory."
        )
    if before and not before.ended and before.host != platform.node():
        raise UserError(
            f"{results} was last written by {before}, which has not reported that it ended. Whether that run is still "
            f"alive cannot be told from this machine. If it is not, delete {path} and start again."
        )
    _held[path] = file
    if noted:
        run = Run(
            pid=os.getpid(), host=platform.node(), user=_user(), since=time.time(), configuration=[*configuration]
        )
        _write(file, run)
        atexit.register(_leave, file)
    return bool(locked)


def latest_run(results: Path | str) -> tuple[Run | None, bool | None]:
    """Return the latest noted run of a folder, if any, and whether it is alive: None if that cannot be told."""
    try:
        with note(results).open(encoding="utf-8", errors="replace") as file:
            free, run = lock(file, shared=True), _read(file)
    except OSError:
        return None, None
    if free is False:
        return run, True
    if run is None or run.ended:
        return run, False if run else None
    return run, False if free and run.host == platform.node() else None


def stop_on_signals(has_jobs: bool) -> None:
    """Have SIGINT, SIGTERM and SIGHUP end this run and its jobs alike, and a second signal end them faster.

    The first signal ends the jobs, which keep their states, and lets Snakemake clean up after them. The second kills
    the jobs that are left. Without this, Snakemake waits for all jobs on SIGTERM and abandons them on SIGHUP, and a
    second Ctrl-C interrupts its clean-up, which ends in an error about its event loop.

    Args:
        has_jobs: whether jobs may be running; while a run is being planned there is nothing to clean up.
    """
    for number in _SIGNALS:
        with suppress(ValueError):  # Snakemake does not run in the main thread
            if signal.getsignal(number) != signal.SIG_IGN:  # which nohup sets for SIGHUP
                signal.signal(number, _stop if has_jobs else _quit)


def stopped_by() -> str | None:
    """Say which signal has stopped this run; None if none has."""
    return _stopped_by and _sentence(_stopped_by)


def _sentence(number: int) -> str:
    return "Interrupted." if number == signal.SIGINT else f"Stopped by {signal.Signals(number).name}."


def _quit(number: int, frame: Any) -> None:
    os.write(sys.stderr.fileno(), f"{_sentence(number)} No job had started; nothing has changed.\n".encode())
    os._exit(1)


def _stop(number: int, frame: Any) -> None:
    global _stopped_by
    first = _stopped_by is None
    _stopped_by = _stopped_by or number
    for process in psutil.Process().children(recursive=True):
        with suppress(psutil.Error):
            process.send_signal(signal.SIGTERM if first else signal.SIGKILL)
    if first:
        sys.exit("Stopped.")


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"user {os.getuid()}"


def _read(file: IO[str]) -> Run | None:
    """Read a note; None if it is empty or damaged."""
    file.seek(0)
    try:
        found: Mapping[str, Any] = json.load(file)
        run = Run(**{field.name: found[field.name] for field in fields(Run)})
        str(run)  # fails if values have wrong types
    except (ValueError, KeyError, TypeError, OSError, OverflowError):
        return None
    return run


def _write(file: IO[str], run: Run) -> None:
    with suppress(OSError):  # a full disk; the lock is what counts
        file.truncate(0)
        json.dump(asdict(run), file, indent=1)
        file.flush()


def _leave(file: IO[str]) -> None:
    if run := _read(file):
        _write(file, Run(**asdict(run) | {"ended": True}))
    file.close()
