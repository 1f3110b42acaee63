"""Statistics over pretrained models, with intervals: the unit is the model, however many policies it has."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

Sizes = Mapping[tuple[str, int], float]

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A statistic with its 95 % interval; null where it cannot be computed, the interval also where models are too few.

    Attributes:
        value: the statistic.
        low: lower end of the interval.
        high: upper end of the interval.
        n: models behind it; 0 if there is no value.
    """

    value: float
    low: float
    high: float
    n: int


class Point(NamedTuple):
    """A statistic with its standard error over models and the degrees of freedom of the t distribution."""

    value: float
    stderr: float
    df: int
    n: int


NOTHING = Estimate(np.nan, np.nan, np.nan, 0)
_NO_POINT = Point(np.nan, np.nan, 0, 0)


def interval(point: Point, confidence: float = CONFIDENCE) -> Estimate:
    """Student's t interval."""
    half = stats.t.ppf((1 + confidence) / 2, point.df) * point.stderr
    return Estimate(point.value, point.value - half, point.value + half, point.n)


def simultaneous(points: Iterable[Point]) -> list[Estimate]:
    """Intervals that hold all at once (Bonferroni); points without a value are left out."""
    points = [point for point in points if np.isfinite(point.value)]
    return [interval(point, 1 - (1 - CONFIDENCE) / len(points)) for point in points]


def smallest(estimates: Sequence[Estimate]) -> Estimate:
    """The smallest value and the smallest ends; an interval for it, if the given ones hold all at once."""
    return _extreme(estimates, np.min)


def largest(estimates: Sequence[Estimate]) -> Estimate:
    """The largest value and the largest ends; an interval for it, if the given ones hold all at once."""
    return _extreme(estimates, np.max)


def _extreme(estimates: Sequence[Estimate], pick: Callable[..., np.ndarray]) -> Estimate:
    """Null ends stay null; the number of models is the smallest of all."""
    if not estimates:
        return NOTHING
    ends = pick([[estimate.value, estimate.low, estimate.high] for estimate in estimates], axis=0)
    return Estimate(*ends, min(estimate.n for estimate in estimates))


def magnitude(estimate: Estimate) -> Estimate:
    """The absolute value; its interval reaches down to 0 if the estimate's own holds 0."""
    low, high = estimate.low, estimate.high
    return Estimate(abs(estimate.value), np.max([low, -high, 0.0]), np.max([-low, high]), estimate.n)


def mean(values: pd.Series) -> Point:
    """Mean over models.

    Args:
        values: one number a model, missing ones left out.
    """
    values = values.dropna()
    n = len(values)
    return Point(values.mean(), stats.sem(values) if n > 1 else np.nan, n - 1, n) if n else _NO_POINT


def slope(values: pd.Series, sizes: Sizes) -> Point:
    """Least-squares slope over models, a decade of parameters.

    Args:
        values: one number a model, missing ones left out.
        sizes: log10 of the parameters of each model.
    """
    x, y = _against_size(values, sizes)
    if len(np.unique(x)) < 2:
        return _NO_POINT
    return _gradients(x, y, [np.array([1, 0])])[0]


def outward_slopes(values: pd.Series, sizes: Sizes) -> list[Point]:
    """Slopes of a parabola at the smallest and the largest size, each counted positive if it rises outwards.

    Both are positive just if the parabola opens upwards and its lowest point lies between the two sizes.

    Args:
        values: one number a model, missing ones left out.
        sizes: log10 of the parameters of each model.
    """
    x, y = _against_size(values, sizes)
    if len(np.unique(x)) < 3:
        return []
    x = x - x.mean()  # a well-conditioned fit
    return _gradients(x, y, [-np.array([2 * x.min(), 1, 0]), np.array([2 * x.max(), 1, 0])])


def _gradients(x: np.ndarray, y: np.ndarray, combinations: Sequence[np.ndarray]) -> list[Point]:
    """Linear combinations of a fitted polynomial's coefficients, the highest power first."""
    n, n_coefficients = len(x), len(combinations[0])
    if n > n_coefficients:
        coefficients, covariance = np.polyfit(x, y, n_coefficients - 1, cov=True)
    else:
        coefficients, covariance = (
            np.polyfit(x, y, n_coefficients - 1),
            np.full((n_coefficients, n_coefficients), np.nan),
        )
    return [Point(c @ coefficients, np.sqrt(c @ covariance @ c), n - n_coefficients, n) for c in combinations]


def _against_size(values: pd.Series, sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """log10 of the parameters and the values of the models that have both."""
    y = values.dropna()
    x = np.array([sizes.get(model, np.nan) for model in y.index])
    known = np.isfinite(x)
    return x[known], y.to_numpy()[known]


def sums_of_models(models: pd.Index, terms: np.ndarray) -> np.ndarray:
    """What the rows of each model add up to, for `jackknife`.

    Args:
        models: (N,) model of each row.
        terms: (N, ...) what is added up, in any shape.

    Returns:
        (n, ...) sums, the models in the order in which they first come.
    """
    model_of_row, distinct = models.factorize()
    sums = np.zeros((len(distinct), *terms.shape[1:]))
    np.add.at(sums, model_of_row, terms)
    return sums


def jackknife(statistic: Callable[[np.ndarray], np.ndarray], sums: np.ndarray) -> Point:
    """A statistic of sums over all models, with its standard error from leaving out one model at a time.

    Without a model, the sums are less by what it adds, so that this takes a time in proportion to the models.

    Args:
        statistic: takes (m, ...) sums to (m,) values, NaN where it cannot be computed.
        sums: (n, ...) what each model adds, from `sums_of_models`.
    """
    n, total = len(sums), sums.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        (value,) = statistic(total[None])
        if n < 2:
            return Point(value, np.nan, n - 1, n)
        without = statistic(total - sums)
    return Point(value, np.sqrt((n - 1) * without.var()), n - 1, n)


def moments(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """(..., 6) terms whose sums give the straight line through points: 1, x, y, x², xy, y².

    Args:
        x: (...) should be centred, since sums of squares far from 0 lose digits.
        y: (...) likewise.
    """
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def line(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The least-squares line from sums of `moments`.

    Args:
        sums: (..., 6).

    Returns:
        Slope, intercept and residual sum of squares, (...) each; NaN where the points do not determine them.
    """
    n, x, y, xx, xy, yy = np.moveaxis(sums, -1, 0)
    slope = (xy - x * y / n) / _spread(n, x, xx)
    return slope, (y - slope * x) / n, np.maximum(yy - y * y / n - slope * (xy - x * y / n), 0)


def variance(n: np.ndarray, x: np.ndarray, xx: np.ndarray) -> np.ndarray:
    """Variance of numbers from their count, sum and sum of squares; NaN where all are equal."""
    return _spread(n, x, xx) / (n - 1)


def _spread(n: np.ndarray, x: np.ndarray, xx: np.ndarray) -> np.ndarray:
    """Sum of squares about the mean; NaN where it is 0 but for rounding."""
    spread = xx - x * x / n
    return np.where(spread > 1e-12 * xx, spread, np.nan)


def share(true: pd.Series) -> Estimate:
    """Share of models for which something is true, with Wilson's interval.

    Args:
        true: one truth a model.
    """
    n = len(true)
    if n == 0:
        return NOTHING
    result = stats.binomtest(int(true.sum()), n)
    ends = result.proportion_ci(CONFIDENCE, method="wilson")
    return Estimate(result.statistic, ends.low, ends.high, n)
