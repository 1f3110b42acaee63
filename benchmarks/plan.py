"""Measure how planning and aggregation grow with the number of policies (`make bench-plan`; results in docs/scale.md).

Ten sizes on ten tasks, with 1, 10 and 100 seeds, make 100, 1,000 and 10,000 policies. Each plan is a dry-run in an
empty folder. The tables to aggregate are copies of those of four tiny policies, measured with the settings of
config.yaml, under the names and with the metadata of all policies. Prints one line per step: wall and processor
seconds, and peak memory.
"""

import argparse
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from splithistory.model import Architecture
from sweep.canonical_json import canonical_json, configuration_hash
from sweep.configuration import load
from sweep.provenance import metadata_of, with_metadata
from sweep.stages import SUMMARIZE, all_tables, architecture_settings, drawing, summarizing

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow_scripts"
PAPER = yaml.safe_load((ROOT / "config.yaml").read_text())
SIZES = {f"size{i}": {"d_model": 8 * i, "n_layers": 2, "n_heads": 4, "d_ff": 16 * i} for i in range(1, 11)}
TASKS = {
    f"task{i}": {"good": good}
    for i, good in enumerate(
        [
            [0],
            [1],
            [0, 4],
            [1, 5],
            [2, 3, 7],
            [0, 2, 4, 6],
            [1, 3, 5, 7],
            [4, 5, 6, 7],
            [0, 1, 2, 4, 5],
            [1, 2, 3, 5, 6, 7],
        ]
    )
}
# Makes tables of the same numbers of rows as at paper scale, with training runs of seconds.
TEMPLATES = {
    "results_dir": "results",
    "sweep": {"sizes": ["tiny"], "tasks": ["good2", "good4"], "seeds": [0, 1]},
    "sequence": {"n_test": PAPER["sequence"]["n_test"]},
    "tasks": {"good4": {"finetune": {"n_steps": 25}}},
    "pretrain": {"n_steps": 30, "evaluation_interval": 1},
    "finetune": {"n_steps": 25, "evaluation_interval": 1},
    "measure": PAPER["measure"],
}
STEPS = ["plan", "summarize", "draw_figures", "write_report", "write_manifest"]
MEASURED = """
import resource, subprocess, sys, time
started = time.perf_counter()
with open(sys.argv[1], "w") as output:
    status = subprocess.call(sys.argv[2:], stdout=output, stderr=subprocess.STDOUT)
used = resource.getrusage(resource.RUSAGE_CHILDREN)
print(time.perf_counter() - started, used.ru_utime + used.ru_stime, used.ru_maxrss)
sys.exit(status)
"""
Templates = dict[tuple[str, str], list[tuple[pa.Table, dict[str, Any]]]]


def main(arguments: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="splithistory-plan-") as folder:
        steps = STEPS[: STEPS.index(arguments.until) + 1]
        templates = finished_templates(Path(folder)) if len(steps) > 1 else None
        print(f"{'policies':>8}  {'step':<18}{'wall s':>9}{'CPU s':>9}{'GB':>8}", flush=True)
        for n_seeds in arguments.seeds:
            measure(Path(folder, str(n_seeds)), n_seeds, steps, templates=templates, processes=arguments.processes)


def measure(folder: Path, n_seeds: int, steps: Sequence[str], *, templates: Templates | None, processes: int) -> None:
    """Plan one sweep and, if there are tables, take the steps of aggregation."""
    sweep = {"sizes": list(SIZES), "tasks": list(TASKS), "seeds": list(range(n_seeds))}
    folder.mkdir()
    file = folder / "sweep.yaml"
    file.write_text(yaml.safe_dump({"results_dir": "results", "sweep": sweep, "sizes": SIZES, "tasks": TASKS}))
    label = f"{n_seeds * len(SIZES) * len(TASKS):>8,}"
    timed(f"{label}  plan", snakemake(file, "--dry-run", "--quiet"), folder)
    if templates is None:
        return
    config = load([file])
    write_tables(config, templates, folder)
    results = folder / "results"
    of_script = {
        "summarize": (summarizing(config), []),
        "draw_figures": (drawing(config), ["--folder", results / "figures", "--processes", processes]),
        "write_report": (drawing(config), ["--report", results / "report.html"]),
        "write_manifest": (summarizing(config), ["--manifest", results / "manifest.parquet"]),
    }
    for script in steps[1:]:
        settings, outputs = of_script[script]
        shared = ["--settings", canonical_json(settings), "--code", "0", "--log", folder / f"{script}.log"]
        command = [sys.executable, SCRIPTS / f"{script}.py", *shared, "--results", results, *outputs]
        timed(f"{label}  {script}", command, folder)


def snakemake(configuration: Path, *options: str) -> list[Any]:
    profile = ["--snakefile", ROOT / "Snakefile", "--workflow-profile", ROOT / "profiles" / "default"]
    return [sys.executable, "-m", "snakemake", "--cores", "1", *profile, "--configfile", configuration, *options]


def timed(label: str, command: Sequence[Any], folder: Path) -> None:
    """Run a command and print its time and memory, which is that of its largest process."""
    # Through a small process, since a forked one starts with the memory of its parent.
    command = [sys.executable, "-ISc", MEASURED, folder / "output", *command]
    done = subprocess.run(list(map(str, command)), cwd=folder, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{label} failed:\n{(folder / 'output').read_text()[-3000:]}{done.stderr}")
    wall, cpu, kilobytes = map(float, done.stdout.split())
    print(f"{label:<28}{wall:>9.1f}{cpu:>9.1f}{kilobytes / 1e6:>8.2f}", flush=True)


def finished_templates(folder: Path) -> Templates:
    """Train and measure four tiny policies, and return their tables with metadata, by rule and name."""
    file = folder / "templates.yaml"
    file.write_text(yaml.safe_dump(TEMPLATES))
    files = [ROOT / "config" / "tiny.yaml", file]
    done = subprocess.run(
        list(map(str, [*snakemake(files[0]), files[1], "--quiet"])), cwd=folder, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stderr[-3000:])
    templates = defaultdict(list)
    for table in all_tables(f"{folder}/results", load(files)["sweep"]):
        content = pq.read_table(table.path, partitioning=None)
        templates[table.job.rule, table.name].append((content, metadata_of(content.schema, table.path)))
    return templates


def write_tables(config: dict[str, Any], templates: Templates, folder: Path) -> None:
    """Write all tables that the aggregation reads, as if this configuration had made them."""
    n_parameters = {size: Architecture(**architecture_settings(config, size)).n_parameters for size in SIZES}
    for i, table in enumerate(all_tables("results", config["sweep"])):
        if table.job.stage is SUMMARIZE:
            continue
        same = templates[table.job.rule, table.name]
        content, metadata = same[i // 7 % len(same)]
        settings = table.job.settings(config)
        metadata = metadata | {"settings": settings, "configuration_hash": configuration_hash(settings)}
        if table.name == "checkpoint":
            metadata["n_parameters"] = n_parameters[table.job.keys["size"]]
        path = folder / table.path
        path.parent.mkdir(parents=True, exist_ok=True)
        pq.write_table(with_metadata(content, metadata), path, write_page_checksum=True)


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--seeds", type=int, nargs="+", default=[1, 10, 100], help="numbers of seeds")
    options.add_argument("--until", choices=STEPS, default=STEPS[-1], help="the last step of each")
    options.add_argument("--processes", type=int, default=1, help="number of processes that draw figures")
    main(options.parse_args())
