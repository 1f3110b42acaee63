"""Errors that the user can fix, shown as a message without a traceback."""

from collections.abc import Sequence

REMEDY = "Delete the file and rerun snakemake to recreate it"


class UserError(Exception):
    """A mistake or an obstacle that the user can fix.

    Args:
        message: names the file or key, what is wrong, what was expected and what to do.
        problems: one line per problem, if there are several.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__("\n  - ".join([message, *problems]))
        self.problems = list(problems)


class TableError(UserError):
    """A table that is missing or unreadable, or does not fit its schema or configuration."""
