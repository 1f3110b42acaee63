"""Files that appear whole or not at all."""

import glob
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Earlier versions kept the file's own extension, by which a reader of *.parquet takes half a table for a whole one.
_TEMPORARY = re.compile(r"\..+\.[0-9a-z_]{8}\.\w+")


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Write a file by way of a temporary sibling that takes its place only once the block has succeeded.

    The sibling's name begins with a dot and ends in ``.tmp``, so that no reader of the folder takes it for a table or a
    figure. Its permissions are those that the umask leaves to a new file.

    Args:
        path: the file to make or replace; its folder is made.

    Yields:
        The temporary file, to be written.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    for left_by_a_kill in _temporaries_of(path):
        left_by_a_kill.unlink(missing_ok=True)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}.tmp")
    os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
    try:
        yield temporary
        with temporary.open("rb") as written:
            os.fsync(written.fileno())
        temporary.replace(path)
    except OSError as error:
        if error.errno and not error.filename:  # a full disk, say
            error.filename = str(path)
        raise
    finally:
        temporary.unlink(missing_ok=True)


def temporaries(folder: Path | str) -> list[Path]:
    """Files below a folder that `replacing` is writing, or that a run left half-written when it was killed."""
    return sorted(path for path in Path(folder).rglob(".*") if _TEMPORARY.fullmatch(path.name))


def _temporaries_of(path: Path) -> Iterator[Path]:
    name, stem, suffix = (glob.escape(part) for part in (path.name, path.stem, path.suffix))
    for pattern in (f".{name}.????????.tmp", f".{stem}.????????{suffix}"):  # the latter of earlier versions
        yield from path.parent.glob(pattern)
