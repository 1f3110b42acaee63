"""Everything that reaches into Snakemake beyond its documented interface: its own files, and attributes of a workflow.

Checked with the version below. On another major version, and wherever something fails, the sweep does without it and
a warning says what that means.
"""

import fcntl
import platform
import shutil
import subprocess
import sys
from base64 import urlsafe_b64encode
from collections.abc import Callable, Collection, Sequence
from functools import cache, wraps
from importlib.metadata import version
from pathlib import Path
from typing import IO, Any

from sweep.errors import UserError

CHECKED = "9.27.1"
FOLDER = Path(".snakemake")  # Snakemake's own, in the working folder

_AT_ONCE = 2000  # files a command line


def _softly(consequence: str, otherwise: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Have a function return ``otherwise``, with one warning of the consequence, where Snakemake is not as expected."""

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(function)
        def call(*arguments: Any) -> Any:
            installed = version("snakemake")
            if installed.partition(".")[0] != CHECKED.partition(".")[0]:
                _warn(f"this is Snakemake {installed}, and the workflow was checked with {CHECKED}; {consequence}")
                return otherwise
            try:
                return function(*arguments)
            except Exception as error:
                _warn(f"Snakemake {installed} is not like {CHECKED} ({type(error).__name__}: {error}); {consequence}")
                return otherwise

        return call

    return decorate


@cache
def _warn(text: str) -> None:
    """Say something once."""
    print(f"warning: {text}", file=sys.stderr)


@_softly("after a killed run, use --unlock", None)
def take_over(workflow: Any) -> IO[str] | None:
    """Remove the locks of runs that are dead; leave those of a run that lives, or lived on another machine.

    Snakemake marks the files it is about to write and, if it is killed, leaves the marks: the next run asks for
    ``--unlock``. A lock of the operating system ends with the process that holds it, so it tells the dead from the
    living.

    Args:
        workflow: Snakemake's. It runs itself anew for some jobs, in the name of the main run, which takes over nothing.

    Returns:
        What holds the place until the process ends; None if another run holds it, or nothing can be written here.
    """
    if not workflow.is_main_process:
        return None
    try:
        FOLDER.mkdir(exist_ok=True)
        owner = (FOLDER / "owner").open("a+")
        fcntl.flock(owner, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return None
    owner.seek(0)
    # Not every network's file system shows a lock to other machines.
    if owner.read() in ("", platform.node()):
        shutil.rmtree(FOLDER / "locks", ignore_errors=True)
    owner.truncate(0)
    owner.write(platform.node())
    owner.flush()
    return owner


@_softly("jobs run at a time whatever memory they take, unless --resources mem_mb= is given", None)
def limit_memory(workflow: Any, megabytes: int) -> None:
    """Keep the jobs that run at a time on this machine to its memory, unless ``--resources mem_mb=`` says otherwise."""
    if workflow.local_exec and workflow.is_main_process and "mem_mb" not in workflow.global_resources:
        workflow.register_resource("mem_mb", megabytes)


@_softly("conda environments of the rules are not used", False)
def uses_conda(workflow: Any) -> bool:
    """Whether each rule brings a conda environment."""
    from snakemake.settings.types import DeploymentMethod

    return DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method


@_softly("planning a large sweep takes up to twice as long", None)
def plan_lightly(workflow: Any) -> None:
    """Spare Snakemake what changes nothing in the plan of a large sweep, with the same outcome.

    To find a job's conda environment it evaluates all of the job's parameters; it looks for outputs in folders that are
    outputs, where no rule has such a folder; it inspects the same functions for each job; and a dry-run that is to say
    nothing words and schedules every job nevertheless.
    """
    from snakemake import rules
    from snakemake.dag import DAG
    from snakemake.io import _IOFile, is_flagged
    from snakemake.jobs import Job
    from snakemake.settings.enums import Quietness

    of_job, check_folders = Job.conda_env_spec.fget, DAG.check_directory_outputs

    @cache
    def of_rule(rule: Any) -> bool:
        return not callable(rule.conda_env) and "{" not in str(rule.conda_env)

    def environment(job: Any) -> Any:
        return job.rule.expand_conda_env({}) if of_rule(job.rule) else of_job(job)

    def check_directory_outputs(dag: Any) -> None:
        if any(is_flagged(path, "directory") for rule in dag.rules for path in rule.output):
            check_folders(dag)

    Job.conda_env_spec = property(environment)
    DAG.check_directory_outputs = check_directory_outputs
    _IOFile.is_storage = property(lambda path: bool(getattr(path._file, "flags", {}).get("storage_object")))
    rules.get_function_params = cache(rules.get_function_params)
    output = workflow.output_settings
    if output.dryrun and output.quiet and Quietness.ALL in output.quiet:
        output.quiet = {Quietness.RULES, Quietness.PROGRESS}  # for which it ends with the numbers of jobs


@_softly("results that were copied here may be made again; make adopt takes them over", False)
def lacks_record(workflow: Any, path: str) -> bool:
    """Whether a file is there of which Snakemake has no note how it was made, and this run is not to make the note."""
    # It names its notes so, cut where a name would be too long.
    name = urlsafe_b64encode(path.encode()).decode()
    note = FOLDER / "metadata" / (name if len(name) < 255 else f"@{name[:254]}")
    return Path(path).exists() and not note.exists() and not workflow.touch


@_softly("whether a sweep is running is not known", None)
def locked_since(folder: Path, outputs: Collection[str]) -> float | None:
    """When a lock on any of these files was taken; other sweeps may run in the same folder.

    Args:
        folder: Snakemake's working folder.
        outputs: paths as Snakemake names them.

    Returns:
        Seconds since the epoch; None if there is no such lock.
    """
    times = []
    for lock in (folder / FOLDER / "locks").glob("*.output.lock"):
        try:
            locked = lock.read_text(encoding="utf-8", errors="replace").splitlines()
            times += [] if set(outputs).isdisjoint(locked) else [lock.stat().st_mtime]
        except FileNotFoundError:  # gone since it was seen
            continue
    return max(times, default=None)


def record(paths: Sequence[str], configfiles: Sequence[Path]) -> None:
    """Have Snakemake note that files are current, and all that they are made from.

    Raises:
        UserError: if it does not, with what it says.
    """
    command = [sys.executable, "-m", "snakemake", "--touch", "--forceall", "--cores", "1", "--quiet", "all"]
    command += ["--configfile", *map(str, configfiles)] if configfiles else []
    for first in range(0, len(paths), _AT_ONCE):
        some = paths[first : first + _AT_ONCE]
        done = subprocess.run([*command, "--", *some], capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"snakemake did not take over the files:\n{done.stderr}")
