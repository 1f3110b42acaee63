"""Identify which of one's own candidates a policy pursues: the one whose prediction of Op or Imp is nearest.

Op_pred and Imp_min of a candidate are the least Op and Imp that its mean utility requires (method, sections 4, 5 and
12). A policy that pursues it and nothing else does no more, so the candidate whose prediction is nearest to the
measured value is the best guess (section 8).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splithistory.arguments import as_good_set, as_utility, described
from splithistory.identification import is_promoted, nearest_objectives
from splithistory.information import Floats
from splithistory.repeated_measurement import Measurements, RepeatedMeasurement
from splithistory.split_history import Futures, counted, html_table, rounded
from splithistory.theory import minimum_impact, predicted_optimization

Measure = Literal["op", "imp"]


class Candidate(NamedTuple):
    """A candidate, judged by Op or by Imp; `pandas.DataFrame` makes a table of a list of them.

    Attributes:
        measure: the measure that it is judged by, ``op`` or ``imp``.
        name: name of the candidate.
        mean_utility: s, the mean utility under F; for a good set, the success rate.
        reference_utility: the mean utility under the reference, the distribution of outcomes that F is compared with:
            the uniform distribution for Op, the mean of F'|x'' for Imp.
        measured: Op or Imp, nats.
        predicted: Op_pred or Imp_min, nats; infinite if the reference lacks outcomes that s requires.
        excess: ``measured - predicted``, nats.
        distance: absolute value of the excess, nats. The nearest candidate is the promoted one with the least distance.
        promoted: whether the mean utility is larger under F than under the reference; if not, the policy cannot be
            pursuing this candidate.
        probability: share of bootstrap resamples in which it is the nearest; NaN without a bootstrap. It says how much
            the choice among these candidates depends on the windows that were drawn, not how likely the policy is to
            pursue this one: the nearest of several wrong candidates can be nearest in all resamples.
    """

    measure: Measure
    name: str
    mean_utility: float
    reference_utility: float
    measured: float
    predicted: float
    excess: float
    distance: float
    promoted: bool
    probability: float


@dataclass(frozen=True, repr=False)
class Identification:
    """The candidates nearest to a policy's Op and to its Imp.

    Attributes:
        op: name of the promoted candidate whose Op_pred is nearest to Op; None if none is promoted.
        imp: likewise by Imp_min; None also if Imp is infinite.
        op_probability: share of the bootstrap's draws in which ``op`` is the nearest, too; NaN without a bootstrap. As
            in `Candidate`, it is no probability that the policy is after it.
        imp_probability: the same of ``imp``.
        rows: every candidate, judged by Op and then by Imp, in the order in which they were given.
    """

    op: str | None
    imp: str | None
    op_probability: float
    imp_probability: float
    rows: list[Candidate]

    def __repr__(self) -> str:
        return (
            f"Identification(Op: {self.op}{_share(self.op_probability)}, "
            f"Imp: {self.imp}{_share(self.imp_probability)}; {counted(len(self.rows) // 2, 'candidate')})"
        )

    def _repr_html_(self) -> str:
        """Return an HTML table, for notebooks."""
        head = ["candidate", "by", "measured", "predicted", "excess", "promoted", "nearest in (of resamples)"]
        rows = [
            [
                row.name,
                row.measure.capitalize(),
                *(rounded(number) for number in (row.measured, row.predicted, row.excess)),
                "yes" if row.promoted else "no",
                "" if np.isnan(row.probability) else f"{row.probability:.0%}",
            ]
            for row in self.rows
        ]
        return html_table(head, rows, caption=f"Nearest: {self.op} by Op, {self.imp} by Imp")


def identify(
    futures: Futures | RepeatedMeasurement | Sequence[Futures],
    good_sets: Mapping[str, ArrayLike] | None = None,
    utilities: Mapping[str, ArrayLike] | None = None,
) -> Identification:
    """Find the candidate that explains a policy's Op best, and the one that explains its Imp best.

    Op is compared with Op_pred, which assumes that all outcomes are equally likely under the split history. If they are
    not, trust Imp, which is compared with Imp_min. For several futures, measured and predicted values are means over
    them. Of candidates that are equally near, the first is chosen, with good sets before utilities.

    Args:
        futures: the result of `measure`, or of `measure_repeatedly`, which also shows how certain the answer is.
        good_sets: good outcomes of candidates, by name: their numbers, or K booleans.
        utilities: utilities of the K outcomes for candidates, by name: numbers from 0 to 1.

    Returns:
        The nearest candidate by each measure, and every comparison.

    Raises:
        ValueError: if there are no candidates or no futures, a name is used twice, or a candidate does not fit the
            outcomes; the message names it.
    """
    repeats, draws = _repeats_of(futures)
    n_outcomes = len(repeats.outcome_distribution[0])
    candidates = _candidates(good_sets, utilities, n_outcomes)
    utility = np.array(list(candidates.values()))  # (T, K)
    rows, nearest, probabilities = [], {}, {}
    for measure in ("op", "imp"):
        compared = _compare(repeats, measure, utility)
        means = _Comparison._make(array.mean(axis=0, keepdims=True) for array in compared)
        (best,) = means.nearest
        of_draws = None if draws is None else _compare(draws, measure, utility).nearest
        shares = [np.nan if of_draws is None else float((of_draws == at).mean()) for at in range(len(utility))]
        nearest[measure] = None if best < 0 else list(candidates)[best]
        probabilities[measure] = np.nan if best < 0 else shares[best]
        for at, name in enumerate(candidates):
            measured, predicted = float(means.measured[0]), float(means.predicted[0, at])
            # The difference of two infinite numbers is undefined.
            excess = np.nan if np.isinf(measured) and np.isinf(predicted) else measured - predicted
            rows.append(
                Candidate(
                    measure=measure,
                    name=name,
                    mean_utility=float(means.mean_utility[0, at]),
                    reference_utility=float(means.reference_utility[0, at]),
                    measured=measured,
                    predicted=predicted,
                    excess=excess,
                    distance=abs(excess),
                    promoted=bool(means.promoted[0, at]),
                    probability=shares[at],
                )
            )
    return Identification(
        op=nearest["op"],
        imp=nearest["imp"],
        op_probability=probabilities["op"],
        imp_probability=probabilities["imp"],
        rows=rows,
    )


class _Comparison(NamedTuple):
    """Comparison of R measurements with T candidates: ``measured`` is (R,), the others are (R, T)."""

    measured: Floats
    predicted: Floats
    mean_utility: Floats
    reference_utility: Floats

    @property
    def promoted(self) -> NDArray[np.bool_]:
        return is_promoted(self.mean_utility, self.reference_utility)

    @property
    def nearest(self) -> NDArray[np.intp]:
        return nearest_objectives(self.measured, self.predicted, self.promoted)


def _compare(measurements: Measurements, measure: Measure, utility: Floats) -> _Comparison:
    """Judge R measurements by (T, K) utilities."""
    s = measurements.outcome_distribution @ utility.T  # (R, T)
    split_history = measurements.counterfactual_distribution
    if measure == "op":
        reference = np.broadcast_to(utility.mean(axis=1), s.shape)
        predicted = [predicted_optimization(of, u) for of, u in zip(s.T, utility, strict=True)]
    else:
        reference = split_history @ utility.T
        predicted = [minimum_impact(of, u, split_history) for of, u in zip(s.T, utility, strict=True)]
    return _Comparison(
        measured=getattr(measurements, measure),
        predicted=np.array(predicted).T,
        mean_utility=s,
        reference_utility=reference,
    )


def _repeats_of(futures: Any) -> tuple[Measurements, Measurements | None]:
    """Return the measurements to judge, and those of the bootstrap, if any."""
    if isinstance(futures, RepeatedMeasurement):
        return Measurements.of(futures.futures), futures.draws
    repeats = [futures] if isinstance(futures, Futures) else list(futures) if isinstance(futures, list | tuple) else []
    if not repeats or not all(isinstance(each, Futures) for each in repeats):
        raise ValueError(
            f"futures: expected what measure or measure_repeatedly returns, or a list of the former, found "
            f"{described(futures)}"
        )
    sizes = sorted({len(each.outcome_distribution) for each in repeats})
    if len(sizes) > 1:
        raise ValueError(f"futures: expected the same number of outcomes in all of them, found {sizes}")
    return Measurements.of(repeats), None


def _candidates(good_sets: Any, utilities: Any, n_outcomes: int) -> dict[str, Floats]:
    """Return the (K,) utilities of all candidates, by name, good sets first."""
    candidates: dict[str, Floats] = {}
    for argument, given, check in (("good_sets", good_sets, as_good_set), ("utilities", utilities, as_utility)):
        if given is not None and not isinstance(given, Mapping):
            raise ValueError(f"{argument}: expected a dictionary of candidates by name, found {described(given)}")
        for name, value in (given or {}).items():
            if not isinstance(name, str):
                raise ValueError(f"{argument}: expected names that are text, found {described(name)}")
            if name in candidates:
                raise ValueError(f"{argument}: expected names that good_sets does not have, found {name!r} in both")
            candidates[name] = check(f"{argument}[{name!r}]", value, n_outcomes).astype(float)
    if not candidates:
        raise ValueError("good_sets, utilities: expected at least one candidate, found none")
    return candidates


def _share(probability: float) -> str:
    return "" if np.isnan(probability) else f" (nearest in {probability:.0%} of resamples)"
