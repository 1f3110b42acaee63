"""If Snakemake's internals have changed, the sweep does without them and says so."""

import logging
import re
import threading
import time
from types import SimpleNamespace

import pytest
from snakemake.scheduling.job_scheduler import JobScheduler

from conftest import ROOT
from sweep import snakemake_internals
from sweep.snakemake_internals import (
    CHECKED,
    is_batched,
    lacks_record,
    limit_memory,
    log_file,
    plan_lightly,
    replace_screen,
    schedule_lightly,
    uses_conda,
    when_planned,
)


@pytest.fixture(autouse=True)
def each_warning_anew():
    snakemake_internals._warn.cache_clear()


CALLS = {
    "plan": (lambda workflow: when_planned(workflow, lambda plan: True), None),
    "batch": (lambda workflow: is_batched(workflow), False),
    "limit memory": (lambda workflow: limit_memory(workflow, 1000), None),
    "conda": (lambda workflow: uses_conda(workflow), False),
    "screen": (lambda workflow: replace_screen(workflow, logging.NullHandler()), False),
    "log file": (log_file, None),
    "records": (lambda workflow: lacks_record(workflow, __file__), False),
}


@pytest.mark.parametrize(("call", "otherwise"), CALLS.values(), ids=CALLS)
def test_a_workflow_of_another_make_is_left_alone_with_one_warning(call, otherwise, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert call(SimpleNamespace()) is otherwise
    (warning,) = capsys.readouterr().err.splitlines()
    assert re.match(rf"warning: Snakemake \S+ is not like {re.escape(CHECKED)} \(AttributeError: .+\); \w+", warning)
    assert list(tmp_path.iterdir()) == []


VERSIONED = {
    **{name: call for name, (call, _) in CALLS.items()},
    "light plan": lambda workflow: plan_lightly(),
    "light schedule": lambda workflow: schedule_lightly(),
}


@pytest.mark.parametrize("call", VERSIONED.values(), ids=VERSIONED)
def test_another_major_version_is_not_reached_into(call, monkeypatch, capsys):
    monkeypatch.setattr(snakemake_internals, "version", lambda _: "10.0.0")
    assert not call(None)
    assert f"this is Snakemake 10.0.0, and the workflow was checked with {CHECKED}; " in capsys.readouterr().err


def test_another_minor_version_is_used_alike(monkeypatch, capsys):
    monkeypatch.setattr(snakemake_internals, "version", lambda _: "9.99.0")
    resources = {}
    workflow = SimpleNamespace(
        local_exec=True, is_main_process=True, global_resources={}, register_resource=resources.__setitem__
    )
    limit_memory(workflow, 1000)
    assert resources == {"mem_mb": 1000}
    assert capsys.readouterr().err == ""


def looks_at_waiting_jobs(n_ended, delay=0.05, seconds=1.0):
    """How often a scheduler looks through the jobs that wait in some seconds in which none ends, after some did."""
    scheduler, n_looks, until = SimpleNamespace(_open_jobs=threading.Semaphore(n_ended)), 0, time.monotonic() + seconds
    while scheduler._open_jobs.acquire(timeout=max(0, until - time.monotonic())) and time.monotonic() < until:
        n_looks += 1
        JobScheduler._schedule_reevalutation(scheduler, delay)
    return n_looks - n_ended


def test_jobs_that_have_ended_do_not_make_the_scheduler_look_more_often(monkeypatch):
    own = JobScheduler._schedule_reevalutation
    monkeypatch.setattr(JobScheduler, "_schedule_reevalutation", own)
    assert looks_at_waiting_jobs(20) > 60  # as Snakemake does it: twenty times as often as after one
    schedule_lightly()
    assert 1 <= looks_at_waiting_jobs(20) <= 21


def test_the_version_checked_is_the_one_that_is_pinned():
    assert f"snakemake=={CHECKED}" in (ROOT / "envs" / "requirements.txt").read_text().split()


def test_a_sweep_is_planned_and_watched_with_another_version_too(workspace):
    module = workspace.folder / "workflow_scripts" / "sweep" / "snakemake_internals.py"
    module.write_text(module.read_text().replace(f'CHECKED = "{CHECKED}"', 'CHECKED = "1.2.3"'))
    run = workspace.snakemake("--dry-run")
    assert run.status == 0
    assert {"Measuring the sequence's own generator", "Drawing the figures"} < run.jobs
    assert run.stderr.count("warning: ") == len(VERSIONED) - 2  # without a plan nobody asks for records and the log
    assert "checked with 1.2.3; after a killed run, use --unlock" in run.stderr
    watched = workspace.sweep("watch", "--configfile", "config/tiny.yaml")
    assert (watched.status, watched.stderr) == (0, "")
