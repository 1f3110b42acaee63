"""What comes with an extra of the package, and how to get it where it is missing."""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def needs_extra(extra: str) -> Iterator[None]:
    """Import what belongs to an extra.

    Args:
        extra: its name among the package's extras, such as ``torch``.

    Raises:
        ImportError: if an import within fails for a module that is not installed; the message says how to install it.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        # The package is in no index, where pip could find it by its name.
        install = f'run pip install ".[{extra}]" in a clone of splithistory'
        message = f"{error.name} is needed here and not installed: {install}"
        raise ImportError(message, name=error.name) from None
