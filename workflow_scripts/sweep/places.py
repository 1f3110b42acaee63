"""Results folders: one spelling for each, what keeps files from being made there, and which sweep was started last."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PARTS = ("sequences", "pretrained", "finetuned", "summary", "figures", "logs", "state")
_LAST = Path(".snakemake", "last_sweep")  # below the clone


def one_spelling(path: str) -> str:
    """The one way to write a folder, by which Snakemake knows its files, from whatever way the user wrote it.

    Relative to the working folder if it lies inside it, else absolute, without '//', '.' and '..'. Links are kept, but
    for those on the way to the working folder, or to `results` in it.
    """
    absolute = Path(os.path.abspath(path))
    for folder in (absolute, *absolute.parents):
        for anchor in ("results", "."):
            with suppress(OSError):
                if os.path.samefile(folder, anchor):
                    inside = Path(anchor, absolute.relative_to(folder)).as_posix()
                    return os.getcwd() if inside == "." else inside
    return absolute.as_posix()


def folder_problem(results: str) -> str | None:
    """What stands in the place of a results folder, or of a part of it, and what to do; None if nothing does."""
    folder = Path(results)
    for place in (*reversed((folder, *folder.parents)), *(folder / name for name in _PARTS)):
        if place.is_symlink() and not place.exists():
            return f"{place} is a link to {os.readlink(place)}, which is not there. Make that, or delete the link."
        if place.exists() and not place.is_dir():
            return f"{place} is not a folder, so nothing can be made in {results}. Move it away."
    return None


def unwritable(results: str) -> str | None:
    """What forbids to make anything in a results folder, and what to do; None if nothing does."""
    nearest = next(place for place in (Path(results), *Path(results).absolute().parents) if place.exists())
    if os.access(nearest, os.W_OK):
        return None
    return (
        f"{nearest} cannot be written to, so nothing can be made in {results}. "
        "Make it writable, or set results_dir to another folder."
    )


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
    if _configuration(top).exists():
        yield _configuration(top)
    for folder, names, _ in os.walk(top):
        sweeps = [name for name in names if _configuration(f"{folder}/{name}").exists()]
        yield from (_configuration(f"{folder}/{name}") for name in sweeps)
        names[:] = [name for name in names if name not in sweeps]
