"""Reinforce one pretrained model on one task, with maintenance of its predictions."""

import argparse
from pathlib import Path

import numpy as np

from splithistory.environment import environment_of
from splithistory.reinforcement import FinetuneSettings, Reward, finetune
from splithistory.sequence import Chains
from sweep import script
from sweep.chains import read_chains
from sweep.checkpoints import load_checkpoint, save_checkpoint
from sweep.device import select_device
from sweep.provenance import require_made_with
from sweep.schemas.finetune import REINFORCEMENT
from sweep.snapshots import FileSnapshots
from sweep.tables import write_table


def main(arguments: argparse.Namespace) -> None:
    settings = arguments.settings
    device = select_device(arguments.device)
    finetune_settings = FinetuneSettings.from_mapping(settings["finetune"])
    pretraining = settings["pretraining"]
    require_made_with(
        {
            arguments.pretrained: pretraining,
            arguments.train: pretraining["train"],
            arguments.validation: pretraining["validation"],
        }
    )
    pretrained, _ = load_checkpoint(arguments.pretrained, finetune_settings.dropout)
    chains = Chains(read_chains(arguments.train), read_chains(arguments.validation))
    made_by = script.made_by(arguments, "pretrained", "train", "validation", packages=["torch"], device=str(device))
    observer = FileSnapshots(
        arguments.state, made_by, REINFORCEMENT, report=script.log_row, track=script.progress("reinforcing")
    )
    with observer.ended_by_divergence("finetune", settings["finetune"]):
        policy, rows = finetune(
            pretrained.to(device),
            finetune_settings,
            Reward(environment_of(pretraining["train"]), np.array(settings["utility"])),
            chains=chains,
            seed=pretraining["seed"],
            observer=observer,
        )
    made_by |= {"resumed_at": observer.resumed_at, "seconds": script.seconds()}
    save_checkpoint(policy, arguments.checkpoint, made_by, seed=pretraining["seed"])
    write_table(rows, REINFORCEMENT, arguments.training, provenance=made_by)
    observer.remove()


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--device", required=True, help="cpu, cuda or auto")
    options.add_argument("--pretrained", type=Path, required=True, help="checkpoint to start from")
    options.add_argument("--train", type=Path, required=True, help="training chains")
    options.add_argument("--validation", type=Path, required=True, help="validation chains")
    options.add_argument("--checkpoint", type=Path, required=True, help="checkpoint to write")
    options.add_argument("--training", type=Path, required=True, help="table of losses and success to write")
    options.add_argument("--state", type=Path, required=True, help="where to save the state of training at evaluations")
    script.run(main, options)
