"""Folders to run the workflow in, and a finished tiny sweep that the tests of the workflow and its scripts share."""

import contextlib
import hashlib
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from sweep.workflow import STAGES

SCHEMAS = {schema.name: schema for stage in STAGES for schema in stage.tables.values()}
ROOT = Path(__file__).parents[1]
TIMEOUT = 600  # seconds; for a busy machine


@dataclass(frozen=True)
class Run:
    """A finished command."""

    status: int
    stdout: str
    stderr: str

    @property
    def output(self):
        return self.stdout + self.stderr

    @property
    def jobs(self):
        """Messages of the jobs that ran, or would run; checked against Snakemake's own count."""
        return self._jobs_on_screen if self.counted_on_screen else self._jobs_in_snakemakes_words

    @property
    def counted_on_screen(self):
        """Number of jobs to run according to the sweep's own lines; None if Snakemake prints its own."""
        counted = re.search(r"^.+: ([\d,]+) jobs? to run\.", self.output, re.MULTILINE)
        return counted and int(counted[1])

    @property
    def _jobs_on_screen(self):
        started = re.findall(r"^\d\d:\d\d +\d+/\d+ .* start  (.+)$", self.output, re.MULTILINE)
        assert self.counted_on_screen == len(set(started)) == len(started), self.output
        return set(started)

    @property
    def _jobs_in_snakemakes_words(self):
        messages = re.findall(r"^Job \d+: (.+)$", self.output, re.MULTILINE)
        counted = re.search(r"^total +(\d+)$", self.output, re.MULTILINE)
        if counted is None:
            assert "Nothing to be done" in self.output, self.output
            assert not messages
            return set()
        n_targets = len(re.findall(r"^(?:local)?rule all:$", self.output, re.MULTILINE))
        assert int(counted[1]) == len(set(messages)) + n_targets == len(messages) + n_targets, self.output
        return set(messages)


CODE = ["Snakefile", "config.yaml", "config", "envs", "profiles", "rules", "workflow_scripts"]


class Workspace:
    """A clone of the repository that runs the tiny sweep."""

    def __init__(self, folder):
        self.folder = folder
        self.results = folder / "results" / "tiny"

    @classmethod
    def cloned_to(cls, folder):
        """A new clone; files keep their times, which keeps compiled modules valid."""
        for name in CODE:
            copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy2
            copy(ROOT / name, folder / name)
        return cls(folder)

    def command(self, *options, override=None, cores=1):
        files = ["config/tiny.yaml"]
        if override is not None:
            text = override if isinstance(override, str) else yaml.safe_dump(override)
            name = hashlib.sha256(text.encode()).hexdigest()[:16]
            # Beside the folder, which belongs to the run alone.
            files.append(self.folder.with_name(f"{self.folder.name}-{name}.yaml"))
            files[-1].write_text(text, encoding="utf-8")
        command = [sys.executable, "-m", "snakemake", "--configfile", *files, "--cores", cores, *options]
        return [str(part) for part in command]

    def snakemake(self, *options, **more):
        """Run a command; a dry-run uses Snakemake's own output, which lists every job."""
        if "--dry-run" in options and "--quiet" not in options:
            options += ("--printshellcmds",)
        done = subprocess.run(
            self.command(*options, **more),
            cwd=self.folder,
            env=environment(),
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    def start(self, *options, **more):
        """Start a command in its own process group."""
        return subprocess.Popen(
            self.command(*options, **more),
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )

    def sweep(self, *arguments):
        """Run one of the commands ``python -m sweep …``."""
        return sweep_command(self.folder, *arguments)

    def copy_to(self, folder):
        """Copy the folder with its files' times, which Snakemake goes by."""
        shutil.copytree(self.folder, folder, dirs_exist_ok=True)
        return Workspace(folder)

    def files(self):
        """List all files except the repository's and Snakemake's own, relative to the folder."""
        paths = (path.relative_to(self.folder) for path in self.folder.rglob("*") if not path.is_dir())
        return {path.as_posix() for path in paths if path.parts[0] not in (".snakemake", *CODE)}

    def contents(self):
        """Return contents and modification time of every file."""
        paths = {name: self.folder / name for name in self.files()}
        return {name: (path.read_bytes(), path.stat().st_mtime_ns) for name, path in paths.items()}


def environment():
    """The environment of this process, without settings of the user's for Snakemake."""
    return {name: value for name, value in os.environ.items() if not name.startswith("SNAKEMAKE_")}


def sweep_command(folder, *arguments):
    """Run ``python -m sweep …`` in a folder, with the folder's own code if it has any."""
    code = folder if (folder / "workflow_scripts").exists() else ROOT
    done = subprocess.run(
        [sys.executable, "-m", "sweep", *map(str, arguments)],
        cwd=folder,
        env=environment() | {"PYTHONPATH": str(code / "workflow_scripts")},
        capture_output=True,
        text=True,
        timeout=TIMEOUT,
    )
    return Run(done.returncode, done.stdout, done.stderr)


def kill_group(process):
    """Kill a command of `Workspace.start` and all its jobs, and return once none of them is left."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    output, _ = process.communicate(timeout=60)  # the pipe closes with the last process that holds it
    return output


def wait_until(condition, seconds=300):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@contextlib.contextmanager
def in_background(workspace, *options, **more):
    """A command that was started; it is killed if the test fails while it runs."""
    process = workspace.start(*options, **more)
    with ThreadPoolExecutor() as pool:
        reading = pool.submit(process.communicate)  # a full pipe would stop it
        try:
            yield lambda: Run(process.wait(TIMEOUT), reading.result()[0], "")
        finally:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)


def forget(workspace, size):
    """Delete everything that depends on a size's pretrained models."""
    for path in (workspace.results / "finetuned").rglob(f"size={size}"):
        shutil.rmtree(path)
    (workspace.results / "manifest.parquet").unlink()


@pytest.fixture
def workspace(tmp_path):
    """An empty working folder."""
    return Workspace.cloned_to(tmp_path)


@pytest.fixture(scope="session")
def finished_run(tmp_path_factory):
    """The folder of a tiny sweep that was run from an empty folder, and its run; read-only by convention."""
    workspace = Workspace.cloned_to(tmp_path_factory.mktemp("finished"))
    run = workspace.snakemake()
    assert run.status == 0, run.output
    return workspace, run


@pytest.fixture(scope="session")
def finished(finished_run):
    """The folder of a finished tiny sweep; read-only by convention."""
    return finished_run[0]


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of a finished tiny sweep, which the test may change."""
    return finished.copy_to(tmp_path)
