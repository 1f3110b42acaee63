"""Aggregate all policies' tables into the summary tables."""

import argparse
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa

from splithistory.environment import environment_of
from splithistory.sequence import Tokens, evaluation_windows
from splithistory.task import Task
from sweep import script
from sweep.canonical_json import configuration_hash
from sweep.chains import read_chains
from sweep.claims.judging import claims_table
from sweep.identification import (
    along_training_table,
    first_identified_table,
    goal_directedness_table,
    identification_table,
)
from sweep.layout import MODEL, Table, keys_of, pretrained_table, sequence_table, summary_table
from sweep.left_out import without_each_repeat
from sweep.provenance import made_otherwise, metadata_of, read_metadata, refuse, require_made_with
from sweep.schemas.measure import GENERATOR
from sweep.schemas.summary import SUMMARY
from sweep.stages import generating, summarized_tables
from sweep.summary import (
    Judges,
    actions_table,
    both_stages_table,
    counterfactuals_table,
    cross_objective_table,
    fits_table,
    policies_table,
    windows_table,
)
from sweep.summary_files import write_summary
from sweep.tables import read_table


def main(arguments: argparse.Namespace) -> None:
    settings, results = arguments.settings, arguments.results
    environment = environment_of(settings["sequence"])
    tasks = {name: Task.from_settings(name, entry, environment) for name, entry in settings["tasks"].items()}
    tables = stacked(settings, results)
    pretrained = tables["pretrain"] | tables["measure_pretrained"]
    finetuned = tables["finetune"] | tables["measure"]
    judges = Judges.of(tasks, environment)
    futures_of_actions = environment.outcome_probabilities(evaluated_on(settings, results)).mean(axis=0)  # (A, K)
    n_parameters = numbers_of_parameters(settings, results)
    cross_objective = cross_objective_table(finetuned["measured"], judges)
    identification = identification_table(cross_objective, finetuned, tasks)
    summary = {
        "policies": policies_table(
            pretrained,
            finetuned,
            identification=identification,
            n_parameters=n_parameters,
            judges=judges,
        ),
        "cross_objective": cross_objective,
        "windows": windows_table(finetuned["measured"], judges),
        "counterfactuals": counterfactuals_table(finetuned["measured"]),
        "identification": identification,
        "goal_directedness": goal_directedness_table(
            cross_objective, finetuned["measured"], identification, judges=judges
        ),
        "along_training": along_training_table(finetuned["training"], futures_of_actions, judges),
        "actions": actions_table(finetuned["actions"]),
        "training": both_stages_table(pretrained["training"], finetuned["training"]),
        "differential": both_stages_table(pretrained["differential"], finetuned["differential"]),
    }
    summary["first_identified"] = first_identified_table(summary["along_training"])
    summary["fits"] = fits_table(summary["policies"])
    generator = read_table(summary_table(results, "generator"), GENERATOR).to_pandas()
    summary["claims"] = claims_table(
        summary | {"generator": generator}, without_each_repeat(summary, finetuned, generator, judges=judges)
    )
    made_by = script.made_by(arguments, packages=["pandas", "scipy"], seconds=script.seconds())
    parameters = {size: n for (size, _), n in n_parameters.items()}
    sizes = sorted(parameters, key=parameters.__getitem__)
    for name, frame in summary.items():
        write_summary(frame, SUMMARY[name], summary_table(results, name), provenance=made_by, sizes=sizes)


def stacked(settings: Mapping[str, Any], results: str) -> dict[str, dict[str, pd.DataFrame]]:
    """Read all tables but the checkpoints, by rule and name, and stack those of a name with their keys.

    Raises:
        TableError: if a table is missing or unreadable, or was made with another configuration.
    """
    tables = defaultdict(list)
    for table in summarized_tables(results, settings["sweep"]):
        tables[table.job.rule, table.name].append(table)
    hashes: dict[tuple[Any, ...], str] = {}
    problems = []

    def content(table: Table) -> pa.Table:
        rows = read_table(table.path, table.schema)
        made_by, job = metadata_of(rows.schema, table.path), table.job
        name = (job.rule, *job.keys.values())  # all tables of a job have the same settings
        if name not in hashes:
            hashes[name] = configuration_hash(job.settings(settings))
        if made_by.get("configuration_hash") != hashes[name]:
            problems.extend(made_otherwise(made_by, job.settings(settings), table.path))
        return rows.replace_schema_metadata()

    frames: dict[str, dict[str, pd.DataFrame]] = defaultdict(dict)
    for (rule, name), same in tables.items():
        if name != "checkpoint":
            frames[rule][name] = frame_of(same, content)
    refuse(problems)
    return frames


def frame_of(tables: Sequence[Table], content: Callable[[Table], pa.Table]) -> pd.DataFrame:
    """Stack tables with their keys. Lists stay Arrow's: as Python objects they would take several times the memory."""
    pieces, n_rows = [], []
    for start in range(0, len(tables), 1000):
        parts = [content(table) for table in tables[start : start + 1000]]
        n_rows += [part.num_rows for part in parts]
        pieces.append(pa.concat_tables(parts).combine_chunks())  # many small tables take more memory than one
    frame = pa.concat_tables(pieces).to_pandas(
        types_mapper=lambda arrow: pd.ArrowDtype(arrow) if pa.types.is_list(arrow) else None
    )
    keys = pd.DataFrame([table.job.keys for table in tables])
    return frame.assign(**{key: values.repeat(n_rows).to_numpy() for key, values in keys.items()})


def evaluated_on(settings: Mapping[str, Any], results: str) -> Tokens:
    """Read the (n_validation, context_length) windows that policies are evaluated on during reinforcement.

    Raises:
        TableError: if the validation chains are missing or unreadable, or were made with another configuration.
    """
    path = Path(sequence_table(results, "validation"))
    require_made_with({path: generating(settings, "validation")})
    return evaluation_windows(read_chains(path), settings["sequence"]["context_length"], target_parity=1).contexts


def numbers_of_parameters(settings: Mapping[str, Any], results: str) -> dict[tuple[str, int], int]:
    """Read each pretrained model's number of parameters from its checkpoint's metadata, by size and seed."""
    return {
        (keys["size"], keys["seed"]): read_metadata(pretrained_table(results, "checkpoint", **keys))["n_parameters"]
        for keys in keys_of(MODEL, settings["sweep"])
    }


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--results", required=True, help="folder of the sweep")
    script.run(main, options)
