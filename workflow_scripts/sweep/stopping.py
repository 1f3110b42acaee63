"""How the process of a job ends before its work is done: by a signal, or after the Snakemake that it works for."""

import os
import platform
import select
import signal
import threading
import time
from typing import Any

_GRACE = 5.0  # seconds to stop in good order


class Stopped(SystemExit):
    """A signal ends the job."""


def stop_on_signals() -> None:
    """Raise `Stopped` upon SIGINT or SIGTERM, whatever further ones come, so that nothing is left half written."""
    signals = (signal.SIGINT, signal.SIGTERM)

    def stop(number: int, frame: Any) -> None:
        for each in signals:
            signal.signal(each, signal.SIG_IGN)
        # A library may keep the exception from getting through.
        last_resort = threading.Timer(_GRACE, os._exit, [128 + number])
        last_resort.daemon = True
        last_resort.start()
        raise Stopped(128 + number)

    for each in signals:
        signal.signal(each, stop)


def end_with_snakemake() -> None:
    """Stop once the Snakemake that runs this job, which the environment names, is gone: nobody awaits its results.

    On a cluster that is the Snakemake within the submission. A job that is run by hand goes on.
    """
    host, _, pid = os.environ.get("SWEEP_SNAKEMAKE", "").rpartition(" ")

    def follow() -> None:
        wait_for_end(int(pid))
        os.kill(os.getpid(), signal.SIGTERM)

    if host == platform.node() and pid.isdecimal():
        threading.Thread(target=follow, daemon=True).start()


def wait_for_end(pid: int) -> None:
    """Return once a process has ended, whether or not its parent has taken note of that."""
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
