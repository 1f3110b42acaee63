"""Aggregate all policies' tables into the summary tables."""

import argparse
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from sweep import script
from sweep.claims import claims_table
from sweep.layout import Table, all_tables, pretrained_keys, pretrained_table, summary_table
from sweep.provenance import made_otherwise, metadata_of, refuse
from sweep.stages import origin
from sweep.summary import (
    actions_table,
    both_stages_table,
    counterfactuals_table,
    cross_objective_table,
    fits_table,
    identification_table,
    policies_table,
)
from sweep.tables import read_table, write_table


def main(arguments: argparse.Namespace) -> None:
    settings, results = arguments.settings, arguments.results
    good_sets = {task: entry["good"] for task, entry in settings["tasks"].items()}
    tables = stacked(settings, results, [table for table in all_tables(results, settings["sweep"]) if table.keys])
    pretrained, finetuned = tables["pretrained"], tables["finetuned"]
    n_parameters = {
        (keys["size"], keys["seed"]): checkpoint_metadata(pretrained_table(results, "checkpoint", **keys))[
            "n_parameters"
        ]
        for keys in pretrained_keys(settings["sweep"])
    }
    cross_objective = cross_objective_table(finetuned["measured"], good_sets)
    identification = identification_table(cross_objective, finetuned["measured"], finetuned["bootstrap"], good_sets)
    summary = {
        "policies": policies_table(
            finetuned["measured"],
            finetuned["actions"],
            finetuned["success"],
            pretrained["training"],
            finetuned["training"],
            finetuned["self_estimate"],
            identification,
            n_parameters,
            good_sets,
        ),
        "cross_objective": cross_objective,
        "counterfactuals": counterfactuals_table(finetuned["measured"]),
        "identification": identification,
        "actions": actions_table(finetuned["actions"]),
        "training": both_stages_table(pretrained["training"], finetuned["training"]),
        "differential": both_stages_table(pretrained["differential"], finetuned["differential"]),
    }
    summary["fits"] = fits_table(summary["policies"])
    generator = read_table(summary_table(results, "generator"), "summary/generator").to_pandas()
    summary["claims"] = claims_table(summary | {"generator": generator}, good_sets)
    made_by = script.made_by(arguments, packages=["pandas", "scipy"], seconds=script.seconds())
    for name, frame in summary.items():
        write_table(frame, f"summary/{name}", summary_table(results, name), made_by)


def stacked(settings: Mapping[str, Any], results: str, tables: Iterable[Table]) -> dict[str, dict[str, pd.DataFrame]]:
    """All tables of a stage and name in one frame, with their keys; checkpoints apart.

    Raises:
        TableError: if one is missing or unreadable, or another configuration made some.
    """
    frames: dict[str, dict[str, list[pd.DataFrame]]] = defaultdict(lambda: defaultdict(list))
    problems = []
    for table in tables:
        if table.name == "checkpoint":
            continue
        rows = read_table(table.path, table.schema)
        expected = origin(settings, results, table).settings
        problems += made_otherwise(metadata_of(rows.schema, table.path), expected, table.path)
        frames[table.stage][table.name].append(rows.to_pandas().assign(**table.keys))
    refuse(problems)
    return {
        stage: {name: pd.concat(parts, ignore_index=True) for name, parts in named.items()}
        for stage, named in frames.items()
    }


def checkpoint_metadata(path: str) -> dict[str, Any]:
    """What a checkpoint says about itself, without reading its tensors."""
    return metadata_of(pq.read_schema(path), path)


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--results", required=True, help="folder of the sweep")
    script.run(main, options)
