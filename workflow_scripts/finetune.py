"""Reinforce one pretrained model on one task, with maintenance of its predictions."""

import argparse
from pathlib import Path

from splithistory.information import good_mask
from splithistory.reinforcement import FinetuneSettings, finetune
from splithistory.sequence import N_OUTCOMES
from sweep import script
from sweep.chains import read_chains
from sweep.checkpoints import load_checkpoint, save_checkpoint
from sweep.device import select_device
from sweep.provenance import provenance
from sweep.tables import write_table


def main(arguments: argparse.Namespace) -> None:
    settings = arguments.settings
    device = select_device(arguments.device)
    finetune_settings = FinetuneSettings.from_mapping(settings["finetune"])
    pretrained, _ = load_checkpoint(arguments.pretrained, finetune_settings.dropout)
    train, validation = read_chains(arguments.train), read_chains(arguments.validation)
    with script.seconds() as elapsed:
        policy, rows = finetune(
            pretrained.to(device),
            finetune_settings,
            good_mask(settings["good"], N_OUTCOMES),
            settings["pretraining"]["sequence"]["noise"],
            train,
            validation,
            arguments.seed,
            script.progress("reinforcing"),
            script.log_row,
        )
        made_by = provenance(settings, ["torch"], device=str(device), seconds=elapsed())
    save_checkpoint(policy, arguments.checkpoint, made_by, seed=arguments.seed)
    write_table(rows, "finetuned/training", arguments.training, made_by)


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--seed", type=int, required=True, help="of the windows, actions, outcomes and dropout")
    options.add_argument("--device", required=True, help="cpu, cuda or auto")
    options.add_argument("--pretrained", type=Path, required=True, help="checkpoint to start from")
    options.add_argument("--train", type=Path, required=True, help="training chains")
    options.add_argument("--validation", type=Path, required=True, help="validation chains")
    options.add_argument("--checkpoint", type=Path, required=True, help="checkpoint to write")
    options.add_argument("--training", type=Path, required=True, help="table of losses and success to write")
    script.run(main, options)
