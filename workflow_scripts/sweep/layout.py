"""Paths of a sweep's files, and the description of a stage: tables lie in Hive-style folders, one schema per folder."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from splithistory.seeding import SPLITS
from sweep.schemas.columns import Schema

# The keys that identify a pretrained model, and a policy.
MODEL = ("size", "seed")
POLICY = ("task", *MODEL)


def pretrained_table(results: str, name: str, size: str = "{size}", seed: int | str = "{seed}") -> str:
    """Return the path of a pretrained model's table; keys that are left out become Snakemake's wildcards."""
    return f"{results}/pretrained/{name}/size={size}/seed={seed}/part-0.parquet"


def finetuned_table(
    results: str, name: str, task: str = "{task}", size: str = "{size}", seed: int | str = "{seed}"
) -> str:
    """Return the path of a policy's table; keys that are left out become Snakemake's wildcards."""
    return f"{results}/finetuned/{name}/task={task}/size={size}/seed={seed}/part-0.parquet"


def summary_table(results: str, name: str) -> str:
    """Return the path of a summary table."""
    return f"{results}/summary/{name}.parquet"


def csv_beside(table: str) -> str:
    """Return the path of the same table as CSV; every summary table has one."""
    return f"{table.removesuffix('.parquet')}.csv"


def sequence_table(results: str, split: str = "{split}") -> str:
    """Return the path of the chains of a split, by default with Snakemake's wildcard."""
    return f"{results}/sequences/{split}.parquet"


def keys_of(names: Iterable[str], sweep: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Iterate over all combinations of some keys' values in a sweep; the last key changes fastest."""
    values = [SPLITS if name == "split" else sweep[f"{name}s"] for name in names]
    return (dict(zip(names, chosen, strict=True)) for chosen in product(*values))


def policy_folders(results: str) -> list[Path]:
    """List the existing folders of policies and pretrained models, of whatever configuration."""
    keys = {"pretrained": "size=*/seed=*", "finetuned": "task=*/size=*/seed=*"}
    return sorted(path for stage, pattern in keys.items() for path in Path(results).glob(f"{stage}/*/{pattern}"))


_PLACES = {("split",): lambda results, name: sequence_table(results), MODEL: pretrained_table, POLICY: finetuned_table}


@dataclass(frozen=True, eq=False)
class Stage:
    """A rule of the workflow: what its jobs depend on, read and write.

    Attributes:
        rule: name of the rule.
        script: file name of its script.
        settings: function of the configuration and a job's keys that returns the settings the job depends on.
        keys: keys of its jobs: there is one job per combination of their values, or a single one if there are no keys.
        inputs: path patterns of the tables that a job reads, by option of the script; None if it reads all tables.
        schemas: schemas of the tables that a job writes.
        files: function of the sweep's tasks that lists what else a job writes, relative to the results folder.
        published: schemas of the tables that are published.
    """

    rule: str
    script: str
    settings: Callable[..., dict[str, Any]]
    keys: tuple[str, ...] = ()
    inputs: Mapping[str, str] | None = None
    schemas: tuple[Schema, ...] = ()
    files: Callable[[Sequence[str]], Sequence[str]] = lambda tasks: ()
    published: tuple[Schema, ...] = ()

    @cached_property
    def tables(self) -> dict[str, Schema]:
        """Schemas of the tables that a job writes, by option of the script."""
        return {schema.table: schema for schema in self.schemas}

    def path(self, table: str, results: str = "{results}") -> str:
        """Return the path pattern of one of the tables."""
        place = _PLACES.get(self.keys)
        return place(results, table) if place else f"{results}/{self.tables[table].name}.parquet"

    def log(self, results: str = "{results}") -> str:
        """Return the path pattern of a job's log and of the benchmark file beside it, without extension."""
        return "/".join([f"{results}/logs", self.rule, *(f"{key}={{{key}}}" for key in self.keys)])


@dataclass(frozen=True)
class Job:
    """A job of a stage.

    Attributes:
        stage: the job's stage.
        results: folder of the sweep.
        keys: values of the stage's keys ('split', or 'task', 'size' and 'seed').
        tasks: all tasks of the sweep.
    """

    stage: Stage
    results: str
    keys: Mapping[str, Any]
    tasks: Sequence[str]

    @property
    def rule(self) -> str:
        """Name of its rule."""
        return self.stage.rule

    @cached_property
    def log(self) -> Path:
        """Its log; the benchmark file lies beside it."""
        return Path(f"{self._filled(self.stage.log())}.log")

    @cached_property
    def inputs(self) -> dict[str, str]:
        """Paths of the tables that it reads, by option of its script; empty for a stage that reads all tables."""
        return {name: self._filled(pattern) for name, pattern in (self.stage.inputs or {}).items()}

    @cached_property
    def tables(self) -> list["Table"]:
        """The tables that it writes."""
        tables = self.stage.tables.items()
        return [Table(self._filled(self.stage.path(name)), name, schema, job=self) for name, schema in tables]

    @property
    def files(self) -> list[str]:
        """Paths of the files that it writes besides tables."""
        return [f"{self.results}/{name}" for name in self.stage.files(self.tasks)]

    @cached_property
    def outputs(self) -> list[str]:
        """Paths of everything that it writes."""
        return [*(table.path for table in self.tables), *self.files]

    def settings(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """Return the part of the configuration that its outputs record in their metadata."""
        return self.stage.settings(config, **self.keys)

    def _filled(self, pattern: str) -> str:
        return pattern.format(results=self.results, **self.keys)


class Table(NamedTuple):
    """A table of a sweep.

    Attributes:
        path: path of its file.
        name: option of the script that writes it.
        schema: schema of its columns.
        job: the job that makes it.
    """

    path: str
    name: str
    schema: Schema
    job: Job


def jobs_of(stages: Iterable[Stage], results: str, sweep: Mapping[str, Any]) -> Iterator[Job]:
    """Iterate over the jobs of some stages, stage by stage.

    Args:
        stages: stages, in any order.
        results: folder of the sweep.
        sweep: section ``sweep`` of the configuration.
    """
    return (Job(stage, results, keys, tasks=sweep["tasks"]) for stage in stages for keys in keys_of(stage.keys, sweep))
