"""Where the files of a sweep lie, and what a stage is: tables are in Hive-style folders, one schema per folder."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from splithistory.seeding import SPLITS
from sweep.schemas.columns import Schema

# What a pretrained model and a policy are told apart by.
MODEL = ("size", "seed")
POLICY = ("task", *MODEL)


def pretrained_table(results: str, name: str, size: str = "{size}", seed: int | str = "{seed}") -> str:
    """Path of a pretrained model's table; left out, the keys are Snakemake's wildcards."""
    return f"{results}/pretrained/{name}/size={size}/seed={seed}/part-0.parquet"


def finetuned_table(
    results: str, name: str, task: str = "{task}", size: str = "{size}", seed: int | str = "{seed}"
) -> str:
    """Path of a policy's table; left out, the keys are Snakemake's wildcards."""
    return f"{results}/finetuned/{name}/task={task}/size={size}/seed={seed}/part-0.parquet"


def summary_table(results: str, name: str) -> str:
    """Path of a summary table."""
    return f"{results}/summary/{name}.parquet"


def csv_beside(table: str) -> str:
    """Path of the same table as CSV; every summary table has one."""
    return f"{table.removesuffix('.parquet')}.csv"


def sequence_table(results: str, split: str = "{split}") -> str:
    """Path of the chains of a split; left out, it is Snakemake's wildcard."""
    return f"{results}/sequences/{split}.parquet"


def keys_of(names: Iterable[str], sweep: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Every combination of some keys' values in a sweep, the last key's changing fastest."""
    values = [SPLITS if name == "split" else sweep[f"{name}s"] for name in names]
    return (dict(zip(names, chosen, strict=True)) for chosen in product(*values))


def policy_folders(results: str) -> list[Path]:
    """Folders of the policies and pretrained models that are there, of whatever configuration."""
    keys = {"pretrained": "size=*/seed=*", "finetuned": "task=*/size=*/seed=*"}
    return sorted(path for stage, pattern in keys.items() for path in Path(results).glob(f"{stage}/*/{pattern}"))


_PLACES = {("split",): lambda results, name: sequence_table(results), MODEL: pretrained_table, POLICY: finetuned_table}


@dataclass(frozen=True, eq=False)
class Stage:
    """A rule of the workflow: what its jobs depend on, read and write.

    Attributes:
        rule: its name.
        script: file name of its script.
        settings: the part of the configuration that a job depends on, given the configuration and the job's keys.
        keys: what its jobs differ in; there is one job for each combination of their values, a single one without any.
        inputs: patterns of the tables that a job reads, by option of the script; None if it reads all that there is.
        schemas: of the tables that a job writes.
        files: what else a job writes below the results folder, given the sweep's tasks.
        published: which of the tables are published.
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
        """Pattern of the path of one of the tables."""
        place = _PLACES.get(self.keys)
        return place(results, table) if place else f"{results}/{self.tables[table].name}.parquet"

    def log(self, results: str = "{results}") -> str:
        """Pattern of the path of a job's log, and of the benchmark file beside it, without extension."""
        return "/".join([f"{results}/logs", self.rule, *(f"{key}={{{key}}}" for key in self.keys)])


@dataclass(frozen=True)
class Job:
    """A job of a stage.

    Attributes:
        stage: its stage.
        results: folder of the sweep.
        keys: its own ('split', or 'task', 'size' and 'seed'), as far as its stage has them.
        tasks: all of the sweep.
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
        """Paths of the tables that it reads, by option of its script; none for a stage that reads all that there is."""
        return {name: self._filled(pattern) for name, pattern in (self.stage.inputs or {}).items()}

    @cached_property
    def tables(self) -> list["Table"]:
        """The tables that it writes."""
        tables = self.stage.tables.items()
        return [Table(self._filled(self.stage.path(name)), name, schema, job=self) for name, schema in tables]

    @property
    def files(self) -> list[str]:
        """Paths of what it writes besides tables."""
        return [f"{self.results}/{name}" for name in self.stage.files(self.tasks)]

    @cached_property
    def outputs(self) -> list[str]:
        """Paths of all that it writes."""
        return [*(table.path for table in self.tables), *self.files]

    def settings(self, config: Mapping[str, Any]) -> dict[str, Any]:
        """What its outputs' metadata keep of the configuration."""
        return self.stage.settings(config, **self.keys)

    def _filled(self, pattern: str) -> str:
        return pattern.format(results=self.results, **self.keys)


class Table(NamedTuple):
    """A table of a sweep.

    Attributes:
        path: its file.
        name: the option of the script that writes it.
        schema: its columns.
        job: makes it.
    """

    path: str
    name: str
    schema: Schema
    job: Job


def jobs_of(stages: Iterable[Stage], results: str, sweep: Mapping[str, Any]) -> Iterator[Job]:
    """Every job of some stages, in their order.

    Args:
        stages: in any order.
        results: folder of the sweep.
        sweep: what is run, as the configuration has it.
    """
    return (Job(stage, results, keys, tasks=sweep["tasks"]) for stage in stages for keys in keys_of(stage.keys, sweep))
