"""Copy the published files of a finished sweep: figures, report, tables, configuration and the times of jobs.

The tables are all summaries (as CSV and Parquet) and those tables of each policy that the pages in docs/ read. To save
space, bootstrap draws are those of the first seed, and bitmaps have a third of their resolution and 256 colours. With
--tables-only there are no draws, summaries are Parquet only, one file holds the tables of all policies, and figures are
those of --figures, as SVG. Files of an earlier sweep are removed from the folder, except for its README.
"""

import argparse
import shutil
from pathlib import Path

import pandas as pd
import yaml
from PIL import Image

from sweep.configuration import load
from sweep.errors import UserError
from sweep.jobs import recorded_jobs
from sweep.schemas.measure import BOOTSTRAP
from sweep.stages import MEASURE
from sweep.tables import read_table
from sweep.workflow import FIGURES, MANIFEST, REPORT, all_jobs


def run(arguments: argparse.Namespace) -> int:
    """Copy the files and return the exit status."""
    config, folder = load(arguments.configfile), arguments.folder
    results, sweep = Path(config["results_dir"]), config["sweep"]
    jobs = list(all_jobs(".", sweep))
    tables = [table for job in jobs for table in job.tables if table.schema in job.stage.published]
    files = [path for job in jobs if job.stage.published for path in job.files]
    if arguments.tables_only:
        tables = [table for table in tables if table.schema is not BOOTSTRAP]
        files = [path for path in files if not path.endswith(".csv")]
        files += [f"figures/{name}.svg" for name in arguments.figures]
    else:
        first_seed = f"/seed={sweep['seeds'][0]}/"
        tables = [table for table in tables if table.schema is not BOOTSTRAP or first_seed in table.path]
        # The report links to the manifest.
        files += [path for job in jobs if job.stage in (FIGURES, REPORT, MANIFEST) for path in job.outputs]
    files = [path.removeprefix("./") for path in [*(table.path for table in tables), *files]]
    if missing := [path for path in files if not (results / path).exists()]:
        raise UserError(f"{results} is not finished: {len(missing)} files are missing, such as {missing[0]}")
    for table in tables:
        read_table(results / table.path, table.schema)  # before anything is published
    for old in ("figures", "summary", "finetuned"):
        shutil.rmtree(folder / old, ignore_errors=True)
    for path in files:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        if path.endswith(".png"):
            with Image.open(results / path) as image:
                image.convert("RGB").reduce(3).quantize(256).save(folder / path, optimize=True)
        else:
            shutil.copyfile(results / path, folder / path)
    if arguments.tables_only:
        for name in {table.schema.name for table in tables if table.job.stage is MEASURE}:
            rows = pd.read_parquet(folder / name)
            shutil.rmtree(folder / name)
            (folder / name).mkdir()
            rows.to_parquet(folder / name / "part-0.parquet")  # the folder is read as before
    recorded_jobs(results / "logs", sweep).to_csv(folder / "jobs.csv", index=False)
    (folder / "configuration.yaml").write_text(yaml.safe_dump(config, sort_keys=False), encoding="utf-8")
    print(f"{len(files)} files of {results} are in {folder}.")
    return 0
