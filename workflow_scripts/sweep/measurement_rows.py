"""Measurements as rows of tables."""

from collections.abc import Iterable, Iterator
from typing import Any

from splithistory.policy_measurement import Measurement
from splithistory.sequence import N_OUTCOMES
from splithistory.split_history import Futures
from sweep.schemas.measure import DISTRIBUTIONS, MEASURES


def measured_rows(measurements: Iterable[Measurement]) -> Iterator[dict[str, Any]]:
    """Convert measurements to rows of a 'measured' table.

    Distributions are not smoothed, though Imp by Monte Carlo is that of the smoothed ones.
    """
    for measurement in measurements:
        futures = measurement.futures
        yield {
            "windows": measurement.windows,
            "repeat": measurement.repeat,
            "estimator": measurement.estimator,
            "counterfactual": measurement.counterfactual,
            "n_contexts": futures.n_windows,
            **columns_of(futures, ("n_distinct_actions", *MEASURES, *DISTRIBUTIONS)),
            "meg_any": measurement.meg_any,
        }


def columns_of(futures: Futures, names: Iterable[str]) -> dict[str, Any]:
    """Return the properties of futures that become columns of the same names."""
    return {name: getattr(futures, name) for name in names}


def bootstrap_rows(draws: Iterable[Futures]) -> Iterator[dict[str, Any]]:
    """Convert futures to rows of a 'bootstrap' table: one row per resample of the windows."""
    for draw, futures in enumerate(draws):
        yield {"draw": draw, **columns_of(futures, ("op", "imp", *DISTRIBUTIONS))}


def self_estimate_rows(estimates: Iterable[Futures]) -> Iterator[dict[str, Any]]:
    """Convert futures to rows of a 'self_estimate' table: one row per repeat."""
    for repeat, futures in enumerate(estimates):
        yield {
            "repeat": repeat,
            "n_contexts": futures.n_windows,
            **columns_of(futures, MEASURES),
            "odd_token_mass": futures.outcome_distribution[N_OUTCOMES:].sum(),  # odd tokens never are outcomes
        }


def action_rows(measurements: Iterable[Measurement]) -> Iterator[dict[str, Any]]:
    """Convert measurements to rows of an 'actions' table: exact F' given each distinct action, on natural windows."""
    for measurement in measurements:
        kind = measurement.windows, measurement.estimator, measurement.counterfactual
        if kind != ("natural", "exact", "split_history"):
            continue
        futures = measurement.futures
        for answer, weight, distribution in zip(futures.answers, futures.weights, futures.counterfactuals, strict=True):
            yield {
                "repeat": measurement.repeat,
                "action": int(answer.argmax()),
                "weight": weight,
                "outcome_distribution": distribution,
            }
