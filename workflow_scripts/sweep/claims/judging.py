"""The study's claims judged against a sweep's summary tables: frames in, frame out."""

from collections.abc import Collection, Iterator, Mapping

import numpy as np
import pandas as pd

from sweep.claims.catalogue import CLAIMS, Claim, Side
from sweep.claims.estimators import NOTHING, Estimate
from sweep.claims.evidence import Evidence


def claims_table(tables: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Judge every claim.

    Args:
        tables: summary tables by name, see `Evidence`.

    Returns:
        The 'claims' table: a row per statistic, in the order of the catalogue.

    Raises:
        KeyError: if a table lacks a column that a statistic is computed from, or is missing.
    """
    evidence = Evidence(tables)
    return pd.DataFrame(row for claim in CLAIMS for row in _judged(claim, evidence))


def verdict(estimate: Estimate, side: Side, threshold: float) -> str:
    """Whether the whole interval lies where the claim wants it, or wholly elsewhere.

    Args:
        estimate: with its interval, which may be null.
        side: above or below the threshold, or within ± threshold.
        threshold: in the estimate's unit.

    Returns:
        'replicated', 'not replicated' or 'inconclusive'.
    """
    lowest, highest = {
        "above": (threshold, np.inf),
        "below": (-np.inf, threshold),
        "within": (-threshold, threshold),
    }[side]
    if lowest < estimate.low and estimate.high < highest:
        return "replicated"
    if estimate.high < lowest or highest < estimate.low:
        return "not replicated"
    return "inconclusive"


def verdict_of_claim(verdicts: Collection[str]) -> str:
    """A claim replicates if all of its statistics do, and does not if any of them does not.

    Args:
        verdicts: one per statistic of the claim.

    Returns:
        'replicated', 'not replicated' or 'inconclusive'.
    """
    if set(verdicts) == {"replicated"}:
        return "replicated"
    return "not replicated" if "not replicated" in verdicts else "inconclusive"


def _judged(claim: Claim, evidence: Evidence) -> Iterator[dict[str, object]]:
    """Rows of the table: one per statistic of the claim."""
    statistics = claim.statistics.values()
    estimates = [statistic.estimate(evidence) for statistic in statistics]
    estimates = [estimate if np.isfinite(estimate.value) else NOTHING for estimate in estimates]
    verdicts = [verdict(of, at.side, at.threshold) for of, at in zip(estimates, statistics, strict=True)]
    for statistic, estimate, found in zip(statistics, estimates, verdicts, strict=True):
        yield {
            "claim": claim.number,
            "statement": claim.statement,
            "statistic": statistic.description,
            "value": estimate.value,
            "low": estimate.low,
            "high": estimate.high,
            "side": statistic.side,
            "threshold": statistic.threshold,
            "verdict": found,
            "verdict_claim": verdict_of_claim(verdicts),
            "n": estimate.n,
        }
