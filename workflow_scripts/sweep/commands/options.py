"""Options that several commands have."""

import argparse
from pathlib import Path


def add_configfile(options: argparse.ArgumentParser) -> None:
    """Add the option that names the sweep."""
    options.add_argument("--configfile", type=Path, nargs="+", default=[], help="as given to snakemake")
