"""Results folders: their canonical paths, obstacles to writing in them, and the sweep that was started last."""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

_PARTS = ("sequences", "pretrained", "finetuned", "summary", "figures", "logs", "state")
_LAST = Path(".snakemake", "last_sweep")  # below the clone


def one_spelling(path: str) -> str:
    """Return the canonical path of a folder, by which Snakemake knows its files, however the user wrote it.

    It is relative to the working folder if inside it, and else absolute, without '//', '.' and '..'. Links are kept,
    except for those on the way to the working folder, or to `results` in it.
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
    """Say what is in the place of a results folder or a part of it, and what to do; None if nothing is."""
    folder = Path(results)
    for place in (*reversed((folder, *folder.parents)), *(folder / name for name in _PARTS)):
        if place.is_symlink() and not place.exists():
            return f"{place} is a link to {os.readlink(place)}, which does not exist. Create that, or delete the link."
        if place.exists() and not place.is_dir():
            return f"{place} is not a folder, so nothing can be written to {results}. Move it away."
    return None


def unwritable(results: str) -> str | None:
    """Say what makes a results folder unwritable, and what to do; None if nothing does."""
    nearest = next(place for place in (Path(results), *Path(results).absolute().parents) if place.exists())
    if os.access(nearest, os.W_OK):
        return None
    return (
        f"{nearest} is not writable, so nothing can be written to {results}. "
        "Make it writable, or set results_dir to another folder."
    )


def remember_sweep(clone: Path, results: str) -> None:
    """Record in a clone which sweep was started last, for sweeps whose folder is not below `results`."""
    with suppress(OSError):
        (clone / _LAST).parent.mkdir(exist_ok=True)
        (clone / _LAST).write_text(os.path.abspath(results), encoding="utf-8")


def started_sweeps(clone: Path) -> list[Path]:
    """Find the configurations of started sweeps, in this folder or from a clone, most recent last."""
    found = {path.absolute() for path in _below("results")}
    with suppress(OSError, ValueError):
        found.add(_configuration((clone / _LAST).read_text(encoding="utf-8")))
    return sorted(filter(Path.exists, found), key=lambda path: path.stat().st_mtime)


def _configuration(results: str) -> Path:
    return Path(results, "logs", "configuration.yaml")


def _below(top: str) -> Iterator[Path]:
    """Find the configurations of sweeps in a folder, at any depth but not inside a sweep's folder."""
    if _configuration(top).exists():
        yield _configuration(top)
    for folder, names, _ in os.walk(top):
        sweeps = [name for name in names if _configuration(f"{folder}/{name}").exists()]
        yield from (_configuration(f"{folder}/{name}") for name in sweeps)
        names[:] = [name for name in names if name not in sweeps]
