"""How a sweep was made: its configuration, the versions that its tables name, time and memory."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from sweep.canonical import configuration_hash
from sweep.errors import REMEDY, TableError
from sweep.provenance import metadata_of
from sweep.report.wording import MISSING, counted, duration, number


class _Dumper(yaml.SafeDumper):
    """YAML as the configuration files are written: mappings a key a line, lists on one line."""


_Dumper.add_representer(
    list, lambda dumper, entries: dumper.represent_sequence("tag:yaml.org,2002:seq", entries, flow_style=True)
)


def making(results: Path, tables: Iterable[str], configuration: Mapping[str, Any]) -> dict[str, Any]:
    """Everything that the section shows.

    Args:
        results: folder of the sweep.
        tables: paths of its tables.
        configuration: merged, restricted to what was run.

    Raises:
        TableError: if a table is unreadable or carries no metadata.
    """
    return {
        "configuration": yaml.dump(configuration, Dumper=_Dumper, default_flow_style=False),
        "hash": configuration_hash(configuration),
        "versions": _versions(tables),
        "benchmarks": _benchmarks(results / "logs", configuration["sweep"]),
    }


def _versions(tables: Iterable[str]) -> list[dict[str, str]]:
    """Every library that a table names; more than one version if the tables were not all made with the same."""
    found: dict[str, set[str]] = {}
    for path in tables:
        for library, version in _metadata(path)["versions"].items():
            found.setdefault(library, set()).add(version)
    return [{"library": library, "version": ", ".join(sorted(found[library]))} for library in sorted(found)]


def _metadata(path: str) -> dict[str, Any]:
    """A table's metadata; its values are not read."""
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise TableError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}). {REMEDY}") from error
    return metadata_of(schema, path)


def _benchmarks(logs: Path, sweep: Mapping[str, Any]) -> list[dict[str, str]]:
    """Time and memory of each rule's jobs, as far as Snakemake noted them."""
    frames: dict[str, list[pd.DataFrame]] = {}
    for path in sorted(logs.rglob("*.tsv")):
        rule, *keys = path.relative_to(logs).with_suffix("").parts
        if _is_of_sweep(keys, sweep):
            frames.setdefault(rule, []).append(pd.read_csv(path, sep="\t"))
    return [_benchmark(rule, pd.concat(rows)) for rule, rows in frames.items()]


def _is_of_sweep(keys: Iterable[str], sweep: Mapping[str, Any]) -> bool:
    """Whether a job's keys ('task=good2', ...) are configured; other sweeps may have used the folder."""
    values = dict(key.split("=", 1) for key in keys)
    return all(value in map(str, sweep.get(f"{key}s", [value])) for key, value in values.items())


def _benchmark(rule: str, jobs: pd.DataFrame) -> dict[str, str]:
    # Snakemake writes NA or a dash where a job ended before it was looked at.
    seconds, memory = (pd.to_numeric(jobs[column], errors="coerce") for column in ("s", "max_rss"))
    return {
        "rule": rule,
        "jobs": counted(len(jobs), "job"),
        "total": duration(seconds.sum()),
        "longest": duration(seconds.max()),
        "memory": f"{number(memory.max(), ',.0f')} MB" if memory.notna().any() else MISSING,
    }
