"""How a sweep was made: its configuration, the versions recorded in its tables, time and memory."""

import subprocess
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from sweep.canonical_json import configuration_hash
from sweep.formatting import MISSING, counted, duration, number
from sweep.provenance import made_with, read_metadata
from sweep.stages import finetune_settings


class _Dumper(yaml.SafeDumper):
    """Writes YAML in the style of the configuration files: mappings with one key per line, lists on one line."""


_Dumper.add_representer(
    list, lambda dumper, entries: dumper.represent_sequence("tag:yaml.org,2002:seq", entries, flow_style=True)
)


def run_details(jobs: pd.DataFrame, tables: Iterable[str], configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Collect everything that the section shows.

    Args:
        jobs: from `jobs.recorded_jobs`.
        tables: paths of the tables.
        configuration: the merged configuration, restricted to what was run.

    Raises:
        TableError: if a table is unreadable or carries no metadata.
    """
    return {
        "configuration": yaml.dump(configuration, Dumper=_Dumper, default_flow_style=False),
        "hash": configuration_hash(configuration),
        "made_with": _made_with(tables),
        "benchmarks": [_benchmark(rule, rows) for rule, rows in jobs.groupby("rule", sort=False)],
    }


_WAYS = {
    "sampled": "one sampled answer per window, if it succeeds, as in the study",
    "expected": "all answers to a window, by their probability and chance of success",
    "every": "every success: in each window, every answer that would have succeeded",
}
_WINDOWS = {
    "natural": "in windows of untouched chains",
    "rollouts": "in rollouts of {rollout_length} answers, where a policy's earlier answers are its history",
}


def reinforced(configuration: Mapping[str, Any]) -> list[dict[str, str]]:
    """Say how successes are reinforced, and in which windows.

    Args:
        configuration: the merged configuration, restricted to what was run.

    Returns:
        One entry if all policies are reinforced alike, otherwise one for each way: ``how``, the ``settings`` that say
        so, and ``whose`` policies they are, which is empty for all.
    """
    grid = configuration["sweep"]
    ways: dict[tuple[str, str], list[tuple[str, str]]] = {}
    for task, size in product(grid["tasks"], grid["sizes"]):
        finetune = finetune_settings(configuration, size, task)
        way, windows = finetune["successes"], _WINDOWS[finetune["windows"]]
        how = f"{_WAYS.get(way, way)}; {windows.format_map(finetune)}"
        if finetune["failure_weight"]:
            how += f"; sampled failures are pushed back with weight {finetune['failure_weight']:g}"
        settings = ", ".join(f"{key}: {finetune[key]}" for key in ("successes", "windows"))
        ways.setdefault((how, settings), []).append((task, size))
    return [
        {"how": how, "settings": settings, "whose": _whose(policies, grid) if len(ways) > 1 else ""}
        for (how, settings), policies in ways.items()
    ]


def _whose(policies: Sequence[tuple[str, str]], grid: Mapping[str, Sequence[str]]) -> str:
    """Name policies, given by task and size, by what they have in common where that says it all."""
    tasks, sizes = (list(dict.fromkeys(names)) for names in zip(*policies, strict=True))
    if len(policies) == len(tasks) * len(grid["sizes"]):
        return ", ".join(tasks)
    if len(policies) == len(sizes) * len(grid["tasks"]):
        return ", ".join(sizes)
    return "; ".join(f"{task} of {', '.join(size for own, size in policies if own == task)}" for task in tasks)


def when(jobs: pd.DataFrame) -> str:
    """Say when the jobs of a sweep, from `jobs.recorded_jobs`, ran, from the first start to the last end."""
    known = jobs.dropna(subset=["seconds", "end"])
    if known.empty:
        return "at a time that is not on record"
    ends = [datetime.fromtimestamp(time, UTC) for time in ((known["end"] - known["seconds"]).min(), known["end"].max())]
    first, last = (f"{time.day} {time:%B %Y, %H:%M}" for time in ends)
    return f"{first} to {last.removeprefix(first.partition(',')[0] + ', ')} UTC"


def commit(folder: Path) -> str | None:
    """Describe the commit of the clone that a folder belongs to, as git does; None if it is unknown.

    It is unknown for a folder that its repository does not track.
    """

    def git(*arguments: str) -> str:
        done = subprocess.run(["git", "-C", folder, *arguments], capture_output=True, text=True, check=True, timeout=30)
        return done.stdout.strip()

    try:
        git("ls-files", "--error-unmatch", ".")
        return git("describe", "--always", "--dirty")
    except (OSError, subprocess.SubprocessError):
        return None


def _made_with(tables: Iterable[str]) -> dict[str, str]:
    """List the version of every library and processor named in the tables, or several versions if they differ."""
    found: dict[str, set[str]] = {}
    for path in tables:
        for name, value in made_with(read_metadata(path)).items():
            found.setdefault(name, set()).add(value)
    return {name: ", ".join(sorted(found[name])) for name in sorted(found)}


def _benchmark(rule: str, jobs: pd.DataFrame) -> dict[str, str]:
    """Sum up the time and memory of a rule's jobs, as far as Snakemake recorded them."""
    memory = jobs["memory"].max()
    return {
        "rule": rule,
        "jobs": counted(len(jobs), "job"),
        "total": duration(jobs["seconds"].sum()),
        "longest": duration(jobs["seconds"].max()),
        "memory": f"{number(memory, ',.0f')} MB" if pd.notna(memory) else MISSING,
    }
