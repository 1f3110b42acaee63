"""The schedule of a sweep's jobs: what their logs say, and the lanes that jobs are drawn in."""

import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import ROOT
from sweep.figures.marks import FigureStyle
from sweep.figures.schedule import draw_schedule, lanes, without_pauses
from sweep.figures.theme import style_context
from sweep.jobs import recorded_jobs

SWEEP = {"tasks": ["a"], "sizes": ["s"], "seeds": [0, 1]}
STYLE = FigureStyle(("a",), {"s": 100})


def note(logs, name, seconds, memory, end=None):
    """Write the benchmark file of a job and, if it finished, its log."""
    path = logs / f"{name}.tsv"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"s\th:m:s\tmax_rss\n{seconds}\t-\t{memory}\n")
    if end:
        path.with_suffix(".log").write_text(f"{end},500 INFO done in 1.0 s\n")


def drawn(jobs):
    with style_context():
        return draw_schedule(jobs, STYLE)


def test_jobs_of_this_sweep_are_read_with_what_is_known_of_them(tmp_path):
    assert recorded_jobs(tmp_path, SWEEP).empty
    note(tmp_path, "finetune/task=a/size=s/seed=0", 100, 50, "2026-01-01 00:01:40")
    note(tmp_path, "finetune/task=a/size=s/seed=1", 7200, "NA", "2026-01-01 00:01:41")
    note(tmp_path, "finetune/task=other/size=s/seed=0", 1e6, 1e6)
    note(tmp_path, "figures", "-", "-")
    figures, first, second = recorded_jobs(tmp_path, SWEEP).to_dict("records")
    assert (figures["rule"], first["rule"], first["task"], second["seed"]) == ("figures", "finetune", "a", "1")
    assert np.isnan([figures["seconds"], figures["end"], figures["memory"], second["memory"]]).all()
    assert (first["seconds"], first["memory"], second["seconds"]) == (100, 50, 7200)
    assert second["end"] - first["end"] == 1.0


def test_a_job_that_ran_again_ends_when_it_last_did(tmp_path):
    note(tmp_path, "figures", 5, 5, "2026-01-01 00:00:00")
    before = recorded_jobs(tmp_path, SWEEP)["end"][0]
    note(tmp_path, "figures", 5, 5, "2026-01-02 00:00:00")
    assert recorded_jobs(tmp_path, SWEEP)["end"][0] - before == 24 * 3600


@pytest.mark.parametrize(("later", "seconds"), [(1.25, 1.25), (3600.0, 0.0), (-3600.0, 0.0)])
def test_a_process_ends_with_its_benchmark_file_unless_that_is_a_copy(tmp_path, later, seconds):
    note(tmp_path, "figures", 5, 5, "2026-01-01 00:00:00")
    (logged,) = recorded_jobs(tmp_path, SWEEP)["end"]
    os.utime(tmp_path / "figures.tsv", (logged + later, logged + later))
    assert recorded_jobs(tmp_path, SWEEP)["end"].tolist() == pytest.approx([logged + seconds], abs=1e-3)


ANY_JOB = """
import sys
from sweep import script
sys.argv[1:] = ["--settings", "{}", "--code", "0", "--log", sys.argv[1]]
script.run(lambda arguments: None, script.parser(None))
"""


def test_jobs_that_ran_in_different_time_zones_are_timed_by_one_clock(tmp_path):
    """This holds even if the benchmark files have lost their times, as in a copy."""
    for seed, zone in enumerate(("Asia/Tokyo", "America/New_York")):
        note(tmp_path, name := f"finetune/task=a/size=s/seed={seed}", 1.0, 50)
        environment = {**os.environ, "TZ": zone, "PYTHONPATH": str(ROOT / "workflow_scripts")}
        log = tmp_path / f"{name}.log"
        began = time.time()
        subprocess.run([sys.executable, "-c", ANY_JOB, log], env=environment, check=True)
        os.utime(log.with_suffix(".tsv"), (0, 0))
        (end,) = recorded_jobs(tmp_path, SWEEP | {"seeds": [seed]})["end"]
        assert began - 1 < end < time.time() + 1


def test_a_log_of_an_earlier_version_is_in_local_time(tmp_path, monkeypatch):
    note(tmp_path, "figures", 5, 5, "2026-01-01 00:00:00")
    for zone, ahead in (("UTC", 0), ("Asia/Tokyo", 9)):
        monkeypatch.setenv("TZ", zone)
        time.tzset()
        expected = datetime(2026, 1, 1, tzinfo=UTC).timestamp() + 0.5 - 3600 * ahead
        assert recorded_jobs(tmp_path, SWEEP)["end"].tolist() == [expected]
    monkeypatch.undo()
    time.tzset()


JOBS = st.lists(st.tuples(st.floats(0, 1e4), st.floats(2, 1e3)), min_size=1, max_size=40)


@given(JOBS)
def test_jobs_in_a_lane_do_not_overlap_and_lanes_are_as_few_as_jobs_at_once(jobs):
    spans = sorted((start, start + seconds) for start, seconds in jobs)
    chosen = lanes(*zip(*spans, strict=True))
    for lane in set(chosen):
        own = [span for span, other in zip(spans, chosen, strict=True) if other == lane]
        assert all(end <= start + 0.1 for (_, end), (start, _) in pairwise(own))
    # A moment counts if no job there begins or ends within the clocks' precision.
    at_once = max(sum(begin <= start and start + 0.1 < end for begin, end in spans) for start, _ in spans)
    assert max(chosen) + 1 == at_once


@given(JOBS)
def test_only_long_times_without_a_job_are_left_out(jobs):
    table = pd.DataFrame(jobs, columns=["start", "seconds"])
    shown = without_pauses(table.assign(end=table["start"] + table["seconds"]))
    np.testing.assert_allclose(shown["end"] - shown["start"], shown["seconds"])
    assert shown["start"].iloc[0] == 0
    idle = shown["start"] - shown["end"].cummax().shift()
    assert not (idle > 60 + 1e-6).any()


@pytest.mark.parametrize(("seconds", "share"), [(10.0, "100"), (5.0, "75")])
def test_the_title_says_how_busy_the_cores_were(seconds, share):
    jobs = pd.DataFrame({"rule": "measure", "task": "a", "seconds": [10.0, seconds], "end": [20.0, 10.0 + seconds]})
    schedule = drawn(jobs)
    assert schedule.title == f"2 jobs kept 2 cores busy for {share}\u00a0% of 10.0 s"
    assert len(schedule.figure.axes[0].patches) == 2
    assert "not known" not in schedule.caption


def test_jobs_whose_time_is_not_known_are_counted_and_none_at_all_is_said():
    jobs = pd.DataFrame({"rule": "measure", "task": "a", "seconds": [10.0, np.nan], "end": [20.0, 20.0]})
    assert "and 1 job whose time is not known" in drawn(jobs).caption
    assert drawn(jobs.iloc[:0]).title == drawn(jobs.iloc[1:]).title == "No job’s time is on record"
