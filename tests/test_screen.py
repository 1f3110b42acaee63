"""What Snakemake shows of a sweep in the terminal: how much of it, how wide, and what it says."""

import fcntl
import io
import logging
import os
import pty
import re
import shutil
import signal
import struct
import subprocess
import sys
import termios
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from snakemake_interface_logger_plugins.common import LogEvent

from conftest import environment
from sweep import runs
from sweep.layout import summary_table
from sweep.result import findings
from sweep.screen import Screen, Terminal
from sweep.snakemake_internals import Plan
from test_workflow import EVERYTHING, RESULTS

RULES = frozenset({"summarize", "figures", "report"})
LINE = re.compile(r"(\d\d:\d\d)  +(\d+)/(\d+)  (.{15})  (start|queue|done|failed) +(\S.*)")


def result_lines(folder):
    """The result of a sweep, from its tables alone."""
    policies = pd.read_parquet(folder / summary_table(RESULTS, "policies"))
    n_identified = (policies["identified_task"] == policies["task"]).sum()
    residual, spread = policies["op"] - policies["op_predicted"], policies["op"] - policies["op"].mean()
    r_squared = f"{1 - (residual**2).sum() / (spread**2).sum():.3f}".replace("-", "−")
    gained = (policies["success_rate"] - policies["chance"]) / (1 - policies["chance"])  # good sets offer up to 1
    described = [
        "{size}, seed {seed} on {task}, success {success_rate:.3f} (chance: {chance:.3f})".format(**policy)
        for policy in policies.iloc[gained.argsort(kind="stable")].to_dict("records")
    ]
    return [
        f"Op identifies {n_identified} of 4 policies (guessing: 2). R² about y = x: {r_squared}",
        f"Best policy: {described[-1]}",
        f"Worst policy: {described[0]}",
        f"Report: {RESULTS}/report.html",
        f"Figures and tables: {RESULTS}/figures, {RESULTS}/summary",
    ]


# A whole run


def test_a_run_shows_at_most_three_short_lines_per_job_and_no_list_of_files(finished_run):
    _, run = finished_run
    lines = run.output.splitlines()
    assert len(lines) <= 2 * len(EVERYTHING) + 12 < 3 * len(EVERYTHING)
    assert max(map(len, lines)) <= 200
    assert run.output.count(".parquet") == 0
    assert "\033" not in run.output


def test_every_job_has_a_line_as_it_starts_and_one_as_it_ends(finished_run):
    _, run = finished_run
    told = [LINE.fullmatch(line).groups() for line in run.stderr.splitlines() if re.match(r"\d\d:\d\d ", line)]
    ends = [(int(n_done), message) for _, n_done, _, _, word, message in told if word == "done"]
    assert [n_done for n_done, _ in ends] == [*range(1, len(EVERYTHING) + 1)]
    assert {message.rpartition(", ")[0] for _, message in ends} == EVERYTHING
    assert {message for *_, word, message in told if word == "start"} == EVERYTHING
    assert len(told) == 2 * len(EVERYTHING)
    assert {n_jobs for _, _, n_jobs, *_ in told} == {str(len(EVERYTHING))}
    # Before the last job, which is alike any other, the time left is known.
    assert re.fullmatch(r" *>?\d+ (s|min) left", told[-3][3]) or not told[-3][3].strip()


def test_the_full_log_is_named_and_has_what_is_not_shown(finished_run):
    workspace, run = finished_run
    (name,) = re.findall(r"^The full log: (\S+)$", run.stderr, re.MULTILINE)
    text = (workspace.folder / name).read_text()
    assert "Reason: Missing output files" in text
    assert "Job stats" in text


def test_a_run_ends_with_the_result_in_five_lines(finished_run):
    workspace, run = finished_run
    expected = result_lines(workspace.folder)
    assert run.stderr.splitlines()[-5:] == ["Done. " + expected[0], *expected[1:]]


def test_so_does_one_that_has_nothing_to_do(copied):
    run = copied.snakemake()
    assert run.status == 0
    expected = result_lines(copied.folder)
    assert run.stderr.splitlines()[-5:] == ["Nothing to be done. " + expected[0], *expected[1:]]
    assert len(run.output.splitlines()) <= 10


def test_a_dry_run_counts_the_jobs_of_each_rule_and_says_why(finished):
    run = finished.snakemake("-n", override={"finetune": {"learning_rate": 0.01}})
    assert run.status == 0, run.output
    lines = run.stdout.splitlines()
    assert lines[0] == f"12 jobs would run in {RESULTS}; -p lists them."
    assert [line.split()[:2] for line in lines[1:]] == [
        ["4", "finetune"],
        ["4", "measure"],
        *(["1", rule] for rule in ("summarize", "figures", "report", "manifest")),
    ]
    assert "settings or code have changed" in lines[1]
    assert "4 checkpoints in results/tiny were made with another configuration and would be replaced" in run.stderr
    assert "\n  tiny, seed 0 on good2\n" in run.stderr


def test_a_quiet_run_says_the_result_and_no_job(copied):
    run = copied.snakemake(summary_table(RESULTS, "generator"), "--force", "--quiet")
    assert run.status == 0, run.output
    assert not re.search(r"^\d\d:\d\d ", run.output, re.MULTILINE)
    assert run.stderr.splitlines()[-1].startswith("Done. ")
    silent = copied.snakemake(summary_table(RESULTS, "generator"), "--force", "--quiet", "all")
    assert silent.status == 0
    assert "Done" not in silent.output


@pytest.mark.parametrize("option", ["--verbose", "--printshellcmds", "--show-failed-logs"])
def test_who_asks_for_more_has_it_in_snakemakes_words(copied, option):
    run = copied.snakemake(summary_table(RESULTS, "generator"), "--force", option)
    assert run.status == 0, run.output
    assert "Reason: Forced execution" in run.output
    assert run.stderr.count("Done. The requested files are in results/tiny.") == 1


def in_terminal(workspace, columns, *options, **variables):
    """Snakemake's output in a terminal of some columns."""
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 30, columns, 0, 0))
    env = {name: value for name, value in environment().items() if name not in ("NO_COLOR", "CI", "COLUMNS")}
    process = subprocess.Popen(
        workspace.command(*options),
        cwd=workspace.folder,
        env=env | {"TERM": "xterm"} | variables,
        stdin=its,
        stdout=its,
        stderr=its,
    )
    os.close(its)
    output = b""
    try:
        while chunk := os.read(ours, 65536):
            output += chunk
    except OSError:  # the other side has closed
        pass
    os.close(ours)
    assert process.wait(60) == 0, output
    return output.decode().replace("\r\n", "\n")


@pytest.mark.parametrize("columns", [40, 100])
def test_nothing_is_wider_than_the_terminal(copied, columns):
    generator = summary_table(RESULTS, "generator")
    (copied.folder / generator).unlink()
    screen = in_terminal(copied, columns, generator)
    assert "\033[32mdone" in screen
    plain = re.sub(r"\033\[\d*m", "", screen)
    own = plain[plain.index(f"{RESULTS}: 1 job to run") :]  # what comes before is Snakemake's
    assert max(map(len, own.splitlines())) < columns
    assert "done   Measur" in own
    assert f"in {RESULTS}." in " ".join(own.split())


def test_a_terminal_without_colours_has_none(copied):
    screen = in_terminal(copied, 80, summary_table(RESULTS, "generator"), "--force", NO_COLOR="1")
    assert "\033" not in screen
    assert "done   Measuring" in screen


# Files that are no configuration


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "No such file or directory; expected a configuration file"),
        (b"- a\n- b\n", "holds a list; expected keys and values"),
        (b"hello", "holds a single value; expected keys and values"),
        (b"", "is empty; expected keys and values"),
        (b"\xff\xfe\x00", "not text in UTF-8; expected a configuration file"),
        (b"sizes: &x\n  b: *x\n", "an alias stands for what it is a part of"),
        (b"sizes: " + b"{a: " * 2000 + b"1" + b"}" * 2000, "nested more than 50 levels deep"),
    ],
    ids=["missing", "list", "text", "empty", "bytes", "cycle", "deep"],
)
@pytest.mark.parametrize("profile", ["profiles/default", "changed"])
def test_a_file_that_is_no_configuration_is_named_in_one_line(workspace, content, said, profile):
    shutil.copytree(workspace.folder / "profiles" / "default", workspace.folder / "changed")
    if content is not None:
        (workspace.folder / "mine.yaml").write_bytes(content)
    run = workspace.snakemake("-n", "--workflow-profile", profile, "--configfile", "mine.yaml")
    assert run.status == 1
    assert "Traceback" not in run.output
    (line,) = run.stderr.splitlines()[1:]
    assert line.startswith("error: mine.yaml")
    assert said in line


# Single events


class TerminalStream(io.StringIO):
    """A stream that claims to be a terminal."""

    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch):
    for name in ("NO_COLOR", "CI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(runs, "_stopped_by", None)


def screen_of(monkeypatch, tmp_path, is_terminal=False, **settings):
    """A screen, and the stream that it writes to."""
    stream = TerminalStream() if is_terminal else io.StringIO()
    monkeypatch.setattr(sys, "stderr", stream)
    monkeypatch.setattr(sys, "stdout", stream)
    defaults = {"stdout": False, "nocolor": False, "dryrun": False, "quiet": None}
    configuration = {
        "results_dir": str(tmp_path / "results"),
        "sweep": {"sizes": ["18k"], "tasks": ["good2"], "seeds": [0]},
    }
    screen = Screen(SimpleNamespace(**defaults | settings), configuration)
    screen.plan = Plan(RULES, frozenset(), {}, None, dry_run=False, touch=False, on_cluster=False)
    return screen, stream


def send(screen, event, level=logging.INFO, text=None, **more):
    record = logging.makeLogRecord({"msg": text, "levelno": level, "event": event, **more})
    screen.handle(record)


def start(screen, number, message="Reinforcing 18k, seed 0 on good2", logs=()):
    send(screen, LogEvent.JOB_INFO, jobid=number, rule_msg=message, rule_name="finetune", log=list(logs), output=["x"])


def fail(screen, number, logs=()):
    send(screen, LogEvent.JOB_ERROR, logging.ERROR, jobid=number, rule_name="finetune", log=list(logs))


LOG = """2026-11-27 00:00:00,001Z INFO resuming after step 5
 10%|#  | 1/10 [00:01<00:09]2026-11-27 00:00:00,002Z WARNING discarding a.pt, so training starts from the beginning
{"step": 5}
2026-11-27 00:00:00,003Z ERROR a.parquet: not what was expected:
  - column b
  - column c
Traceback (most recent call last):
  File "x", line 1
sweep.errors.TableError: a.parquet
"""


def test_a_failed_job_says_what_failed_in_its_own_words_and_where_its_log_is(monkeypatch, tmp_path):
    log = tmp_path / "job.log"
    log.write_text(LOG)
    screen, stream = screen_of(monkeypatch, tmp_path)
    screen.log_file = "the.log"
    start(screen, 1, logs=[str(log)])
    fail(screen, 1, [str(log)])
    screen.close_stopped()
    lines = stream.getvalue().splitlines()
    assert LINE.fullmatch(lines[1]).group(5, 6) == ("failed", "Reinforcing 18k, seed 0 on good2")
    assert [line.strip() for line in lines[2:6]] == [
        "error: a.parquet: not what was expected:",
        "- column b",
        "- column c",
        f"Its log: {log}",
    ]
    assert lines[6].startswith("Stopped: 1 job failed, as shown above. ")
    assert lines[7:] == ["The full log: the.log"]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ("returned non-zero exit status 137.", "it ended with 137 (killed; possibly out of memory), and its log"),
        ("died with <Signals.SIGKILL: 9>.", "it ended with <Signals.SIGKILL: 9> (killed;"),
        ("returned non-zero exit status 3.", "it ended with 3, and its log does not say why"),
    ],
)
def test_a_job_that_says_nothing_is_told_by_how_it_ended(monkeypatch, tmp_path, status, said):
    screen, stream = screen_of(monkeypatch, tmp_path)
    start(screen, 1)
    text = f"RuleException:\nCalledProcessError in file x, line 3:\nCommand 'set -e; python x.py' {status}"
    send(screen, LogEvent.ERROR, logging.ERROR, text, exception="RuleException")
    fail(screen, 1, [str(tmp_path / "missing.log")])
    assert f"error: {said}" in stream.getvalue()
    assert "CalledProcessError" not in stream.getvalue()


def test_a_job_that_succeeds_after_all_has_not_failed_and_its_warnings_are_shown(monkeypatch, tmp_path):
    log = tmp_path / "job.log"
    log.write_text(LOG.partition("2026-11-27 00:00:00,003Z")[0])
    screen, stream = screen_of(monkeypatch, tmp_path)
    for number in (1, 2):
        start(screen, number, logs=[str(log)])
        fail(screen, number)
    start(screen, 1, logs=[str(log)])
    send(screen, LogEvent.JOB_FINISHED, job_id=1)
    screen.close_stopped()
    assert "\n       warning: discarding a.pt, so training starts from the beginning\n" in stream.getvalue()
    assert "Stopped: 1 job failed" in stream.getvalue()


def test_a_job_that_was_stopped_has_not_failed(monkeypatch, tmp_path):
    screen, stream = screen_of(monkeypatch, tmp_path)
    start(screen, 1)
    monkeypatch.setattr(runs, "_stopped_by", signal.SIGINT)
    fail(screen, 1)
    send(screen, LogEvent.ERROR, logging.ERROR, "WorkflowError:\nAt least one job did not complete successfully.")
    screen.close_stopped()
    (closing,) = stream.getvalue().splitlines()[1:]
    assert closing.startswith("Interrupted. Nothing is lost: ")


def test_snakemakes_own_warnings_and_errors_are_shown_and_what_it_does_is_not(monkeypatch, tmp_path):
    screen, stream = screen_of(monkeypatch, tmp_path)
    send(screen, None, text="Building DAG of jobs...")
    send(screen, None, logging.WARNING, "the disk is slow")
    send(screen, LogEvent.ERROR, logging.ERROR, "WorkflowError:\nMissing files", exception="WorkflowError")
    send(screen, None, logging.ERROR, "Exiting because a job execution failed. Look below for error messages")
    assert stream.getvalue() == "warning: the disk is slow\nWorkflowError:\nMissing files\n"


def test_on_a_cluster_jobs_are_queued(monkeypatch, tmp_path):
    screen, stream = screen_of(monkeypatch, tmp_path)
    screen.plan = Plan(RULES, frozenset(), {}, None, dry_run=False, touch=False, on_cluster=True)
    start(screen, 1)
    assert LINE.fullmatch(stream.getvalue().strip())[5] == "queue"


@pytest.mark.parametrize(
    ("variables", "settings", "is_terminal"),
    [
        ({}, {}, False),
        ({"NO_COLOR": "1"}, {}, True),
        ({"CI": "true"}, {}, True),
        ({"TERM": "dumb"}, {}, True),
        ({}, {"nocolor": True}, True),
    ],
    ids=["no terminal", "NO_COLOR", "CI", "dumb", "--nocolor"],
)
def test_plain_text_where_colours_are_not_wanted(monkeypatch, tmp_path, variables, settings, is_terminal):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    screen, stream = screen_of(monkeypatch, tmp_path, is_terminal, **settings)
    start(screen, 1)
    send(screen, LogEvent.JOB_FINISHED, job_id=1)
    assert "done" in stream.getvalue()
    assert "\033" not in stream.getvalue()


@given(st.integers(20, 200), st.text("ab -/_,.", min_size=1, max_size=300))
def test_what_is_said_fits_any_width(width, text):
    stream = TerminalStream()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Terminal, "width", width)
        Terminal(stream).say(text, "   ")
    lines = stream.getvalue().splitlines()
    assert max(map(len, lines)) <= width
    assert "".join("".join(lines).split()) == "".join(text.split())


@pytest.mark.parametrize("width", [40, 50, 79, 200])
@pytest.mark.parametrize("n_jobs", [7, 40_321])
def test_a_line_about_a_job_fits(monkeypatch, tmp_path, width, n_jobs):
    monkeypatch.setattr(Terminal, "width", width)
    remaining = SimpleNamespace(said=lambda n_running: ">2 h 05 min left", finish=lambda outputs: None)
    monkeypatch.setattr("sweep.screen.Remaining", lambda configuration, outputs: remaining)
    screen, stream = screen_of(monkeypatch, tmp_path, is_terminal=True)
    send(screen, LogEvent.RUN_INFO, stats={"finetune": n_jobs, "all": 1, "total": n_jobs + 1})
    start(screen, 1, f"Reinforcing {'a' * 64}, seed 0 on {'b' * 64}")
    send(screen, LogEvent.JOB_FINISHED, job_id=1)
    plain = re.sub(r"\033\[\d*m", "", stream.getvalue())
    lines = [line for line in plain.splitlines() if re.match(r"\d\d:\d\d ", line)]
    assert len(lines) == 2
    assert max(map(len, plain.splitlines())) <= width
    assert f"1/{n_jobs}" in lines[1]
    assert lines[1].endswith((", 0 s", "…"))


# The result


def policies_of(**columns):
    shared = {"seed": 0, "op": [1.0, 0.5, 0.1], "op_predicted": [0.9, 0.5, 0.3]}
    good = [1.0, 0, 0, 0]
    return pd.DataFrame(
        {
            "task": ["a", "b", "c"],
            "size": ["18k", "51k", "402k"],
            "utility": [good, [1.0, 1, 1, 0], [0, 0.2, 0.4, 0.6]],
            "chance": [0.25, 0.75, 0.3],
            "success_rate": [0.7, 0.8, 0.6],
            **shared,
            **columns,
        }
    )


IDENTIFICATION = pd.DataFrame(
    {"measure": ["op"] * 3 + ["imp"] * 3, "task": ["a", "b", "c"] * 2, "correct": [True, False, True, True, True, True]}
)


def test_the_best_policy_gains_most_of_what_its_task_offers_beyond_chance():
    """0.45 of 0.75, 0.05 of 0.25, and 0.3 of the 0.3 up to the largest utility."""
    identified, best, worst = findings(policies_of(), IDENTIFICATION)
    r_squared = 1 - (0.1**2 + 0.2**2) / (3 * np.var([1, 0.5, 0.1]))
    assert identified == f"Op identifies 2 of 3 policies (guessing: 1). R² about y = x: {r_squared:.3f}"
    assert best == "Best policy: 402k, seed 0 on c, mean utility 0.600 (chance: 0.300)"
    assert worst == "Worst policy: 51k, seed 0 on b, success 0.800 (chance: 0.750)"


def test_a_result_that_cannot_be_read_says_why(copied):
    path = summary_table(RESULTS, "policies")
    time = (copied.folder / path).stat().st_mtime_ns
    (copied.folder / path).write_bytes(b"spoilt")
    os.utime(copied.folder / path, ns=(time, time))  # as if it had been so all the time
    run = copied.snakemake()
    assert run.status == 0
    assert f"Nothing to be done. {path}: not a readable Parquet file" in run.stderr
    assert Path(copied.folder / "results/tiny/report.html").exists()
