"""Aggregate all policies' tables into the summary tables."""

import argparse
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from sweep import script
from sweep.claims import claims_table
from sweep.layout import (
    FINETUNED_TABLES,
    PRETRAINED_TABLES,
    finetuned_table,
    policy_keys,
    pretrained_keys,
    pretrained_table,
    schema_name,
    summary_table,
)
from sweep.provenance import metadata_of, provenance
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
    good_sets = settings["tasks"]
    models, policies = list(pretrained_keys(settings)), list(policy_keys(settings))
    pretrained = {
        name: stacked(partial(pretrained_table, results, name), schema_name("pretrained", name), models)
        for name in PRETRAINED_TABLES
        if name != "checkpoint"
    }
    finetuned = {
        name: stacked(partial(finetuned_table, results, name), schema_name("finetuned", name), policies)
        for name in FINETUNED_TABLES
        if name != "checkpoint"
    }
    n_parameters = {
        (keys["size"], keys["seed"]): checkpoint_metadata(pretrained_table(results, "checkpoint", **keys))[
            "n_parameters"
        ]
        for keys in models
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
    for name, frame in summary.items():
        write_table(frame, f"summary/{name}", summary_table(results, name), provenance(settings, ["pandas", "scipy"]))


def stacked(path_of: Callable[..., str], schema: str, all_keys: Iterable[Mapping[str, Any]]) -> pd.DataFrame:
    """The tables of all keys in one frame, with the keys."""
    return pd.concat(
        [read_table(path_of(**keys), schema).to_pandas().assign(**keys) for keys in all_keys], ignore_index=True
    )


def checkpoint_metadata(path: str) -> dict[str, Any]:
    """What a checkpoint says about itself, without reading its tensors."""
    return metadata_of(pq.read_schema(path), path)


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--results", required=True, help="folder of the sweep")
    script.run(main, options)
