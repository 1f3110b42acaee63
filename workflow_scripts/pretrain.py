"""Pretrain one model to predict the next token of the sequence."""

import argparse
from pathlib import Path

from splithistory.model import Architecture
from splithistory.optimizer import Schedule
from splithistory.pretraining import pretrain
from splithistory.sequence import Chains
from sweep import script
from sweep.chains import read_chains
from sweep.checkpoints import save_checkpoint
from sweep.device import select_device
from sweep.provenance import require_made_with
from sweep.schemas.pretrain import PRETRAINING
from sweep.snapshots import FileSnapshots
from sweep.tables import write_table


def main(arguments: argparse.Namespace) -> None:
    settings = arguments.settings
    device = select_device(arguments.device)
    require_made_with({getattr(arguments, split): settings[split] for split in ("train", "validation")})
    chains = Chains(read_chains(arguments.train), read_chains(arguments.validation))
    made_by = script.made_by(arguments, "train", "validation", packages=["torch"], device=str(device))
    observer = FileSnapshots(
        arguments.state, made_by, PRETRAINING, report=script.log_row, track=script.progress("pretraining")
    )
    with observer.ended_by_divergence("pretrain", settings["pretrain"]):
        policy, rows = pretrain(
            Architecture(**settings["architecture"]),
            Schedule(**settings["pretrain"]),
            chains,
            seed=settings["seed"],
            device=device,
            observer=observer,
        )
    made_by |= {"resumed_at": observer.resumed_at, "seconds": script.seconds()}
    save_checkpoint(policy, arguments.checkpoint, made_by, seed=settings["seed"])
    write_table(rows, PRETRAINING, arguments.training, provenance=made_by)
    observer.remove()


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--device", required=True, help="cpu, cuda or auto")
    options.add_argument("--train", type=Path, required=True, help="training chains")
    options.add_argument("--validation", type=Path, required=True, help="validation chains")
    options.add_argument("--checkpoint", type=Path, required=True, help="checkpoint to write")
    options.add_argument("--training", type=Path, required=True, help="table of losses to write")
    options.add_argument("--state", type=Path, required=True, help="where to save the state of training at evaluations")
    script.run(main, options)
