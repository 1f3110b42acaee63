"""Generate the training, validation and test chains, each from a random stream of its own."""

import argparse
from pathlib import Path

import numpy as np

from splithistory.sequence import generate_chains
from sweep import script
from sweep.chains import write_chains
from sweep.layout import SPLITS
from sweep.provenance import provenance


def main(arguments: argparse.Namespace) -> None:
    settings = arguments.settings
    streams = np.random.SeedSequence(settings["seed"]).spawn(len(SPLITS))
    for split, stream in zip(SPLITS, streams, strict=True):
        chains = generate_chains(
            settings[f"n_{split}"], settings["chain_length"], settings["noise"], np.random.default_rng(stream)
        )
        write_chains(chains, getattr(arguments, split), provenance(settings))


if __name__ == "__main__":
    options = script.parser(__doc__)
    for split in SPLITS:
        options.add_argument(
            f"--{split}", type=Path, required=True, help=f"Parquet file of the {split} chains to write"
        )
    script.run(main, options)
