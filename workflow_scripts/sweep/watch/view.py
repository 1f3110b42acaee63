"""The view of a sweep in `make watch`, for terminals of any width."""

import time
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sweep.formatting import approximately, counted, number
from sweep.layout import Job
from sweep.stages import task_of
from sweep.watch.state import LONGEST_SILENCE, Progress, State, Sweep

_STYLES = {
    State.DONE: "green",
    State.RUNNING: "bold cyan",
    State.FAILED: "bold red",
    State.STOPPED: "bold yellow",
    State.WAITING: "dim",
}
# Signs distinguish the states without colour.
_SIGNS = {State.DONE: "✓", State.RUNNING: "▶", State.FAILED: "✗", State.STOPPED: "■", State.WAITING: "·"}
_BLOCKS = "▁▂▃▄▅▆▇█"
_MOST_JOBS = 8  # jobs shown as under way; clusters run more than fit on a screen
_CURVES = {"pretrain": ("validation_loss", "loss"), "finetune": ("success_rate", "success")}


def view(sweep: Sweep, configuration: Mapping[str, Any], at_once: int, width: int) -> RenderableType:
    """Lay out everything, from what matters most to what may be cut off at the bottom of a small screen.

    Args:
        sweep: from `state.read_sweep`.
        configuration: the configuration of the sweep.
        at_once: number of jobs at once, for the time left.
        width: width of the terminal, in columns.
    """
    sizes, tasks, seeds = (configuration["sweep"][key] for key in ("sizes", "tasks", "seeds"))
    graded = {task for task in tasks if not task_of(configuration, task).is_good_set}
    what = " × ".join([counted(len(sizes), "size"), counted(len(tasks), "task"), counted(len(seeds), "seed")])
    overall = Table.grid(padding=(0, 1))
    counts = [Text(f"{len(sweep.of(state))} {state.value}", _STYLES[state]) for state in State if sweep.of(state)]
    overall.add_row(ProgressBar(len(sweep.jobs), len(sweep.of(State.DONE)), width=width // 4), Text(", ").join(counts))
    return Group(
        Text.assemble((configuration["results_dir"], "bold"), f"  {what}  {time.strftime('%H:%M:%S')}"),
        overall,
        Text(status(sweep, at_once)),
        Text(),
        _under_way(sweep, graded),
        _curves(sweep, sizes, tasks, graded=graded, width=max(4, (width - 20) // len(sizes) - 8)),
        _counts(sweep, sizes),
    )


def status(sweep: Sweep, at_once: int) -> str:
    """Say in a sentence or two whether the sweep is running, and how much time is left."""
    if not sweep.unfinished:
        return "Finished."
    idle = sweep.silence > LONGEST_SILENCE
    since = time.strftime(" since %H:%M", time.localtime(sweep.run.since)) if sweep.run else ""
    if sweep.is_alive:
        silent = f" No output for {approximately(sweep.silence)}." if idle and np.isfinite(sweep.silence) else ""
        return f"Running{since}.{silent}" + _left(sweep, at_once)
    if sweep.is_alive is False or (sweep.run is None and idle):
        return "Not running. Start it with its command to continue where it stopped." + _left(sweep, at_once)
    by = f"a run on {sweep.run.host}{since}" if sweep.run else "an unknown run"
    written = f"{approximately(sweep.silence)} ago" if np.isfinite(sweep.silence) else "never"
    return f"Made by {by}; it is unknown from here whether that is alive. Last written {written}." + _left(
        sweep, at_once
    )


def _left(sweep: Sweep, at_once: int) -> str:
    unknown = sum(np.isnan(progress.left) for progress in sweep.unfinished)
    scaled = sum(progress.scaled for progress in sweep.unfinished)
    if unknown == len(sweep.unfinished):
        return " The time left is shown once a first job has made progress."
    notes = [f"{at_once} at once"]
    if scaled:
        notes.append(f"{counted(scaled, 'job')} scaled from others by weights × steps")
    if unknown:
        notes.append(f"{counted(unknown, 'job')} of unknown length left out")
    return f" About {approximately(sweep.seconds_left(at_once))} left ({'; '.join(notes)})."


def _under_way(sweep: Sweep, graded: Container[str]) -> RenderableType:
    """List the jobs that are running, failed or were stopped."""
    jobs = [progress for state in (State.RUNNING, State.FAILED, State.STOPPED) for progress in sweep.of(state)]
    table = Table("", "job", "", "step", "", "time left", box=None, padding=(0, 1, 0, 0), header_style="dim")
    for progress in jobs[:_MOST_JOBS]:
        bar = ProgressBar(progress.n_steps, progress.step, width=12) if progress.n_steps else ""
        steps = f"{progress.step:,}/{progress.n_steps:,}" if progress.n_steps else ""
        table.add_row(
            Text(_SIGNS[progress.state], _STYLES[progress.state]),
            _name(progress.job),
            bar,
            steps,
            _latest(progress, graded),
            approximately(progress.left) if progress.state is State.RUNNING and not np.isnan(progress.left) else "",
        )
    parts: list[RenderableType] = [table, Text()] if jobs else []
    if len(jobs) > _MOST_JOBS:
        parts.insert(1, Text(f"  and {counted(len(jobs) - _MOST_JOBS, 'other job')}", "dim"))
    failed = sweep.of(State.FAILED)
    if failed:
        parts.append(Text(f"The error is at the end of {failed[0].job.log}\n", _STYLES[State.FAILED]))
    return Group(*parts)


def _name(job: Job) -> str:
    keys = job.keys | ({"seed": f"seed {job.keys['seed']}"} if "seed" in job.keys else {})
    return " ".join([job.rule, *map(str, keys.values())])


def _latest(progress: Progress, graded: Container[str]) -> Text:
    if progress.curve.empty:
        return Text()
    column, name = _curve_of(progress.job.rule, progress.job.keys.get("task"), graded)
    return Text(f"{sparkline(progress.curve[column], 10)} {name} {number(progress.curve[column].iloc[-1], '.3f')}")


def _curve_of(rule: str, task: str | None, graded: Container[str]) -> tuple[str, str]:
    """Return the column that tracks a training, and its name: graded tasks have utility in place of success."""
    column, name = _CURVES[rule]
    return column, "utility" if task in graded else name


def _curves(
    sweep: Sweep, sizes: Sequence[str], tasks: Sequence[str], graded: Container[str], width: int
) -> RenderableType:
    """Show loss and success so far, as means over seeds, in one row per task and one column per size."""
    table = Table("curves so far", *sizes, box=None, padding=(0, 2, 0, 0), header_style="dim")
    rows = [("pretrain", None), *(("finetune", task) for task in tasks)]
    for rule, task in rows:
        column, name = _curve_of(rule, task, graded)
        label = "pretraining loss" if task is None else f"{task} {name}"
        means = {size: mean_curve(sweep, rule, column, size=size, task=task) for size in sizes}
        values = np.concatenate([curve.to_numpy() for curve in means.values()])
        if len(values):
            limits = values.min(), values.max()
            table.add_row(label, *(_cell(means[size], limits, width) for size in sizes))
    return Group(table, Text()) if table.row_count else Text()


def mean_curve(sweep: Sweep, rule: str, column: str, **keys: Any) -> pd.Series:
    """Average a column of the training tables over seeds, by step; empty if no run has made progress.

    Args:
        sweep: the sweep of the runs.
        rule: 'pretrain' or 'finetune'.
        column: column of that stage's 'training' table.
        keys: 'size' and 'task' of the runs; None for any.
    """
    keys = {key: value for key, value in keys.items() if value is not None}
    runs = [
        progress.curve
        for progress in sweep.jobs
        if progress.job.rule == rule and not progress.curve.empty and keys.items() <= progress.job.keys.items()
    ]
    return pd.concat(runs).groupby("step")[column].mean() if runs else pd.Series(dtype=float)


def _cell(curve: pd.Series, limits: tuple[float, float], width: int) -> str:
    return f"{sparkline(curve, min(width, 16), limits)} {number(curve.iloc[-1], '.3f')}" if len(curve) else ""


def sparkline(values: Iterable[float], width: int, limits: tuple[float, float] | None = None) -> str:
    """Draw a curve as a line of blocks.

    Args:
        values: the values in order; at least one.
        width: largest number of characters; longer curves are averaged over pieces of about equal length.
        limits: values of the lowest and the highest block; by default, the smallest and the largest value.
    """
    pieces = np.array_split(np.fromiter(values, float), min(width, len(list(values))))
    means = np.array([piece.mean() for piece in pieces])
    low, high = limits or (means.min(), means.max())
    heights = (means - low) / (high - low) if high > low else np.full(len(means), 0.5)
    return "".join(_BLOCKS[round(height * (len(_BLOCKS) - 1))] for height in np.clip(heights, 0, 1))


def _counts(sweep: Sweep, sizes: Sequence[str]) -> RenderableType:
    """Count the jobs of each rule and size that are done, running, failed or stopped."""
    table = Table("jobs done", *sizes, box=None, padding=(0, 2, 0, 0), header_style="dim")
    by_rule: dict[str, list[Progress]] = {}
    for progress in sweep.jobs:
        by_rule.setdefault(progress.job.rule, []).append(progress)
    for rule, jobs in by_rule.items():
        if "size" in jobs[0].job.keys:
            table.add_row(rule, *(_count([job for job in jobs if job.job.keys["size"] == size]) for size in sizes))
    once = [jobs[0] for jobs in by_rule.values() if "size" not in jobs[0].job.keys]
    line = Text("  ").join(Text(f"{_SIGNS[job.state]} {job.job.rule}", _STYLES[job.state]) for job in once)
    return Group(table, line)


def _count(jobs: Sequence[Progress]) -> Text:
    """Format counts as '3/4 ▶1': jobs done of all, then those running, failed and stopped."""
    states = [progress.state for progress in jobs]
    n_done = states.count(State.DONE)
    text = Text(f"{n_done}/{len(jobs)}", _STYLES[State.DONE if n_done == len(jobs) else State.WAITING])
    for state in (State.RUNNING, State.FAILED, State.STOPPED):
        if state in states:
            text.append(f" {_SIGNS[state]}{states.count(state)}", _STYLES[state])
    return text
