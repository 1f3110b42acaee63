"""Files that are written whole or not at all."""

import glob
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

# Earlier versions kept the file's own extension, so their leftovers end in .parquet, for example, instead of .tmp.
_TEMPORARY = re.compile(r"\..+\.[0-9a-z_]{8}\.\w+")


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Write a file through a temporary sibling, which takes its place only once the block has succeeded.

    The sibling's name begins with a dot and ends in ``.tmp``, so that no reader of the folder mistakes it for a table
    or a figure. Its permissions follow the umask, like those of any new file.

    Args:
        path: the file to create or replace; its folder is created if necessary.

    Yields:
        Path of the temporary file, which the block writes.

    Raises:
        OSError: if the file cannot be written; its ``filename`` is set.
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
    """Find files below a folder that `replacing` is writing, or that a killed run left unfinished."""
    return sorted(path for path in Path(folder).rglob(".*") if _TEMPORARY.fullmatch(path.name))


def _temporaries_of(path: Path) -> Iterator[Path]:
    name, stem, suffix = (glob.escape(part) for part in (path.name, path.stem, path.suffix))
    for pattern in (f".{name}.????????.tmp", f".{stem}.????????{suffix}"):  # the second is that of earlier versions
        yield from path.parent.glob(pattern)
