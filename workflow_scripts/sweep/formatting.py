"""Numbers, counts and times as text, the same in every locale."""

from collections.abc import Sequence

import numpy as np

MISSING = "–"

# For terminals and files that take no more than ASCII or Latin-1.
_PLAIN = str.maketrans("✓▶✗■·▁▂▃▄▅▆▇█×–−…’²\u00a0", "+>x#._.-~=+*#x--.'2 ")


def number(value: float, specification: str) -> str:
    """A number with a true minus sign; a dash if it is missing.

    Args:
        value: NaN or None where it is missing.
        specification: of `format`.
    """
    if value is None or np.isnan(value):
        return MISSING
    return format(value, specification).replace("-", "−")


def condition(side: str, threshold: float, centre: float = 0.0) -> str:
    """Where a number is wanted: '> 0.05', '< 0.04', 'within ± 0.02', 'within 2.6 ± 0.8'.

    Args:
        side: above, below or within.
        threshold: in the number's unit.
        centre: what 'within' is about.
    """
    about = f"{number(centre, 'g')} " if centre else ""
    signs = {"above": "> {}", "below": "< {}", "within": f"within {about}± {{}}"}
    return signs[side].format(number(threshold, "g"))


def percent(share: float) -> str:
    """A share, with a space that does not break."""
    return f"{share:.0%}".replace("%", "\u00a0%")


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """'1 seed', '4 seeds'."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def duration(seconds: float) -> str:
    """Seconds to the tenth up to two minutes, then whole ones: '119.9 s', '5 min 4 s', '2 h 0 min 30 s'."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min {rest} s" if hours else f"{minutes} min {rest} s"


def approximately(seconds: float) -> str:
    """Seconds to be read at a glance: '50 s', '12 min', '2 h 05 min'."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def first_of(items: Sequence[str], most: int = 5) -> list[str]:
    """The items, or of many the first few and how many more there are."""
    if len(items) <= most:
        return [*items]
    return [*items[:most], f"and {len(items) - most:,} more"]


def plainly(error: UnicodeError) -> tuple[str, int]:
    """The error handler of a stream that cannot encode some characters: the nearest that any stream can."""
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "replace").decode(), error.end
