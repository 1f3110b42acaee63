"""What Snakemake shows of a sweep: one line per job as it starts and as it ends, and the outcome of the run.

Snakemake reports events to its log handlers. The default handler prints everything, including files and settings;
`Screen` replaces it in the terminal, while everything still goes to Snakemake's log file.
"""

import codecs
import logging
import os
import re
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from snakemake_interface_logger_plugins.common import LogEvent

from sweep.formatting import approximately, counted, plainly
from sweep.runs import stopped_by
from sweep.snakemake_internals import Plan
from sweep.watch.remaining import Remaining

_LONGEST = 2000  # characters per line where no terminal sets the width
_NARROW = 60  # columns; narrower terminals have no room for the time left
_MARGIN = "       "  # of remarks on a job, below its line
_COLOURS = {"done": "32", "failed": "31"}
# Snakemake's errors that the lines about jobs and the closing lines cover.
_TOLD = re.compile("Exiting because a job|At least one job did not complete")


class Terminal:
    """A stream of text for people, folded and coloured if it is a terminal.

    Args:
        stream: stdout or stderr.
        has_colours: whether the user allows colours.
    """

    def __init__(self, stream: TextIO, has_colours: bool = True) -> None:
        codecs.register_error("plainly", plainly)
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="plainly")
        self._stream = stream
        self._is_terminal = stream.isatty()
        plain = any(os.environ.get(name) for name in ("NO_COLOR", "CI")) or os.environ.get("TERM") == "dumb"
        self._has_colours = self._is_terminal and has_colours and not plain

    @property
    def width(self) -> int:
        """Most characters per line; the last column stays free, since some terminals wrap there."""
        if not self._is_terminal:
            return _LONGEST
        try:
            return max(20, os.get_terminal_size(self._stream.fileno()).columns - 1)
        except OSError:
            return 79

    def say(self, text: str, margin: str = "") -> None:
        """Write a text; lines that do not fit are folded, or cut if this is not a terminal."""
        for line in text.splitlines():
            if not self._is_terminal:
                self.write(f"{margin}{line}"[:_LONGEST])
                continue
            bullet = re.match(r" *(?:- (?=\S))?", line)[0]
            self.write(
                textwrap.fill(
                    line.removeprefix(bullet),
                    self.width,
                    initial_indent=margin + bullet,
                    subsequent_indent=margin + " " * len(bullet),
                    break_on_hyphens=False,
                )
            )

    def write(self, line: str) -> None:
        """Write a line, which must fit."""
        print(line, file=self._stream, flush=True)

    def coloured(self, text: str, code: str) -> str:
        """Return the text in a colour, if colours are in use."""
        return f"\033[{code}m{text}\033[0m" if code and self._has_colours else text


@dataclass(frozen=True)
class _Job:
    """A job that has started.

    Attributes:
        message: the message of its rule.
        logs: its log files.
        outputs: its output files.
        since: when it started, in seconds of the monotonic clock.
    """

    message: str
    logs: Sequence[str]
    outputs: Sequence[str]
    since: float


class Screen(logging.Handler):
    """A handler of Snakemake's events that writes what people want to know.

    Args:
        settings: Snakemake's output settings.
        configuration: the configuration of the sweep.

    Attributes:
        plan: the plan of the run, once it is known.
        log_file: Snakemake's full log, once it is known.
    """

    plan: Plan | None = None
    log_file: str | None = None

    def __init__(self, settings: Any, configuration: Mapping[str, Any]) -> None:
        super().__init__()
        self._terminal = Terminal(sys.stdout if settings.stdout else sys.stderr, has_colours=not settings.nocolor)
        self._configuration = configuration
        self._results = configuration["results_dir"]
        self._is_dry_run = settings.dryrun
        self._quiet = {kind.name for kind in settings.quiet or ()}
        self._jobs: dict[int, _Job] = {}  # unfinished jobs by Snakemake's number
        self._failed: set[int] = set()
        self._n_done = self._n_jobs = 0
        self._remaining: Remaining | None = None
        self._exception = ""  # Snakemake's message about the job that failed last

    def emit(self, record: logging.LogRecord) -> None:
        """Show an event."""
        show = {
            LogEvent.RUN_INFO: self._count,
            LogEvent.JOB_INFO: self._start,
            LogEvent.JOB_FINISHED: self._end,
            LogEvent.JOB_ERROR: self._fail,
            LogEvent.GROUP_ERROR: lambda record: None,  # each of its jobs has its own event
        }.get(getattr(record, "event", None), self._tell)
        try:
            show(record)
        except BrokenPipeError:
            raise
        except Exception:
            self.handleError(record)

    def _count(self, record: logging.LogRecord) -> None:
        """Say how many jobs there are; in a dry run, also how many per rule, and why they run."""
        counts = {rule: count for rule, count in record.stats.items() if rule not in ("all", "total")}
        self._n_jobs = sum(counts.values())
        if self._is_dry_run:
            self._terminal.say(f"{counted(self._n_jobs, 'job')} would run in {self._results}; -p lists them.")
            reasons = self.plan.reasons if self.plan else {}
            for rule, count in counts.items():
                line = f"{count:>6,}  {rule:<18}  {'; '.join(reasons.get(rule, ()))}"
                self._terminal.write(_cut(line.rstrip(), self._terminal.width))
            return
        self._remaining = Remaining(self._configuration, self.plan.outputs if self.plan else ())
        if "ALL" not in self._quiet:
            jobs = counted(self._n_jobs, "job")
            self._terminal.say(f"{self._results}: {jobs} to run. make watch, in another terminal, shows curves.")
            self._name_log()

    def _name_log(self) -> None:
        if self.log_file:
            self._terminal.say(f"The full log: {self.log_file}")

    def _start(self, record: logging.LogRecord) -> None:
        if record.rule_msg is None:  # the rule that lists the targets
            return
        self._jobs[record.jobid] = _Job(record.rule_msg, record.log, outputs=record.output, since=time.monotonic())
        if not self._quiet & {"RULES", "ALL"}:
            self._line("queue" if self.plan and self.plan.on_cluster else "start", record.rule_msg)

    def _end(self, record: logging.LogRecord) -> None:
        job = self._jobs.pop(record.job_id, None)
        if job is None:
            return
        self._n_done += 1
        self._failed.discard(record.job_id)
        if self._remaining:
            self._remaining.finish(job.outputs)
        if not self._quiet & {"PROGRESS", "ALL"}:
            self._line("done", job.message, approximately(time.monotonic() - job.since))
        for warning in _logged("WARNING", job.logs):
            self._terminal.say(f"warning: {warning}", _MARGIN)

    def _fail(self, record: logging.LogRecord) -> None:
        if stopped_by():  # it was asked to stop
            return
        job = self._jobs.pop(record.jobid, None)
        self._failed.add(record.jobid)
        self._line("failed", job.message if job else record.rule_name)
        words = _logged("ERROR", record.log)
        self._terminal.say(f"error: {words[-1] if words else self._how_it_ended()}", _MARGIN)
        if record.log:
            self._terminal.say(f"Its log: {', '.join(record.log)}", _MARGIN)

    def _how_it_ended(self) -> str:
        """Describe how a job ended whose log does not say."""
        status = re.search(r"(?:returned non-zero exit status|died with) (.+)", self._exception.rstrip("."))
        killed = " (killed; possibly out of memory)" if status and re.search("KILL|137", status[1]) else ""
        return f"it ended{f' with {status[1]}' if status else ''}{killed}, and its log does not say why"

    def _tell(self, record: logging.LogRecord) -> None:
        """Show Snakemake's warnings and errors, and none of its other messages."""
        text = record.getMessage().strip()
        if text.startswith("Nothing to be done"):
            self.close_run("Nothing to be done.")
        elif getattr(record, "exception", None) == "RuleException":
            self._exception = text
        elif record.levelno >= logging.WARNING and not _TOLD.search(text) and not stopped_by():
            self._terminal.say(text if record.levelno >= logging.ERROR else f"warning: {text}")

    def _line(self, word: str, message: str, took: str = "") -> None:
        """Write the time, the progress, the time left and the event in one line that fits."""
        left = self._remaining.said(len(self._jobs)) if self._remaining else ""
        left = f"{left:>15}  " if self._terminal.width >= _NARROW else ""
        before = f"{time.strftime('%H:%M')}  {self._n_done:>{len(str(self._n_jobs))}}/{self._n_jobs}  {left}"
        after = f", {took}" if took else ""
        message = _cut(message, max(8, self._terminal.width - len(before) - 7 - len(after)))
        word = self._terminal.coloured(f"{word:<6}", _COLOURS.get(word, ""))
        self._terminal.write(f"{self._terminal.coloured(before, '2')}{word} {message}{after}")

    def close_run(self, beginning: str) -> None:
        """Summarize the requested results and say where they are.

        Args:
            beginning: first sentence of the first line.
        """
        if self._is_dry_run:
            self._terminal.say(beginning)
        elif "ALL" not in self._quiet:
            for line in self._result(beginning):
                self._terminal.say(line)

    def _result(self, beginning: str) -> list[str]:
        try:
            from sweep.result import closing_lines  # takes a second to import, and plans do not need it
        except ImportError:  # if every rule has its own environment
            return [f"{beginning} The results are in {self._results}."]
        rules = self.plan.rules if self.plan else {"summarize", "figures", "report"}
        first, *others = closing_lines(self._results, rules)
        return [f"{beginning} {first}", *others]

    def close_stopped(self) -> None:
        """Say why a run stopped early, what it keeps, and how to continue."""
        if stopped := stopped_by():
            self._terminal.say(
                f"{stopped} Nothing is lost: {self._results} keeps what is finished, and the last state of trainings. "
                "The same command continues from there."
            )
        else:
            failed = counted(len(self._failed), "job") if self._failed else "a job"
            self._terminal.say(
                f"Stopped: {failed} failed, as shown above. {self._results} keeps what is finished. Once the cause is "
                "fixed, the same command continues from there."
            )
        self._name_log()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _logged(level: str, logs: Sequence[str]) -> list[str]:
    """Extract what a job logged at a level, without tracebacks."""
    texts = [Path(log).read_text(encoding="utf-8", errors="replace") for log in logs if os.path.exists(log)]
    # A record ends where another record, a traceback, a progress bar or a row begins.
    end = r"(?=\n\d{4}-\d\d-\d\d |\nTraceback |\r|\n\{|\s*\Z)"
    return re.findall(rf"\d{{4}}-\d\d-\d\d \S+ {level} (.*?){end}", "\n".join(texts), re.DOTALL)
