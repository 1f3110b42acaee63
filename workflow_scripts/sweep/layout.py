"""Where the tables of a sweep lie: Hive-style folders, one schema a folder."""

from collections.abc import Iterator, Mapping
from itertools import product
from typing import Any

SPLITS = ("train", "validation", "test")
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


def sequence_table(results: str, split: str) -> str:
    """Path of the chains of a split."""
    return f"{results}/sequences/{split}.parquet"


def pretrained_keys(sweep: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The keys of every pretrained model of a sweep (``sizes``, ``seeds``)."""
    return ({"size": size, "seed": seed} for size, seed in product(sweep["sizes"], sweep["seeds"]))


def policy_keys(sweep: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The keys of every policy of a sweep (``tasks``, ``sizes``, ``seeds``)."""
    return ({"task": task} | keys for task in sweep["tasks"] for keys in pretrained_keys(sweep))


def all_tables(results: str, sweep: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Schema name and path of every table of a sweep but the manifest."""
    for split in SPLITS:
        yield "sequences", sequence_table(results, split)
    for name, keys in product(PRETRAINED_TABLES, pretrained_keys(sweep)):
        yield schema_name("pretrained", name), pretrained_table(results, name, **keys)
    for name, keys in product(FINETUNED_TABLES, policy_keys(sweep)):
        yield schema_name("finetuned", name), finetuned_table(results, name, **keys)
    for name in SUMMARY_TABLES:
        yield schema_name("summary", name), summary_table(results, name)


def schema_name(stage: str, table: str) -> str:
    """Name of the schema of a stage's table; ``stage`` is pretrained, finetuned or summary."""
    return table if stage != "summary" and table in _TABLES_OF_BOTH_STAGES else f"{stage}/{table}"
