"""Ending the process of a job early: on a signal, or once the Snakemake process that it works for is gone."""

import os
import platform
import select
import signal
import threading
import time
from typing import Any

_GRACE = 5.0  # seconds for an orderly stop


class Stopped(SystemExit):
    """Raised when a signal ends the job."""


def stop_on_signals() -> None:
    """Raise `Stopped` on the first SIGINT or SIGTERM and ignore further ones, so that nothing is left half-written."""
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop(number: int, frame: Any) -> None:
        for each in signals:
            # Not SIG_IGN: Python prints an error about a signal that arrived before and would be ignored now.
            signal.signal(each, lambda number, frame: None)
        # A library may swallow the exception.
        last_resort = threading.Timer(_GRACE, os._exit, [128 + number])
        last_resort.daemon = True
        last_resort.start()
        raise Stopped(128 + number)

    for each in signals:
        signal.signal(each, stop)


def end_with_snakemake() -> None:
    """Stop once the Snakemake process that runs this job is gone, since nothing waits for the results any more.

    The environment names that process; on a cluster it is the one inside the submission. A job that is run by hand
    is not stopped.
    """
    host, _, pid = os.environ.get("SWEEP_SNAKEMAKE", "").rpartition(" ")

    def follow() -> None:
        wait_for_end(int(pid))
        os.kill(os.getpid(), signal.SIGTERM)

    if host == platform.node() and pid.isdecimal():
        threading.Thread(target=follow, daemon=True).start()


def wait_for_end(pid: int) -> None:
    """Return once a process has ended, whether or not its parent has waited for it."""
    try:
        process = select.poll()
        process.register(os.pidfd_open(pid), select.POLLIN)
        process.poll()
    except ProcessLookupError:
        return
    except (AttributeError, OSError):  # not Linux, or an old one
        while _is_there(pid):
            time.sleep(1)


def _is_there(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
