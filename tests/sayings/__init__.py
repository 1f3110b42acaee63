"""What pages say in numbers, made from the tables, the configuration or the code: one module per page.

Every public generator function of ``sayings/tuning.py`` yields passages of ``docs/tuning.md`` as they have to stand
there: sentences or parts of sentences, and rows of tables. `test_prose.py` looks for them and says which numerals of
the page none of them holds; its docstring says how to add a page.
"""

import inspect
from datetime import UTC, datetime
from functools import cache
from importlib import import_module
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from snakemake.utils import update_config

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
WORDS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve")

MEASURING = ("measure", "measure_pretrained", "measure_generator")


def configuration(*overrides):
    """`config.yaml` with files of `config/` merged into it."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for name in overrides:
        update_config(config, yaml.safe_load((ROOT / "config" / f"{name}.yaml").read_text()))
    return config


CONFIG = configuration()


def read(name):
    """A table of `docs/`, or a folder of tables."""
    path = DOCS / name
    return pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)


def rows(template, table):
    """A row of a Markdown table for each row of a table."""
    return ["| " + template.format_map(row).replace("nan", "–") + " |" for row in table.to_dict("records")]


def benchmark(name):
    """A module of `benchmarks/`."""
    spec = spec_from_file_location(name, ROOT / "benchmarks" / f"{name}.py")
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def r_squared_about_prediction(policies):
    """Of Op about y = x."""
    about_line, about_mean = (
        ((policies["op"] - y) ** 2).sum() for y in (policies["op_predicted"], policies["op"].mean())
    )
    return 1 - about_line / about_mean


def of_published_sweep(name, config):
    """What the README of a published sweep says of its size and its jobs."""
    jobs, sweep = read(f"sweeps/{name}/jobs.csv").dropna(subset=["seconds"]), config["sweep"]
    n_models = len(sweep["sizes"]) * len(sweep["seeds"])
    counts = ", ".join(f"{WORDS[len(sweep[key])]} {key}" for key in ("sizes", "seeds", "tasks"))
    yield f"{counts}; {n_models} pretrained models and {n_models * len(sweep['tasks'])} policies"
    yield f"measured and drawn on {datetime.fromtimestamp(jobs['end'].max(), UTC):%d %B %Y}"
    yield f"It took {_busy_seconds(jobs) / 60:.0f} minutes of wall time"
    stage = {"pretrain": "pretraining", "finetune": "reinforcement"} | dict.fromkeys(MEASURING, "measuring")
    seconds = jobs.groupby(jobs["rule"].map(stage), sort=False)["seconds"].sum()
    *first, last = [f"{seconds[of]:,.0f} of {of}" for of in dict.fromkeys(stage.values()) if of in seconds]
    yield (
        f"{len(jobs)} timed jobs took {jobs['seconds'].sum():,.0f} seconds: {', '.join(first)} and {last}; by size "
        + " / ".join(f"{of:,.0f}" for of in jobs.groupby("size")["seconds"].sum()[sweep["sizes"]])
    )
    yield f"The largest job had {jobs['memory'].max() / 1000:.2f} GB of memory"


def _busy_seconds(jobs):
    """How long at least one of the jobs was running: a sweep may have been run in parts."""
    jobs = jobs.assign(start=jobs["end"] - jobs["seconds"]).sort_values("start")
    until = jobs["end"].cummax().shift(fill_value=-np.inf)  # when the last of the earlier ones ended
    return (jobs["end"] - jobs["start"].clip(lower=until)).clip(lower=0).sum()


@cache
def sayings_of(page):
    """All passages that a page, named relative to `docs/` and without its suffix, has to have."""
    name = page.replace("-", "_").replace("/", "_").lower()
    if not Path(__file__).with_name(f"{name}.py").exists():
        return ()
    module = import_module(f"sayings.{name}")
    functions = inspect.getmembers(module, inspect.isgeneratorfunction)
    own = [function for name, function in functions if function.__module__ == module.__name__ and name[0] != "_"]
    return tuple(" ".join(text.split()) for function in own for text in function())
