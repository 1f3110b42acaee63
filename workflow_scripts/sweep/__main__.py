"""Look at a sweep and its results folder, take it over or publish it."""

import argparse
import codecs
import sys
from pathlib import Path

from sweep.commands import adopt, publish, reference, verify, watch
from sweep.errors import UserError
from sweep.formatting import plainly


def main() -> int:
    """Run the requested command and return the exit status."""
    codecs.register_error("plainly", plainly)
    sys.stdout.reconfigure(errors="plainly")
    arguments = _parser().parse_args()
    try:
        return arguments.run(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    """Create the parser of all commands. Each is a module in `commands`, whose ``run`` takes the arguments."""
    options = argparse.ArgumentParser(prog="python -m sweep", description=__doc__)
    commands = options.add_subparsers(required=True, metavar="COMMAND")
    for module in (watch, verify, adopt, publish, reference):
        command = commands.add_parser(
            module.__name__.rpartition(".")[2],
            help=module.__doc__.partition("\n")[0],
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        command.set_defaults(run=module.run)
        if module is reference:
            command.add_argument("page", choices=reference.PAGES)
        else:
            command.add_argument("--configfile", type=Path, nargs="+", default=[], help="as given to snakemake")
        if module is publish:
            command.add_argument("--folder", type=Path, required=True, help="where to publish it")
            command.add_argument(
                "--tables-only", action="store_true", help="neither figures nor report, and tables in few files"
            )
            command.add_argument(
                "--figures", nargs="+", default=[], help="figures to publish with --tables-only", metavar="NAME"
            )
    return options


if __name__ == "__main__":
    sys.exit(main())
