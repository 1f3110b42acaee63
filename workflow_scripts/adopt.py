"""Take over a results folder that came without Snakemake's records, such as a copy from another machine.

Every file is checked as `verify` does. Those that are current are recorded as such, so that the next run does not make
them again; the others are marked as old, so that it does.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

from sweep.configuration import load
from sweep.errors import UserError
from sweep.verification import examine

AT_ONCE = 2000  # files a command line


def main(arguments: argparse.Namespace) -> None:
    config = load(arguments.configfile)
    results = config["results_dir"].rstrip("/")
    found = examine(config, results, Path(__file__).parent)
    for first in range(0, len(found.current), AT_ONCE):
        record(found.current[first : first + AT_ONCE], arguments.configfile)
    stale = [path for path in found.expected if path not in set(found.current) and Path(path).exists()]
    for path in stale:
        os.utime(path, (1, 1))  # older than any input, so that Snakemake makes it again; 0 is no time to it
    print(f"{results}: {len(found.current)} files are current and were adopted.")
    if stale:
        print(
            f"{len(stale)} files are wrong, or made from what is wrong or missing, and will be made again; "
            f"make verify says why:",
            *stale,
            sep="\n  ",
        )


def record(paths: list[str], configfiles: list[Path]) -> None:
    """Have Snakemake note that files are current, and all that they are made from.

    Raises:
        UserError: if it does not, with what it says.
    """
    command = [sys.executable, "-m", "snakemake", "--touch", "--forceall", "--cores", "1", "--quiet", "all"]
    command += ["--configfile", *map(str, configfiles)] if configfiles else []
    done = subprocess.run([*command, "--", *paths], capture_output=True, text=True, check=False)
    if done.returncode:
        raise UserError(f"snakemake did not take over the files:\n{done.stderr}")


if __name__ == "__main__":
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--configfile", type=Path, nargs="+", default=[], help="as given to snakemake")
    try:
        main(options.parse_args())
    except UserError as error:
        sys.exit(f"error: {error}")
