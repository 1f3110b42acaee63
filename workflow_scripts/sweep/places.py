"""Results folders: one spelling for each, what keeps files from being made there, and which sweep was started last."""

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

_LAST = Path(".snakemake", "last_sweep")  # below the clone


def one_spelling(path: str) -> str:
    """The one way to write a folder, by which Snakemake knows its files, from whatever way the user wrote it.

    Relative to the working folder if it lies in it, else absolute, without '//', '.' and '..'. Links are kept, but for
    those on the way to the working folder, or to `results` in it.
    """
    absolute = Path(os.path.abspath(path))
    for folder in (absolute, *absolute.parents):
        for anchor in (".", "results"):
            with suppress(OSError):
                if os.path.samefile(folder, anchor):
                    return Path(anchor, absolute.relative_to(folder)).as_posix()
    return absolute.as_posix()


def folder_problem(results: str) -> str | None:
    """Why nothing can be made in a results folder, and what to do; None if it can."""
    for link in _broken_links(results):
        target = os.readlink(link)
        return f"{link} is a link to {target}, which is not there. Make that folder, or delete the link."
    around = next(path for path in (Path(results), *Path(results).absolute().parents) if path.exists())
    if not around.is_dir():
        return f"{around} is not a folder, so nothing can be made in {results}. Set results_dir to another one."
    if not os.access(around, os.W_OK):
        return (
            f"{around} cannot be written to, so nothing can be made in {results}. "
            "Make it writable, or set results_dir to another folder."
        )
    return None


def _broken_links(results: str) -> Iterator[Path]:
    """Links to nowhere on the way to the folder, and right inside it."""
    path = Path(results)
    inside: Iterable[Path] = path.iterdir() if path.is_dir() and os.access(path, os.R_OK) else ()
    around = (path, *path.parents)
    return (place for place in (*reversed(around), *inside) if place.is_symlink() and not place.exists())


def remember_sweep(clone: Path, results: str) -> None:
    """Note in a clone which sweep was started last, for one whose folder is not below `results`."""
    with suppress(OSError):
        (clone / _LAST).parent.mkdir(exist_ok=True)
        (clone / _LAST).write_text(os.path.abspath(results), encoding="utf-8")


def started_sweeps(clone: Path) -> list[Path]:
    """The configurations of the sweeps that were started, in this folder or from a clone, the last one last."""
    found = {path.absolute() for path in _below("results")}
    with suppress(OSError, ValueError):
        found.add(_configuration((clone / _LAST).read_text(encoding="utf-8")))
    return sorted(filter(Path.exists, found), key=lambda path: path.stat().st_mtime)


def _configuration(results: str) -> Path:
    return Path(results, "logs", "configuration.yaml")


def _below(top: str) -> Iterator[Path]:
    """The configurations of the sweeps in a folder, however deep; what is inside of a sweep's folder is left alone."""
    for folder, names, _ in os.walk(top):
        sweeps = [name for name in names if _configuration(f"{folder}/{name}").exists()]
        yield from (_configuration(f"{folder}/{name}") for name in sweeps)
        names[:] = [name for name in names if name not in sweeps]
