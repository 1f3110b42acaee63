"""Copy what is published of a finished sweep: figures, report, tables, configuration, and what each job took.

Of the tables, all summaries (CSV beside the Parquet) and, of each policy, what the pages in docs/ read. What an earlier
sweep left in the folder is removed, but for its README.
"""

import argparse
import shutil
from pathlib import Path

import yaml

from sweep.configuration import load
from sweep.errors import UserError
from sweep.figures import figure_names
from sweep.jobs import recorded_jobs
from sweep.layout import REPORT_FILES, SUMMARY_TABLES, finetuned_table, policy_keys, summary_table
from sweep.tables import read_table

OF_POLICIES = ("measured", "bootstrap", "self_estimate")


def run(arguments: argparse.Namespace) -> int:
    """Copy the files; returns the exit status."""
    config, folder = load(arguments.configfile), arguments.folder
    results, sweep = Path(config["results_dir"]), config["sweep"]
    files = [
        *(summary_table(".", name) for name in SUMMARY_TABLES),
        *(finetuned_table(".", name, **keys) for keys in policy_keys(sweep) for name in OF_POLICIES),
    ]
    if not arguments.tables_only:
        files += [
            *(f"figures/{name}.{kind}" for name in figure_names(sweep["tasks"]) for kind in ("svg", "png")),
            *REPORT_FILES,
            "manifest.parquet",  # which the report links to
        ]
    files = [path.removeprefix("./") for path in files]
    if missing := [path for path in files if not (results / path).exists()]:
        raise UserError(f"{results} is not finished: {len(missing)} files are missing, such as {missing[0]}")
    for old in ("figures", "summary", "finetuned"):
        shutil.rmtree(folder / old, ignore_errors=True)
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(results / path, folder / path)
    for name in SUMMARY_TABLES:
        table = read_table(summary_table(str(folder), name), f"summary/{name}")
        table.to_pandas().to_csv(folder / "summary" / f"{name}.csv", index=False)
    recorded_jobs(results / "logs", sweep).to_csv(folder / "jobs.csv", index=False)
    (folder / "configuration.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    print(f"{len(files)} files of {results} are in {folder}.")
    return 0
