"""Everything that goes beyond Snakemake's documented interface: it uses Snakemake's own files and internal attributes.

It was checked with the version below. On another major version, and wherever something fails, the sweep does without,
and a warning says what that means.
"""

import io
import itertools
import logging
import os
import subprocess
import sys
import threading
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stderr
from dataclasses import dataclass
from functools import cache, wraps
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sweep.errors import UserError

CHECKED = "9.27.1"

_AT_ONCE = 2000  # files per command line
# How messages begin that Snakemake prints in every run.
_ALIKE = ("Assuming unrestricted shared filesystem usage", "Config file ")
# Snakemake's reasons for running a job, in fewer words.
_REASONS = {
    "output files have to be generated": "missing",
    "incomplete output files": "interrupted before",
    "input files updated by another job": "inputs are remade",
    "updated input files": "inputs have changed",
    "set of input files has changed since last execution": "inputs were added or removed",
    "code has changed since last execution": "code has changed",
    "params have changed since last execution": "settings or code have changed",
}


def _softly(consequence: str, otherwise: Any) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Decorate a function to warn once and return ``otherwise`` where Snakemake is not as expected.

    Args:
        consequence: what the warning says about doing without.
        otherwise: value to return in that case.
    """

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
    """Print a warning, but never the same one twice."""
    print(f"warning: {text}", file=sys.stderr)


@dataclass(frozen=True)
class Plan:
    """What a run is about to do.

    Attributes:
        rules: rules of all jobs that the targets need, done or not.
        outputs: files that will be made.
        reasons: why the jobs of each rule will run, the most frequent reason first.
        batch: the rule that --batch splits by; None without it.
        dry_run: whether nothing is made.
        touch: whether files are only recorded as current.
        on_cluster: whether jobs run elsewhere.
    """

    rules: frozenset[str]
    outputs: frozenset[str]
    reasons: Mapping[str, list[str]]
    batch: str | None
    dry_run: bool
    touch: bool
    on_cluster: bool


@_softly("after a killed run, use --unlock; whether a sweep is running is not known", None)
def when_planned(workflow: Any, call: Callable[[Plan], bool]) -> None:
    """Call a function once it is known which jobs will run, and before any of them does, even in a dry-run.

    Args:
        workflow: Snakemake's workflow. For some jobs Snakemake starts itself again on behalf of the main run; such a
            run plans nothing.
        call: may exit. If it returns true, it keeps other runs out, and Snakemake's own locks are not used.
    """
    prepare, build = workflow._prepare_dag, workflow._build_dag
    if not workflow.is_main_process:
        return

    def prepare_readable(*arguments: Any, **more: Any) -> None:
        try:
            prepare(*arguments, **more)
        except Exception as error:
            if not any(kind.__name__ == "DatabaseError" for kind in type(error).__mro__):
                raise
            sys.exit(
                f"Snakemake's database of records is damaged ({str(error).splitlines()[0]}). Delete it (by default "
                ".snakemake/metadata.db); Snakemake then goes by the times of files alone."
            )

    def build_and_call() -> None:
        _tolerate_damaged_records(workflow)
        build()
        plan = _plan(workflow)
        if plan is not None and call(plan):
            workflow.persistence.lock = workflow.persistence.unlock = workflow.persistence.noop

    workflow._prepare_dag, workflow._build_dag = prepare_readable, build_and_call


@_softly("after a killed run, use --unlock; whether a sweep is running is not known", None)
def _plan(workflow: Any) -> Plan | None:
    """Return the plan of a workflow whose jobs are known; None if they are only listed, for example by --summary."""
    if workflow.executor_plugin is None:
        return None
    batch, dag = workflow.dag_settings.batch, workflow.dag
    jobs = set(dag.bfs(dag._dependencies, *dag.targetjobs))  # needrun_jobs includes those that --until excludes
    run = jobs.intersection(dag.needrun_jobs())
    reasons: dict[str, Counter[str]] = defaultdict(Counter)
    for job in run:
        reasons[job.rule.name].update(_REASONS.get(name, name) for name in dag.reason(job).get_names())
    return Plan(
        rules=frozenset(job.rule.name for job in jobs),
        outputs=frozenset(str(path) for job in run for path in job.output),
        reasons={rule: [name for name, _ in names.most_common()] for rule, names in reasons.items()},
        batch=batch.rulename if batch else None,
        dry_run=workflow.dryrun,
        touch=workflow.touch,
        on_cluster=not workflow.local_exec,
    )


@_softly("a damaged file in .snakemake/metadata may stop it", None)
def _tolerate_damaged_records(workflow: Any) -> None:
    """Have Snakemake treat any record that it cannot read as missing, as it does if only the JSON is invalid."""
    read = workflow.persistence._read_record

    def tolerant(*key: str) -> Any:
        try:
            return read(*key)
        except (ValueError, TypeError, OSError) as error:
            _warn(
                f"Snakemake's record of {key[-1]} is damaged ({str(error).splitlines()[0]}), so a change of the "
                "configuration or code would go unnoticed. make adopt checks the file and records it again"
            )
            return None

    workflow.persistence._read_record = tolerant


@_softly("all jobs are in one batch", False)
def is_batched(workflow: Any) -> bool:
    """Return whether --batch restricts the run to a part of the targets."""
    return workflow.dag_settings.batch is not None


@_softly("jobs run in parallel whatever memory they take, unless --resources mem_mb= is given", None)
def limit_memory(workflow: Any, megabytes: int) -> None:
    """Limit the total memory of parallel jobs on this machine, unless ``--resources mem_mb=`` already does."""
    if workflow.local_exec and workflow.is_main_process and "mem_mb" not in workflow.global_resources:
        workflow.register_resource("mem_mb", megabytes)


@_softly("conda environments of the rules are not used", False)
def uses_conda(workflow: Any) -> bool:
    """Return whether each rule runs in its own conda environment."""
    from snakemake.settings.types import DeploymentMethod

    return DeploymentMethod.CONDA in workflow.deployment_settings.deployment_method


@_softly("planning a large sweep takes up to twice as long", None)
def plan_lightly() -> None:
    """Save Snakemake work that does not affect the plan, since it adds up in large sweeps.

    Snakemake evaluates all parameters of a job to find its conda environment, looks for outputs inside output folders
    although no rule has any, and inspects the same functions again for each job.
    """
    from snakemake import rules
    from snakemake.dag import DAG
    from snakemake.io import _IOFile, is_flagged
    from snakemake.jobs import Job

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


@_softly("a sweep of hundreds of jobs keeps a part of a core busy", None)
def schedule_lightly() -> None:
    """Have Snakemake look through the waiting jobs once a second, however many jobs have ended.

    Snakemake starts a timer whenever it has looked through them, whether a timer or the end of a job was the reason,
    and each timer makes it look again. So every job that ends would make it look once more per second.
    """
    from snakemake.scheduling.job_scheduler import JobScheduler

    under_way: set[tuple[int, float]] = set()  # timers, by scheduler and delay

    def schedule_reevaluation(scheduler: Any, delay: float) -> None:
        def look() -> None:
            under_way.discard(timer)
            scheduler._open_jobs.release()

        timer = (id(scheduler), delay)
        if timer not in under_way:
            under_way.add(timer)
            threading.Timer(delay, look).start()

    JobScheduler._schedule_reevalutation = schedule_reevaluation


@_softly("Snakemake shows all that it does", False)
def replace_screen(workflow: Any, handler: logging.Handler) -> bool:
    """Replace Snakemake's own output in the terminal by a handler of its events, from the planning of jobs on.

    Snakemake's output stays if the user asks for its details or for a logger plugin.

    Returns:
        Whether it is replaced.
    """
    settings = workflow.output_settings
    if settings.verbose or settings.debug_dag or settings.printshellcmds or settings.show_failed_logs:
        return False
    logger, execute = workflow.logger_manager.logger, workflow.execute
    own = [other for other in logger.handlers if other.name == "DefaultStreamHandler"]
    if not own:
        return False

    def execute_on_screen(*arguments: Any, **more: Any) -> Any:
        from snakemake.settings.enums import Quietness

        for other in own:
            logger.removeHandler(other)
        logger.addHandler(handler)
        if settings.dryrun:  # quiet, it ends with the numbers of jobs instead of formatting each of them
            settings.quiet = {Quietness.RULES, Quietness.PROGRESS}
        return execute(*arguments, **more)

    workflow.execute = execute_on_screen
    return True


@_softly("the file of Snakemake's own messages is not named", None)
def log_file(workflow: Any) -> str | None:
    """Return the path of Snakemake's own log, relative to the working folder; None if there is none."""
    return next(map(os.path.relpath, workflow.logger_manager.get_logfile()), None)


def begin() -> None:
    """Change what Snakemake does before it reads the Snakefile; the profiles call this function.

    If a file given to --configfile is not a configuration, a message says why, instead of a traceback. Messages that
    Snakemake prints in every run are dropped.
    """
    from snakemake.settings.types import ConfigSettings

    logging.getLogger("snakemake.logging").addFilter(lambda record: not str(record.msg).startswith(_ALIKE))
    read = ConfigSettings.__post_init__

    def read_or_explain(settings: Any) -> None:
        try:
            read(settings)
        except Exception:
            from sweep.requirements import prefer_own_packages

            prefer_own_packages()
            from sweep.configuration import files

            for path in settings.configfiles:
                try:
                    files.read(path)
                except UserError as error:
                    sys.exit(f"error: {error}")
            raise

    ConfigSettings.__post_init__ = read_or_explain


@_softly("results that were copied here may be remade; make adopt prevents this", False)
def lacks_record(workflow: Any, path: str) -> bool:
    """Return whether a file exists without a record of Snakemake's that says how it was made."""
    from snakemake.io import IOFile

    return Path(path).exists() and not workflow.persistence.metadata(IOFile(path))


@_softly("where a profile of yours and the workflow's differ, the workflow's wins", [])
def lost_settings(arguments: Sequence[str]) -> list[str]:
    """List the options of the user's own profile that have no effect, since the workflow's profile overrides them.

    Args:
        arguments: Snakemake's command line.

    Returns:
        One text per such option: its name, the value in effect, and the user's.
    """
    from snakemake.cli import get_argument_parser, parse_args

    options = [*itertools.takewhile(lambda text: text != "--", arguments)]  # targets follow
    if "SNAKEMAKE_PROFILE" not in os.environ and not any(text.startswith("--profile") for text in options):
        return []
    with redirect_stderr(io.StringIO()):  # Snakemake has already said which profiles it uses
        found, own = (vars(parse_args([*options, *more])[1]) for more in ([], ["--workflow-profile", "none"]))
        none = vars(get_argument_parser().parse_args(options))
    return [
        f"{key.replace('_', '-')}: {found[key]} instead of {value}"
        for key, value in own.items()
        if key not in ("profile", "workflow_profile")
        and isinstance(value, bool | int | float | str | list | set | dict)
        if value != none[key] and found[key] != value
    ]


def record(paths: Sequence[str], configfiles: Sequence[Path]) -> None:
    """Have Snakemake record files, and everything that they are made from, as current.

    Args:
        paths: the files.
        configfiles: configuration files of their sweep.

    Raises:
        UserError: if it fails; the message contains Snakemake's own.
    """
    command = [sys.executable, "-m", "snakemake", "--touch", "--forceall", "--cores", "1", "--quiet", "all"]
    command += ["--configfile", *map(str, configfiles)] if configfiles else []
    for first in range(0, len(paths), _AT_ONCE):
        some = paths[first : first + _AT_ONCE]
        done = subprocess.run([*command, "--", *some], capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"snakemake did not record the files:\n{done.stderr}")
