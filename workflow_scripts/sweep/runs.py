"""Runs of Snakemake: one at a time makes the files of a results folder, and signals end it in good order.

Snakemake's own locks outlive a killed run, and any run that ends deletes those of all others. So a run holds a lock of
the operating system on the note that it leaves in its results folder.
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

_held: dict[Path, IO[str]] = {}  # the notes of this process, locked
_stopped_by: int | None = None  # the signal


@dataclass(frozen=True)
class Run:
    """What a run notes of itself.

    Attributes:
        pid: of its Snakemake.
        host: the machine that it runs on.
        user: who started it.
        since: when it started, seconds since the epoch.
        configuration: the files of its configuration.
        ended: whether it has come to its end, be it by an error; a killed run never says so.
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
    """The file that a run keeps locked while it lives."""
    return Path(results, "logs", "run.json")


def hold(results: str, configuration: Sequence[str], noted: bool = True) -> bool:
    """Keep all other runs out of a results folder until this process ends.

    Args:
        results: the folder; made where it is missing.
        configuration: files of this run's configuration.
        noted: whether the run is to be the folder's last one; not if it makes nothing.

    Returns:
        Whether it is held; false where the file system keeps no locks.

    Raises:
        UserError: if another run holds it, or may do so on another machine; or nothing can be written there.
    """
    path = note(results)
    if path in _held:
        return True
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a+", encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"{error.filename or path}: {error.strerror}, so nothing can be made in {results}") from None
    locked = lock(file)
    before = _read(file)
    if locked is False:
        raise UserError(
            f"{results} is being made by another run: {before or 'one that has just started'}. Wait until it ends, or "
            "stop it. Another sweep can run at the same time if it has another results_dir, or in another clone or "
            "--directory of its own."
        )
    if before and not before.ended and before.host != platform.node():
        raise UserError(
            f"{results} was being made by {before}, and has not been left: whether that run lives cannot be told from "
            f"here. If it does not, delete {path} and start again."
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
    """The last run that made files of a folder, if it is noted; and whether it lives, None if that cannot be told."""
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
    """Have SIGINT, SIGTERM and SIGHUP end this run and its jobs as Ctrl-C does, and further ones do so faster.

    A signal ends the jobs, which keep their states, and leaves Snakemake to clean up after them; a second one kills
    what is left of them. Snakemake by itself waits for all jobs upon SIGTERM, leaves them upon SIGHUP, and a second
    Ctrl-C breaks into its clean-up, which ends in an error about its event loop.

    Args:
        has_jobs: whether jobs may run; while a run is planned there is nothing to clean up, and it just ends.
    """
    for number in _SIGNALS:
        with suppress(ValueError):  # Snakemake does not run in the main thread
            if signal.getsignal(number) != signal.SIG_IGN:  # as nohup wants it
                signal.signal(number, _stop if has_jobs else _quit)


def stopped_by() -> str | None:
    """How a signal has stopped this run, in a sentence; None if none has."""
    return _stopped_by and _sentence(_stopped_by)


def _sentence(number: int) -> str:
    return "Interrupted." if number == signal.SIGINT else f"Stopped by {signal.Signals(number).name}."


def _quit(number: int, frame: Any) -> None:
    os.write(sys.stderr.fileno(), f"{_sentence(number)} No job had started, and nothing has changed.\n".encode())
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
    """What a note says; None if it is empty or spoilt."""
    file.seek(0)
    try:
        found: Mapping[str, Any] = json.load(file)
        run = Run(**{field.name: found[field.name] for field in fields(Run)})
        str(run)  # of the right types
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
