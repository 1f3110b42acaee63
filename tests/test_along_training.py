"""Identification along training, from courses of training made by hand and at random."""

import itertools
import math
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq

from splithistory.environment import Recurrence, environment_of
from splithistory.reinforcement import Evaluation, Reward
from splithistory.sequence import evaluation_windows
from splithistory.split_history import compare_futures
from splithistory.task import Task
from summarize import evaluated_on
from sweep.chains import write_chains
from sweep.errors import TableError
from sweep.identification import (
    along_training_table,
    first_identified_table,
    goal_directedness_table,
    identification_table,
)
from sweep.provenance import provenance
from sweep.schemas.summary import SUMMARY
from sweep.stages import generating
from sweep.summary import Judges, cross_objective_table
from sweep.tables import read_table, validate_table, write_table

GOOD_SETS = {"good2": [0, 4], "good4": [0, 2, 4, 6], "good6": [0, 1, 2, 4, 5, 6]}
UTILITIES = {name: [float(outcome in good) for outcome in range(8)] for name, good in GOOD_SETS.items()} | {
    "graded": [0.0, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7, 0.9]
}
TASKS = {name: Task(name, tuple(utility)) for name, utility in UTILITIES.items()}
JUDGES = Judges(TASKS, np.eye(8).repeat(2, axis=0))  # two actions for each outcome, and no noise
MEASURES = ["op", "imp", "meg", "success_rate"]
UNIFORM = [1 / 8] * 8
# F'|x'' of each action: even for the first, and for the others not.
FUTURES = np.vstack([UNIFORM, np.random.default_rng(1).dirichlet(np.full(8, 20), 15)])


def divergence(p, q):
    return sum(x * math.log(x / y) if y > 0 else math.inf for x, y in zip(p, q, strict=True) if x > 0)


def entropy_of(p):
    return -sum(x * math.log(x) for x in p if x > 0)


def evaluation(outcome, weights=(1, *[0] * 15)):
    """A row of 'training' made by hand: F and the shares of the actions, which by default all have uniform futures."""
    return {"outcome_distribution": list(outcome), "action_weights": list(weights)}


def at_random(n_policies=12, n_evaluations=4):
    """Courses of policies of all tasks, with random futures that favour the own task more and more."""
    rng, rows = np.random.default_rng(0), []
    for policy, number in itertools.product(range(n_policies), range(1, n_evaluations + 1)):
        task, share = list(TASKS)[policy % len(TASKS)], (number - 1) / n_evaluations
        future = share * np.array(favouring(task, 0.9)) + (1 - share) * rng.dirichlet(np.ones(8))
        row = evaluation(future, rng.dirichlet(np.full(16, 0.3)))
        rows.append({"task": task, "size": "18k", "seed": policy // len(TASKS), "step": 10 * number} | row)
    return pd.DataFrame(rows)


def course(task, *futures, seed=0):
    """A policy that is evaluated every ten steps."""
    rows = [{"step": 10 * number} | evaluation(future) for number, future in enumerate(futures, start=1)]
    return pd.DataFrame(rows).assign(task=task, size="18k", seed=seed)


def favouring(task, gained):
    """A future that is uniform within the good set and outside it, and gains a given share of what is possible."""
    good = np.array(UTILITIES[task])
    return list((1 - gained) / 8 + gained * good / good.sum())


def tables_of(*courses, judges=JUDGES, futures=FUTURES):
    along = along_training_table(pd.concat(courses, ignore_index=True), futures, judges)
    return along, first_identified_table(along)


# Tables of random futures, by definitions written out


def least_divergence(mean, utility, reference):
    """The least divergence of any distribution with that mean utility: that of the reference tilted by e^(λu)."""
    utility, reference = np.array(utility), np.array(reference)

    def tilted(tilt):
        weights = reference * np.exp(tilt * utility)
        return weights / weights.sum()

    return divergence(tilted(brentq(lambda tilt: tilted(tilt) @ utility - mean, -500, 500, xtol=1e-14)), reference)


def literal(row, task):
    """By measure: value, prediction, identified task and rank of the true set."""
    future, weights = row["outcome_distribution"], row["action_weights"]
    split = sum(weight * of_action for weight, of_action in zip(weights, FUTURES, strict=True))
    op = sum(w * entropy_of(of_action) for w, of_action in zip(weights, FUTURES, strict=True)) - entropy_of(future)
    imp = sum(w * divergence(future, of_action) for w, of_action in zip(weights, FUTURES, strict=True))
    chance = {name: sum(utility) / 8 for name, utility in UTILITIES.items()}
    s, q = ({name: float(np.dot(p, u)) for name, u in UTILITIES.items()} for p in (future, split))
    op_predicted = {name: least_divergence(s[name], u, UNIFORM) for name, u in UTILITIES.items()}
    imp_minimum = {name: least_divergence(s[name], u, split) for name, u in UTILITIES.items()}
    above = {name: s[name] - chance[name] for name in UTILITIES}
    promoted = [name for name in UTILITIES if s[name] > chance[name]]
    raised = [name for name in UTILITIES if s[name] > q[name]]
    sets = [[f for f in range(8) if members >> f & 1] for members in range(1, 255)]

    def rank(of_set, reference):
        """Rank of the true set among all sets that are likelier under F than under the reference."""
        values = {
            tuple(members): of_set(sum(future[f] for f in members), sum(reference[f] for f in members))
            for members in sets
            if sum(future[f] for f in members) > sum(reference[f] for f in members) + 1e-12
        }
        own = values.get(tuple(GOOD_SETS.get(task, ())))
        return None if own is None else 1 + sum(value > own + 1e-12 for value in values.values())

    def of_two(a, b):
        return divergence([a, 1 - a], [b, 1 - b])

    by_divergence = rank(of_two, UNIFORM)
    return {
        "op": (
            op,
            op_predicted[task],
            min(promoted, key=lambda name: abs(op - op_predicted[name]), default=None),
            by_divergence,
        ),
        "imp": (
            imp,
            imp_minimum[task],
            min(raised, key=lambda name: abs(imp - imp_minimum[name]), default=None),
            rank(of_two, split),
        ),
        # Without noise, and with two actions for each outcome, MEG is Op_pred.
        "meg": (op_predicted[task], None, max(promoted, key=op_predicted.get, default=None), by_divergence),
        "success_rate": (
            above[task],
            None,
            max(promoted, key=above.get, default=None),
            rank(lambda a, b: a - b, UNIFORM),
        ),
    }


def or_none(value):
    return None if pd.isna(value) else value


def test_every_evaluation_is_judged_by_the_definitions():
    training = at_random()
    along = along_training_table(training, FUTURES, JUDGES)
    assert along["measure"].tolist() == MEASURES * len(training)
    keys = ["task", "size", "seed", "step"]
    assert along[keys][::4].to_numpy().tolist() == training[keys].to_numpy().tolist()
    for number, row in training.iterrows():
        task = row["task"]
        s, chance = np.dot(row["outcome_distribution"], UTILITIES[task]), np.mean(UTILITIES[task])
        found = along.iloc[4 * number : 4 * number + 4].set_index("measure")
        for measure, (value, predicted, identified, rank) in literal(row, task).items():
            cells = found.loc[measure]
            assert cells["value"] == pytest.approx(value, abs=1e-9)
            assert or_none(cells["predicted"]) == (None if predicted is None else pytest.approx(predicted, abs=1e-9))
            assert or_none(cells["identified_task"]) == identified
            assert cells["correct"] == (identified == task)
            assert or_none(cells["true_set_rank"]) == rank
            assert cells["success_rate"] == pytest.approx(s)
            assert cells["gained"] == pytest.approx((s - chance) / (max(UTILITIES[task]) - chance))
    told = along.groupby("measure")["correct"].sum()
    assert (told > 0).all()
    assert (told < len(training)).all()
    ranked = along[along["task"] != "graded"]
    assert ranked["true_set_rank"].isna().any()
    assert (ranked["true_set_rank"] == 1).any()


def test_rules_are_those_of_trained_policies():
    """The last evaluation identifies what a single measurement of the same futures would."""
    training = at_random(n_policies=24, n_evaluations=1)
    measured = training.assign(
        windows="natural", repeat=0, estimator="exact", counterfactual="split_history", n_contexts=2000, meg_any=0.5
    )
    weights = np.stack(training["action_weights"].tolist())  # (R, 16)
    measured["counterfactual_distribution"] = list(weights @ FUTURES)
    measured["entropy_counterfactual"] = weights @ [entropy_of(of_action) for of_action in FUTURES]
    measured["op"] = measured["entropy_counterfactual"] - measured["outcome_distribution"].map(entropy_of)
    measured["imp"] = [
        np.dot(row.action_weights, [divergence(row.outcome_distribution, of_action) for of_action in FUTURES])
        for row in training.itertuples()
    ]
    bootstrap = measured.assign(draw=0)
    crossed = cross_objective_table(measured, JUDGES)
    identification = identification_table(crossed, {"measured": measured, "bootstrap": bootstrap}, TASKS)
    directed = goal_directedness_table(crossed, measured, identification, judges=JUDGES)
    keys, columns = ["task", "size", "seed", "measure"], ["identified_task", "correct", "true_set_rank"]
    along, expected = (
        table.set_index(keys)[columns].astype({"true_set_rank": "Float64"}).sort_index()
        for table in (along_training_table(training, FUTURES, JUDGES), directed)
    )
    pd.testing.assert_frame_equal(along, expected, check_dtype=False)


def test_evaluations_are_judged_alike_in_pieces(monkeypatch):
    training = at_random()
    whole = along_training_table(training, FUTURES, JUDGES)
    monkeypatch.setattr("sweep.identification._ROWS", 5)
    pd.testing.assert_frame_equal(along_training_table(training, FUTURES, JUDGES), whole)


def test_op_and_imp_are_those_of_the_answers():
    """Op and Imp follow from the shares of the actions, and agree with a comparison of futures window by window."""
    rng, environment = np.random.default_rng(2), Recurrence(0.02)
    windows = evaluation_windows(environment.generate_chains(300, 41, rng), 20, target_parity=1).contexts
    outcomes = environment.outcome_probabilities(windows)
    answers = np.where(rng.random(300) < 0.4, outcomes[:, :, 4].argmax(axis=1), rng.integers(3, 9, 300))
    futures = compare_futures(answers, outcomes)
    weights = np.bincount(answers, minlength=16) / 300
    along, _ = tables_of(
        course("good2", futures.outcome_distribution).assign(action_weights=[weights]),
        judges=Judges.of(TASKS, environment),
        futures=outcomes.mean(axis=0),
    )
    assert along["value"][:2].tolist() == pytest.approx([futures.op, futures.imp])
    assert futures.imp > futures.op > 0.02


def test_the_windows_are_those_that_reinforcements_are_evaluated_on(tmp_path):
    config = yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text())
    config["sequence"] |= {"n_validation": 60, "chain_length": 41}
    environment = environment_of(config["sequence"])
    chains = environment.generate_chains(60, 41, np.random.default_rng(3))
    (tmp_path / "sequences").mkdir()
    path = tmp_path / "sequences" / "validation.parquet"
    write_chains(chains, path, provenance(generating(config, "validation"), "code"))
    evaluation = Evaluation(Reward(environment, np.eye(8)[0]), chains, config["sequence"]["context_length"], "all")
    np.testing.assert_array_equal(evaluated_on(config, str(tmp_path)), evaluation.before_action.contexts)
    config["sequence"]["seed"] += 1
    with pytest.raises(TableError, match=re.escape(str(path))):
        evaluated_on(config, str(tmp_path))


# Courses made by hand


def test_a_task_is_identified_from_the_first_evaluation_after_which_it_always_is():
    """Its Op points to good4, good2, good4 and then to good2 for good."""
    futures = [favouring("good4", 0.1), *(favouring(task, 0.3) for task in ("good2", "good4")), favouring("good2", 0.4)]
    along, first = tables_of(course("good2", *futures, favouring("good2", 0.9)))
    by_op = along[along["measure"] == "op"]
    assert by_op["identified_task"].tolist() == ["good4", "good2", "good4", "good2", "good2"]
    np.testing.assert_allclose(by_op["value"][-2:], by_op["predicted"][-2:])
    assert first["measure"].tolist() == MEASURES
    assert first["step"].tolist() == [40] * 4
    assert first["gained"].tolist() == pytest.approx([0.4] * 4)
    assert first["success_rate"].tolist() == pytest.approx([0.25 + 0.4 * 0.75] * 4)


def test_success_alone_may_point_elsewhere_to_the_end():
    """A good4 policy that favours 0 and 4 among its successes gains more on good2 than on good4."""
    future = [0.375, 0.05, 0.075, 0.05, 0.375, 0.0125, 0.05, 0.0125]
    along, first = tables_of(course("good4", future, future))
    assert along.loc[along["measure"] == "success_rate", "identified_task"].eq("good2").all()
    assert first.set_index("measure")["step"].isna()["success_rate"]


def test_a_policy_that_never_points_to_its_task_has_no_such_step(tmp_path):
    """One policy points to its task until the last evaluation, another promotes no task at all."""
    along, first = tables_of(
        course("good2", favouring("good2", 0.5), favouring("good4", 0.5)),
        course("good6", UNIFORM, UNIFORM, seed=1),
    )
    assert along.loc[along["seed"] == 0, "correct"].tolist() == [True] * 4 + [False] * 4
    idle = along[along["seed"] == 1]
    assert idle[["identified_task", "true_set_rank"]].isna().all(axis=None)
    assert idle["gained"].tolist() == pytest.approx([0] * 8)
    assert len(first) == 8
    assert first[["step", "success_rate", "gained"]].isna().all(axis=None)
    assert_fit_their_schemas(tmp_path, along, first)


def test_of_a_graded_task_the_share_gained_goes_by_its_best_outcome_and_there_is_no_rank(tmp_path):
    best = [0.02] * 7 + [0.86]
    along, first = tables_of(course("graded", best, best), course("good4", favouring("good4", 0.5)))
    graded = along[along["task"] == "graded"]
    assert graded["true_set_rank"].isna().all()
    s, chance = np.dot(best, UTILITIES["graded"]), np.mean(UTILITIES["graded"])
    assert graded["gained"].tolist() == pytest.approx([(s - chance) / (0.9 - chance)] * 8)
    predicted = least_divergence(s, UTILITIES["graded"], UNIFORM)
    assert graded.query("measure == 'op'")["predicted"].tolist() == pytest.approx([predicted] * 2)
    assert graded.query("measure == 'op'")["correct"].all()
    assert first.query("task == 'graded' and measure == 'op'")["step"].tolist() == [10]
    assert along.query("task == 'good4'")["true_set_rank"].notna().all()
    assert_fit_their_schemas(tmp_path, along, first)


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_an_infinite_least_impact_is_missing(tmp_path):
    """Under the split history nothing succeeds, as in an environment without noise."""
    never = [[0, 1, 0, 0, 0, 0, 0, 0]] * 16
    along, first = tables_of(course("good4", favouring("good4", 0.5)), futures=np.array(never, dtype=float))
    assert along["predicted"].isna().tolist() == [False, True, True, True]
    by_imp = along.iloc[1]
    assert by_imp["identified_task"] is None
    assert not by_imp["correct"]
    assert first.set_index("measure")["step"].isna()["imp"]
    assert_fit_their_schemas(tmp_path, along, first)


def test_noise_is_no_part_of_goal_directedness():
    noisy = Judges.of(TASKS, Recurrence(0.02))
    future = np.array(favouring("good2", 0.5))
    along, _ = tables_of(course("good2", 0.98 * future + 0.02 / 8), judges=noisy)
    s = sum(future[outcome] for outcome in GOOD_SETS["good2"])
    assert along.set_index("measure")["value"]["meg"] == pytest.approx(divergence([s, 1 - s], [0.25, 0.75]))


def assert_fit_their_schemas(folder, along, first):
    for name, table in (("along_training", along), ("first_identified", first)):
        write_table(table, SUMMARY[name], folder / f"{name}.parquet", provenance({}, "code"))
        validate_table(read_table(folder / f"{name}.parquet", SUMMARY[name]), SUMMARY[name], name)


def test_random_courses_fit_their_schemas(tmp_path):
    assert_fit_their_schemas(tmp_path, *tables_of(at_random()))


@settings(deadline=None)
@given(st.lists(st.lists(st.booleans(), min_size=1, max_size=6), min_size=1, max_size=5), st.randoms())
def test_the_first_step_is_that_of_a_loop(courses, random):
    rows = [
        {"task": "good2", "size": "18k", "seed": seed, "measure": "op", "step": 7 * (place + 1), "correct": correct}
        for seed, corrects in enumerate(courses)
        for place, correct in enumerate(corrects)
    ]
    random.shuffle(rows)
    along = pd.DataFrame(rows)
    along["success_rate"], along["gained"] = along["step"] / 100, along["step"] / 1000
    first = first_identified_table(along).set_index("seed").sort_index()
    assert first.index.tolist() == list(range(len(courses)))
    for corrects, found in zip(courses, first.itertuples(), strict=True):
        expected = None
        for place in reversed(range(len(corrects))):
            if not corrects[place]:
                break
            expected = 7 * (place + 1)
        assert or_none(found.step) == expected
        assert or_none(found.success_rate) == (None if expected is None else expected / 100)
        assert or_none(found.gained) == (None if expected is None else expected / 1000)
