"""Where the tables of a sweep lie: Hive-style folders, one schema a folder."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

from splithistory.seeding import SPLITS

PRETRAINED_TABLES = ("checkpoint", "training", "differential")
FINETUNED_TABLES = (
    "checkpoint",
    "training",
    "success",
    "measured",
    "actions",
    "bootstrap",
    "self_estimate",
    "differential",
)
# They look the same wherever they lie; every other table has a schema of its own.
_TABLES_OF_BOTH_STAGES = ("checkpoint", "differential")
SUMMARY_TABLES = (
    "policies",
    "cross_objective",
    "generator",
    "counterfactuals",
    "actions",
    "training",
    "differential",
    "fits",
    "identification",
    "claims",
)
# What the report's job writes; the schedule of the jobs before it is drawn there.
REPORT_FILES = ("report.html", "schedule.svg", "schedule.png")


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


def sequence_table(results: str, split: str = "{split}") -> str:
    """Path of the chains of a split; left out, it is Snakemake's wildcard."""
    return f"{results}/sequences/{split}.parquet"


def pretrained_keys(sweep: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The keys of every pretrained model of a sweep (``sizes``, ``seeds``)."""
    return ({"size": size, "seed": seed} for size, seed in product(sweep["sizes"], sweep["seeds"]))


def policy_keys(sweep: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The keys of every policy of a sweep (``tasks``, ``sizes``, ``seeds``)."""
    return ({"task": task} | keys for task in sweep["tasks"] for keys in pretrained_keys(sweep))


@dataclass(frozen=True)
class Table:
    """A table of a sweep.

    Attributes:
        stage: sequences, pretrained, finetuned or summary.
        name: of the table in its stage.
        path: its file.
        keys: of the policy or pretrained model (``task``, ``size``, ``seed``).
    """

    stage: str
    name: str
    path: str
    keys: dict[str, Any] = field(default_factory=dict)

    @property
    def schema(self) -> str:
        """Name of its schema."""
        return schema_name(self.stage, self.name)


def all_tables(results: str, sweep: Mapping[str, Any]) -> Iterator[Table]:
    """Every table of a sweep but the manifest, in the order in which they are made."""
    for split in SPLITS:
        yield Table("sequences", split, sequence_table(results, split))
    for keys, name in product(pretrained_keys(sweep), PRETRAINED_TABLES):
        yield Table("pretrained", name, pretrained_table(results, name, **keys), keys)
    for keys, name in product(policy_keys(sweep), FINETUNED_TABLES):
        yield Table("finetuned", name, finetuned_table(results, name, **keys), keys)
    for name in SUMMARY_TABLES:
        yield Table("summary", name, summary_table(results, name))


def summarized_tables(results: str, sweep: Mapping[str, Any]) -> Iterator[Table]:
    """What a summary is made from: all tables of policies and pretrained models but the checkpoints of policies."""
    for table in all_tables(results, sweep):
        if table.keys and (table.stage, table.name) != ("finetuned", "checkpoint"):
            yield table


def policy_folders(results: str) -> list[Path]:
    """Folders of the policies and pretrained models that are there, of whatever configuration."""
    keys = {"pretrained": "size=*/seed=*", "finetuned": "task=*/size=*/seed=*"}
    return sorted(path for stage, pattern in keys.items() for path in Path(results).glob(f"{stage}/*/{pattern}"))


def schema_name(stage: str, table: str) -> str:
    """Name of the schema of a stage's table."""
    if stage == "sequences":
        return stage
    return table if stage != "summary" and table in _TABLES_OF_BOTH_STAGES else f"{stage}/{table}"
