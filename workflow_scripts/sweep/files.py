"""Files that appear whole or not at all."""

import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Write a file by way of a temporary sibling that takes its place only once the block has succeeded.

    The sibling begins with a dot, so that no reader of a Hive folder takes it for a table.

    Args:
        path: the file to make or replace; its folder is made.

    Yields:
        The temporary file, to be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_by_a_kill in path.parent.glob(f".{glob.escape(path.stem)}.*{path.suffix}"):
        left_by_a_kill.unlink(missing_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem}.", suffix=path.suffix)
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        if error.errno and not error.filename:  # a full disk, say
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)
