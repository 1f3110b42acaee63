"""Look at a sweep and its results folder, take it over or publish it."""

import argparse
import sys

from sweep.commands import adopt, publish, reference, verify, watch
from sweep.errors import UserError

COMMANDS = (watch, verify, adopt, publish, reference)


def main() -> int:
    """Run the command that is asked for; returns the exit status."""
    options = argparse.ArgumentParser(prog="python -m sweep", description=__doc__)
    commands = options.add_subparsers(required=True, metavar="COMMAND")
    for module in COMMANDS:
        command = commands.add_parser(
            module.__name__.rpartition(".")[2],
            help=module.__doc__.partition("\n")[0],
            description=module.__doc__,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        module.add_options(command)
        command.set_defaults(run=module.run)
    arguments = options.parse_args()
    try:
        return arguments.run(arguments)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
