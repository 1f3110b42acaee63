"""Locks of the operating system, which end with the process that holds them, however that ends."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


def lock(file: IO[str], wait: bool = False, shared: bool = False) -> bool | None:
    """Lock an open file until it is closed.

    Args:
        file: open for writing, or for reading if the lock is to be shared.
        wait: until another process gives it up.
        shared: with others that share it.

    Returns:
        Whether it is locked now; None where the file system keeps no locks.
    """
    try:
        fcntl.flock(file, (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        return False
    except OSError:
        return None
    return True


@contextmanager
def alone(path: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Let one process at a time into the block, on all machines that see the file system's locks.

    Args:
        path: a file that is there only while somebody is in the block, or was killed there.
        waiting: called once if another process is in it.
    """
    while True:
        file = path.open("a", encoding="utf-8")
        if lock(file) is False:
            waiting()
            lock(file, wait=True)
        # Whoever held it has deleted it; a third process may hold a new one by now.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                break
        file.close()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()
