"""The memory that jobs may take: the machine's, or less in a container."""

from pathlib import Path

import psutil
import pytest

from sweep.memory import available_memory

HOST = psutil.virtual_memory().total


def tree(root, groups, limits):
    """Make files of a process in control groups, and of limits by their path below ``sys/fs/cgroup``."""
    (root / "proc/self").mkdir(parents=True)
    (root / "proc/self/cgroup").write_text(groups)
    for name, limit in limits.items():
        path = root / "sys/fs/cgroup" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{limit}\n")
    return available_memory(root)


@pytest.mark.parametrize(
    ("groups", "limits", "expected"),
    [
        ("0::/\n", {"memory.max": 2_000_000}, 2_000_000),
        ("0::/\n", {"memory.max": "max"}, HOST),
        ("0::/\n", {"memory.max": "max", "memory.high": 1_500_000}, 1_500_000),
        ("0::/\n", {"memory.max": 10**20}, HOST),
        ("0::/a/b\n", {"a/b/memory.max": 3_000_000, "a/memory.max": 1_000_000, "memory.max": "max"}, 1_000_000),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.high": 4_000_000}, 4_000_000),
        ("0::/a/b\n", {"a/b/memory.max": "max", "other/memory.max": 5}, HOST),
        # A path that the container does not see.
        ("0::/system.slice/docker-1f.scope\n", {"memory.max": 7_000_000}, 7_000_000),
        ("0::/../../outer\n", {"memory.max": 7_000_000}, 7_000_000),
        # Version 1, alone and beside version 2.
        ("5:memory:/x\n", {"memory/x/memory.limit_in_bytes": 6_000_000}, 6_000_000),
        ("5:cpu,memory:/x\n4:cpu:/y\n", {"memory/memory.limit_in_bytes": 6_000_000}, 6_000_000),
        ("5:memory:/\n", {"memory/memory.limit_in_bytes": 9223372036854771712}, HOST),
        ("5:memory:/\n0::/\n", {"memory/memory.limit_in_bytes": 8_000_000, "memory.max": 9_000_000}, 8_000_000),
        ("1:name=systemd:/x\n", {"memory.max": 5}, HOST),
        ("", {}, HOST),
    ],
)
def test_the_least_limit_counts(groups, limits, expected, tmp_path):
    assert tree(tmp_path, groups, limits) == expected


def test_without_control_groups_it_is_the_machines():
    assert available_memory(Path("/nowhere")) == HOST
