"""Identification among one's own candidates: by definitions written out, and as the sweep does it."""

import math

import numpy as np
import pandas as pd
import pytest

from splithistory import identify, measure, measure_repeatedly
from splithistory.environment import Recurrence
from splithistory.identification import is_promoted, nearest_objectives
from splithistory.split_history import compare_futures
from splithistory.task import Task
from splithistory.theory import theory_of
from splithistory.training_outcomes import measure_on_ring
from sweep.summary import Judges, cross_objective_table

GOOD_SETS = {"left": [0, 1], "edge": [0, 5], "right": [4, 5]}
UTILITIES = {"falling": [1, 0.8, 0.6, 0.4, 0.2, 0], "rising": [0, 0.2, 0.4, 0.6, 0.8, 1]}
LEFT = np.array([0.43, 0.44, 0.03, 0.04, 0.03, 0.03])


def binary(s, q):
    return s * math.log(s / q) + (1 - s) * math.log((1 - s) / (1 - q))


def test_rows_are_the_definitions_written_out():
    futures = measure_on_ring(LEFT)
    found = identify(futures, GOOD_SETS, UTILITIES)
    rows = {(row.measure, row.name): row for row in found.rows}
    assert list(rows) == [(measure, name) for measure in ("op", "imp") for name in [*GOOD_SETS, *UTILITIES]]
    mean = futures.counterfactual_distribution
    for name, good in GOOD_SETS.items():
        s = LEFT[good].sum()
        for measure_name, measured, q in (("op", futures.op, 1 / 3), ("imp", futures.imp, mean[good].sum())):
            row = rows[measure_name, name]
            assert row.mean_utility == pytest.approx(s)
            assert row.reference_utility == pytest.approx(q)
            assert row.measured == measured
            assert row.predicted == pytest.approx(binary(s, q))
            assert row.excess == pytest.approx(measured - binary(s, q))
            assert row.distance == abs(row.excess)
            assert row.promoted == (s > q)
            assert np.isnan(row.probability)
    # The tilted distribution of the same mean utility explains as much as theory says.
    s = LEFT @ UTILITIES["falling"]
    tilts = [np.exp(tilt * np.array(UTILITIES["falling"])) for tilt in np.linspace(0, 20, 20_001)]
    tilted = min((tilt / tilt.sum() for tilt in tilts), key=lambda q: abs(q @ UTILITIES["falling"] - s))
    assert rows["op", "falling"].predicted == pytest.approx((tilted * np.log(6 * tilted)).sum(), abs=1e-3)
    assert not rows["op", "rising"].promoted
    assert (found.op, found.imp) == ("left", "left")
    assert np.isnan(found.op_probability)


def test_a_graded_aim_is_told_from_its_good_set():
    tilt = np.exp(5 * np.array(UTILITIES["falling"]))
    found = identify(measure_on_ring(tilt / tilt.sum()), GOOD_SETS, UTILITIES)
    assert (found.op, found.imp) == ("falling", "falling")
    nearest = next(row for row in found.rows if row.name == "falling")
    assert nearest.excess == pytest.approx(0, abs=1e-9)


def test_rows_make_a_data_frame():
    table = pd.DataFrame(identify(measure_on_ring(LEFT), GOOD_SETS).rows)
    assert table.query("promoted").groupby("measure")["distance"].min().between(0, 1).all()


def test_masks_and_lists_are_the_same_candidates():
    futures = measure_on_ring(LEFT)
    by_mask = identify(futures, {name: np.isin(range(6), good) for name, good in GOOD_SETS.items()})
    by_utility = identify(futures, utilities={name: 1.0 * np.isin(range(6), good) for name, good in GOOD_SETS.items()})
    assert repr(by_mask.rows) == repr(identify(futures, GOOD_SETS).rows) == repr(by_utility.rows)


def test_of_equally_near_candidates_the_first_is_named():
    futures = measure_on_ring(LEFT)
    assert identify(futures, {"a": [0, 1], "b": [0, 1]}).op == "a"
    assert identify(futures, {"b": [0, 1]}, {"a": [1, 1, 0, 0, 0, 0]}).op == "b"


def test_a_policy_that_is_after_none_of_them_has_no_nearest():
    found = identify(measure_on_ring(LEFT), {"right": [4, 5]})
    assert (found.op, found.imp) == (None, None)
    assert np.isnan([found.op_probability, found.imp_probability]).all()


def test_a_policy_without_effect_is_after_nothing():
    """Rounding promotes no candidate."""
    for n in (3, 6, 7, 11):
        candidates = {f"{outcome}": [outcome] for outcome in range(n)}
        found = identify(measure_on_ring(np.full(n, 1 / n)), candidates, {"rising": np.arange(n) / n})
        assert (found.op, found.imp) == (None, None)


@pytest.mark.parametrize("candidates", [{"good_sets": {"it": [0]}}, {"utilities": {"it": [0.5]}}])
def test_a_single_outcome_is_nobodys_aim(candidates):
    futures = compare_futures([0, 1, 0], np.ones((3, 2, 1)))
    assert (futures.op, futures.imp) == (0, 0)
    assert identify(futures, **candidates).op is None
    assert identify(futures, **candidates).imp is None


def test_of_two_outcomes_one_is_the_aim():
    found = identify(measure_on_ring(np.array([0.9, 0.1])), {"first": [0], "second": [1]}, {"graded": [0.7, 0.2]})
    assert (found.op, found.imp) == ("first", "first")
    assert next(row for row in found.rows if row.name == "graded").distance == pytest.approx(0, abs=1e-9)


@pytest.mark.filterwarnings("ignore::splithistory.InfiniteImpactWarning")
def test_infinite_imp_names_no_candidate():
    sees, outcome = np.arange(3), np.eye(3)
    futures = measure(sees, outcome, windows=None)
    assert futures.imp == np.inf
    with np.errstate(all="raise"):
        found = identify(futures, {"first": [0], "others": [1, 2]}, {"graded": [0, 0.5, 1]})
    assert found.imp is None
    assert all(row.measured == np.inf and row.distance == np.inf for row in found.rows if row.measure == "imp")


def test_candidates_whose_impact_would_be_infinite_are_not_near():
    futures = compare_futures([0, 1], [[[0.9, 0.1, 0]] * 2, [[0.2, 0.3, 0.5]] * 2], alternative=[0, 0])
    impossible = compare_futures([1, 1], [[[0.9, 0.1, 0], [0, 0, 1]]] * 2, alternative=[0, 0])
    found = identify([futures, impossible], {"third": [2], "not the first": [1, 2]})
    rows = {row.name: row for row in found.rows if row.measure == "imp"}
    assert rows["third"].predicted == np.inf
    assert np.isnan(rows["third"].distance)
    assert found.imp is None


def test_with_a_pseudocount_predictions_are_of_the_smoothed_futures():
    """Else Imp could fall below what it is compared with."""
    rng = np.random.default_rng(0)
    windows = rng.integers(0, 6, 40)
    sampled = np.eye(6)[rng.integers(0, 6, (40, 6))]
    futures = compare_futures(windows, sampled, 0.5)
    for row in identify(futures, GOOD_SETS, UTILITIES).rows:
        if row.measure == "imp":
            assert row.excess >= -1e-9
            distribution = futures.smooth(futures.outcome_distribution)
            utility = np.isin(range(6), GOOD_SETS[row.name]) if row.name in GOOD_SETS else UTILITIES[row.name]
            assert row.mean_utility == pytest.approx(distribution @ utility)


# How sure


def noisy(share):
    """Answers 0 or 1 in that share of the windows, else anything."""

    def policy(windows):
        return np.where(windows["luck"] < share, windows["answer"] % 2, windows["answer"])

    return policy


def windows(n, seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"luck": rng.random(n), "answer": rng.integers(0, 6, n)})


def sees_the_ring(share):
    """On the ring of six situations, the aim is {0, 1} in that share of the windows."""

    def policy(rows):
        return (noisy(share)(rows) - rows["answer"] * 5) % 6

    def environment(rows):
        outcome = (np.arange(6)[None] + rows["answer"].to_numpy()[:, None] * 5) % 6
        return np.eye(6)[outcome]

    return policy, environment


def test_a_clear_aim_is_sure_and_a_faint_one_is_not():
    clear = identify(measure_repeatedly(*sees_the_ring(0.8), windows(600)), GOOD_SETS, UTILITIES)
    assert clear.op == "left"
    assert clear.op_probability > 0.95
    faint = identify(measure_repeatedly(*sees_the_ring(0.02), windows(200), n_repeats=2), GOOD_SETS, UTILITIES)
    assert faint.op_probability < 0.9


def test_the_probability_is_the_share_of_draws_that_agree():
    measured = measure_repeatedly(*sees_the_ring(0.1), windows(200), n_repeats=2, n_bootstrap=30)
    found = identify(measured, GOOD_SETS, UTILITIES)
    utilities = [np.isin(range(6), good) for good in GOOD_SETS.values()] + list(UTILITIES.values())
    for measure_name in ("op", "imp"):
        rows = [row for row in found.rows if row.measure == measure_name]
        hits = np.zeros(len(utilities))
        for draw in range(len(measured.draws.op)):
            futures, split = (
                distributions[draw]
                for distributions in (measured.draws.outcome_distribution, measured.draws.counterfactual_distribution)
            )
            distances = []
            for utility in utilities:
                theory = theory_of([futures], [split], [0.0], Task("candidate", utility))
                s, q = theory.success_rate[0], theory.success_rate_counterfactual[0]
                predicted = theory.op_predicted if measure_name == "op" else theory.imp_minimum
                reference = np.mean(utility) if measure_name == "op" else q
                distance = abs(getattr(measured.draws, measure_name)[draw] - predicted[0])
                distances.append(distance if s > reference + 1e-12 else np.inf)
            if min(distances) < np.inf:
                hits[np.argmin(distances)] += 1
        assert [row.probability for row in rows] == pytest.approx(hits / len(measured.draws.op))
        named = getattr(found, measure_name)
        assert getattr(found, f"{measure_name}_probability") == next(r.probability for r in rows if r.name == named)


def test_the_sweeps_tables_judge_as_identify_does():
    """One sweep's policy, five exact repeats: the same predictions, excesses and identification."""
    recurrence, rng = Recurrence(0.02), np.random.default_rng(0)
    tasks = {"good2": [0, 4], "good4": [0, 2, 4, 6]}
    futures = []
    for _ in range(5):
        contexts = recurrence.generate_chains(200, 21, rng)[:, 1:]
        succeeds = np.isin(recurrence.outcome_of_each_action(contexts), tasks["good2"])
        actions = np.where(rng.random(200) < 0.6, succeeds.argmax(axis=1), rng.integers(0, 16, 200))
        futures.append(compare_futures(actions, recurrence.outcome_probabilities(contexts)))
    measured = pd.DataFrame(
        {
            "task": "good2",
            "size": "18k",
            "seed": 0,
            "windows": "natural",
            "repeat": repeat,
            "estimator": "exact",
            "counterfactual": "split_history",
            "n_contexts": 200,
            **{
                name: getattr(each, name)
                for name in ("op", "imp", "entropy", "entropy_counterfactual", "n_distinct_actions")
            },
            "outcome_distribution": each.outcome_distribution.tolist(),
            "counterfactual_distribution": each.counterfactual_distribution.tolist(),
        }
        for repeat, each in enumerate(futures)
    )
    judges = Judges.of({name: Task(name, np.isin(range(8), good)) for name, good in tasks.items()}, recurrence)
    table = cross_objective_table(measured, judges).set_index("evaluated_task")
    found = identify(futures, tasks)
    for row in found.rows:
        judged = table.loc[row.name]
        assert row.measured == pytest.approx(judged[row.measure])
        assert row.predicted == pytest.approx(judged["op_predicted" if row.measure == "op" else "imp_minimum"])
        assert row.excess == pytest.approx(judged[f"{row.measure}_excess"])
    assert found.op == found.imp == "good2"


def test_nearest_objectives_are_found_row_by_row():
    predicted = [[0.1, 0.4, 0.6], [0.1, 0.4, 0.6], [np.inf, np.nan, 0.6], [0.5, 0.5, 0.5]]
    promoted = [[True, True, True], [True, False, False], [True, True, False], [False, True, True]]
    assert nearest_objectives([0.45, 0.45, 0.45, 0.45], predicted, promoted).tolist() == [1, 0, -1, 1]
    assert nearest_objectives([np.inf], [[0.1, np.inf]], [[True, True]]).tolist() == [-1]


def test_rounding_is_no_promotion():
    assert not is_promoted(0.1 + 0.2, 0.3)
    assert is_promoted(0.3 + 1e-9, 0.3)
