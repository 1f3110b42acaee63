"""The registry of the functions that draw the figures."""

from collections.abc import Callable
from dataclasses import dataclass

from sweep.figures import FIGURES
from sweep.figures.theme import CaptionedFigure

Draw = Callable[..., CaptionedFigure]


@dataclass(frozen=True)
class Entry:
    """A registered figure.

    Attributes:
        draw: draws it from the summary tables by name, the style and, if there is one figure per task, the task.
        tables: names of the summary tables that it needs.
        subject: what it is about, in a word or two, from the name of its module.
    """

    draw: Draw
    tables: tuple[str, ...]
    subject: str


REGISTRY: dict[str, Entry] = {}


def figure(name: str, *tables: str) -> Callable[[Draw], Draw]:
    """Register the function below as a figure.

    Args:
        name: as in `FIGURES`, with ``{task}`` if there is one figure per task.
        tables: names of the summary tables that it needs.

    Raises:
        ValueError: if `FIGURES` does not list the name, or another function has it.
    """
    if name not in FIGURES or name in REGISTRY:
        problem = "drawn twice" if name in REGISTRY else "not listed in sweep.figures.FIGURES"
        raise ValueError(f"the figure {name!r} is {problem}")

    def register(draw: Draw) -> Draw:
        subject = draw.__module__.rpartition(".")[2].replace("_", " ")
        REGISTRY[name] = Entry(draw, tables, subject)
        return draw

    return register
