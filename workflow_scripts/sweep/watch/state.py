"""The state of a sweep: jobs done, running and waiting, their curves so far and the time left.

Snakemake is not consulted. A job is done once its outputs exist (only Snakemake knows whether they are up to date), and
running while its log grows and its run holds the folder.
"""

import json
import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field, replace
from enum import Enum
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd

from sweep.errors import TableError
from sweep.layout import Job
from sweep.runs import Run, latest_run
from sweep.schemas.columns import Schema
from sweep.stages import TRAINING, n_weights
from sweep.tables import read_table
from sweep.workflow import all_jobs

T = TypeVar("T")

# Training jobs write to their logs every few seconds, others at least when they begin.
LONGEST_SILENCE = 300  # seconds


class State(Enum):
    """The state of a job."""

    DONE = "done"  # its outputs exist
    RUNNING = "running"
    FAILED = "failed"  # its log ends with an error
    STOPPED = "stopped"  # its log ends midway: it was killed, or hangs
    WAITING = "waiting"


@dataclass(frozen=True)
class Progress:
    """The progress of a job according to its files and log.

    Attributes:
        job: the job.
        state: its state.
        silence: seconds since its log was last written; NaN without a log.
        step: current step of the progress bar; 0 without one.
        n_steps: number of steps of the progress bar; 0 without one.
        curve: the evaluations so far, with the columns of its stage's 'training' table; empty for jobs that do not
            train.
        took: its duration in seconds, from its benchmark file or extrapolated from a running bar; NaN if unknown.
        left: remaining seconds; NaN if unknown.
        scaled: whether `left` is scaled from jobs of another size or rule.
    """

    job: Job
    state: State
    silence: float = np.nan
    step: int = 0
    n_steps: int = 0
    curve: pd.DataFrame = field(default_factory=pd.DataFrame)
    took: float = np.nan
    left: float = np.nan
    scaled: bool = False


@dataclass(frozen=True)
class Sweep:
    """A sweep at one moment.

    Attributes:
        jobs: the progress of every job.
        run: the current or last run that makes these files; None if none is recorded.
        is_alive: whether that run is still alive; None if unknown.
        silence: seconds since any file of the sweep was written; infinite if there are none.
    """

    jobs: list[Progress]
    run: Run | None
    is_alive: bool | None
    silence: float

    def of(self, state: State) -> list[Progress]:
        """Return the jobs in a state."""
        return [progress for progress in self.jobs if progress.state is state]

    @property
    def unfinished(self) -> list[Progress]:
        """All jobs that are not done."""
        return [progress for progress in self.jobs if progress.state is not State.DONE]

    def seconds_left(self, at_once: int) -> float:
        """Estimate the time until all jobs are done, with ``at_once`` jobs at a time; unknown times count as zero.

        The jobs of a policy run one after another, which bounds the time from below.
        """
        left = {(job.job.rule, *job.job.keys.values()): job.left for job in self.unfinished if not np.isnan(job.left)}
        chains: dict[tuple[Any, ...], float] = defaultdict(float)
        for progress in self.unfinished:
            if "task" in progress.job.keys and not np.isnan(progress.left):
                chains[tuple(progress.job.keys.values())] += progress.left
        longest = max(
            (seconds + left.get(("pretrain", size, seed), 0.0) for (_, size, seed), seconds in chains.items()),
            default=0.0,
        )
        return max(sum(left.values()) / at_once, longest)


def read_sweep(
    configuration: Mapping[str, Any], now: float, folder: Path | str = ".", to_make: Set[str] | None = None
) -> Sweep:
    """Read the state of a sweep from its files.

    Args:
        configuration: a valid configuration.
        now: the current time, in seconds since the epoch.
        folder: Snakemake's working directory, which ``results_dir`` is relative to.
        to_make: the files still to be made, as known to the run itself: a job is done if none of its outputs are among
            them, whether or not they exist. By default, the files that are missing.
    """
    folder = Path(folder)
    jobs = list(all_jobs(configuration["results_dir"], configuration["sweep"]))
    run, is_alive = latest_run(folder / configuration["results_dir"])
    since = None if is_alive is False else run.since if run else 0.0

    def is_done(job: Job) -> bool:
        if to_make is None:
            return all((folder / path).exists() for path in job.outputs)
        return to_make.isdisjoint(job.outputs)

    progress = [
        _done(job, folder, now, with_curve=to_make is None) if is_done(job) else _progress(job, folder, since, now=now)
        for job in jobs
    ]
    written = [time for job in jobs for path in (job.log, *job.outputs) if (time := _written(folder / path))]
    silence = now - max(written, default=-np.inf)
    return Sweep(list(_with_estimates(progress, configuration)), run, is_alive, silence=silence)


def _written(path: Path) -> float | None:
    """Return when a file was last written; None if it does not exist."""
    try:
        return path.stat().st_mtime
    except (FileNotFoundError, NotADirectoryError):
        return None


def _text(path: Path) -> str:
    """Read a file; return nothing if it has been deleted since it was seen."""
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return ""


def _done(job: Job, folder: Path, now: float, with_curve: bool) -> Progress:
    """Describe a finished job by the files that it left."""
    log = folder / job.log
    took = _cached(_benchmark, log.with_suffix(".tsv"), default=np.nan)
    curve = _curve(job, folder) if with_curve else pd.DataFrame()
    return Progress(job, State.DONE, _silence(log, now), curve=curve, took=took, left=0.0)


def _silence(log: Path, now: float) -> float:
    written = _written(log)
    return np.nan if written is None else now - written


def _progress(job: Job, folder: Path, since: float | None, now: float) -> Progress:
    """Describe an unfinished job, given when the run that may still be alive started; None if there is none."""
    log = folder / job.log
    written, silence = _written(log), _silence(log, now)
    # Snakemake deletes a job's outputs before remaking them, but the log of the previous run stays.
    of_this_run = written is not None and (since is None or written >= since)
    text = _text(log) if of_this_run else ""
    if not of_this_run or re.search(r"INFO done in .* s$", text.rstrip()):
        return Progress(job, State.WAITING, silence)
    if re.search(r"\d{4}-\d\d-\d\d \S+ ERROR ", text):
        state = State.FAILED
    else:
        state = State.RUNNING if since is not None and silence < LONGEST_SILENCE else State.STOPPED
    step, n_steps, remaining = _last_of_bar(text)
    # The bar of a resumed training run knows only the pace since then, so scale the time left to all steps.
    took = remaining * n_steps / (n_steps - step) if state is State.RUNNING and step < n_steps else np.nan
    curve = logged_rows(text)
    if not curve.empty:  # a row may be newer than the bar's own count
        step = max(step, int(curve["step"].iloc[-1]))
    running = state is State.RUNNING and step
    left = max(remaining - silence, 0.0) if running else np.nan
    return Progress(job, state, silence, step=step, n_steps=n_steps, curve=curve, took=took, left=left)


def _last_of_bar(text: str) -> tuple[int, int, float]:
    """Read step, number of steps and seconds left off the last progress bar in a log; zeros and NaN without a bar."""
    bars = re.findall(r"(\d+)/(\d+) \[[\d:]+<(?:(\d+):)?(\d+):(\d+)", text)
    if not bars:
        return 0, 0, np.nan
    step, n_steps, hours, minutes, seconds = (int(number or 0) for number in bars[-1])
    return step, n_steps, 3600.0 * hours + 60.0 * minutes + seconds


def logged_rows(text: str) -> pd.DataFrame:
    """Read the evaluations that `sweep.script.log_row` wrote to a log, from whole lines only."""
    return pd.DataFrame(map(json.loads, re.findall(r"^(\{.*\})$", text.replace("\r", "\n"), re.MULTILINE)))


def _curve(job: Job, folder: Path) -> pd.DataFrame:
    """Read the evaluations of a finished training job; return an empty frame for any other job."""
    nothing = pd.DataFrame()
    if job.stage not in TRAINING:
        return nothing
    _, training = job.outputs
    return _cached(_reader(job.stage.tables["training"]), folder / training, default=nothing)


@cache
def _reader(schema: Schema) -> Callable[[Path], pd.DataFrame]:
    """Return the function that reads tables of a schema, always the same one, since `_read` caches by function."""
    return lambda path: read_table(path, schema).to_pandas()


def _benchmark(path: Path) -> float:
    # Snakemake writes NA or a dash if a job ended before it was measured.
    return float(pd.to_numeric(pd.read_csv(path, sep="\t")["s"], errors="coerce").iloc[-1])


def _cached(read: Callable[[Path], T], path: Path, default: T) -> T:
    """Read a finished file, but only once after each time it was written; return the default if it is unreadable."""
    written = _written(path)
    try:
        return default if written is None else _read(read, path, written)
    except (OSError, TableError, ValueError, KeyError, IndexError):
        return default


@cache
def _read(read: Callable[[Path], T], path: Path, written: float) -> T:
    return read(path)


def _with_estimates(jobs: Sequence[Progress], configuration: Mapping[str, Any]) -> Iterator[Progress]:
    """Estimate the time left of each job: from jobs of its rule and size, or else in proportion to others' work."""
    works = [_work(configuration, progress.job) for progress in jobs]
    paces: dict[Any, list[float]] = defaultdict(list)  # seconds per unit of work
    for progress, work in zip(jobs, works, strict=True):
        if not np.isnan(progress.took):
            for kind in _kinds(progress.job):
                paces[kind].append(progress.took / work)
    for progress, work in zip(jobs, works, strict=True):
        kinds = _kinds(progress.job)
        kind = next((kind for kind in kinds if kind in paces), None)
        if kind is None or not np.isnan(progress.left):
            yield progress
            continue
        took = float(np.mean(paces[kind])) * work
        since = progress.silence if progress.state is State.RUNNING else 0.0
        yield replace(progress, left=max(took - since, 0.0), scaled=kind != kinds[0])


def _work(configuration: Mapping[str, Any], job: Job) -> float:
    """Return what a job's time is roughly proportional to: weights of the blocks, times steps if it trains."""
    if "size" not in job.keys:
        return 1.0
    n_steps = job.settings(configuration)[job.rule]["n_steps"] if job.stage in TRAINING else 1
    return float(n_weights(configuration, job.keys["size"]) * n_steps)


def _kinds(job: Job) -> list[Any]:
    """List what a job's time can be estimated from, best first: its rule and size, its rule, all training."""
    return [(job.rule, job.keys.get("size")), job.rule, *(["training"] if job.stage in TRAINING else [])]
