"""Snapshots of training runs on disk, so that a killed job resumes where it was."""

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
    """Keeps the state of one job, in a file whose name is derived from everything that the job's result depends on.

    The file ends with a checksum of its name and contents. A damaged state is deleted, never resumed. The same goes for
    a state of this job that was left by another configuration, code version, input, library version or processor.

    Args:
        path: path of the job's state; a hash is appended to its name.
        identity: what the result depends on, in any form that `canonical_json.canonical_json` takes.
        schema: schema of the rows in a state, if they are to become a table.
        report: called with each evaluation as it comes, and, when training resumes, with the earlier ones again.
        track: wraps the steps, for a progress bar.

    Attributes:
        resumed_at: step that training resumed after; 0 if it started from the beginning.
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
        """Iterate over the steps to take, tracked."""
        return self._track(steps)

    def latest(self, check: Callable[[State], None] = lambda state: None) -> State | None:
        """Return the state kept, or None if there is none to resume from; states that are of no use are deleted."""
        self._discard_others()
        try:
            state = self._read()
            check(state)
            if self._schema:
                frame_of(state["rows"], self._schema, self._path)
        except FileNotFoundError:
            return None
        except Exception as error:  # torch raises all kinds of errors for damaged files
            reason = " ".join(str(error).split())[:300]
            log.warning("discarding %s, so training starts from the beginning: %s", self._path, reason)
            _delete(self._path)
            return None
        self.resumed_at = state["step"]
        log.info("resuming after step %d", self.resumed_at)
        for row in state["rows"]:
            self._report(row)
        return state

    def keep(self, state: State) -> None:
        """Write a state, whole or not at all."""
        buffer = io.BytesIO()  # on a full disk torch.save raises an error that does not say so
        torch.save(state, buffer)
        content = buffer.getvalue()
        with replacing(self._path) as temporary:
            temporary.write_bytes(content + self._digest(content))
        self._report(state["rows"][-1])

    def remove(self) -> None:
        """Delete the state, once the job is done."""
        self._path.unlink(missing_ok=True)

    @contextmanager
    def ended_by_divergence(self, section: str, settings: Mapping[str, Any]) -> Iterator[None]:
        """If training in the block diverges, delete its state and say what to do.

        Args:
            section: section of the configuration that holds the settings of training.
            settings: the settings of training.

        Raises:
            UserError: in place of the `DivergedError`.
        """
        try:
            yield
        except DivergedError as error:
            self.remove()
            keys = [f"{section}.{key} (now {value})" for key, value in _rates(settings).items()]
            raise UserError(
                f"{self._job.name.replace(',', ', ')}: {error}. Lower {' or '.join(keys)}, for all or for this size or "
                f"task alone, and rerun snakemake; training then starts from the beginning"
            ) from error

    def _read(self) -> State:
        """Read the state in the file.

        Raises:
            FileNotFoundError: if there is none.
            ValueError: if it is not as it was written.
        """
        if self._path.is_symlink() or (self._path.exists() and not self._path.is_file()):
            raise ValueError("it is not a file")
        content = self._path.read_bytes()
        content, digest = content[:-_DIGEST], content[-_DIGEST:]
        if digest != self._digest(content):
            raise ValueError("it is damaged, or belongs to another job: its checksum does not match its contents")
        state: State = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)  # executes nothing
        return state

    def _digest(self, content: bytes) -> bytes:
        """Return the checksum of a state, including the name, so that no job takes another's state for its own."""
        return hashlib.sha256(self._path.name.encode() + content).digest()

    def _discard_others(self) -> None:
        """Delete states of this job that do not fit its identity."""
        for other in self._job.parent.glob(f"*{escape(self._job.name)},*"):  # half-written ones begin with a dot
            if other != self._path:
                log.info("discarding %s, left by another configuration, code, input, version or processor", other)
                _delete(other)


def _rates(settings: Mapping[str, Any]) -> dict[str, float]:
    """Return the settings that make training diverge if they are too high, by key within the section."""
    rates = {"learning_rate": settings["learning_rate"]}
    if "maintenance" in settings:
        rates["maintenance.learning_rate"] = settings["maintenance"]["learning_rate"]
    if max(rates.values()) * settings["weight_decay"] > 1:  # above 2, decay alone makes the parameters grow
        rates["weight_decay"] = settings["weight_decay"]
    return rates


def _delete(path: Path) -> None:
    """Delete a file, a folder, or a link without its target."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
