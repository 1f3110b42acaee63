"""`make watch`: what it reads from a sweep's files and logs, and what it shows of that."""

import io
import json
import os
import platform
import time
from types import SimpleNamespace

import pandas as pd
import pytest
import yaml
from rich.console import Console
from snakemake.utils import update_config

from conftest import ROOT, TIMEOUT, Workspace, kill_group, sweep_command
from sweep.configuration import validate
from sweep.layout import sequence_table, summary_table
from sweep.locks import lock
from sweep.stages import finetune_settings, summarized_tables
from sweep.tables import read_table
from sweep.watch.remaining import Remaining
from sweep.watch.state import LONGEST_SILENCE, State, logged_rows, read_sweep
from sweep.watch.view import sparkline, view
from sweep.workflow import all_jobs

NOW = 1_000_000_000.0
BAR = "pretraining:  50%|#####     | 10/20 [01:00<01:00,  6.00s/step]"
ROW = '{"step": 10, "train_loss": 2.1, "validation_loss": 2.0, "validation_accuracy": 0.1, "learning_rate": 0.001}'


def tiny():
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text()))
    validate(config)
    return config


TINY = tiny()
RESULTS = TINY["results_dir"]
GENERATOR = summary_table(RESULTS, "generator")
JOBS = list(all_jobs(TINY["results_dir"], TINY["sweep"]))
PRETRAIN, OTHER_SIZE = (job for job in JOBS if job.rule == "pretrain")


class Folder:
    """A working folder whose files can be given any age."""

    def __init__(self, path):
        self.path = path
        self.held = {}

    def write(self, name, text="", age=0.0):
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        os.utime(path, (NOW - age, NOW - age))

    def hold(self, results=RESULTS, age=1000.0, lives=True, **more):
        """Leave the note of a run that started a given time ago, here or elsewhere, and is alive or was killed."""
        run = {"pid": 1, "host": platform.node(), "user": "me", "configuration": ["mine.yaml"], "ended": False} | more
        name = f"{results}/logs/run.json"
        self.write(name, json.dumps(run | {"since": NOW - age}))
        if lives:
            self.held[name] = (self.path / name).open("a")
            assert lock(self.held[name])

    def finish(self, job, seconds=None):
        for path in job.outputs:
            self.write(path)
        if seconds is not None:
            self.write(job.log.with_suffix(".tsv"), f"s\tmax_rss\n{seconds}\t500\n")

    def read(self, job=None):
        sweep = read_sweep(TINY, NOW, self.path)
        return sweep if job is None else next(progress for progress in sweep.jobs if progress.job == job)


@pytest.fixture
def folder(tmp_path):
    folder = Folder(tmp_path)
    yield folder
    for file in folder.held.values():
        file.close()


def shown(sweep, width=80, config=TINY):
    screen = io.StringIO()
    Console(file=screen, width=width).print(view(sweep, config, 1, width))
    return screen.getvalue()


def test_the_jobs_are_those_of_the_workflow(finished):
    """Rule, outputs, inputs and log of each job, according to Snakemake."""
    run = finished.snakemake("--detailed-summary")
    rows = pd.read_csv(io.StringIO(run.stdout), sep="\t")
    assert list(rows) != []
    tables = {table.path for job in JOBS for table in job.tables}
    theirs = {
        (row.rule, row.output_file, row.log, frozenset(tables.intersection(str(row.inputs).split(","))))
        for row in rows.rename(columns={"log-file(s)": "log", "input-file(s)": "inputs"}).itertuples()
    }
    gathering = {
        "summarize": {
            *(table.path for table in summarized_tables(RESULTS, TINY["sweep"])),
            GENERATOR,
            sequence_table(RESULTS, "validation"),
        },
        "figures": {summary.path for job in JOBS if job.rule == "summarize" for summary in job.tables} | {GENERATOR},
    }
    ours = {
        (job.rule, path, str(job.log), frozenset(job.inputs.values() or gathering.get(job.rule, ())))
        for job in JOBS
        for path in job.outputs
    }
    assert ours == theirs


def test_all_of_an_empty_folder_waits(folder):
    sweep = folder.read()
    assert len(sweep.of(State.WAITING)) == len(sweep.jobs) == len(JOBS)
    assert "Not running" in shown(sweep)


def test_a_job_is_done_once_all_its_outputs_are_there(folder):
    folder.write(PRETRAIN.outputs[0])
    assert folder.read(PRETRAIN).state is State.WAITING
    folder.write(PRETRAIN.outputs[1])
    assert folder.read(PRETRAIN).state is State.DONE
    assert len(folder.read().of(State.DONE)) == 1


@pytest.mark.parametrize(
    ("log", "age", "lives", "state"),
    [
        (f"\r{BAR}", 5, True, State.RUNNING),
        ("", 5, True, State.RUNNING),
        (f"\r{BAR}", LONGEST_SILENCE + 1, True, State.STOPPED),
        (f"\r{BAR}", 5, False, State.STOPPED),
        (f"\r{BAR}2026-01-01 10:00:00,000 ERROR failed\nTraceback", 5, True, State.FAILED),
        (f"\r{BAR}2026-01-01 10:00:00,000 ERROR failed\nTraceback", 5000, False, State.FAILED),
        # Snakemake has deleted the outputs of the last run, and the new one has not opened the log yet.
        ("2026-01-01 10:00:00,000 INFO done in 3.0 s\n", 5, True, State.WAITING),
        # Of a run before this one.
        (f"\r{BAR}", 1001, True, State.WAITING),
        ("2026-01-01 10:00:00,000 ERROR failed", 1001, True, State.WAITING),
    ],
)
def test_an_unfinished_job_is_judged_by_its_log_and_whether_the_run_lives(folder, log, age, lives, state):
    folder.write(PRETRAIN.log, log, age)
    folder.hold(lives=lives)
    assert folder.read(PRETRAIN).state is state


def test_the_run_of_another_sweep_does_not_count(folder):
    folder.write(PRETRAIN.log, f"\r{BAR}", age=LONGEST_SILENCE + 1)
    folder.hold("results/other")
    assert folder.read().run is None
    assert folder.read(PRETRAIN).state is State.STOPPED
    assert "Not running" in shown(folder.read())


@pytest.mark.parametrize(
    ("run", "said"),
    [
        ({}, "Running since"),
        ({"lives": False}, "Not running"),
        ({"lives": False, "ended": True}, "Not running"),
        ({"lives": False, "ended": True, "host": "elsewhere"}, "Not running"),
        ({"lives": False, "host": "elsewhere"}, "a run on elsewhere since"),
        ({"lives": False, "configuration": None}, "by an unknown run; it is unknown from here whether that is alive"),
        (
            None,
            "by an unknown run; it is unknown from here whether that is alive",
        ),  # from another workflow
    ],
)
def test_whether_a_sweep_runs_is_told_by_its_note_or_said_to_be_unknown(folder, run, said):
    folder.write(PRETRAIN.log, f"\r{BAR}", age=5)
    if run is not None:
        folder.hold(**run)
    assert said in " ".join(shown(folder.read()).split())


def test_a_run_whose_note_is_spoilt_lives_all_the_same(folder):
    folder.hold()
    (folder.path / RESULTS / "logs" / "run.json").write_bytes(bytes(range(256)))
    assert "Running." in shown(folder.read())


def test_the_log_of_a_running_job_gives_its_step_and_its_curve(folder):
    folder.write(PRETRAIN.log, f"\r{BAR}\r   \r{ROW}\n\r{BAR}\r   \r{ROW[:50]}", age=5)
    folder.hold()
    progress = folder.read(PRETRAIN)
    assert (progress.step, progress.n_steps, progress.took) == (10, 20, 120)
    assert progress.curve["validation_loss"].tolist() == [2.0]  # the second row is cut short
    assert progress.left == 60 - 5
    assert "10/20" in shown(folder.read())


def test_a_finished_job_logged_what_its_table_holds(finished):
    for rule in ("pretrain", "finetune"):
        job = next(job for job in JOBS if job.rule == rule)
        table = read_table(finished.folder / job.outputs[1], job.stage.tables["training"]).to_pandas()
        assert len(table) == 2
        pd.testing.assert_frame_equal(logged_rows((finished.folder / job.log).read_text())[list(table)], table)


def test_all_of_a_finished_sweep_is_done_with_its_curves_and_times(finished):
    sweep = read_sweep(TINY, time.time(), finished.folder)
    assert sweep.unfinished == []
    assert len(sweep.of(State.DONE)) == len(JOBS)
    for progress in sweep.jobs:
        training = progress.job.rule in ("pretrain", "finetune")
        assert progress.curve.empty != training
        assert progress.took > 0 or not training
    assert "Finished." in shown(sweep)


# The time left


def test_a_job_takes_as_long_as_those_of_its_rule_and_size(folder):
    measuring = [job for job in JOBS if job.rule == "measure" and job.keys["size"] == "tiny"]
    folder.finish(measuring[0], seconds=30)
    progress = folder.read(measuring[1])
    assert (progress.left, progress.scaled) == (30, False)


def test_where_there_is_no_such_job_time_is_scaled_by_weights_and_steps(folder):
    folder.finish(PRETRAIN, seconds=30)
    weights = [2 * d * (4 * d + 2 * d_ff) for d, d_ff in ((8, 8), (12, 16))]
    progress = folder.read(OTHER_SIZE)
    assert progress.left == pytest.approx(30 * weights[1] / weights[0])
    assert progress.scaled
    # Reinforcement, of which nothing is done, from pretraining: steps of the same size.
    reinforcing = next(job for job in JOBS if job.rule == "finetune" and job.keys["size"] == "tiny")
    assert folder.read(reinforcing).scaled
    n_steps = finetune_settings(TINY, "tiny", reinforcing.keys["task"])["n_steps"]
    assert folder.read(reinforcing).left == pytest.approx(30 * n_steps / TINY["pretrain"]["n_steps"])


def test_jobs_that_nothing_is_known_about_are_counted_apart(folder):
    sweep = folder.read()
    assert sweep.seconds_left(1) == 0
    assert "once a first job has made progress" in " ".join(shown(sweep).split())
    folder.finish(PRETRAIN, seconds=30)
    assert "of unknown length left out" in " ".join(shown(folder.read()).split())


def test_more_jobs_at_once_shorten_the_time_left_down_to_a_policys_own_chain(folder):
    times = {"pretrain": 10, "finetune": 20, "measure": 10}
    for job in JOBS:
        if job.rule in times and job.keys.get("task") != "good2":
            folder.finish(job, times[job.rule])
    good2, good4 = (finetune_settings(TINY, "tiny", task)["n_steps"] for task in ("good2", "good4"))
    chain = 20 * good2 / good4 + 10
    sweep = folder.read()
    assert sweep.seconds_left(1) == pytest.approx(2 * chain)
    assert sweep.seconds_left(2) == pytest.approx(chain)
    assert sweep.seconds_left(100) == pytest.approx(chain)


# What a run knows of its own jobs


def outputs_of(rule, task="good2"):
    return {path for job in JOBS if (job.rule, job.keys.get("task")) == (rule, task) for path in job.outputs}


@pytest.fixture
def half(folder, monkeypatch):
    """A folder whose policies have all been reinforced, on good4 in ten minutes; and those that good2 takes."""
    monkeypatch.chdir(folder.path)
    for job in JOBS:
        if job.rule == "finetune":
            folder.finish(job, 600 if job.keys["task"] == "good4" else None)
    good2, good4 = (finetune_settings(TINY, "tiny", task)["n_steps"] for task in ("good2", "good4"))
    return folder, 10 * good2 / good4


def test_a_run_counts_the_jobs_that_it_makes_whatever_is_there(half):
    """Files that it remakes exist, and files that it was not asked for are missing."""
    folder, minutes = half
    sweep = read_sweep(TINY, NOW, folder.path, to_make=outputs_of("finetune"))
    assert [(progress.job.rule, progress.job.keys["task"]) for progress in sweep.unfinished] == [
        ("finetune", "good2")
    ] * 2
    assert sweep.seconds_left(1) == pytest.approx(2 * 60 * minutes)
    assert sweep.seconds_left(2) == pytest.approx(60 * minutes)


@pytest.fixture
def clock(monkeypatch):
    """A clock that is set by hand."""
    clock = SimpleNamespace(now=NOW)
    monkeypatch.setattr("sweep.watch.remaining.time", SimpleNamespace(monotonic=lambda: clock.now, time=lambda: NOW))
    return clock


def test_the_time_left_of_a_run_goes_down_with_the_clock_and_its_jobs(half, clock):
    _, minutes = half
    remaining = Remaining(TINY, outputs_of("finetune"))
    assert remaining.said(2) == f"{minutes:.0f} min left"
    assert remaining.said(1) == f"{minutes:.0f} min left"  # one has just ended
    clock.now += 1  # too soon to look again
    assert remaining.said(1) == f"{minutes - 1 / 60:.0f} min left"
    remaining.finish(outputs_of("finetune"))
    assert remaining.said(0) == ""


def test_a_time_left_without_some_jobs_says_so_and_one_without_most_is_none(half, clock):
    _, minutes = half
    to_make = outputs_of("finetune") | outputs_of("measure")
    assert Remaining(TINY, to_make).said(1) == f">{2 * minutes:.0f} min left"
    assert Remaining(TINY, to_make | outputs_of("measure", "good4")).said(1) == ""


# A real sweep


def test_a_real_sweep_is_seen_running_and_once_killed_stopped(workspace):
    override = {"pretrain": {"n_steps": 20000, "evaluation_interval": 10}}
    config = TINY | {"pretrain": TINY["pretrain"] | override["pretrain"]}
    process = workspace.start(override=override)
    try:
        deadline = time.monotonic() + TIMEOUT
        running = []
        while not running or running[0].curve.empty:
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < deadline
            time.sleep(0.1)
            sweep = read_sweep(config, time.time(), workspace.folder)
            running = sweep.of(State.RUNNING)
        assert [progress.job.rule for progress in running] in (["pretrain"], ["sequences"])
        assert "Running since" in shown(sweep)
        screen = watch(workspace.folder)
        assert screen.status == 0, screen.stderr
        assert "▶ pretrain tiny" in screen.stdout
    finally:
        kill_group(process)
    later = read_sweep(config, time.time() + LONGEST_SILENCE, workspace.folder)
    assert later.of(State.RUNNING) == []
    assert [progress.job.rule for progress in later.of(State.STOPPED)] == ["pretrain"]
    assert "Not running" in shown(later)


# The screen


def watch(folder, *options):
    return sweep_command(folder, "watch", *options)


def test_watching_takes_the_sweep_that_was_started_last(finished):
    noted = finished.results / "logs" / "configuration.yaml"
    assert yaml.safe_load(noted.read_text()) == TINY
    screen = watch(finished.folder)
    assert (screen.status, screen.stderr) == (0, "")
    assert screen.stdout.startswith("results/tiny")
    assert "Finished." in screen.stdout


def test_watching_takes_the_configuration_that_is_named(tmp_path):
    screen = watch(tmp_path, "--configfile", ROOT / "config" / "quick.yaml")
    assert screen.stdout.startswith("results/quick")
    assert "Not running" in screen.stdout


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--configfile", "missing.yaml"), "missing.yaml: No such file"),
        (("--configfile", "broken.yaml"), "broken.yaml, line 2: not YAML"),
        (("--configfile", ROOT / "envs" / "train.yaml"), "channels is not a known key"),
    ],
)
def test_what_cannot_be_watched_is_said_without_a_traceback(tmp_path, options, said):
    (tmp_path / "broken.yaml").write_text("sweep:\nthis: is: not YAML\n")
    screen = watch(tmp_path, *options)
    assert screen.status == 1
    assert screen.stderr.startswith("error: ")
    assert said.lower() in screen.stderr.lower()
    assert "Traceback" not in screen.stderr


def test_a_clone_in_which_no_sweep_was_started_says_so(tmp_path):
    screen = watch(Workspace.cloned_to(tmp_path).folder)
    assert (screen.status, screen.stdout) == (1, "")
    assert screen.stderr.startswith("error: no sweep was started")
    assert "Traceback" not in screen.stderr


@pytest.mark.parametrize("width", [50, 80, 200])
def test_the_view_fits_the_terminal_and_names_every_state(folder, width):
    policies = [job for job in JOBS if job.rule == "finetune"]
    folder.finish(PRETRAIN, seconds=30)
    folder.hold()
    folder.write(policies[0].log, f"\r{BAR}", age=5)
    folder.write(policies[1].log, f"\r{BAR}", age=LONGEST_SILENCE + 1)
    folder.write(policies[2].log, "2026-01-01 10:00:00,000 ERROR failed", age=5)
    text = shown(folder.read(), width)
    assert max(map(len, text.splitlines())) <= width
    folded = "".join(text.split())
    for words in ("1done", "1running", "1failed", "1stopped", "▶1", "✗1", "■1", str(policies[2].log)):
        assert words in folded


def test_a_graded_task_is_followed_by_its_utility_and_the_others_by_success(folder):
    graded = {"utility": [0, 0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 1]}
    config = TINY | {
        "tasks": TINY["tasks"] | {"graded": graded},
        "sweep": TINY["sweep"] | {"tasks": ["good2", "graded"], "sizes": ["tiny"]},
    }
    folder.hold()
    for job in all_jobs(config["results_dir"], config["sweep"]):
        if job.rule == "finetune":
            rate = 0.25 if job.keys["task"] == "good2" else 0.75
            folder.write(job.log, f'{{"step": 10, "success_rate": {rate}, "sampled_success_rate": 0.5}}\n', age=5)
    screen = shown(read_sweep(config, NOW, folder.path), 100, config)
    for line in ("success 0.250", "utility 0.750"):  # of the jobs that run
        assert line in screen
    curves = [line.split() for line in screen.splitlines()]
    assert [line[-1] for line in curves if line[:2] == ["good2", "success"]] == ["0.250"]
    assert [line[-1] for line in curves if line[:2] == ["graded", "utility"]] == ["0.750"]


def test_a_sparkline_rises_with_its_values_and_averages_long_curves():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7], 8) == "▁▂▃▄▅▆▇█"
    assert sparkline([0, 0, 1, 1], 2) == "▁█"
    assert sparkline([0.5], 5, (0.0, 1.0)) == "▅"
    assert sparkline([3.0, 3.0], 5) == "▅▅"
