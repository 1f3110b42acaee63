"""Snapshots of a training on disk, so that a job that was killed goes on where it was."""

import io
import logging
from collections.abc import Callable, Iterable, Mapping
from glob import escape
from pathlib import Path
from typing import Any

import torch

from splithistory.training_state import Observer
from sweep.canonical import configuration_hash
from sweep.files import replacing

log = logging.getLogger(__name__)


class FileSnapshots(Observer):
    """The state of one job, in a file whose name is made from all that its result depends on.

    A state left by the same job with another configuration, other code or other inputs is deleted, never resumed.

    Args:
        path: of the job's state, to whose name a hash is added.
        identity: what the result depends on, as `canonical.canonical_json` takes it.
        report: is given each evaluation as it comes; those before a kill again when the training goes on.
        track: wraps the steps, for a progress bar.

    Attributes:
        resumed_at: step that the training went on from; 0 if it began anew.
    """

    def __init__(
        self,
        path: Path,
        identity: Mapping[str, Any],
        report: Callable[[Mapping[str, float]], None] = lambda row: None,
        track: Callable[[range], Iterable[int]] = iter,
    ) -> None:
        self._job = path
        self._path = path.with_name(f"{path.name},{configuration_hash(identity)}.pt")
        self._report = report
        self._track = track
        self.resumed_at = 0

    def steps(self, steps: range) -> Iterable[int]:
        """The steps, tracked."""
        return self._track(steps)

    def latest(self) -> dict[str, Any] | None:
        """The state kept, unless there is none or it cannot be read; what other trainings left is deleted first."""
        self._discard_others()
        try:
            state = torch.load(self._path, map_location="cpu", weights_only=True)  # executes nothing
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever a spoilt file makes torch raise
            log.warning("discarding %s, which is no state (%s)", self._path, error)
            return None
        self.resumed_at = state["step"]
        log.info("going on after step %d", self.resumed_at)
        for row in state["rows"]:
            self._report(row)
        return state

    def keep(self, state: dict[str, Any]) -> None:
        """Write a state, whole or not at all."""
        buffer = io.BytesIO()  # torch's own writing to a full disk fails with an error of its own
        torch.save(state, buffer)
        with replacing(self._path) as temporary:
            temporary.write_bytes(buffer.getbuffer())
        self._report(state["rows"][-1])

    def remove(self) -> None:
        """Delete the state: the job is done."""
        self._path.unlink(missing_ok=True)

    def _discard_others(self) -> None:
        """Delete the job's states that something else left."""
        for other in self._job.parent.glob(f"*{escape(self._job.name)},*"):  # half-written ones begin with a dot
            if other != self._path:
                log.info("discarding %s, which another configuration, code or input left", other)
                other.unlink()
