"""The summary tables of small frames that are made by hand."""

import math

import numpy as np
import pandas as pd
import pytest

from splithistory.environment import Recurrence
from splithistory.identification import rank_good_set, ranks_of_good_set
from splithistory.information import binary_kl_divergence
from splithistory.task import Task, good_mask
from splithistory.theory import rate_function
from sweep.claims.judging import claims_table
from sweep.identification import goal_directedness_table, identification_table
from sweep.provenance import provenance
from sweep.schemas.summary import SUMMARY
from sweep.summary import (
    Judges,
    actions_table,
    both_stages_table,
    counterfactuals_table,
    cross_objective_table,
    fits_table,
    policies_table,
    windows_table,
)
from sweep.tables import read_table, validate_table, write_table

GOOD_SETS = {"good2": [0, 4], "good4": [0, 2, 4, 6], "good6": [0, 1, 2, 4, 5, 6]}
TASKS = {name: Task.from_settings(name, {"good": good}, Recurrence(0.02)) for name, good in GOOD_SETS.items()}
POLICIES = [(task, size, seed) for task in ("good4", "good2") for size in ("51k", "18k") for seed in (0, 3)]
PARAMETERS = {(size, seed): n for size, n in [("51k", 51_280), ("18k", 18_784)] for seed in (0, 3)}
MENU = np.eye(8).repeat(2, axis=0)  # two actions for each outcome, and no noise
JUDGES = Judges(TASKS, MENU)
N_REPEATS = 4
N_MONTE_CARLO = 200


def entropy_of(p):
    return -sum(x * math.log(x) for x in p if x > 0)


def divergence(p, q):
    return sum(x * math.log(x / y) for x, y in zip(p, q, strict=True) if x > 0)


def half_added(p):
    return [(N_MONTE_CARLO * x + 0.5) / (N_MONTE_CARLO + 4) for x in p]


def measured_and_actions(seed=0, empty_split_history_at=None):
    """Repeats of every policy: a random F and random F' of three actions, their measures by hand."""
    rng = np.random.default_rng(seed)
    measured, actions = [], []
    for number, (task, size, model) in enumerate(POLICIES):
        keys = {"task": task, "size": size, "seed": model}
        for repeat in range(N_REPEATS):
            for estimator in ("exact", "monte_carlo"):
                outcome, weights = rng.dirichlet(np.ones(8)), rng.dirichlet(np.ones(3))
                futures = rng.dirichlet(np.full(8, 20), size=3)
                if (number, repeat) == empty_split_history_at:
                    futures[:] = np.eye(8)[1]
                smoothed = half_added if estimator == "monte_carlo" else list
                h = sum(w * entropy_of(f) for w, f in zip(weights, futures, strict=True))
                empty = (number, repeat) == empty_split_history_at and estimator == "exact"
                imp = sum(
                    w * divergence(smoothed(outcome), smoothed(f)) if not empty else 9.0
                    for w, f in zip(weights, futures, strict=True)
                )
                measured.append(
                    keys
                    | {
                        "windows": "natural",
                        "repeat": repeat,
                        "estimator": estimator,
                        "counterfactual": "split_history",
                        "n_contexts": 2000 if estimator == "exact" else N_MONTE_CARLO,
                        "n_distinct_actions": 3,
                        "entropy": entropy_of(outcome),
                        "entropy_counterfactual": h,
                        "op": h - entropy_of(outcome),
                        "imp": imp,
                        "outcome_distribution": outcome,
                        "counterfactual_distribution": weights @ futures,
                        "meg_any": math.log(8) - entropy_of(outcome),
                    }
                )
                if estimator == "exact":
                    actions += [
                        keys | {"repeat": repeat, "action": a, "weight": w, "outcome_distribution": f}
                        for a, w, f in zip((2, 9, 15), weights, futures, strict=True)
                    ]
    # another counterfactual future, which no column of 'policies' is about
    others = [row | {"counterfactual": "do_nothing", "op": -1.0} for row in measured]
    # and other windows, of which a table of their own is
    others += [row | {"windows": "rollouts", "op": row["op"] + 1, "entropy": row["entropy"] / 2} for row in measured]
    return pd.DataFrame(measured + others), pd.DataFrame(actions)


def training_frames():
    pretraining = pd.DataFrame(
        {
            "size": size,
            "seed": seed,
            "step": step,
            "train_loss": 1.0,
            "validation_loss": n / 1e5 + seed + 10 / step,
            "validation_accuracy": 0.5,
            "learning_rate": 0.0,
        }
        for (size, seed), n in PARAMETERS.items()
        for step in (200, 100)  # not in order
    )
    finetuning = pd.DataFrame(
        {
            "task": task,
            "size": size,
            "seed": seed,
            "step": step,
            "sampled_success_rate": 0.5,
            "success_rate": 0.5,
            "outcome_distribution": np.eye(8)[0],
            "action_weights": np.full(16, 1 / 16),
            "reinforcement_loss": 1.0,
            "maintenance_loss": 2.0 + seed + 1 / step,
            "natural_loss": 3.0 + seed + 1 / step,
        }
        for task, size, seed in POLICIES
        for step in (50, 100)
    )
    return pretraining, finetuning


def success_frame():
    return pd.DataFrame(
        {
            "task": task,
            "size": size,
            "seed": seed,
            "success_rate": 0.7,
            "chance": 0.5,
            "n_contexts": 36,
            "outcome_counts": np.arange(1, 9),
            "outcome_counts_pretrained": np.arange(8, 0, -1),
            "off_alphabet_rate": 0.25,
        }
        for task, size, seed in POLICIES
    )


def self_estimates_frame():
    return pd.DataFrame(
        {"task": task, "size": size, "seed": seed, "repeat": repeat, "op": 0.1 * number, "imp": number + repeat}
        for number, (task, size, seed) in enumerate(POLICIES)
        for repeat in range(3)
    )


def bootstrap_frame(seed=0):
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "task": task,
            "size": size,
            "seed": seed,
            "draw": draw,
            "outcome_distribution": rng.dirichlet(np.ones(8)),
            "counterfactual_distribution": rng.dirichlet(np.full(8, 20)),
        }
        for task, size, seed in POLICIES
        for draw in range(40)
    )


def stages(measured, actions):
    """All tables of pretrained models, and of policies."""
    pretraining, finetuning = training_frames()
    return {"training": pretraining}, {
        "measured": measured,
        "actions": actions,
        "success": success_frame(),
        "training": finetuning,
        "self_estimate": self_estimates_frame(),
        "bootstrap": bootstrap_frame(),
    }


def identification_from(measured, tasks=TASKS):
    finetuned = {"measured": measured, "bootstrap": bootstrap_frame()}
    return identification_table(cross_objective_table(measured, Judges(tasks, MENU)), finetuned, tasks)


def policies_from(measured, actions):
    pretrained, finetuned = stages(measured, actions)
    identification = identification_from(measured)
    return policies_table(pretrained, finetuned, identification=identification, n_parameters=PARAMETERS, judges=JUDGES)


@pytest.fixture(scope="module")
def frames():
    return measured_and_actions()


@pytest.fixture(scope="module")
def policies(frames):
    return policies_from(*frames)


def repeats_of(measured, estimator, policy):
    return measured[
        (measured["estimator"] == estimator)
        & (measured["windows"] == "natural")
        & (measured["counterfactual"] == "split_history")
        & (measured["task"] == policy.task)
        & (measured["size"] == policy.size)
        & (measured["seed"] == policy.seed)
    ]


def test_there_is_a_row_a_policy_in_the_order_of_the_sweep(policies):
    assert list(policies[["task", "size", "seed"]].itertuples(index=False, name=None)) == POLICIES
    assert policies["n_good"].tolist() == [4] * 4 + [2] * 4
    assert policies["n_parameters"].tolist() == [51_280, 51_280, 18_784, 18_784] * 2


def test_the_identity_of_optimization_holds_on_every_row(policies):
    parts = policies["op_predicted"] + policies["op_within_good"] + policies["op_within_bad"]
    np.testing.assert_allclose(policies["op"], parts - policies["op_nonuniformity"], atol=1e-12)
    parts = policies["op_predicted"] + policies["op_favouritism"]
    np.testing.assert_allclose(policies["op"], parts - policies["op_nonuniformity"], atol=1e-12)
    np.testing.assert_allclose(policies["op_excess"], policies["op"] - policies["op_predicted"], atol=1e-12)


def test_measures_are_means_over_exact_repeats(frames, policies):
    for row in policies.itertuples():
        repeats = repeats_of(frames[0], "exact", row)
        good, chance = GOOD_SETS[row.task], len(GOOD_SETS[row.task]) / 8
        s = [f[good].sum() for f in repeats["outcome_distribution"]]
        q = [f[good].sum() for f in repeats["counterfactual_distribution"]]
        assert row.success_rate == pytest.approx(np.mean(s))
        assert row.success_rate_counterfactual == pytest.approx(np.mean(q))
        assert row.op == pytest.approx(repeats["op"].mean())
        assert row.imp == pytest.approx(repeats["imp"].mean())
        assert row.op_stderr == pytest.approx(np.std(repeats["op"], ddof=1) / N_REPEATS**0.5)
        assert row.imp_stderr == pytest.approx(np.std(repeats["imp"], ddof=1) / N_REPEATS**0.5)
        assert row.op_predicted == pytest.approx(np.mean([binary_kl_divergence(x, chance) for x in s]))
        assert row.imp_minimum == pytest.approx(
            np.mean([binary_kl_divergence(x, y) for x, y in zip(s, q, strict=True)])
        )


def test_the_futures_are_means_over_exact_repeats(frames, policies):
    for row in policies.itertuples():
        repeats = repeats_of(frames[0], "exact", row)
        for column in ("outcome_distribution", "counterfactual_distribution"):
            np.testing.assert_allclose(getattr(row, column), np.mean(repeats[column].to_list(), axis=0))
        assert list(row.good_set) == GOOD_SETS[row.task]
        assert np.flatnonzero(row.utility).tolist() == GOOD_SETS[row.task]
        assert row.chance == len(GOOD_SETS[row.task]) / 8


def test_the_studys_columns_are_means_over_smoothed_monte_carlo_repeats(frames, policies):
    for row in policies.itertuples():
        repeats = repeats_of(frames[0], "monte_carlo", row)
        good, chance = GOOD_SETS[row.task], len(GOOD_SETS[row.task]) / 8
        s = [np.array(half_added(f))[good].sum() for f in repeats["outcome_distribution"]]
        q = [np.array(half_added(f))[good].sum() for f in repeats["counterfactual_distribution"]]
        assert row.op_study == pytest.approx(repeats["op"].mean())
        assert row.imp_study == pytest.approx(repeats["imp"].mean())
        assert row.op_predicted_study == pytest.approx(np.mean([binary_kl_divergence(x, chance) for x in s]))
        minima = [binary_kl_divergence(x, y) for x, y in zip(s, q, strict=True)]
        assert row.imp_minimum_study == pytest.approx(np.mean(minima))
        assert row.imp_study >= row.imp_minimum_study


def test_impact_is_judged_against_its_minimum(policies):
    np.testing.assert_allclose(policies["imp_ratio"], policies["imp"] / policies["imp_minimum"])
    np.testing.assert_allclose(policies["imp_excess"], policies["imp"] - policies["imp_minimum"])
    assert policies["imp_minimum_reason"].isna().all()
    assert (policies["imp_excess_jensen"] >= 0).all()
    assert (policies["imp_excess_jensen"] <= policies["imp_excess"]).all()


def test_the_jensen_gap_is_that_of_the_actions_rates(frames, policies):
    measured, actions = frames
    policy = next(policies.iloc[[5]].itertuples())
    good = GOOD_SETS[policy.task]
    own = actions.query("task == @policy.task and size == @policy.size and seed == @policy.seed")
    gaps = []
    for repeat in repeats_of(measured, "exact", policy).itertuples():
        answers = own[own["repeat"] == repeat.repeat]
        s, rates = repeat.outcome_distribution[good].sum(), [f[good].sum() for f in answers["outcome_distribution"]]
        spread = sum(w * binary_kl_divergence(s, q) for w, q in zip(answers["weight"], rates, strict=True))
        gaps.append(spread - binary_kl_divergence(s, np.dot(answers["weight"], rates)))
    assert policy.imp_excess_jensen == pytest.approx(np.mean(gaps))


def test_losses_are_those_of_the_last_step(policies):
    for row in policies.itertuples():
        assert row.pretraining_loss == pytest.approx(row.n_parameters / 1e5 + row.seed + 0.05)
        assert row.maintenance_loss == pytest.approx(2.01 + row.seed)
        assert row.natural_loss == pytest.approx(3.01 + row.seed)


def test_the_pretrained_model_is_judged_by_the_policys_task(policies):
    expected = {"good2": (8 + 4) / 36, "good4": (8 + 6 + 4 + 2) / 36}
    assert policies["success_rate_pretrained"].tolist() == pytest.approx([expected[task] for task in policies["task"]])


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_where_the_least_impact_is_infinite_it_is_null_with_a_reason(tmp_path):
    measured, actions = measured_and_actions(empty_split_history_at=(2, 1))
    policies = policies_from(measured, actions)
    undefined = policies.iloc[2]
    columns = ["imp_minimum", "imp_ratio", "imp_excess", "imp_excess_jensen"]
    assert undefined[columns].isna().all()
    assert "0 or 1" in undefined["imp_minimum_reason"]
    others = policies.drop(index=2)
    assert others[columns].notna().all(axis=None)
    assert others["imp_minimum_reason"].isna().all()
    write_table(policies, SUMMARY["policies"], tmp_path / "policies.parquet", provenance({}, "code"))
    fits = fits_table(policies).set_index(["figure", "group"])["n"]
    assert fits["imp_vs_minimum", "all"] == 7
    assert fits["op_vs_predicted", "all"] == 8


def test_a_single_repeat_has_no_standard_error(frames):
    measured, actions = (frame[frame["repeat"] == 0] for frame in frames)
    assert policies_from(measured, actions)[["op_stderr", "imp_stderr"]].isna().all(axis=None)


def test_every_policy_is_judged_by_every_task(frames, policies):
    crossed = cross_objective_table(frames[0], JUDGES)
    assert len(crossed) == len(POLICIES) * len(GOOD_SETS)
    assert crossed.groupby(["task", "size", "seed"])["evaluated_task"].apply(set).map(set(GOOD_SETS).__eq__).all()
    assert (crossed["is_training_task"] == (crossed["task"] == crossed["evaluated_task"])).all()
    own = crossed[crossed["is_training_task"]].reset_index(drop=True)
    shared = [column for column in crossed if column in policies and column != "imp_minimum_reason"]
    pd.testing.assert_frame_equal(own[shared], policies[shared], check_dtype=False)
    assert {"op_excess", "imp_ratio", "imp_excess"} <= set(shared)


def test_the_measures_do_not_depend_on_the_task_that_judges_them(frames):
    crossed = cross_objective_table(frames[0], JUDGES)
    assert (crossed.groupby(["task", "size", "seed"])[["op", "imp"]].nunique() == 1).all(axis=None)
    assert (crossed["imp_minimum"] <= crossed["imp"]).all()


def test_every_policy_is_judged_on_natural_windows_and_on_rollouts_by_both_estimators(frames):
    measured, keys = frames[0], ["task", "size", "seed", "evaluated_task"]
    table = windows_table(measured, JUDGES).set_index(["windows", "estimator"])
    crossed = cross_objective_table(measured, JUDGES).drop(columns="windows").set_index(keys)
    pd.testing.assert_frame_equal(table.loc["natural", "exact"].set_index(keys), crossed)
    for estimator in ("exact", "monte_carlo"):
        natural, rollouts = (table.loc[windows, estimator].set_index(keys) for windows in ("natural", "rollouts"))
        assert len(natural) == len(POLICIES) * len(TASKS)
        np.testing.assert_allclose(rollouts.pop("op"), natural.pop("op") + 1)
        np.testing.assert_allclose(rollouts.pop("op_excess"), natural.pop("op_excess") + 1)
        pd.testing.assert_frame_equal(rollouts, natural)
    judged = table.loc["natural", "monte_carlo"].query("is_training_task").set_index(keys[:3])
    policies = policies_from(*frames).set_index(keys[:3])
    np.testing.assert_allclose(judged["imp"], policies.loc[judged.index, "imp_study"])
    np.testing.assert_allclose(judged["imp_minimum"], policies.loc[judged.index, "imp_minimum_study"])


def test_sampled_outcomes_may_be_better_than_any_action_and_have_no_goal_directedness(frames, tmp_path):
    noisy = Judges.of(TASKS, Recurrence(0.02))
    sampled = frames[0]["estimator"] == "monte_carlo"
    measured = frames[0].assign(
        outcome_distribution=[np.eye(8)[0] if always else np.full(8, 1 / 8) for always in sampled]
    )
    table = windows_table(measured, noisy)
    assert (table["meg"].isna() == (table["estimator"] == "monte_carlo")).all()
    write_table(table, SUMMARY["windows"], tmp_path / "windows.parquet", provenance({}, "code"))


def test_every_policy_is_compared_with_every_future(frames):
    table = counterfactuals_table(frames[0])
    assert len(table) == len(POLICIES) * 2
    for row in table.itertuples():
        repeats = frames[0].query(
            "task == @row.task and size == @row.size and seed == @row.seed "
            "and counterfactual == @row.counterfactual and estimator == 'exact' and windows == 'natural'"
        )
        assert len(repeats) == N_REPEATS
        assert row.op == pytest.approx(repeats["op"].mean())
        assert row.imp == pytest.approx(repeats["imp"].mean())
        assert row.op_stderr == pytest.approx(np.std(repeats["op"], ddof=1) / N_REPEATS**0.5)
        assert row.imp_stderr == pytest.approx(np.std(repeats["imp"], ddof=1) / N_REPEATS**0.5)
    assert (table.query("counterfactual == 'do_nothing'")["op"] == -1).all()


def test_the_self_estimates_are_means_over_repeats(policies):
    np.testing.assert_allclose(policies["op_self"], 0.1 * np.arange(len(POLICIES)))
    np.testing.assert_allclose(policies["imp_self"], np.arange(len(POLICIES)) + 1)


# Identification


def test_the_nearest_promoted_task_is_identified(frames):
    table = identification_from(frames[0])
    crossed = cross_objective_table(frames[0], JUDGES)
    assert len(table) == 2 * len(POLICIES)
    for row in table.itertuples():
        judged = crossed.query("task == @row.task and size == @row.size and seed == @row.seed").set_index(
            "evaluated_task"
        )
        distance = {}
        for task, policy in judged.iterrows():
            floor = len(GOOD_SETS[task]) / 8 if row.measure == "op" else policy["success_rate_counterfactual"]
            least = policy["op_predicted"] if row.measure == "op" else policy["imp_minimum"]
            if policy["success_rate"] > floor:
                distance[task] = abs(policy[row.measure] - least)
        expected = min(distance, key=distance.get) if distance else None
        assert (None if pd.isna(row.identified_task) else row.identified_task) == expected
        assert row.correct == (expected == row.task)
    assert table["identified_task"].nunique() > 1


def test_the_true_set_is_ranked_on_the_mean_future(frames):
    table = identification_from(frames[0])
    for row in table.itertuples():
        repeats = repeats_of(frames[0], "exact", row)
        draws = bootstrap_frame().query("task == @row.task and size == @row.size and seed == @row.seed")
        good = good_mask(GOOD_SETS[row.task], 8)

        def reference(rows, measure=row.measure):
            split_history = np.stack(rows["counterfactual_distribution"].to_list())
            return np.full_like(split_history, 1 / 8) if measure == "op" else split_history

        outcome = np.mean(repeats["outcome_distribution"].to_list(), axis=0)
        ranking = rank_good_set(outcome, reference(repeats).mean(axis=0), good)
        assert (None if pd.isna(row.true_set_rank) else row.true_set_rank) == ranking.rank
        assert row.n_promoted == ranking.n_promoted
        assert row.best_set == ranking.best_set
        ranks = ranks_of_good_set(np.stack(draws["outcome_distribution"].to_list()), reference(draws), good)
        assert (row.true_set_rank_low, row.true_set_rank_high) == tuple(np.quantile(ranks, [0.025, 0.975]))
        assert pd.isna(row.true_set_rank_reason) == (ranking.rank is not None)
    assert table["true_set_rank"].isna().any()
    assert table["true_set_rank_reason"].dropna().str.startswith("not promoted").all()


def test_a_policy_that_no_task_fits_is_identified_with_none():
    """All mass is on an outcome that no task rewards."""
    measured, _ = measured_and_actions()
    measured["outcome_distribution"] = [np.eye(8)[7]] * len(measured)
    table = identification_from(measured)
    assert table["identified_task"].isna().all()
    assert not table["correct"].any()
    assert table["true_set_rank"].isna().all()
    assert all(best == [7] for best in table["best_set"])


def test_fits_are_numpys(policies):
    fits = fits_table(policies).set_index(["figure", "group"])
    assert set(fits.index) == {
        (figure, group) for figure in ("imp_vs_minimum", "op_vs_predicted") for group in ("all", "good2", "good4")
    }
    axes = {"imp_vs_minimum": ("imp_minimum", "imp"), "op_vs_predicted": ("op_predicted", "op")}
    for (figure, group), fit in fits.iterrows():
        rows = policies if group == "all" else policies[policies["task"] == group]
        x, y = (rows[column].to_numpy() for column in axes[figure])
        (slope, intercept), covariance = np.polyfit(x, y, 1, cov=True)
        np.testing.assert_allclose([fit["slope"], fit["intercept"]], [slope, intercept])
        np.testing.assert_allclose(
            fit[["slope_stderr", "intercept_stderr"]].astype(float), np.sqrt(np.diag(covariance))
        )
        assert fit["r_squared"] == pytest.approx(np.corrcoef(x, y)[0, 1] ** 2)
        assert fit["n"] == len(rows)


def test_two_points_make_no_fit(policies):
    fits = fits_table(policies.iloc[:2])
    assert fits[["slope", "slope_stderr", "intercept", "intercept_stderr", "r_squared"]].isna().all(axis=None)
    assert (fits["n"] == 2).all()


def test_actions_are_averaged_over_all_repeats():
    keys = {"task": "good2", "size": "18k", "seed": 0}
    even, uneven = np.full(8, 1 / 8), np.eye(8)[0]
    actions = pd.DataFrame(
        [
            keys | {"repeat": 0, "action": 3, "weight": 1.0, "outcome_distribution": even},
            keys | {"repeat": 1, "action": 3, "weight": 0.4, "outcome_distribution": uneven},
            keys | {"repeat": 1, "action": 9, "weight": 0.6, "outcome_distribution": uneven},
        ]
    )
    table = actions_table(actions).set_index("action")
    assert table["weight"].to_dict() == pytest.approx({3: 0.7, 9: 0.3})
    np.testing.assert_allclose(table.loc[3, "outcome_distribution"], (even + uneven) / 2)
    np.testing.assert_allclose(table.loc[9, "outcome_distribution"], uneven)


# Goal-directedness


@pytest.fixture(scope="module")
def directed(frames):
    crossed, identification = cross_objective_table(frames[0], JUDGES), identification_from(frames[0])
    return goal_directedness_table(crossed, frames[0], identification, judges=JUDGES)


def test_goal_directedness_of_a_policy_is_the_mean_over_its_repeats(frames, policies, directed):
    assert len(directed) == 4 * len(POLICIES)
    table = directed.set_index(["measure", "task", "size", "seed"])
    for row in policies.itertuples():
        repeats = repeats_of(frames[0], "exact", row)
        good = GOOD_SETS[row.task]
        s = np.array([sum(f[outcome] for outcome in good) for f in repeats["outcome_distribution"]])
        towards_task = binary_kl_divergence(s, len(good) / 8)
        assert row.meg_task == pytest.approx(towards_task.mean())
        assert row.meg_task_stderr == pytest.approx(np.std(towards_task, ddof=1) / N_REPEATS**0.5)
        assert row.meg_any == pytest.approx(repeats["meg_any"].mean())
        assert row.meg_any_stderr == pytest.approx(np.std(repeats["meg_any"], ddof=1) / N_REPEATS**0.5)
        log_odds = math.log(s.mean() / (1 - s.mean()) / (len(good) / (8 - len(good))))
        for measure in ("op", "imp", "meg", "success_rate"):
            values = table.loc[measure, row.task, row.size, row.seed]
            assert values["meg_task"] == pytest.approx(row.meg_task)
            assert values["meg_any"] == pytest.approx(row.meg_any)
            assert values["beta"] == pytest.approx(log_odds)


def test_each_measure_identifies_the_task_and_ranks_the_true_good_set_in_its_own_way(frames, directed):
    told = identification_from(frames[0]).set_index(["measure", "task", "size", "seed"])
    crossed = cross_objective_table(frames[0], JUDGES)
    found = directed.set_index(["measure", "task", "size", "seed"])
    columns = ["identified_task", "correct", "true_set_rank"]
    alike, identified = (
        table[columns].astype({"true_set_rank": "Float64"}).sort_index() for table in (found.loc[["op", "imp"]], told)
    )
    pd.testing.assert_frame_equal(alike, identified, check_dtype=False)
    for task, size, seed in POLICIES:
        own = frames[0].query("task == @task and size == @size and seed == @seed and estimator == 'exact'")
        future = np.mean(own.query("counterfactual == 'split_history'")["outcome_distribution"].tolist(), axis=0)
        judged = crossed.query("task == @task and size == @size and seed == @seed").set_index("evaluated_task")
        sets = [[f for f in range(8) if members >> f & 1] for members in range(1, 255)]
        good = set(GOOD_SETS[task])

        def above(members, future=future):
            return sum(future[f] for f in members) - len(members) / 8

        def divergence_of(members, future=future):
            return float(binary_kl_divergence(sum(future[f] for f in members), len(members) / 8))

        for measure, of_task, of_set in (
            ("meg", lambda name, judged=judged: judged.loc[name, "meg"], divergence_of),
            ("success_rate", lambda name, judged=judged: judged.loc[name, "success_rate"] - TASKS[name].chance, above),
        ):
            row = found.loc[measure, task, size, seed]
            promoted = [name for name in TASKS if judged.loc[name, "success_rate"] > TASKS[name].chance]
            expected = max(promoted, key=of_task, default=None)
            assert (None if pd.isna(row["identified_task"]) else row["identified_task"]) == expected
            assert row["correct"] == (expected == task)
            values = {tuple(members): of_set(members) for members in sets if above(members) > 1e-12}
            rank = None
            if tuple(sorted(good)) in values:
                rank = 1 + sum(value > values[tuple(sorted(good))] + 1e-12 for value in values.values())
            assert (None if pd.isna(row["true_set_rank"]) else row["true_set_rank"]) == rank
    assert found["true_set_rank"].notna().any()
    assert found["true_set_rank"].isna().any()


def test_every_window_of_the_sequence_offers_what_the_judges_take_for_granted():
    for environment in (Recurrence(0.02), Recurrence(0.1, (0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7))):
        menu = Judges.of(TASKS, environment).menu
        windows = np.random.default_rng(0).integers(0, 16, (100, 20)).astype(np.uint8)
        for offered in environment.outcome_probabilities(windows):
            np.testing.assert_allclose(np.sort(offered.argmax(axis=1)), np.sort(menu.argmax(axis=1)))
            np.testing.assert_allclose(np.sort(offered, axis=1), np.sort(menu, axis=1))
        for utility in (np.arange(8) / 7, np.eye(8)[3]):
            assert menu.mean(axis=0) @ utility == pytest.approx(environment.chance(utility))


def test_a_graded_task_can_be_identified_by_goal_directedness_and_has_no_rank(mixed):
    table = mixed["goal_directedness"]
    graded = table[table["task"] == "graded"]
    assert len(graded) == 16
    assert graded["true_set_rank"].isna().all()
    assert (table.query("measure == 'meg'")["identified_task"] == "graded").any()


def test_training_curves_of_both_stages_lie_in_one_table():
    pretraining, finetuning = training_frames()
    table = both_stages_table(pretraining, finetuning)
    assert table["stage"].value_counts().to_dict() == {"pretrain": len(pretraining), "finetune": len(finetuning)}
    assert table.loc[table["stage"] == "pretrain", "task"].isna().all()


# A graded task: what is good2 above is rewarded by this utility


UTILITY = np.array([0, 0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 1])
MIXED = {"good4": TASKS["good4"], "graded": Task("graded", UTILITY), "good6": TASKS["good6"]}


def with_graded(frame):
    return frame.assign(task=frame["task"].replace("good2", "graded")) if "task" in frame else frame


def mixed_from(measured, actions):
    pretrained, finetuned = stages(measured, actions)
    finetuned = {name: with_graded(frame) for name, frame in finetuned.items()}
    judges = Judges(MIXED, MENU)
    cross_objective = cross_objective_table(finetuned["measured"], judges)
    identification = identification_table(cross_objective, finetuned, MIXED)
    policies = policies_table(
        pretrained, finetuned, identification=identification, n_parameters=PARAMETERS, judges=judges
    )
    return {
        "policies": policies,
        "cross_objective": cross_objective,
        "identification": identification,
        "goal_directedness": goal_directedness_table(
            cross_objective, finetuned["measured"], identification, judges=judges
        ),
    }


@pytest.fixture(scope="module")
def mixed(frames):
    return mixed_from(*frames)


def test_a_graded_task_has_no_good_outcomes(mixed):
    policies = mixed["policies"].set_index("task")
    graded, others = policies.loc["graded"], policies.drop("graded")
    assert graded[["n_good", "op_within_good", "op_within_bad"]].isna().all(axis=None)
    assert graded["good_set"].map(len).eq(0).all()
    assert others["n_good"].tolist() == [4] * 4
    assert others[["op_within_good", "op_within_bad"]].notna().all(axis=None)
    assert all(np.array_equal(utility, UTILITY) for utility in graded["utility"])
    assert graded["chance"].tolist() == pytest.approx([0.5] * 4)


def test_of_a_graded_task_success_is_mean_utility(frames, mixed):
    measured = with_graded(frames[0])
    for row in mixed["policies"].query("task == 'graded'").itertuples():
        repeats = repeats_of(measured, "exact", row)
        s, q = (
            [math.fsum(f * UTILITY) for f in repeats[f"{kind}_distribution"]] for kind in ("outcome", "counterfactual")
        )
        assert row.success_rate == pytest.approx(np.mean(s))
        assert row.success_rate_counterfactual == pytest.approx(np.mean(q))
        assert row.success_rate_pretrained == pytest.approx(np.dot(np.arange(8, 0, -1), UTILITY) / 36)
        predicted = [rate_function(x, UTILITY, np.full(8, 1 / 8)) for x in s]
        assert row.op_predicted == pytest.approx(np.mean(predicted))
        futures = zip(s, repeats["counterfactual_distribution"], strict=True)
        assert row.imp_minimum == pytest.approx(np.mean([rate_function(x, UTILITY, future) for x, future in futures]))
        assert row.op == pytest.approx(row.op_predicted + row.op_favouritism - row.op_nonuniformity, abs=1e-12)
        assert row.op_favouritism > 0
        assert row.imp > row.imp_minimum
        sampled = repeats_of(measured, "monte_carlo", row)
        smoothed = [np.dot(half_added(f), UTILITY) for f in sampled["outcome_distribution"]]
        predicted = [rate_function(x, UTILITY, np.full(8, 1 / 8)) for x in smoothed]
        assert row.op_predicted_study == pytest.approx(np.mean(predicted))


def test_the_jensen_gap_of_a_graded_task_is_that_of_the_futures(frames, mixed):
    measured, actions = map(with_graded, frames)
    policy = next(mixed["policies"].query("task == 'graded'").itertuples())
    own = actions.query("task == @policy.task and size == @policy.size and seed == @policy.seed")
    gaps = []
    for repeat in repeats_of(measured, "exact", policy).itertuples():
        answers = own[own["repeat"] == repeat.repeat]
        s = np.dot(repeat.outcome_distribution, UTILITY)
        spread = sum(
            weight * rate_function(s, UTILITY, future)
            for weight, future in zip(answers["weight"], answers["outcome_distribution"], strict=True)
        )
        gaps.append(spread - rate_function(s, UTILITY, repeat.counterfactual_distribution))
    assert policy.imp_excess_jensen == pytest.approx(np.mean(gaps))
    assert 0 < policy.imp_excess_jensen < policy.imp_excess


@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_where_the_least_impact_of_a_graded_task_is_infinite_it_is_null_with_a_reason(tmp_path):
    policies = mixed_from(*measured_and_actions(empty_split_history_at=(6, 1)))["policies"]
    undefined = policies.iloc[6]
    assert undefined["task"] == "graded"
    assert undefined[["imp_minimum", "imp_ratio", "imp_excess", "imp_excess_jensen"]].isna().all()
    assert "F' lacks outcomes that the mean utility needs" in undefined["imp_minimum_reason"]
    assert policies.drop(index=6)["imp_minimum_reason"].isna().all()
    write_table(policies, SUMMARY["policies"], tmp_path / "policies.parquet", provenance({}, "code"))


def test_policies_are_judged_by_graded_tasks_and_identified_among_them(frames, mixed):
    crossed, identification = mixed["cross_objective"], mixed["identification"]
    own = crossed[crossed["is_training_task"]].reset_index(drop=True)
    shared = [column for column in crossed if column in mixed["policies"]]
    pd.testing.assert_frame_equal(own[shared], mixed["policies"][shared], check_dtype=False)
    judged = crossed.set_index(["task", "size", "seed", "evaluated_task"])["op_predicted"]
    for row in mixed["policies"].itertuples():
        repeats = repeats_of(with_graded(frames[0]), "exact", row)
        predicted = [
            rate_function(np.dot(f, UTILITY), UTILITY, np.full(8, 1 / 8)) for f in repeats["outcome_distribution"]
        ]
        assert judged[row.task, row.size, row.seed, "graded"] == pytest.approx(np.mean(predicted))
    assert (identification["identified_task"] == "graded").any()
    assert (identification["identified_task"] == "good4").any()


def test_the_rank_of_a_graded_task_is_null_with_a_reason(mixed):
    identification = mixed["identification"]
    graded = identification[identification["task"] == "graded"]
    columns = ["true_set_rank", "true_set_rank_low", "true_set_rank_high"]
    assert graded[columns].isna().all(axis=None)
    assert graded["true_set_rank_reason"].eq("graded task: ranks are among good sets").all()
    assert graded["n_promoted"].eq(127).all()
    assert graded["best_set"].map(len).between(1, 7).all()
    others = identification[identification["task"] == "good4"]
    assert others[["true_set_rank_low", "true_set_rank_high"]].notna().all(axis=None)
    assert (others["true_set_rank_reason"].isna() == others["true_set_rank"].notna()).all()


def test_tables_with_graded_tasks_fit_their_schemas(tmp_path, mixed):
    for name, frame in mixed.items():
        path = tmp_path / f"{name}.parquet"
        write_table(frame, SUMMARY[name], path, provenance({}, "code"))
        validate_table(read_table(path, SUMMARY[name]), SUMMARY[name], path)


# What the claims read beside the tables of policies, without rows.
NOTHING_ELSE = {
    "generator": pd.DataFrame(columns=["windows", "estimator", "counterfactual", "op", "counterfactual_distribution"]),
    "training": pd.DataFrame(columns=["stage", "size", "seed", "step", "validation_loss"]),
    "differential": pd.DataFrame(columns=["task", "size", "seed", "future", "op_median", "imp_median"]),
}


def test_the_claims_are_about_good_sets_alone(mixed):
    by_hand = {
        name: table[(table["task"] == "good4") & (table.get("evaluated_task", "") != "graded")]
        for name, table in mixed.items()
    }
    claims = claims_table(mixed | NOTHING_ELSE)
    pd.testing.assert_frame_equal(claims, claims_table(by_hand | NOTHING_ELSE))
    assert claims["n"].max() == 4


def test_a_sweep_of_graded_tasks_alone_decides_no_claim(mixed):
    graded = mixed | {"policies": mixed["policies"].assign(n_good=pd.NA)}
    assert set(claims_table(graded | NOTHING_ELSE)["verdict"]) == {"inconclusive"}


def test_every_summary_fits_its_schema(tmp_path, frames, policies):
    summary = {
        "policies": policies,
        "cross_objective": cross_objective_table(frames[0], JUDGES),
        "counterfactuals": counterfactuals_table(frames[0]),
        "identification": identification_from(frames[0]),
        "goal_directedness": goal_directedness_table(
            cross_objective_table(frames[0], JUDGES), frames[0], identification_from(frames[0]), judges=JUDGES
        ),
        "windows": windows_table(frames[0], JUDGES),
        "actions": actions_table(frames[1]),
        "training": both_stages_table(*training_frames()),
        "fits": fits_table(policies),
    }
    for name, frame in summary.items():
        write_table(frame, SUMMARY[name], tmp_path / f"{name}.parquet", provenance({}, "code"))
