"""Pretrain one model to predict the next token of the sequence."""

import argparse
from pathlib import Path

from splithistory.model import Architecture
from splithistory.pretraining import PretrainSettings, pretrain
from sweep import script
from sweep.chains import read_chains
from sweep.checkpoints import save_checkpoint
from sweep.device import select_device
from sweep.provenance import provenance
from sweep.tables import write_table


def main(arguments: argparse.Namespace) -> None:
    settings = arguments.settings
    device = select_device(arguments.device)
    train, validation = read_chains(arguments.train), read_chains(arguments.validation)
    with script.seconds() as elapsed:
        policy, rows = pretrain(
            Architecture(**settings["architecture"]),
            PretrainSettings(**settings["pretrain"]),
            train,
            validation,
            arguments.seed,
            device,
            script.progress("pretraining"),
            script.log_row,
        )
        made_by = provenance(settings, ["torch"], device=str(device), seconds=elapsed())
    save_checkpoint(policy, arguments.checkpoint, made_by, seed=arguments.seed)
    write_table(rows, "pretrained/training", arguments.training, made_by)


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--seed", type=int, required=True, help="of the parameters, the windows and dropout")
    options.add_argument("--device", required=True, help="cpu, cuda or auto")
    options.add_argument("--train", type=Path, required=True, help="training chains")
    options.add_argument("--validation", type=Path, required=True, help="validation chains")
    options.add_argument("--checkpoint", type=Path, required=True, help="checkpoint to write")
    options.add_argument("--training", type=Path, required=True, help="table of losses to write")
    script.run(main, options)
