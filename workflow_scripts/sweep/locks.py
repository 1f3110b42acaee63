"""Locks of the operating system, which it releases when the process that holds them ends, however that happens."""

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO


def lock(file: IO[str], wait: bool = False, shared: bool = False) -> bool | None:
    """Lock an open file until it is closed.

    Args:
        file: file open for writing, or for reading if the lock is shared.
        wait: whether to wait until other processes release it.
        shared: whether other processes may hold a shared lock at the same time.

    Returns:
        Whether the file is locked now; None if the file system has no locks.
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
    """Let one process at a time into the block, across all machines that share the file system's locks.

    Args:
        path: the lock file, which exists only while a process is in the block, or after one was killed there.
        waiting: called before waiting for another process to leave the block.
    """
    while True:
        file = path.open("a", encoding="utf-8")
        if lock(file) is False:
            waiting()
            lock(file, wait=True)
        # The previous holder has deleted the file, and a third process may have created and locked a new one by now.
        with suppress(FileNotFoundError):
            if os.path.samestat(os.fstat(file.fileno()), path.stat()):
                break
        file.close()
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()
