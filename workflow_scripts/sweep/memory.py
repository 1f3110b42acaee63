"""The memory that the jobs on this machine may use in total."""

from collections.abc import Iterator
from pathlib import Path

import psutil


def available_memory(root: Path | str = "/") -> int:
    """Return the memory of this machine or, if that is less, of the container or service that this process runs in.

    The limit is the smallest among those of the process's control group and the groups that contain it, in version 1 or
    2 of control groups.

    Args:
        root: folder that contains ``proc`` and ``sys``.

    Returns:
        Bytes.
    """
    return min(_limits(Path(root)), default=psutil.virtual_memory().total)


def _limits(root: Path) -> Iterator[int]:
    """Yield the bytes of the machine, and of each limit on this process."""
    yield psutil.virtual_memory().total
    try:
        groups = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # not Linux
        return
    for line in groups:
        _, controllers, path = line.split(":", 2)
        if not controllers:  # version 2
            top, names = root / "sys/fs/cgroup", ("memory.max", "memory.high")
        elif "memory" in controllers.split(","):
            top, names = root / "sys/fs/cgroup/memory", ("memory.limit_in_bytes",)
        else:
            continue
        group = top / path.lstrip("/")
        # In a container, this may be the path on the host, of which only the end exists here, or only the top.
        for folder in [group, *group.parents]:
            for name in names:
                try:
                    limit = (folder / name).read_text().strip()
                except OSError:
                    continue
                if limit.isdigit() and int(limit) > 0:  # it may be "max"
                    yield int(limit)
            if folder == top:
                break
