"""Judging the study's claims against the summary tables of a sweep."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

import numpy as np
import pandas as pd

from sweep.claims.catalogue import CLAIMS, Claim, Side, Statistic
from sweep.claims.estimators import NOTHING, Estimate, with_windows
from sweep.claims.evidence import Evidence


def claims_table(
    tables: Mapping[str, pd.DataFrame], without_a_repeat: Iterable[Mapping[str, pd.DataFrame]] = ()
) -> pd.DataFrame:
    """Judge every claim.

    Args:
        tables: summary tables by name, see `Evidence`.
        without_a_repeat: for each repeat, the tables that change without its windows, see `sweep.left_out`. If there
            are none, intervals are over models alone.

    Returns:
        The 'claims' table: one row per statistic, in the order of the catalogue, or one per size if the statistic is
        taken by size; replaced statistics of a claim come last.

    Raises:
        KeyError: if a table is missing or lacks a column that a statistic needs.
    """
    evidence = Evidence(tables)
    without = [Evidence({**tables, **changed}) for changed in without_a_repeat]
    return pd.DataFrame(row for claim in CLAIMS for row in _judged(claim, evidence, without))


def verdict(estimate: Estimate, side: Side, threshold: float, *, centre: float = 0.0) -> str:
    """Judge whether the whole interval lies where the claim expects it, or wholly elsewhere.

    Args:
        estimate: the estimate with its interval, which may be null.
        side: above or below the threshold, or within centre ± threshold.
        threshold: the threshold, in the estimate's unit.
        centre: what "within" is about.

    Returns:
        'replicated', 'not replicated' or 'inconclusive'.
    """
    lowest, highest = {
        "above": (threshold, np.inf),
        "below": (-np.inf, threshold),
        "within": (centre - threshold, centre + threshold),
    }[side]
    if lowest < estimate.low and estimate.high < highest:
        return "replicated"
    if estimate.high < lowest or highest < estimate.low:
        return "not replicated"
    return "inconclusive"


def verdict_of_claim(verdicts: Collection[str]) -> str:
    """Judge a claim: it replicates if all of its statistics do, and does not if any of them does not.

    Args:
        verdicts: one per statistic of the claim.

    Returns:
        'replicated', 'not replicated' or 'inconclusive'.
    """
    if set(verdicts) == {"replicated"}:
        return "replicated"
    return "not replicated" if "not replicated" in verdicts else "inconclusive"


def _judged(claim: Claim, evidence: Evidence, without: Sequence[Evidence]) -> Iterator[dict[str, object]]:
    """Yield the rows of the table about a claim."""
    rows = [
        {"name": name, "replaced_by": None, **row}
        for name, statistic in claim.statistics.items()
        for row in _estimated(statistic, evidence, without)
    ]
    verdict_claim = verdict_of_claim([row["verdict"] for row in rows])
    rows += [
        {"name": name, "replaced_by": replaced.by, **row}
        for name, replaced in claim.replaced.items()
        for row in _estimated(replaced.statistic, evidence, without)
    ]
    for row in rows:
        yield {"claim": claim.number, "statement": claim.statement, "verdict_claim": verdict_claim, **row}


def _estimated(statistic: Statistic, evidence: Evidence, without: Sequence[Evidence]) -> Iterator[dict[str, object]]:
    """Yield one row, or one per size."""
    for size in (evidence.by_size or [None]) if statistic.by_size else [None]:
        of_models, *others = (
            statistic.estimate(one if size is None else one.by_size[size]) for one in (evidence, *without)
        )
        if not np.isfinite(of_models.value):
            of_models = NOTHING
        estimate = with_windows(of_models, [other.value for other in others])
        yield {
            "statistic": statistic.description.format(size=size or "each size"),
            "size": size,
            "value": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "low_models": of_models.low,
            "high_models": of_models.high,
            "side": statistic.side,
            "threshold": statistic.threshold,
            "centre": statistic.centre,
            "verdict": verdict(estimate, statistic.side, statistic.threshold, centre=statistic.centre),
            "n": estimate.n,
        }
