"""Shared by all scripts of the workflow: the log, the progress bar and the way errors are reported."""

import argparse
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from sweep.errors import UserError
from sweep.locks import alone
from sweep.provenance import provenance
from sweep.stopping import Stopped, end_with_snakemake, stop_on_signals

log = logging.getLogger("sweep")
_STARTED = time.perf_counter()
# Whether the Snakemake process that runs this job shows the warnings and errors in its log.
_IS_SHOWN = bool(os.environ.get("SWEEP_SCREEN"))


def parser(description: str | None) -> argparse.ArgumentParser:
    """Create an argument parser with the options that every script has."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--settings", type=json.loads, required=True, help="settings that the job depends on, as JSON")
    options.add_argument("--code", required=True, help="version of the code, for the metadata of the outputs")
    options.add_argument("--log", type=Path, required=True, help="log file to write")
    return options


def run(main: Callable[[argparse.Namespace], None], options: argparse.ArgumentParser) -> None:
    """Run a script: log to its file, turn any error into one message, and exit with status 1 after it.

    Tracebacks go to the log alone, never to the screen.

    Args:
        main: function of the script, which takes the parsed arguments.
        options: parser from `parser`, with the script's own options added.
    """
    arguments = options.parse_args()
    stop_on_signals()
    end_with_snakemake()
    try:
        arguments.log.parent.mkdir(parents=True, exist_ok=True)
        with alone(arguments.log.with_suffix(".lock"), lambda: _wait_for_another(arguments.log)):
            _run_logged(main, arguments)
    except OSError as error:
        sys.exit(f"error: {_said_of(error, arguments.log)}")


def _run_logged(main: Callable[[argparse.Namespace], None], arguments: argparse.Namespace) -> None:
    logging.raiseExceptions = False  # where the disk is full, the message below says so
    with arguments.log.open("w", encoding="utf-8", errors="backslashreplace") as stream:
        # In UTC, so that logs of runs in different time zones can be compared.
        logging.Formatter.converter = time.gmtime
        logging.basicConfig(stream=stream, level=logging.INFO, format="%(asctime)sZ %(levelname)s %(message)s")
        log.addHandler(_warnings_on_screen())
        try:
            main(arguments)
        except Stopped:
            log.info("stopped; the next run of snakemake continues from the latest state")
            raise
        except Exception as error:
            words = _said_of(error, arguments.log)
            log.error("%s", words, exc_info=True)
            # If the disk is full, the log may lack the message.
            is_shown = _IS_SHOWN and words in arguments.log.read_text(encoding="utf-8")
            sys.exit(1 if is_shown else f"error: {words}")
        log.info("done in %.1f s", seconds())


def _said_of(error: Exception, path: Path) -> str:
    """Put an error into words, given the path of the log."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or path}: {error.strerror or error}. Fix this and rerun snakemake"
    return f"{type(error).__name__}: {error}. The traceback is in {path}"


def _wait_for_another(path: Path) -> None:
    print(f"another process is making the same files; waiting for it to end before starting {path}", file=sys.stderr)


def _warnings_on_screen() -> logging.Handler:
    """Create a handler that shows warnings on screen, but no errors, which have a message of their own."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("warning: %(message)s"))
    handler.addFilter(lambda record: record.levelno == logging.WARNING and not _IS_SHOWN)
    return handler


def progress(description: str) -> Callable[[Sequence[Any]], Iterator[Any]]:
    """Create a progress bar in the job's log: at most one line every five seconds, to follow with ``tail -f``."""

    def track(items: Sequence[Any]) -> Iterator[Any]:
        done = items.start - 1 if isinstance(items, range) else 0  # steps of earlier runs of the job
        return iter(
            tqdm(
                items,
                desc=description,
                file=_log_stream(),
                mininterval=5,
                ascii=True,
                unit="step",
                initial=done,
                total=done + len(items),
            )
        )

    return track


def log_row(row: Mapping[str, float]) -> None:
    """Write a row of a table to the job's log as soon as it is known, as a line of JSON between the progress bar's."""
    tqdm.write(json.dumps(row), file=_log_stream())


def _log_stream() -> TextIO:
    return logging.getLogger().handlers[0].stream


def made_by(arguments: argparse.Namespace, *inputs: str, packages: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """Describe how this job makes its tables; see `provenance.provenance`.

    Args:
        arguments: the script's arguments.
        inputs: names of the arguments that are paths of the tables it reads.
        packages: libraries whose versions matter, besides NumPy and pyarrow.
        more: further entries.
    """
    files = {name: getattr(arguments, name) for name in inputs}
    return {"device": "cpu", "threads": 1} | provenance(
        arguments.settings, arguments.code, files, packages=packages, **more
    )


def seconds() -> float:
    """Return the wall time of the job so far, in seconds, without the start of Python."""
    return round(time.perf_counter() - _STARTED, 3)
