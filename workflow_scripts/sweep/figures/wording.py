"""The wording of titles and captions."""

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from scipy.special import stdtrit

from sweep.figures.marks import FEWEST_RUNS, FigureStyle, step_of
from sweep.formatting import counted

_ROUNDING = 1e-12  # may be left of a difference of 0

# What `policy_points` draws, for captions; the second text is for measures with standard errors.
MARKERS_TEXT = "Each point is a policy: its colour is the task it was trained on, its marker its size."
POINTS_TEXT = f"{MARKERS_TEXT} Bars, often hidden by the markers, are ± one standard error over repeated measurements."


def unequal_text(axes: Axes) -> str:
    """Return what a caption adds if `identity_line` is not the diagonal."""
    return "" if axes.get_xlim() == axes.get_ylim() else "The axes have different scales: this line is not diagonal. "


def count_text(rows: pd.DataFrame, points: bool = True) -> str:
    """Count the policies: 'n = 48 policies (3 tasks × 4 sizes × 4 seeds)'.

    If they are drawn as ``points`` and too many to be told apart, also say which of them are drawn.
    """
    tasks, sizes, seeds = (rows[key].nunique() for key in ("task", "size", "seed"))
    product = " × ".join([counted(tasks, "task"), counted(sizes, "size"), counted(seeds, "seed")])
    # An uneven sweep is not a product; the separate counts still hold.
    counts = product if tasks * sizes * seeds == len(rows) else product.replace(" × ", ", ")
    step = step_of(rows) if points else 1
    sample = f"; one in {step} is drawn as a point, and all statistics include the others" if step > 1 else ""
    return f"n = {counted(len(rows), 'policy', 'policies')} ({counts}{sample})"


def left_out_text(
    all_rows: pd.DataFrame, shown: pd.DataFrame, reason: str, singular: str = "policy", plural: str = "policies"
) -> str:
    """Say what a figure leaves out: how many of the rows, and why; nothing if it shows them all."""
    missing = len(all_rows) - len(shown)
    if not missing:
        return ""
    return f"Left out: {missing} of {counted(len(all_rows), singular, plural)}, {reason}."


def trend(runs: Sequence[pd.Series]) -> str | None:
    """Describe how means change with size, if the 95 % interval of each step excludes zero (Student's t).

    Args:
        runs: the values of the runs of each size, from the smallest size to the largest.

    Returns:
        The trend in words; None if the means neither rise or fall at every step nor are U-shaped, or if there are too
        few runs of a size.
    """
    if len(runs) < 2 or min(map(len, runs)) < FEWEST_RUNS:
        return None
    steps = np.array([larger.mean() - smaller.mean() for smaller, larger in pairwise(runs)])
    errors = [np.hypot(smaller.sem(), larger.sem()) for smaller, larger in pairwise(runs)]
    quantiles = stdtrit([len(smaller) + len(larger) - 2 for smaller, larger in pairwise(runs)], 0.975)  # of Student's t
    if not np.all(np.abs(steps) > quantiles * errors):
        return None
    rising = steps > 0
    if rising.all() or not rising.any():
        return f"{'rises' if rising[0] else 'falls'} with size at every step"
    return "is U-shaped in size" if not rising[0] and np.diff(rising).sum() == 1 else None


# What a task must be for Op or Imp to point to it, for captions.
PROMOTED_TEXT = (
    "A task is promoted if the policy does better on it than equally likely outcomes would (by Op) or than it does "
    "under the split history (by Imp)."
)

# How long reinforcement takes, for captions of figures against its steps.
STEPS_TEXT = (
    "Each size has its own number of reinforcement steps, n_steps, and a task takes that number times (1 − chance) to "
    "the power chance_exponent: the easier, the fewer, or all the same if the exponent is 0."
)

# How a title's trend is determined, for captions.
TREND_TEXT = (
    "The title names a trend only if there are at least three seeds per size and the 95% interval of every step "
    "between sizes excludes zero; otherwise it gives the smallest and the largest mean. Sizes may differ in "
    "learning rates and numbers of steps too, so that a trend need not be one of size alone."
)


def trend_text(quantity: str, unit: str, rows: pd.DataFrame, column: str, style: FigureStyle) -> str:
    """Say on how many tasks the mean over seeds has which trend, or give its range per task if none has any.

    Args:
        quantity: its name, as in the middle of a sentence.
        unit: its unit, preceded by a space; empty if it has none.
        rows: one row per policy.
        column: its column.
        style: gives the order of the sizes and tasks.
    """
    runs = dict(list(rows.dropna(subset=column).groupby(["task", "size"], observed=True)[column]))
    sizes = [size for size in style.sizes if size in set(rows["size"])]
    means = rows.groupby(["task", "size"], observed=True)[column].mean().unstack("size").reindex(columns=sizes)
    trends = [trend([runs[task, size] for size in sizes if (task, size) in runs]) for task in means.index]
    # The most frequent trend; in a tie, the one that occurs first.
    seen = max(filter(None, trends), key=trends.count, default=None)
    mean = quantity if rows["seed"].nunique() == 1 else f"mean {quantity}"
    if seen is not None:
        number = trends.count(seen)
        where = f"{number} of {len(trends)} tasks" if number < len(trends) else "every task"
        text = f"{mean} {seen} on {means.index[0] if len(trends) == 1 else where}"
    else:
        ranges = [
            (f"{unit} on {task}".strip(), means.loc[task].dropna()) for task in style.tasks if task in means.index
        ]
        if len(ranges) > 4:
            ranges = [(f"{unit} on {len(ranges)} tasks".strip(), means.stack())]
        by_size = " by size" if len(sizes) > 1 else ""
        text = f"{mean}{by_size} is {ranges_text(ranges)}" + seeds_text(rows)
    return text[:1].upper() + text[1:]


def seeds_text(rows: pd.DataFrame) -> str:
    """Return what a title adds if its numbers come from a single seed and may be noise."""
    return " (one seed)" if rows["seed"].nunique() == 1 else ""


def ranges_text(groups: Sequence[tuple[str, pd.Series]]) -> str:
    """Give the range of each named group: '0.10 to 0.30 on a and 2.0 to 2.5 on b'.

    Ranges, because a median may lie between two clusters, where there are no values.
    """
    return joined([f"{range_text(values)} {name}" for name, values in groups if len(values)]) or "undefined"


def range_text(values: pd.Series) -> str:
    """Give the smallest and largest value, or one number if both print alike."""
    ends = [two_digits(values.min()), two_digits(values.max())]
    return " to ".join(dict.fromkeys(ends))


def two_digits(value: float) -> str:
    """Format a number to two significant digits, without powers of ten."""
    rounded = float(f"{value:.2g}") if abs(value) > _ROUNDING else 0.0
    if abs(rounded) >= 10 or not rounded:
        text = f"{rounded:,.0f}"
    else:
        text = f"{rounded:.{1 - math.floor(math.log10(abs(rounded)))}f}"
    return text.replace("-", "−")


def joined(parts: Sequence[str], word: str = "and") -> str:
    """Join parts as in 'a, b and c'."""
    return f" {word} ".join(part for part in (", ".join(parts[:-1]), *parts[-1:]) if part)
