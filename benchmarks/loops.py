"""Compare the workflow with the obvious alternative, a single Python script with loops over the same grid.

Runs one size of config.yaml with one seed on every task, three times: by the loops below on one core, at the same time
as a sweep with `--cores 1` on another, and then as a sweep with `--cores 2`. The loops call the functions of the same
scripts one after another in one process, which imports everything once. They cannot resume, and rerun everything. All
three also make the figures and the report, and the script checks that their tables are equal. Prints wall times and
their ratios.
"""

import argparse
import logging
import os
import subprocess
import sys
import tempfile
import time
from argparse import Namespace
from importlib import import_module
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import yaml

from sweep.code import code_version
from sweep.configuration import load
from sweep.stages import all_tables
from sweep.workflow import all_jobs

ROOT = Path(__file__).parents[1]
SCRIPTS = ROOT / "workflow_scripts"


def loops(config: dict[str, Any]) -> None:
    """Make everything that the sweep makes, in a single process."""
    results = Path(config["results_dir"])
    places = {"results": results, "folder": results / "figures", "report": results / "report.html"}
    for job in all_jobs(config["results_dir"], config["sweep"]):
        paths = job.inputs | {table.name: table.path for table in job.tables}
        options = {name: Path(path) for name, path in paths.items()} | {"state": results / "state" / job.rule}
        for path in job.outputs:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
        script = Path(job.stage.script)
        import_module(script.stem).main(
            Namespace(
                settings=job.settings(config),
                code=code_version(SCRIPTS, script.name),
                device=config["device"],
                processes=1,
                **(options | places),
            )
        )


def assert_equal_tables(config: dict[str, Any], folder: Path, other: Path) -> None:
    for table in all_tables(config["results_dir"], config["sweep"]):
        ours, theirs = (pq.ParquetFile(place / table.path).read() for place in (folder, other))
        assert ours.equals(theirs), table.path


def timed(*commands: list[str]) -> list[float]:
    """Return the wall seconds of commands that start together."""
    started = time.perf_counter()
    running = {subprocess.Popen(command, stdout=subprocess.DEVNULL): n for n, command in enumerate(commands)}
    took = [0.0] * len(commands)
    while running:
        pid, status = os.wait()
        process = next(process for process in running if process.pid == pid)
        took[running.pop(process)] = time.perf_counter() - started
        if status:
            sys.exit(f"{' '.join(process.args)} failed")
    return took


def compare(size: str, configfiles: list[Path]) -> None:
    config = load(configfiles)
    config |= {"results_dir": "results", "sweep": config["sweep"] | {"sizes": [size], "seeds": [0]}}
    with tempfile.TemporaryDirectory() as temporary:
        folders = [Path(temporary, name) for name in ("loops", "one", "two")]
        for folder in folders:
            folder.mkdir()
            (folder / "config.yaml").write_text(yaml.safe_dump(config, sort_keys=False))

        def on_core(core: int, *command: object) -> list[str]:
            return ["taskset", "-c", str(core), *map(str, command)]

        def sweep(folder: Path, n_cores: int) -> list[str]:
            snakemake = [Path(sys.executable).with_name("snakemake"), "--snakefile", ROOT / "Snakefile", "--quiet"]
            options = ["--directory", folder, "--configfile", folder / "config.yaml", "--cores", n_cores]
            return [str(part) for part in (*snakemake, *options)]

        first, second = sorted(os.sched_getaffinity(0))[:2]
        by_loops, on_one = timed(
            on_core(first, sys.executable, __file__, "--loops", folders[0]),
            on_core(second, *sweep(folders[1], 1)),
        )
        (on_two,) = timed(sweep(folders[2], 2))
        for folder in folders[1:]:
            assert_equal_tables(config, folders[0], folder)
    print(f"{size}, seed 0, {len(config['sweep']['tasks'])} tasks")
    print(f"{'':<24}{'wall (s)':>10}{'of the loops':>14}")
    for name, seconds in (("loops", by_loops), ("sweep, 1 core", on_one), ("sweep, 2 cores", on_two)):
        print(f"{name:<24}{seconds:>10.1f}{seconds / by_loops:>14.3f}")


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--size", default="143k", help="of config.yaml")
    options.add_argument("--configfile", type=Path, nargs="*", default=[], help="files that override config.yaml")
    options.add_argument("--loops", type=Path, help=argparse.SUPPRESS)  # a folder: run the loops there
    arguments = options.parse_args()
    if arguments.loops:
        os.chdir(arguments.loops)
        logging.basicConfig(filename="log", level=logging.INFO)
        sys.path.insert(0, str(SCRIPTS))
        loops(yaml.safe_load(Path("config.yaml").read_text()))
    else:
        compare(arguments.size, arguments.configfile)


if __name__ == "__main__":
    main()
