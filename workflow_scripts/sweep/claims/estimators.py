"""Statistics over pretrained models, with intervals: the unit is the model, however many policies it has.

Policies that were reinforced from one model are not independent. So a statistic is formed within the model first, or
whole models are left out at a time. Unless said otherwise, series and frames have an entry or row per model, and
missing values are left out.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from scipy import stats

from sweep.claims.evidence import MODEL

Sizes = Mapping[tuple[str, int], float]  # log10 of the number of parameters of each model

CONFIDENCE = 0.95
FEWEST_MODELS = 3  # of two, an interval by Student's t is 13 standard errors wide on either side and says nothing


class Estimate(NamedTuple):
    """A statistic with its 95 % interval; null if undefined, and without an interval if there are too few models.

    Attributes:
        value: the statistic.
        low: lower end of the interval.
        high: upper end of the interval.
        n: models behind it; 0 if there is no value.
        range: the least and the most that the statistic can be.
    """

    value: float
    low: float
    high: float
    n: int
    range: tuple[float, float] = (-np.inf, np.inf)


class Point(NamedTuple):
    """A statistic with its standard error over models and the degrees of freedom of the t distribution."""

    value: float
    stderr: float
    df: int
    n: int


NOTHING = Estimate(np.nan, np.nan, np.nan, n=0)
NO_POINT = Point(np.nan, np.nan, 0, n=0)


def interval(point: Point, confidence: float = CONFIDENCE) -> Estimate:
    """Compute Student's t interval; there is none of fewer than three models."""
    half = stats.t.ppf((1 + confidence) / 2, point.df) * point.stderr if point.n >= FEWEST_MODELS else np.nan
    return Estimate(point.value, point.value - half, point.value + half, n=point.n)


def simultaneous(points: Iterable[Point]) -> list[Estimate]:
    """Compute simultaneous intervals (Bonferroni), leaving out points without a value."""
    points = [point for point in points if np.isfinite(point.value)]
    return [interval(point, 1 - (1 - CONFIDENCE) / len(points)) for point in points]


def smallest(points: Iterable[Point]) -> Estimate:
    """Estimate the smallest value, with the smallest ends of simultaneous intervals."""
    return _extreme(simultaneous(points), np.min)


def largest(points: Iterable[Point]) -> Estimate:
    """Estimate the largest value, with the largest ends of simultaneous intervals."""
    return _extreme(simultaneous(points), np.max)


def _extreme(estimates: Sequence[Estimate], pick: Callable[..., np.ndarray]) -> Estimate:
    """Pick extreme values and ends; null ends stay null, and the number of models is the smallest of all."""
    if not estimates:
        return NOTHING
    ends = pick([[estimate.value, estimate.low, estimate.high] for estimate in estimates], axis=0)
    return Estimate(*ends, min(estimate.n for estimate in estimates), estimates[0].range)


def magnitude(estimate: Estimate) -> Estimate:
    """Take the absolute value; its interval extends to 0 if the estimate's own contains 0."""
    low, high = estimate.low, estimate.high
    ends = np.max([low, -high, 0.0]), np.max([-low, high])
    return Estimate(abs(estimate.value), *ends, n=estimate.n, range=(0.0, np.inf))


def with_windows(estimate: Estimate, without_a_repeat: Sequence[float]) -> Estimate:
    """Widen an interval over models by the uncertainty from the windows, which all policies share.

    The standard error over windows comes from leaving out those of one repeat at a time (jackknife). On either side the
    two parts of the interval, over models and over windows, add up by their squares (method of variance estimates
    recovery, Zou & Donner 2008), which also serves intervals that are not symmetric.

    Args:
        estimate: with its interval over models.
        without_a_repeat: the statistic without the windows of each repeat; none to leave the interval as it is.

    Returns:
        The estimate with an interval within its range; without one where a repeat's windows cannot be spared.
    """
    n = len(without_a_repeat)
    if n < 2:
        return estimate
    half = stats.t.ppf((1 + CONFIDENCE) / 2, n - 1) * np.sqrt((n - 1) * np.var(without_a_repeat))
    low = estimate.value - np.hypot(estimate.value - estimate.low, half)
    high = estimate.value + np.hypot(estimate.high - estimate.value, half)
    least, most = estimate.range
    return estimate._replace(low=np.maximum(low, least), high=np.minimum(high, most))


def mean(values: pd.Series) -> Point:
    """Compute the mean over models."""
    values = values.dropna()
    n = len(values)
    return Point(values.mean(), stats.sem(values) if n > 1 else np.nan, n - 1, n=n) if n else NO_POINT


def means(values: pd.DataFrame) -> list[Point]:
    """Compute the mean over models of each column."""
    return [mean(column) for _, column in values.items()]


def slope(values: pd.Series, sizes: Sizes) -> Point:
    """Compute the least-squares slope over models, per decade of parameters."""
    x, y = _against_size(values, sizes)
    if len(np.unique(x)) < 2:
        return NO_POINT
    return _gradients(x, y, [np.array([1, 0])])[0]


def slopes(values: pd.DataFrame, sizes: Sizes) -> list[Point]:
    """Compute the least-squares slope over models of each column, per decade of parameters."""
    return [slope(column, sizes) for _, column in values.items()]


def outward_slopes(values: pd.Series, sizes: Sizes) -> list[Point]:
    """Compute the slopes of a parabola at the smallest and the largest size, positive if they rise outwards.

    Both are positive exactly if the parabola opens upwards and its lowest point lies between the two sizes.
    """
    x, y = _against_size(values, sizes)
    if len(np.unique(x)) < 3:
        return []
    x = x - x.mean()  # a well-conditioned fit
    return _gradients(x, y, [-np.array([2 * x.min(), 1, 0]), np.array([2 * x.max(), 1, 0])])


def _gradients(x: np.ndarray, y: np.ndarray, combinations: Sequence[np.ndarray]) -> list[Point]:
    """Compute linear combinations of a fitted polynomial's coefficients, highest power first."""
    n, n_coefficients = len(x), len(combinations[0])
    covariance = np.full((n_coefficients, n_coefficients), np.nan)
    if n > n_coefficients:
        coefficients, covariance = np.polyfit(x, y, n_coefficients - 1, cov=True)
    else:
        coefficients = np.polyfit(x, y, n_coefficients - 1)
    return [Point(c @ coefficients, np.sqrt(c @ covariance @ c), n - n_coefficients, n=n) for c in combinations]


def _against_size(values: pd.Series, sizes: Sizes) -> tuple[np.ndarray, np.ndarray]:
    """Return log10 of the parameters, and the values, of the models that have both."""
    y = values.dropna()
    x = np.array([sizes.get(model, np.nan) for model in y.index])
    known = np.isfinite(x)
    return x[known], y.to_numpy()[known]


def sums_of_models(models: pd.Index, terms: np.ndarray) -> np.ndarray:
    """Sum the rows of each model, for `jackknife`.

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
    """Compute a statistic of sums over all models, with its standard error from leaving out one model at a time.

    The sums without a model are the total minus its own, so that the time taken is linear in the number of models.

    Args:
        statistic: takes (m, ...) sums to (m,) values, NaN where it cannot be computed.
        sums: (n, ...) what each model adds, from `sums_of_models`.
    """
    n, total = len(sums), sums.sum(axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        (value,) = statistic(total[None])
        if n < 2:
            return Point(value, np.nan, n - 1, n=n)
        without = statistic(total - sums)
    return Point(value, np.sqrt((n - 1) * without.var()), n - 1, n=n)


def moments(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Compute the terms whose sums determine the straight line through points: (..., 6) 1, x, y, x², xy, y².

    Args:
        x: (...) should be centred, since sums of squares far from 0 lose digits.
        y: (...) likewise.
    """
    return np.stack([np.ones_like(x), x, y, x * x, x * y, y * y], axis=-1)


def line(sums: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Compute the least-squares line from sums of `moments`.

    Args:
        sums: (..., 6).

    Returns:
        Slope, intercept and residual sum of squares, (...) each; NaN where the points do not determine them.
    """
    n, x, y, xx, xy, yy = np.moveaxis(sums, -1, 0)
    slope = (xy - x * y / n) / _spread(n, x, xx)
    return slope, (y - slope * x) / n, np.maximum(yy - y * y / n - slope * (xy - x * y / n), 0)


def variance(n: np.ndarray, x: np.ndarray, xx: np.ndarray) -> np.ndarray:
    """Compute the variance of numbers from their count, sum and sum of squares; NaN where all are equal."""
    return _spread(n, x, xx) / (n - 1)


def _spread(n: np.ndarray, x: np.ndarray, xx: np.ndarray) -> np.ndarray:
    """Compute the sum of squares about the mean; NaN where it is 0 up to rounding."""
    spread = xx - x * x / n
    return np.where(spread > 1e-12 * xx, spread, np.nan)


def share(true: pd.Series) -> Estimate:
    """Estimate the share of models for which something is true, with Wilson's interval.

    There is no interval of fewer than three models.

    Args:
        true: one truth value per model; or the share of its policies for which it is true, which is as uncertain as
            if all policies of a model always agreed.
    """
    n = len(true)
    if n == 0:
        return NOTHING
    p, z = float(true.mean()), stats.norm.ppf((1 + CONFIDENCE) / 2)
    if n < FEWEST_MODELS:
        return Estimate(p, np.nan, np.nan, n=n, range=(0.0, 1.0))
    # By hand, since scipy's takes whole numbers of successes only.
    half = z * np.sqrt(p * (1 - p) / n + (z / (2 * n)) ** 2)
    low, high = ((p + z**2 / (2 * n) + side * half) / (1 + z**2 / n) for side in (-1, 1))
    return Estimate(p, low if p > 0 else 0.0, high if p < 1 else 1.0, n=n, range=(0.0, 1.0))


# Relations between two numbers per policy


def r_squared_about_identity(measured: pd.Series, predicted: pd.Series) -> Point:
    """Compute 1 minus the sum of squares about y = x over that about the mean.

    Args:
        measured: one number per policy, indexed by its model among others; policies that lack either are left out.
        predicted: likewise.
    """
    points = pd.DataFrame({"measured": measured, "distance": measured - predicted}).dropna()
    y, distance = points["measured"] - points["measured"].mean(), points["distance"]
    sums = _sums_per_model(points.index, np.column_stack([np.ones_like(y), y, y**2, distance**2]))

    def r_squared(sums: np.ndarray) -> np.ndarray:
        n, y, yy, residual = sums.T
        return 1 - residual / (variance(n, y, yy) * (n - 1))

    return jackknife(r_squared, sums)


class Lines:
    """Straight lines through policies: one through all of them, and one per task.

    Args:
        x: one number per policy, indexed by its task and its model; policies that lack x or y are left out.
        y: likewise.
    """

    def __init__(self, x: pd.Series, y: pd.Series) -> None:
        points = pd.DataFrame({"x": x, "y": y}).dropna()
        self._x, self._y = points.mean()
        tasks, distinct = points.index.get_level_values("task").factorize()
        terms = np.zeros((len(points), len(distinct), 6))
        terms[np.arange(len(points)), tasks] = moments(*(points - points.mean()).to_numpy().T)
        self._sums = _sums_per_model(points.index, terms)  # (models, tasks, 6) about the means

    def slope(self) -> Point:
        """Compute the slope of the one line."""
        return jackknife(lambda sums: line(sums.sum(axis=1))[0], self._sums)

    def intercept(self) -> Point:
        """Compute the intercept of the one line."""

        def at_zero(sums: np.ndarray) -> np.ndarray:
            slope, intercept, _ = line(sums.sum(axis=1))
            return intercept + self._y - slope * self._x

        return jackknife(at_zero, self._sums)

    def variance_removed(self) -> Point:
        """Compute the share of the residual variance about the one line that a line per task removes.

        Variances are per degree of freedom, since further slopes and intercepts remove some of it by chance.
        """

        def removed(sums: np.ndarray) -> np.ndarray:
            of_task = sums[..., 0]
            n, n_tasks = of_task.sum(axis=1), (of_task > 0).sum(axis=1)
            separate = np.where(of_task > 0, line(sums)[2], 0.0).sum(axis=1) / (n - 2 * n_tasks)
            together = line(sums.sum(axis=1))[2] / (n - 2)
            return np.where((n_tasks > 1) & (n > 2 * n_tasks), 1 - separate / together, np.nan)

        return jackknife(removed, self._sums)


def smallest_slope_difference(x: Sequence[pd.DataFrame], y: Sequence[pd.DataFrame]) -> Estimate:
    """Estimate the absolute difference of slopes between two kinds of policies, the smallest of several pairs.

    Args:
        x: a frame per pair, with a column per kind.
        y: likewise. Models that lack any of the four numbers are left out of their pair.
    """
    differences = []
    for pair in zip(x, y, strict=True):
        of = np.stack([frame.to_numpy() for frame in pair])  # (x or y, models, kinds)
        of = of[:, np.isfinite(of).all(axis=(0, 2))]
        if of.size:
            terms = moments(*(of - of.mean(axis=1, keepdims=True)))
            differences.append(jackknife(lambda sums: -np.diff(line(sums)[0], axis=1)[:, 0], terms))
    return _extreme([magnitude(difference) for difference in simultaneous(differences)], np.min)


def lead_in_separation(first: np.ndarray, second: np.ndarray) -> Point:
    """Compute how much better one measure separates two kinds of policies than another: Cohen's d, mean over pairs.

    Args:
        first: (2 kinds, models, pairs) one measure. Pairs that are undefined in either measure for any model are left
            out, within that model, of both.
        second: likewise the other measure.
    """
    values = np.stack([first, second])
    known = np.isfinite(values).all(axis=(0, 1))
    if not known.any():
        return NO_POINT
    # both kinds of a measure are taken about one mean
    centred = np.where(known, values - np.nanmean(values, axis=(1, 2, 3), keepdims=True), 0.0)
    terms = np.stack([np.broadcast_to(known, centred.shape), centred, centred**2], axis=-1)

    def lead(sums: np.ndarray) -> np.ndarray:
        n, x, xx = np.moveaxis(sums, -1, 0)  # (m, 2 measures, 2 kinds, pairs)
        deviation = np.sqrt(variance(n, x, xx).mean(axis=2))
        gaps = -np.diff(x / n, axis=2)[:, :, 0] / deviation  # (m, 2, pairs)
        several = n[:, 0, 0] > 1
        return np.where(several, gaps[:, 0] - gaps[:, 1], 0.0).sum(axis=1) / several.sum(axis=1)

    return jackknife(lead, np.moveaxis(terms, 2, 0).astype(float))


def _sums_per_model(policies: pd.Index, terms: np.ndarray) -> np.ndarray:
    return sums_of_models(policies.to_frame().set_index(MODEL).index, terms)
