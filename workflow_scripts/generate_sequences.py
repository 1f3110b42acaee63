"""Generate the chains of one split from its own random stream."""

import argparse
from pathlib import Path

from splithistory.environment import environment_of
from splithistory.seeding import split_rng
from sweep import script
from sweep.chains import write_chains


def main(arguments: argparse.Namespace) -> None:
    settings = arguments.settings
    rng = split_rng(settings["seed"], settings["split"])
    chains = environment_of(settings).generate_chains(settings["n_chains"], settings["chain_length"], rng)
    write_chains(chains, arguments.chains, script.made_by(arguments) | {"seconds": script.seconds()})


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--chains", type=Path, required=True, help="table of chains to write")
    script.run(main, options)
