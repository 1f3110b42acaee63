"""The scorecard of published sweeps: every claim with its verdicts and numbers, as rows of text."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd

from sweep.claims.catalogue import CLAIMS, Claim, Statistic
from sweep.claims.estimators import Estimate
from sweep.claims.judging import verdict
from sweep.formatting import counted, number

MARKS = {"replicated": "✓", "not replicated": "✗", "inconclusive": "?"}

Sweeps = Mapping[str, pd.DataFrame]  # the 'claims' table of each, by its title on the page


def tally(claims: pd.DataFrame) -> str:
    """Count the verdicts on claims, and on the numbers that they are judged by."""
    in_force = claims[claims["replaced_by"].isna()]
    counts = {
        "claim": claims.groupby("claim")["verdict_claim"].first().value_counts(),
        "number": in_force["verdict"].value_counts(),
    }
    return "; ".join(
        f"of {counted(of.sum(), unit)} " + ", ".join(f"{of.get(found, 0)} {found}" for found in MARKS)
        for unit, of in counts.items()
    )


def claims_rows(sweeps: Sweeps) -> Iterator[list[str]]:
    """Yield one row per claim: its number, its statement, and for each sweep its verdict and statistics."""
    for claim in CLAIMS:
        yield [
            str(claim.number),
            claim.statement,
            *(_verdict_and_statistics(claim, table) for table in sweeps.values()),
        ]


def replaced_rows(sweeps: Sweeps) -> Iterator[list[str]]:
    """Yield one row per replaced statistic: its claim, both statistics, their numbers in each sweep, and why."""
    for claim in CLAIMS:
        for name, replaced in claim.replaced.items():
            now = claim.statistics[replaced.by]
            both = (
                f"before: {_numbers(replaced.statistic, table, name)}<br>now: {_numbers(now, table, replaced.by)}"
                for table in sweeps.values()
            )
            before, after = (of.description.format(size="each size") for of in (replaced.statistic, now))
            yield [str(claim.number), f"before: {before}<br>now: {after}", *both, replaced.because]


def verdicts_that_windows_change(sweeps: Sweeps) -> Iterator[list[str]]:
    """Yield one row per statistic whose verdict would differ if its interval were over models alone."""
    for sweep, table in sweeps.items():
        for row in table.itertuples():
            over_models = Estimate(row.value, row.low_models, row.high_models, n=row.n)
            found = verdict(over_models, row.side, row.threshold, centre=row.centre)
            if found != row.verdict:
                both = _interval(over_models, found), _interval(_estimate(row), row.verdict)
                yield [str(row.claim), row.statistic, sweep, *both]


def _verdict_and_statistics(claim: Claim, table: pd.DataFrame) -> str:
    (found,) = table.loc[table["claim"] == claim.number, "verdict_claim"].unique()
    of_claim = (of.in_short.format(_numbers(of, table, name)) for name, of in claim.statistics.items())
    return "<br>".join([f"**{found}**", *of_claim])


def _numbers(statistic: Statistic, table: pd.DataFrame, name: str) -> str:
    """Format a sweep's statistic with its interval and the mark of its verdict, once or for each size."""
    rows = table[table["name"] == name]
    texts = [_interval(_estimate(row), row.verdict) for row in rows.itertuples()]
    if statistic.by_size:
        texts = [f"<br>{size}: {text}" for size, text in zip(rows["size"], texts, strict=True)]
    return "".join(texts)


def _estimate(row: Any) -> Estimate:
    return Estimate(row.value, row.low, row.high, n=row.n)


def _interval(estimate: Estimate, found: str) -> str:
    value, low, high = (number(end, "z.3f") for end in estimate[:3])
    if np.isnan(estimate.value):
        text = "undefined"
    elif np.isnan(estimate.low):
        text = f"{value} (no interval)"
    else:
        text = f"{value} ({low} to {high})"
    return f"{text} {MARKS[found]}"
