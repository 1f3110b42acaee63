"""What every script of the workflow shares: its log, its progress bar and the way it reports errors."""

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
# Whether the Snakemake that runs the job shows what the log says of warnings and errors.
_IS_SHOWN = bool(os.environ.get("SWEEP_SCREEN"))


def parser(description: str | None) -> argparse.ArgumentParser:
    """An argument parser with the options that every script has."""
    options = argparse.ArgumentParser(description=description)
    options.add_argument("--settings", type=json.loads, required=True, help="the configuration it depends on, as JSON")
    options.add_argument("--code", required=True, help="version of the code, for the metadata of what is written")
    options.add_argument("--log", type=Path, required=True, help="file for the log")
    return options


def run(main: Callable[[argparse.Namespace], None], options: argparse.ArgumentParser) -> None:
    """Run a script: log to its file, turn a user's mistake into one message, and exit with 1 on any error.

    The traceback of every error goes to the log; a mistake that the user can mend shows none on screen.

    Args:
        main: takes the parsed arguments.
        options: from `parser`, with the script's own options added.
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
        # In UTC, so that logs of runs in different time zones fit together.
        logging.Formatter.converter = time.gmtime
        logging.basicConfig(stream=stream, level=logging.INFO, format="%(asctime)sZ %(levelname)s %(message)s")
        log.addHandler(_warnings_on_screen())
        try:
            main(arguments)
        except Stopped:
            log.info("stopped; the next run of snakemake goes on from the last state that was kept")
            raise
        except Exception as error:
            words = _said_of(error, arguments.log)
            log.error("%s", words, exc_info=True)
            # Where the disk is full, the log has no room for it.
            is_shown = _IS_SHOWN and words in arguments.log.read_text(encoding="utf-8")
            sys.exit(1 if is_shown else f"error: {words}")
        log.info("done in %.1f s", seconds())


def _said_of(error: Exception, path: Path) -> str:
    """An error in words, given the path of the log."""
    if isinstance(error, UserError):
        return str(error)
    if isinstance(error, OSError):
        return f"{error.filename or path}: {error.strerror or error}. Mend it and rerun snakemake"
    return f"{type(error).__name__}: {error}. The traceback is in {path}"


def _wait_for_another(path: Path) -> None:
    print(f"another process is making the same files; waiting for its end before {path} begins", file=sys.stderr)


def _warnings_on_screen() -> logging.Handler:
    """Shows warnings besides logging them, but no errors, which have a message of their own."""
    handler = logging.StreamHandler()
    handler.setFormatter(logging.Formatter("warning: %(message)s"))
    handler.addFilter(lambda record: record.levelno == logging.WARNING and not _IS_SHOWN)
    return handler


def progress(description: str) -> Callable[[Sequence[Any]], Iterator[Any]]:
    """A progress bar in the job's log: one line at most every five seconds, to follow with ``tail -f``."""

    def track(items: Sequence[Any]) -> Iterator[Any]:
        done = items.start - 1 if isinstance(items, range) else 0  # steps before this run of the job
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
    """Write a row of a table to the job's log as it comes, a line of JSON beside the progress bar."""
    tqdm.write(json.dumps(row), file=_log_stream())


def _log_stream() -> TextIO:
    return logging.getLogger().handlers[0].stream


def made_by(arguments: argparse.Namespace, *inputs: str, packages: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """What the tables of this job say about their making; see `provenance.provenance`.

    Args:
        arguments: of the script.
        inputs: names of the arguments that are tables it reads.
        packages: libraries whose versions matter besides NumPy and pyarrow.
        more: further entries.
    """
    files = {name: getattr(arguments, name) for name in inputs}
    return {"device": "cpu", "threads": 1} | provenance(
        arguments.settings, arguments.code, files, packages=packages, **more
    )


def seconds() -> float:
    """Wall time of the job so far, without the start of Python."""
    return round(time.perf_counter() - _STARTED, 3)
