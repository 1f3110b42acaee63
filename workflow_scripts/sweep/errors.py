"""Errors that a user can mend: shown as a message, without a traceback."""

from collections.abc import Sequence

REMEDY = "Delete the file and rerun snakemake to make it again"


class UserError(Exception):
    """Something in the user's hands is wrong.

    Args:
        message: names the file or key, what is wrong, what was expected and what to do.
        problems: one line each, where there are several.
    """

    def __init__(self, message: str, problems: Sequence[str] = ()) -> None:
        super().__init__("\n  - ".join([message, *problems]))
        self.problems = list(problems)


class TableError(UserError):
    """A table that is missing, unreadable or not what its schema says."""
