#!/usr/bin/env python3
"""A queue on this machine for the tests: `qsub`, `qdel` and `qstatus`, by whichever name it is called.

At most two jobs run at a time. Each has a folder in $QUEUE, named by its number: `request` is what was asked for, and
`exit` its exit status once it has ended.
"""

import argparse
import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

SLOTS = 2
QUEUE = Path(os.environ["QUEUE"])


def qsub(arguments):
    """Take Grid Engine's options, start a process that waits for a slot, and print the job's number."""
    options = argparse.ArgumentParser()
    for flag in ("-terse", "-V", "-cwd"):
        options.add_argument(flag, action="store_true", required=True)
    options.add_argument("-j", choices=["y"])
    options.add_argument("-o", type=Path)
    options.add_argument("-l", action="append", type=lambda text: text.split("="))
    options.add_argument("script")
    request = options.parse_args(arguments)
    with open(QUEUE / "lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        number = 1 + len(list(QUEUE.glob("*/")))
        folder = QUEUE / str(number)
        folder.mkdir()
    (folder / "request").write_text(json.dumps({"output": str(request.o)} | dict(request.l)))
    with (request.o / f"{number}.log").open("w") as output:
        runner = subprocess.Popen(
            [sys.executable, Path(__file__).resolve(), "run", folder, request.script],  # not by the name of `qsub`
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    (folder / "pid").write_text(str(runner.pid))
    print(number)


def run(arguments):
    """Wait for a slot, run a job's script there, and keep its exit status."""
    folder, script = arguments
    with contextlib.ExitStack() as stack:
        slots = [stack.enter_context(open(QUEUE / f"slot{slot}", "w")) for slot in range(SLOTS)]
        while not any(is_taken(slot) for slot in slots):
            time.sleep(0.1)
        (Path(folder) / "started").touch()
        status = subprocess.run([script]).returncode
        (Path(folder) / "exit").write_text(str(status))


def is_taken(slot):
    try:
        fcntl.flock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def is_alive(folder):
    """Return whether the process that waits for a job's slot, and then runs the job, exists."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        command = Path("/proc", (folder / "pid").read_text(), "cmdline")
        return str(folder) in command.read_text().split("\0")
    return False


def qstatus(arguments):
    """Print whether a job is running or how it ended; a job without an exit status was killed."""
    folder = QUEUE / arguments[0]
    alive, ended = is_alive(folder), folder / "exit"
    if ended.exists():
        print("success" if ended.read_text() == "0" else "failed")
    else:
        print("running" if alive else "failed")


def qdel(arguments):
    """Kill jobs and all their processes."""
    for folder in (QUEUE / number for number in arguments):
        if is_alive(folder):
            with contextlib.suppress(ProcessLookupError):  # it has just ended
                os.killpg(int((folder / "pid").read_text()), signal.SIGKILL)


if __name__ == "__main__":
    commands = {"qsub": qsub, "qdel": qdel, "qstatus": qstatus}
    if name := commands.get(Path(sys.argv[0]).name):
        name(sys.argv[1:])
    else:
        run(sys.argv[2:])
