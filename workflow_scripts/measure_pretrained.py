"""Measure the differential Op and Imp of each block of one pretrained model on the test chains."""

import argparse
from pathlib import Path

from sweep import script
from sweep.chains import read_chains
from sweep.checkpoints import load_checkpoint
from sweep.device import select_device
from sweep.differential import differential_rows
from sweep.provenance import require_made_with
from sweep.schemas.differential import DIFFERENTIAL
from sweep.tables import write_table
from sweep.windows import measured_contexts


def main(arguments: argparse.Namespace) -> None:
    settings = arguments.settings
    measure_settings = settings["measure"]
    select_device("cpu")
    require_made_with({arguments.checkpoint: settings["pretraining"], arguments.test: settings["test"]})
    model, _ = load_checkpoint(arguments.checkpoint)
    test = read_chains(arguments.test)
    contexts = measured_contexts(test, model.architecture.context_length, measure_settings["seed"])
    rows = differential_rows(model, contexts, measure_settings["n_contexts_differential"])
    made_by = script.made_by(arguments, "checkpoint", "test", packages=["torch"], seconds=script.seconds())
    write_table(rows, DIFFERENTIAL, arguments.differential, provenance=made_by)


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--checkpoint", type=Path, required=True, help="the pretrained model")
    options.add_argument("--test", type=Path, required=True, help="test chains")
    options.add_argument("--differential", type=Path, required=True, help="table of differential Op and Imp to write")
    script.run(main, options)
