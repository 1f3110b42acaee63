"""The time left of a run, estimated as by `make watch`."""

import time
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import Any

from sweep.formatting import approximately

_SHARE = 0.02  # of the time that may be spent on estimating
_SHORTEST = 2.0  # seconds between two estimates
_KNOWN = 0.5  # share of jobs whose length must be known


class Remaining:
    """The time left of a run, updated as often as a small share of the time allows.

    Args:
        configuration: the configuration of the sweep.
        outputs: all files that the run makes.
    """

    def __init__(self, configuration: Mapping[str, Any], outputs: Iterable[str]) -> None:
        try:
            from sweep.watch.state import read_sweep  # needs pandas, which plans do not
        except ImportError:  # if every rule has its own environment
            read_sweep = None
        self._read = read_sweep
        self._configuration = configuration
        self._outputs = set(outputs)
        self._at_once = 1
        self._latest = self._next = 0.0  # estimates, in seconds of the monotonic clock
        self._seconds, self._known = 0.0, 0.0  # share of the jobs whose length is known

    def finish(self, outputs: Iterable[str]) -> None:
        """Record the outputs of a finished job."""
        self._outputs.difference_update(outputs)

    def said(self, n_running: int) -> str:
        """Return '12 min left', '>12 min left' if the length of some jobs is unknown, or nothing if that of most is.

        Args:
            n_running: number of running jobs.
        """
        self._at_once = max(self._at_once, n_running)
        now = time.monotonic()
        if self._read and now >= self._next:
            self._look()
            self._latest, took = time.monotonic(), time.monotonic() - now
            self._next = self._latest + max(_SHORTEST, took / _SHARE)
        seconds = self._seconds - (now - self._latest)
        if not self._outputs or self._known < _KNOWN or seconds <= 0:
            return ""
        return f"{'' if self._known == 1 else '>'}{approximately(seconds)} left"

    def _look(self) -> None:
        sweep = self._read(self._configuration, time.time(), to_make=self._outputs)
        if sweep.unfinished:
            self._known = fmean(progress.left >= 0 for progress in sweep.unfinished)  # not NaN
        self._seconds = sweep.seconds_left(self._at_once)
