"""The finished jobs of a sweep, according to their logs and the benchmark files beside them."""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# The last line of a job's log. The Z stands for UTC; earlier versions wrote local time without it.
_DONE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}Z?) INFO done in ", re.MULTILINE)
_LONGEST_DELAY = 60.0  # seconds between a job's last line and its benchmark file


def recorded_jobs(logs: Path, sweep: Mapping[str, Any]) -> pd.DataFrame:
    """Read which jobs finished, and what they took, from their benchmark files.

    Args:
        logs: folder of the sweep's logs.
        sweep: section ``sweep`` of the configuration; jobs that other sweeps left in the folder do not count.

    Returns:
        One row per job, ordered by rule and keys: ``rule``, ``task``, ``size`` and ``seed`` (text; missing if the rule
        has no such key), ``seconds`` of wall time, ``memory`` (peak, MB), and ``end`` (seconds since the epoch).
        Numbers that neither Snakemake nor the log gives are NaN.
    """
    rows = []
    for path in sorted(logs.rglob("*.tsv")):
        rule, *parts = path.relative_to(logs).with_suffix("").parts
        keys = dict(part.split("=", 1) for part in parts)
        if all(value in map(str, sweep.get(f"{key}s", [value])) for key, value in keys.items()):
            # Snakemake writes NA or a dash if a job ended before it was measured.
            seconds, memory = pd.to_numeric(pd.read_csv(path, sep="\t").iloc[-1][["s", "max_rss"]], errors="coerce")
            rows.append({"rule": rule, **keys, "seconds": seconds, "memory": memory, "end": _end(path)})
    return pd.DataFrame(rows, columns=["rule", "task", "size", "seed", "seconds", "memory", "end"])


def _end(benchmark: Path) -> float:
    """Return when a job ended, in seconds since the epoch; NaN if its log does not say that it did."""
    log = benchmark.with_suffix(".log")
    found = _DONE.findall(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else []
    if not found:
        return np.nan
    logged = datetime.fromisoformat(found[-1]).timestamp()
    # Snakemake writes the benchmark file once the process has ended, a second or so after the last line of the log. A
    # copy of the folder may have lost the time of that file.
    written = benchmark.stat().st_mtime
    return written if 0 <= written - logged < _LONGEST_DELAY else logged
