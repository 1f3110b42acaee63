"""Runs that are killed, stopped or started at the same time: nothing is lost, and no two write the same files."""

import os
import re
import signal
import subprocess
import sys
import time
from contextlib import suppress

import psutil
import pyarrow.parquet as pq
import pytest

from conftest import ROOT, Workspace, in_background, wait_until
from sweep.files import replacing
from sweep.layout import pretrained_table, sequence_table
from sweep.locks import alone
from sweep.runs import latest_run, note

pytestmark = [pytest.mark.interruptions, pytest.mark.xdist_group("interruptions")]

WITH_SWEEP = {**os.environ, "PYTHONPATH": str(ROOT / "workflow_scripts")}
RESULTS = "results/tiny"
CHECKPOINT, TRAINING = (pretrained_table(RESULTS, name, "tiny", 0) for name in ("checkpoint", "training"))
# Long enough to be interrupted, and put away often.
SLOW = {"pretrain": {"n_steps": 1500, "evaluation_interval": 50}}
ENDLESS = {"pretrain": {"n_steps": 1_000_000, "evaluation_interval": 50}}
WINDOWS = {f"n_contexts_{name}": 10 for name in ("exact", "monte_carlo", "rollouts", "self_estimate")}
MANY = {"sequence": {"n_test": 400_000}, "measure": {"n_repeats": 40_000, **WINDOWS}}


@pytest.fixture(scope="module")
def generated(tmp_path_factory):
    """A clone with the sequences."""
    workspace = Workspace.cloned_to(tmp_path_factory.mktemp("generated"))
    run = workspace.snakemake(*(sequence_table(RESULTS, split) for split in ("train", "validation", "test")))
    assert run.status == 0, run.output
    return workspace


@pytest.fixture
def clone(generated, tmp_path):
    """A sweep with its chains; what a test leaves running is killed."""
    workspace, started = generated.copy_to(tmp_path), []
    start = workspace.start
    workspace.start = lambda *options, **more: started.append(start(*options, **more)) or started[-1]
    yield workspace
    for process in started:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def unbroken(generated, tmp_path_factory):
    """The tables of a training run that is not interrupted."""
    workspace = generated.copy_to(tmp_path_factory.mktemp("unbroken"))
    assert workspace.snakemake(CHECKPOINT, override=SLOW).status == 0
    return tables(workspace)


def tables(workspace):
    return [pq.read_table(workspace.folder / path) for path in (CHECKPOINT, TRAINING)]


def assert_equal(ours, theirs):
    for table, expected in zip(ours, theirs, strict=True):
        assert table.equals(expected)


def states(workspace):
    return list((workspace.results / "state").glob("pretrain*.pt"))


def wait_for_state(workspace, process):
    wait_until(lambda: process.poll() is not None or states(workspace))
    assert process.poll() is None, process.communicate()[0]


def jobs_of(process):
    return psutil.Process(process.pid).children(recursive=True)


def assert_gone(jobs):
    _, alive = psutil.wait_procs(jobs, timeout=60)
    assert [job.cmdline() for job in alive if job.status() != psutil.STATUS_ZOMBIE] == []


# Killed without warning


def test_a_job_goes_with_its_snakemake_and_a_restart_at_once_ends_as_if_undisturbed(clone, unbroken):
    """Only Snakemake is killed, as if memory ran out; the job that it started may still be running."""
    process = clone.start(CHECKPOINT, override=SLOW)
    wait_for_state(clone, process)
    jobs = jobs_of(process)
    assert jobs
    process.kill()
    run = clone.snakemake(CHECKPOINT, override=SLOW)
    assert run.status == 0, run.output
    assert_gone(jobs)
    assert_equal(tables(clone), unbroken)
    assert "resuming after step" in (clone.results / "logs/pretrain/size=tiny/seed=0.log").read_text()
    assert not [name for name in clone.files() if name.endswith((".lock", ".pt"))]
    process.communicate()


def test_a_measuring_job_goes_with_its_snakemake(clone):
    target = f"{RESULTS}/summary/generator.parquet"
    process = clone.start(target, override=MANY)
    log = clone.results / "logs" / "measure_generator.log"
    wait_until(lambda: process.poll() is not None or log.exists())
    assert process.poll() is None, process.communicate()[0]
    jobs = jobs_of(process)
    assert jobs
    process.kill()
    assert_gone(jobs)
    process.communicate()
    assert "stopped; the next run" in log.read_text()


# Stopped by a signal


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP], ids=lambda number: number.name)
def test_a_signal_to_snakemake_stops_its_jobs_and_keeps_their_states(clone, unbroken, number):
    with in_background(clone, CHECKPOINT, override=SLOW) as result:
        wait_for(clone)
        (process,) = (child for child in psutil.Process().children() if str(clone.folder) == child.cwd())
        jobs = process.children(recursive=True)
        process.send_signal(number)
        stopped = result()
    assert_gone(jobs)
    assert stopped.status == 1
    assert {signal.SIGINT: "Interrupted. "}.get(number, f"Stopped by {number.name}. ") in stopped.output
    assert_told_how_to_go_on(stopped.output)
    assert states(clone)
    run, lives = latest_run(clone.results)
    assert (run.ended, lives) == (True, False)
    again = clone.snakemake(CHECKPOINT, override=SLOW)
    assert again.status == 0, again.output
    assert_equal(tables(clone), unbroken)


def assert_told_how_to_go_on(output):
    """Check that the output says how to continue, and nothing about the stopped job, which did not fail."""
    assert "Nothing is lost: results/tiny keeps what is finished" in output
    assert "The same command continues from there." in output
    for text in ("Traceback", "rror", "failed", '"architecture"'):
        assert text not in output


def wait_for(workspace):
    wait_until(lambda: states(workspace))


@pytest.mark.parametrize("pause", [0, 0.3])
def test_interrupting_twice_is_no_different(clone, pause):
    """Like Ctrl-C in a terminal, it reaches Snakemake and all of its jobs."""
    process = clone.start(CHECKPOINT, override=ENDLESS)
    wait_for_state(clone, process)
    jobs = jobs_of(process)
    for _ in range(2):
        os.killpg(process.pid, signal.SIGINT)
        time.sleep(pause)
    output, _ = process.communicate(timeout=120)
    assert_gone(jobs)
    assert process.returncode == 1
    assert "event loop" not in output
    assert "Interrupted. " in output
    assert_told_how_to_go_on(output)
    assert states(clone)
    assert not [name for name in clone.files() if os.path.basename(name).startswith(".")]


def test_an_interruption_of_planning_shows_no_traceback(clone):
    process = clone.start(CHECKPOINT, "--printshellcmds", override=ENDLESS)  # which tells that it plans
    line = ""
    while "Building DAG" not in line:
        line = process.stdout.readline()
        assert line, "it has ended"
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    assert process.returncode == 1
    assert "Traceback" not in output
    assert "Interrupted. No job had started" in output


# Two at once


def test_two_sweeps_at_once_do_not_unlock_each_other_and_a_second_run_of_one_is_refused(clone):
    other = ENDLESS | {"results_dir": "results/other"}
    process = clone.start("--until", "pretrain", "--persistence-backend", "db", override=other)
    try:
        wait_until(lambda: process.poll() is not None or list(clone.folder.glob("results/other/state/*.pt")))
        short = clone.snakemake(CHECKPOINT, override={"pretrain": {"n_steps": 10, "evaluation_interval": 10}})
        assert short.status == 0, short.output
        assert process.poll() is None
        assert latest_run(clone.folder / "results" / "other")[1]
        second = clone.snakemake("--until", "pretrain", override=other)
        assert second.status == 1
        assert "Traceback" not in second.output
        (message,) = (line for line in second.stderr.splitlines() if line.startswith("error: "))
        assert message.startswith("error: results/other is being written by another run: process ")
        for text in (
            f"process {process.pid} of ",
            "since 20",
            "config/tiny.yaml",
            "its own results_dir",
            "--directory",
        ):
            assert text in message
        assert clone.snakemake("--dry-run", "--until", "pretrain", override=other).status == 0
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGTERM)
        output, _ = process.communicate(timeout=120)
    assert "Stopped by SIGTERM." in output


def test_what_a_run_on_another_machine_left_is_not_taken_over(clone):
    """It may still be alive, since not every file system shows locks to other machines."""
    path = note(clone.results)
    text = path.read_text()
    path.write_text(re.sub('"host": ".*?"', '"host": "elsewhere"', text).replace("true", "false"))
    refused = clone.snakemake(CHECKPOINT)
    assert refused.status == 1
    assert "on elsewhere, since 20" in refused.stderr
    assert f"delete {RESULTS}/logs/run.json and start again" in refused.stderr
    path.unlink()
    assert clone.snakemake("--until", "pretrain", "--dry-run").status == 0


@pytest.mark.parametrize("spoilt", [b"", bytes(range(256)), b"[]", b'{"pid": {}}', b"null"])
def test_a_spoilt_note_is_as_none(tmp_path, spoilt):
    with replacing(note(tmp_path)) as path:
        path.write_bytes(spoilt)
    assert latest_run(tmp_path) == (None, None)
    code = "import sys; from sweep.runs import hold; print(hold(sys.argv[1], ['mine.yaml']))"
    done = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True, env=WITH_SWEEP)
    assert (done.stdout, done.stderr) == ("True\n", "")
    run, lives = latest_run(tmp_path)
    assert (run.configuration, run.ended, lives) == (["mine.yaml"], True, False)


HOLDER = """
import sys, time
from pathlib import Path
from sweep.locks import alone
with alone(Path(sys.argv[1]), lambda: print("waiting", flush=True)):
    before = Path(sys.argv[2]).read_text()
    time.sleep(0.05)
    Path(sys.argv[2]).write_text(f"{int(before) + 1}")
"""


def test_only_one_process_at_a_time_is_in_a_block(tmp_path):
    counter = tmp_path / "counter"
    counter.write_text("0")
    command = [sys.executable, "-c", HOLDER, tmp_path / "job.lock", counter]
    with alone(tmp_path / "job.lock", lambda: None):
        processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=WITH_SWEEP) for _ in range(5)]
        assert all(process.stdout.readline() == "waiting\n" for process in processes)
        assert counter.read_text() == "0"
    assert [process.wait(60) for process in processes] == [0] * 5
    for process in processes:
        process.stdout.close()
    assert counter.read_text() == "5"
    assert [path.name for path in tmp_path.iterdir()] == ["counter"]
