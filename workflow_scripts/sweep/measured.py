"""Measurements as rows of tables."""

from collections.abc import Iterable, Iterator
from typing import Any

from splithistory.policy_measurement import Measurement
from splithistory.seeding import Stream, stream_rng
from splithistory.sequence import Tokens, one_window_a_chain


def measured_contexts(test: Tokens, context_length: int, seed: int) -> Tokens:
    """The windows that every policy is measured on, one a test chain, each ending just before an odd position.

    Args:
        test: (n_chains, length) test chains.
        context_length: tokens a window.
        seed: of the places in the chains.

    Returns:
        (n_chains, context_length) tokens.
    """
    return one_window_a_chain(test, context_length, stream_rng(seed, Stream.TEST_WINDOWS), target_parity=1).contexts


def measured_rows(measurements: Iterable[Measurement]) -> Iterator[dict[str, Any]]:
    """Rows of a 'measured' table under the split history.

    The distributions are plug-in ones; Imp by Monte Carlo is that of the smoothed ones.
    """
    for measurement in measurements:
        futures = measurement.futures
        yield {
            "repeat": measurement.repeat,
            "estimator": measurement.estimator,
            "counterfactual": "split_history",
            "n_contexts": futures.n_windows,
            "n_distinct_actions": len(futures.answers),
            "entropy": futures.entropy,
            "entropy_counterfactual": futures.entropy_counterfactual,
            "op": futures.op,
            "imp": futures.imp,
            "outcome_distribution": futures.outcome_distribution,
            "counterfactual_distribution": futures.counterfactual_distribution,
        }


def action_rows(measurements: Iterable[Measurement]) -> Iterator[dict[str, Any]]:
    """Rows of an 'actions' table: the exact F'|x'' of every distinct action of a policy at temperature 0."""
    for measurement in measurements:
        if measurement.estimator != "exact":
            continue
        futures = measurement.futures
        for answer, weight, distribution in zip(futures.answers, futures.weights, futures.counterfactuals, strict=True):
            yield {
                "repeat": measurement.repeat,
                "action": int(answer.argmax()),
                "weight": weight,
                "outcome_distribution": distribution,
            }
