"""Measure the differential Op and Imp of every block of one policy, pretrained or finetuned, on the test chains."""

import argparse
from pathlib import Path

from splithistory.network_differential import network_differentials
from sweep import script
from sweep.chains import measured_contexts, read_chains
from sweep.checkpoints import load_checkpoint
from sweep.device import select_device
from sweep.errors import UserError
from sweep.provenance import require_made_with
from sweep.tables import write_table


def main(arguments: argparse.Namespace) -> None:
    settings = arguments.settings
    n_windows = settings["n_windows"]
    select_device("cpu")
    require_made_with({arguments.checkpoint: settings["policy"], arguments.test: settings["test"]})
    policy, _ = load_checkpoint(arguments.checkpoint)
    contexts = measured_contexts(read_chains(arguments.test), policy.architecture.context_length, settings["seed"])
    if len(contexts) < n_windows:
        raise UserError(f"n_windows: {n_windows} are asked for, but there are only {len(contexts)} test chains")
    rows = [row.summary() for row in network_differentials(policy, contexts[:n_windows])]
    made_by = script.made_by(arguments, "checkpoint", "test", packages=["torch"], seconds=script.seconds())
    write_table(rows, "differential", arguments.differential, made_by)


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--checkpoint", type=Path, required=True, help="the policy")
    options.add_argument("--test", type=Path, required=True, help="test chains")
    options.add_argument("--differential", type=Path, required=True, help="table of differential Op and Imp to write")
    script.run(main, options)
