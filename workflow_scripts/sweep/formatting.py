"""Numbers, counts and times as text, the same in every locale."""

from collections.abc import Sequence

import numpy as np

MISSING = "–"

# For terminals and files that cannot encode these characters.
_PLAIN = str.maketrans("✓▶✗■·▁▂▃▄▅▆▇█×–−…’²\u00a0", "+>x#._.-~=+*#x--.'2 ")


def number(value: float, specification: str) -> str:
    """Format a number with a true minus sign, or as a dash if it is missing.

    Args:
        value: the number; NaN or None if it is missing.
        specification: format specification, as for `format`.
    """
    if value is None or np.isnan(value):
        return MISSING
    return format(value, specification).replace("-", "−")


def condition(side: str, threshold: float, centre: float = 0.0) -> str:
    """Say where a number is expected: '> 0.05', '< 0.04', 'within ± 0.02', 'within 2.6 ± 0.8'.

    Args:
        side: 'above', 'below' or 'within'.
        threshold: the threshold, in the number's unit.
        centre: the number that 'within' is about.
    """
    about = f"{number(centre, 'g')} " if centre else ""
    signs = {"above": "> {}", "below": "< {}", "within": f"within {about}± {{}}"}
    return signs[side].format(number(threshold, "g"))


def percent(share: float) -> str:
    """Format a share as a percentage, with a non-breaking space."""
    return f"{share:.0%}".replace("%", "\u00a0%")


def counted(count: int, singular: str, plural: str | None = None) -> str:
    """Format a count with its noun: '1 seed', '4 seeds'."""
    return f"{count:,} {singular if count == 1 else plural or singular + 's'}"


def duration(seconds: float) -> str:
    """Format a duration, to the tenth of a second below two minutes: '119.9 s', '5 min 4 s', '2 h 0 min 30 s'."""
    if seconds < 120:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min {rest} s" if hours else f"{minutes} min {rest} s"


def approximately(seconds: float) -> str:
    """Format a duration roughly, to be read at a glance: '50 s', '12 min', '2 h 05 min'."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f"{round(seconds)} s"
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02d} min"


def first_of(items: Sequence[str], most: int = 5) -> list[str]:
    """Return the items; if there are many, the first few and a remark on how many more there are."""
    if len(items) <= most:
        return [*items]
    return [*items[:most], f"and {len(items) - most:,} more"]


def plainly(error: UnicodeError) -> tuple[str, int]:
    """Handle encoding errors by writing the nearest ASCII characters instead."""
    text = error.object[error.start : error.end].translate(_PLAIN)
    return text.encode("ascii", "replace").decode(), error.end
