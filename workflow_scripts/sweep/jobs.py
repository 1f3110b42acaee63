"""The finished jobs of a sweep, from their logs and the benchmark files beside them."""

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

# The last line of a job's log. Z is for UTC; earlier versions wrote local time, without it.
_DONE = re.compile(r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3}Z?) INFO done in ", re.MULTILINE)
_LONGEST_DELAY = 60.0  # seconds between a job's last line and its benchmark file


def recorded_jobs(logs: Path, sweep: Mapping[str, Any]) -> pd.DataFrame:
    """The finished jobs that have a benchmark file.

    Args:
        logs: folder of the sweep's logs.
        sweep: what is run; other sweeps may have used the folder, and their jobs are not counted.

    Returns:
        A row a job, in the order of rules and keys: ``rule``, ``task``, ``size`` and ``seed`` (text; missing where the
        rule has none), ``seconds`` of wall time, ``memory`` (peak, MB), and ``end`` (seconds since the epoch). Numbers
        are NaN where Snakemake or the log says nothing.
    """
    rows = []
    for path in sorted(logs.rglob("*.tsv")):
        rule, *parts = path.relative_to(logs).with_suffix("").parts
        keys = dict(part.split("=", 1) for part in parts)
        if all(value in map(str, sweep.get(f"{key}s", [value])) for key, value in keys.items()):
            # Snakemake writes NA or a dash where a job ended before it was looked at.
            seconds, memory = pd.to_numeric(pd.read_csv(path, sep="\t").iloc[-1][["s", "max_rss"]], errors="coerce")
            rows.append({"rule": rule, **keys, "seconds": seconds, "memory": memory, "end": _end(path)})
    return pd.DataFrame(rows, columns=["rule", "task", "size", "seed", "seconds", "memory", "end"])


def _end(benchmark: Path) -> float:
    """When a job ended, seconds since the epoch; NaN if its log does not say that it did."""
    log = benchmark.with_suffix(".log")
    found = _DONE.findall(log.read_text(encoding="utf-8", errors="replace")) if log.exists() else []
    if not found:
        return np.nan
    logged = datetime.fromisoformat(found[-1]).timestamp()
    # Snakemake writes the benchmark once the process has ended, a second or so after its last line; a copy of the
    # folder may have lost that time.
    written = benchmark.stat().st_mtime
    return written if 0 <= written - logged < _LONGEST_DELAY else logged
