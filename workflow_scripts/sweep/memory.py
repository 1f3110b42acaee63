"""The memory that jobs on this machine may take together."""

from collections.abc import Iterator
from pathlib import Path

import psutil


def available_memory(root: Path | str = "/") -> int:
    """Memory of this machine or, if that is less, of the container or service that this process runs in.

    The least limit of the process's control group and of all groups around it counts, of either version.

    Args:
        root: where ``proc`` and ``sys`` are.

    Returns:
        Bytes.
    """
    return min(_limits(Path(root)), default=psutil.virtual_memory().total)


def _limits(root: Path) -> Iterator[int]:
    """Bytes of the machine, and of each limit on this process."""
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
        # In a container, the path may be the host's, of which only the end is there, or nothing but the top.
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
