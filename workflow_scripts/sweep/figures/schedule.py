"""The schedule of a sweep: when each job ran."""

from collections.abc import Iterable

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from splithistory.plots import NEUTRAL
from sweep.figures.axes import legend_below
from sweep.figures.marks import FigureStyle, task_handles
from sweep.figures.theme import COLUMN_WIDTH, CaptionedFigure, captioned
from sweep.formatting import counted, duration, percent

# A longer time without any job is a pause between two runs of Snakemake, and is left out.
_LONGEST_PAUSE = 60.0  # seconds
_PRECISION = 0.1  # seconds, of starts and ends
_LANE = 0.075  # inches per line of bars
_TALLEST = 9.0  # inches; beyond it, lines become thinner


def without_pauses(jobs: pd.DataFrame) -> pd.DataFrame:
    """Count ``start`` and ``end`` of jobs from the first start, without the pauses between runs of Snakemake.

    Args:
        jobs: from `jobs.recorded_jobs`, all with ``seconds`` and ``end``.

    Returns:
        The jobs in the order of their starts, times in seconds.
    """
    jobs = jobs.assign(start=jobs["end"] - jobs["seconds"]).sort_values("start", ignore_index=True)
    pauses = (jobs["start"] - jobs["end"].cummax().shift()).fillna(0.0)
    left_out = jobs["start"].min() + pauses.where(pauses > _LONGEST_PAUSE, 0.0).cumsum()
    return jobs.assign(start=jobs["start"] - left_out, end=jobs["end"] - left_out)


def lanes(starts: Iterable[float], ends: Iterable[float]) -> list[int]:
    """Assign each job to the first lane that is free when it starts.

    Args:
        starts: seconds, in ascending order.
        ends: seconds, of the same jobs.

    Returns:
        Numbers from 0; a lane counts as free from a tenth of a second before its job ends.
    """
    busy_until: list[float] = []
    chosen = []
    for start, end in zip(starts, ends, strict=True):
        lane = next((lane for lane, until in enumerate(busy_until) if until <= start + _PRECISION), len(busy_until))
        busy_until[lane : lane + 1] = [end]
        chosen.append(lane)
    return chosen


def draw_schedule(jobs: pd.DataFrame, style: FigureStyle) -> CaptionedFigure:
    """Draw each job as a bar over time, grouped by rule.

    Args:
        jobs: from `jobs.recorded_jobs`.
        style: gives the tasks' colours.
    """
    known = jobs.dropna(subset=["seconds", "end"])
    timed = without_pauses(known)
    rules = list(dict.fromkeys(timed["rule"]))  # in the order of their first starts
    figure = Figure(figsize=(COLUMN_WIDTH, 1.0))
    axes = figure.subplots()
    height = 0.0
    middles = []
    for rule in rules:
        rows = timed[timed["rule"] == rule]
        lane = np.array(lanes(rows["start"], rows["end"]))
        colors = [style.color(task) if task in style.tasks else NEUTRAL for task in rows["task"]]
        axes.barh(
            height + lane + 0.5,
            (rows["end"] - rows["start"]) / 60,
            left=rows["start"] / 60,
            height=0.9,
            color=colors,
            edgecolor="white",
            linewidth=0.3,
        )
        n_lanes = max(2, lane.max() + 1)  # room for the rule's name
        middles.append(height + n_lanes / 2)
        height += n_lanes
        axes.axhline(height, color="0.85", linewidth=0.6, zorder=0)
    axes.set(xlabel="minutes since the first job began", ylim=(max(height, 1), 0))
    axes.set_yticks(middles, [rule.replace("_", " ") for rule in rules])
    axes.tick_params(axis="y", length=0)
    figure.set_figheight(min(1.0 + _LANE * height, _TALLEST))
    legend_below(figure, task_handles(timed, style))
    if timed.empty:
        return captioned(figure, "No job’s time is on record", "The jobs have no logs or benchmark files.")
    wall = timed["end"].max()
    at_once = max(lanes(timed["start"], timed["end"])) + 1
    busy = timed["seconds"].sum() / (at_once * wall)
    unknown = len(jobs) - len(known)
    left_out = f", and {counted(unknown, 'job')} whose time is not known" if unknown else ""
    return captioned(
        figure,
        f"{counted(len(timed), 'job')} kept {counted(at_once, 'core')} busy for {percent(busy)} of {duration(wall)}",
        "Each bar is a job, from the start of its process to its end; its colour is the task of its policy, or grey "
        "if it has none. A rule has one line for each job that it ran at once. The share in the title is the total "
        "length of the bars, divided by the whole time and by the largest number of jobs at once, each on one core. "
        f"Pauses of more than {_LONGEST_PAUSE:.0f} s between runs of Snakemake are left out, and so are the last jobs, "
        f"which write the report and the manifest{left_out}.",
    )
