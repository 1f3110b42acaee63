"""Snapshots of a training on disk, so that a job that was killed goes on where it was."""

import hashlib
import io
import logging
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from glob import escape
from pathlib import Path
from typing import Any

import torch

from splithistory.training_state import DivergedError, Observer, State
from sweep.canonical_json import configuration_hash
from sweep.errors import UserError
from sweep.files import replacing
from sweep.schemas.columns import Schema
from sweep.tables import frame_of

log = logging.getLogger(__name__)
_DIGEST = hashlib.sha256().digest_size


class FileSnapshots(Observer):
    """The state of one job, in a file whose name is made from all that its result depends on.

    The file ends with a checksum of its name and contents. A damaged state is deleted, never resumed; so is one that
    the same job left with another configuration, code or input, under another version or on another processor.

    Args:
        path: of the job's state, to whose name a hash is added.
        identity: what the result depends on, as `canonical_json.canonical_json` takes it.
        schema: of the rows that a state holds, where they are to become a table.
        report: is given each evaluation as it comes; those before a kill again when the training goes on.
        track: wraps the steps, for a progress bar.

    Attributes:
        resumed_at: step that the training went on from; 0 if it began anew.
    """

    def __init__(
        self,
        path: Path,
        identity: Mapping[str, Any],
        schema: Schema | None = None,
        *,
        report: Callable[[Mapping[str, float]], None] = lambda row: None,
        track: Callable[[range], Iterable[int]] = iter,
    ) -> None:
        self._job = path
        self._path = path.with_name(f"{path.name},{configuration_hash(identity)}.pt")
        self._schema = schema
        self._report = report
        self._track = track
        self.resumed_at = 0

    def steps(self, steps: range) -> Iterable[int]:
        """The steps, tracked."""
        return self._track(steps)

    def latest(self, check: Callable[[State], None] = lambda state: None) -> State | None:
        """The state kept, unless there is none or it cannot be gone on from; what is no use is deleted first."""
        self._discard_others()
        try:
            state = self._read()
            check(state)
            if self._schema:
                frame_of(state["rows"], self._schema, self._path)
        except FileNotFoundError:
            return None
        except Exception as error:  # whatever a spoilt file makes torch raise
            reason = " ".join(str(error).split())[:300]
            log.warning("discarding %s, so that the training starts anew: %s", self._path, reason)
            _delete(self._path)
            return None
        self.resumed_at = state["step"]
        log.info("going on after step %d", self.resumed_at)
        for row in state["rows"]:
            self._report(row)
        return state

    def keep(self, state: State) -> None:
        """Write a state, whole or not at all."""
        buffer = io.BytesIO()  # torch's own writing to a full disk fails with an error of its own
        torch.save(state, buffer)
        content = buffer.getvalue()
        with replacing(self._path) as temporary:
            temporary.write_bytes(content + self._digest(content))
        self._report(state["rows"][-1])

    def remove(self) -> None:
        """Delete the state: the job is done."""
        self._path.unlink(missing_ok=True)

    @contextmanager
    def ended_by_divergence(self, section: str, settings: Mapping[str, Any]) -> Iterator[None]:
        """Where the training in the block diverges, leave no state of it and say what to do.

        Args:
            section: of the configuration that the training's settings stand in.
            settings: of the training.

        Raises:
            UserError: in place of the training's own error.
        """
        try:
            yield
        except DivergedError as error:
            self.remove()
            keys = [f"{section}.{key} (now {value})" for key, value in _rates(settings).items()]
            raise UserError(
                f"{self._job.name.replace(',', ', ')}: {error}. Lower {' or '.join(keys)}, for all or for this size or "
                f"task alone, and rerun snakemake; the training then starts anew"
            ) from error

    def _read(self) -> State:
        """The state in the file.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it is not as it was written.
        """
        if self._path.is_symlink() or (self._path.exists() and not self._path.is_file()):
            raise ValueError("it is not a file")
        content = self._path.read_bytes()
        content, digest = content[:-_DIGEST], content[-_DIGEST:]
        if digest != self._digest(content):
            raise ValueError("it is damaged, or it is another job's: its checksum is not that of its contents")
        state: State = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)  # executes nothing
        return state

    def _digest(self, content: bytes) -> bytes:
        """Checksum of a state; the name is in it, so that no job takes another's state for its own."""
        return hashlib.sha256(self._path.name.encode() + content).digest()

    def _discard_others(self) -> None:
        """Delete the job's states that something else left."""
        for other in self._job.parent.glob(f"*{escape(self._job.name)},*"):  # half-written ones begin with a dot
            if other != self._path:
                log.info("discarding %s, which another configuration, code, input, version or processor left", other)
                _delete(other)


def _rates(settings: Mapping[str, Any]) -> dict[str, float]:
    """What makes a training diverge when it is too high, by its key within the section."""
    rates = {"learning_rate": settings["learning_rate"]}
    if "maintenance" in settings:
        rates["maintenance.learning_rate"] = settings["maintenance"]["learning_rate"]
    if max(rates.values()) * settings["weight_decay"] > 1:  # beyond 2, decay alone makes the parameters grow
        rates["weight_decay"] = settings["weight_decay"]
    return rates


def _delete(path: Path) -> None:
    """Delete a file, a link (and not what it leads to) or a folder."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
