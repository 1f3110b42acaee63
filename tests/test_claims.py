"""The claims, judged on summary tables made by hand in which each is true, or false, by construction."""

import itertools

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from conftest import ROOT
from sweep.claims.catalogue import CLAIMS
from sweep.claims.estimators import (
    Estimate,
    Point,
    interval,
    jackknife,
    largest,
    line,
    magnitude,
    mean,
    means,
    moments,
    outward_slopes,
    share,
    slope,
    smallest,
    sums_of_models,
    with_windows,
)
from sweep.claims.evidence import Evidence
from sweep.claims.judging import claims_table, verdict, verdict_of_claim
from sweep.commands.reference import claims_page
from sweep.provenance import provenance
from sweep.schemas.summary import SUMMARY
from sweep.tables import read_table, write_table

GOOD_SETS = {"good2": [0, 4], "good4": [0, 2, 4, 6], "good6": [0, 1, 2, 4, 5, 6]}
PARAMETERS = {"18k": 18_000, "51k": 51_000, "143k": 143_000, "402k": 402_000}
SEEDS = (0, 1, 2, 3)
GENERATOR_OP = 0.03
MODEL = ["size", "seed"]
POLICY = ["task", *MODEL]
REPLACED = {name: replaced for claim in CLAIMS for name, replaced in claim.replaced.items()}
STATISTICS = {
    name: statistic
    for claim in CLAIMS
    for name, statistic in {**claim.statistics, **{name: of.statistic for name, of in claim.replaced.items()}}.items()
}
NAMES = list(STATISTICS)
BY_SIZE = [name for name, statistic in STATISTICS.items() if statistic.by_size]


def decades(size):
    """log10 of the parameters from the middle of the range, -0.67 to 0.67."""
    return np.log10(PARAMETERS[size] / 85_000)


def true_tables(sizes=tuple(PARAMETERS), seeds=SEEDS, tasks=tuple(GOOD_SETS)):
    """Tables in which all claims hold."""
    rng = np.random.default_rng(5)
    models = list(itertools.product(sizes, seeds))
    policies, crossed, identified, differential, training = [], [], [], [], []
    for task, (size, seed) in itertools.product(tasks, models):
        keys, x, n_good = {"task": task, "size": size, "seed": seed}, decades(size), len(GOOD_SETS[task])

        def noise(scale):
            return rng.normal(scale=scale)

        # a number a model, which its policies share
        loss = 0.3 + 0.1 * x**2 + 0.002 * np.sin(seed + 10 * x)
        op = 0.1 + 0.05 * x + 0.05 * (6 - n_good) + noise(0.005)
        minimum = 0.1 + 0.05 * x + 0.05 * (6 - n_good) + noise(0.002)
        imp = 0.059 + 2.6 * minimum + (-0.02 if task == "good4" else 0.01) + noise(0.002)
        policies.append(
            keys
            | {
                "n_good": n_good,
                "good_set": GOOD_SETS[task],
                "chance": n_good / 8,
                "n_parameters": PARAMETERS[size],
                "pretraining_loss": loss,
                "maintenance_loss": loss + 0.1 + noise(0.002),
                "success_rate": n_good / 8 + 0.15 + 0.05 * x + noise(0.01),
                "success_rate_counterfactual": n_good / 8 + 0.03 + noise(0.003),
                "op": op,
                "op_predicted": op - abs(noise(0.01)),
                "op_self": op - 0.05 * (6 - n_good) + noise(0.005),
                "imp": imp,
                "imp_minimum": minimum,
                "imp_ratio": imp / minimum,
                "imp_self": 0.2 * imp,
            }
        )
        for judge in tasks:
            own = judge == task
            judged_minimum = 0.2 + 0.1 * x + noise(0.02)
            crossed.append(
                keys
                | {
                    "evaluated_task": judge,
                    "is_training_task": own,
                    # policies of good2 win on good4 with all seeds but one
                    "success_rate": 0.7 + 0.1 * (not own) * (1 if seed else -1) + noise(0.01),
                    "op_excess": 0.1 * (not own) + noise(0.01),
                    "imp": (1.2 if own else 2.5) * judged_minimum + noise(0.005),
                    "imp_minimum": judged_minimum,
                    "imp_excess": 0.05 * (not own) + noise(0.03),
                }
            )
        for measure in ("op", "imp"):
            identified.append(keys | {"measure": measure, "correct": measure == "op" or task == "good4"})
        for block, component, future in itertools.product((0, 1), ("attention", "mlp"), ("block", "end")):
            sign = -1 if future == "block" and component == "mlp" else 1
            differential.append(
                keys
                | {
                    "block": block,
                    "component": component,
                    "future": future,
                    "op_median": sign * (1 + abs(noise(0.1))),
                    "imp_median": 2.0 + abs(noise(0.1)),
                }
            )
    for (size, seed), step in itertools.product(models, (300, 100, 200)):
        rise = 0.05 * (decades(size) + 1) + 0.002 * np.cos(seed + 10 * decades(size))
        training.append(
            {
                "stage": "pretrain",
                "task": None,
                "size": size,
                "seed": seed,
                "step": step,
                "validation_loss": {100: 1.0, 200: 0.3, 300: 0.3 + rise}[step],
            }
        )
    generator = [
        {
            "windows": "natural",
            "estimator": estimator,
            "counterfactual": counterfactual,
            "op": GENERATOR_OP if (estimator, counterfactual) == ("exact", "split_history") else 1.0,
            "counterfactual_distribution": np.full(8, 1 / 8) + 0.002 * np.tile([1, -1], 4),
        }
        for estimator in ("exact", "monte_carlo")
        for counterfactual in ("split_history", "do_nothing")
    ]
    return {
        "policies": pd.DataFrame(policies),
        "cross_objective": pd.DataFrame(crossed),
        "generator": pd.DataFrame(generator),
        "identification": pd.DataFrame(identified),
        "training": pd.DataFrame(training),
        "differential": pd.DataFrame(differential),
    }


def judged(tables, without_a_repeat=()):
    return claims_table(tables, without_a_repeat).set_index("name")


@pytest.fixture(scope="module")
def tables():
    return true_tables()


@pytest.fixture(scope="module")
def claims(tables):
    return judged(tables)


@pytest.mark.parametrize("name", NAMES)
def test_what_is_true_is_replicated(claims, name):
    rows = claims.loc[[name]]
    assert rows["size"].dropna().to_list() == (list(PARAMETERS) if name in BY_SIZE else [])
    for row in rows.to_dict("records"):
        assert row["verdict"] == "replicated", row
        assert row["low"] < row["value"] < row["high"] or row["value"] == row["high"] == 1
        assert row["n"] == (4 if name in BY_SIZE else {"op_shows_it": 12, "op_shows_every_win": 12}.get(name, 16))


def policies_with(**columns):
    """A change of 'policies': each column from its rows, x decades from the middle of the sizes."""

    def change(tables):
        policies = tables["policies"]
        x = policies["size"].map(decades)
        return {"policies": policies.assign(**{name: of(policies, x) for name, of in columns.items()})}

    return change


def flipped(table, *columns):
    return lambda tables: {table: tables[table].assign(**{name: -tables[table][name] for name in columns})}


def same_slopes(tables):
    crossed = tables["cross_objective"]
    wiggle = 0.002 * np.sin(np.arange(len(crossed)))
    return {"cross_objective": crossed.assign(imp=1.2 * crossed["imp_minimum"] + wiggle)}


def subset_wins_without_excess(tables):
    crossed = tables["cross_objective"]
    return {"cross_objective": crossed.assign(op_excess=np.where(crossed["is_training_task"], 0.1, 0.0))}


def subset_never_wins(tables):
    crossed = tables["cross_objective"]
    return {"cross_objective": crossed.assign(success_rate=0.5 + 0.2 * crossed["is_training_task"])}


def no_overfitting(tables):
    training = tables["training"]
    return {"training": training.assign(validation_loss=training["validation_loss"].clip(upper=0.3))}


def only_imp_identifies(tables):
    identified = tables["identification"]
    return {"identification": identified.assign(correct=identified["measure"] == "imp")}


def one_sign(tables):
    return {"differential": tables["differential"].assign(op_median=tables["differential"]["op_median"].abs())}


def without_impact_of_the_outweighed(tables):
    """MLPs do a little less than attention, and the other way."""
    differential = tables["differential"]
    is_mlp = differential["component"] == "mlp"
    return {
        "differential": differential.assign(
            op_median=np.where(is_mlp, -0.5, 1.0), imp_median=differential["imp_median"].where(~is_mlp, 1e-3)
        )
    }


WAVE = np.sin(np.arange(48))  # unrelated to task and size
FALSE = {
    "success_above_chance": policies_with(success_rate=lambda p, x: p["success_rate"] - 0.15),
    "success_rises_with_size": policies_with(success_rate=lambda p, x: p["success_rate"] - 0.1 * x),
    "pretraining_loss_is_u_shaped": policies_with(pretraining_loss=lambda p, x: p["pretraining_loss"] - 0.3 * x),
    "maintenance_loss_is_u_shaped": policies_with(maintenance_loss=lambda p, x: 1 - p["maintenance_loss"]),
    "larger_models_overfit": no_overfitting,
    "op_rises_with_size": policies_with(op=lambda p, x: p["op"] - 0.1 * x),
    "op_falls_with_n_good_at_each_size": policies_with(op=lambda p, x: p["op"] + 0.1 * p["n_good"]),
    "op_falls_with_n_good": policies_with(op=lambda p, x: p["op"] + 0.1 * p["n_good"]),
    "op_exceeds_the_generators": policies_with(op=lambda p, x: p["op"] - 0.2 * (p["task"] == "good6")),
    "every_op_reaches_the_generators": policies_with(op=lambda p, x: p["op"] - 0.2 * (p["seed"] < 2)),
    "op_is_predicted": policies_with(op_predicted=lambda p, x: p["op"].mean() + 0.02 * WAVE),
    "op_is_near_predicted": policies_with(op_predicted=lambda p, x: p["op"] - 0.1 + 0.01 * WAVE),
    "other_policies_lie_above": flipped("cross_objective", "op_excess"),
    "op_identifies_the_task": only_imp_identifies,
    "imp_rises_with_size": policies_with(imp=lambda p, x: p["imp"] - 0.3 * x),
    "imp_falls_with_n_good_at_each_size": policies_with(imp=lambda p, x: p["imp"] + 0.3 * p["n_good"]),
    "imp_falls_with_n_good": policies_with(imp=lambda p, x: p["imp"] + 0.3 * p["n_good"]),
    "one_line_has_the_studys_slope": policies_with(imp=lambda p, x: 1.1 * p["imp_minimum"] + 0.002 * WAVE),
    "one_line_has_the_studys_intercept": policies_with(imp=lambda p, x: 1.1 * p["imp_minimum"] + 0.002 * WAVE),
    "one_line_per_task_is_better": policies_with(imp=lambda p, x: 1.1 * p["imp_minimum"] + 0.002 * WAVE),
    "ratio_falls_with_size": policies_with(imp_ratio=lambda p, x: 2 + 0.5 * x + 0.05 * WAVE),
    "counterfactual_success_above_chance": policies_with(
        success_rate_counterfactual=lambda p, x: p["success_rate_counterfactual"] - 0.06 * (p["task"] == "good4")
    ),
    "counterfactual_success_is_little": policies_with(
        success_rate_counterfactual=lambda p, x: p["success_rate_counterfactual"] + 0.1 * (p["task"] == "good4")
    ),
    "counterfactual_success_hardly_scales": policies_with(
        success_rate_counterfactual=lambda p, x: p["success_rate_counterfactual"] - 0.1 * x
    ),
    "self_estimated_op_agrees": policies_with(op_self=lambda p, x: p["op_self"] - 0.1 * (p["task"] == "good6")),
    "self_shortfall_falls_with_n_good": policies_with(op_self=lambda p, x: 2 * p["op"] - p["op_self"]),
    "self_estimated_imp_is_worse": policies_with(imp_self=lambda p, x: 0.99 * p["imp"]),
    "imp_separates_less": lambda tables: {
        "cross_objective": tables["cross_objective"].rename(
            columns={"op_excess": "imp_excess", "imp_excess": "op_excess"}
        )
    },
    "imp_identifies_less": only_imp_identifies,
    "some_subset_policy_wins": subset_never_wins,
    "op_shows_every_win": subset_wins_without_excess,
    "subset_policies_at_times_win": subset_never_wins,
    "op_shows_it": subset_wins_without_excess,
    "wrong_policies_lie_on_other_lines": same_slopes,
    "output_bias_outweighs_frequencies_on_each_task": policies_with(
        success_rate_counterfactual=lambda p, x: p["success_rate_counterfactual"] - 0.06 * (p["task"] == "good4")
    ),
    "output_bias_outweighs_frequencies": policies_with(
        success_rate_counterfactual=lambda p, x: p["success_rate_counterfactual"] - 0.06
    ),
    "op_cancels": one_sign,
    "imp_adds_what_op_cancels": without_impact_of_the_outweighed,
    "imp_is_never_negative": policies_with(imp=lambda p, x: p["imp"] - 10 * (p["seed"] < 2) * (p["task"] == "good2")),
}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_false_is_not_replicated(tables, name):
    statistic = STATISTICS[name]
    estimate = statistic.estimate(Evidence(tables | FALSE[name](tables)))
    found = verdict(estimate, statistic.side, statistic.threshold, centre=statistic.centre)
    assert found == "not replicated", estimate


@pytest.mark.parametrize("seeds", [[3], [2, 3]])
def test_one_or_two_models_settle_nothing(seeds):
    claims = judged(true_tables(sizes=["51k"], seeds=seeds))
    assert (claims["verdict"] == "inconclusive").all()
    assert claims[["low", "high"]].isna().all(axis=None)
    assert claims.loc[["success_above_chance", "every_op_reaches_the_generators"], "value"].notna().all()


def test_too_few_models_have_a_value_but_no_interval():
    two = judged(true_tables(sizes=["18k", "402k"], seeds=[0]))
    slopes = two[two["statistic"].str.contains("slope over models")]
    assert len(slopes) == 6
    assert slopes["value"].notna().all()
    assert slopes[["low", "high"]].isna().all(axis=None)
    assert (slopes["n"] == 2).all()
    one = judged(true_tables(sizes=["51k"], seeds=[3])).loc["success_above_chance"]
    assert np.isfinite(one["value"])
    assert one["n"] == 1


WITHOUT = {
    "no rows": lambda tables: {name: frame.iloc[:0] for name, frame in tables.items()},
    "no numbers": lambda tables: {
        name: frame.assign(
            **dict.fromkeys(
                frame.columns.difference([*POLICY, "evaluated_task", "stage", "n_good", "good_set"]), np.nan
            )
        )
        for name, frame in tables.items()
    },
    "graded tasks only": lambda tables: {
        name: frame.assign(n_good=pd.NA) if name == "policies" else frame.iloc[:0] for name, frame in tables.items()
    },
}


@pytest.mark.parametrize("name", WITHOUT)
def test_what_cannot_be_computed_is_inconclusive(tables, name):
    claims = judged(WITHOUT[name](tables))
    assert (claims["verdict"] == "inconclusive").all()
    assert claims[["value", "low", "high"]].isna().all(axis=None)
    assert (claims["n"] == 0).all()
    assert list(dict.fromkeys(claims.index)) == NAMES


COLUMNS = {
    "policies": {
        "op",
        "op_self",
        "op_predicted",
        "imp_ratio",
        "chance",
        "good_set",
        "n_good",
        "pretraining_loss",
        "seed",
    },
    "cross_objective": {"op_excess", "imp_minimum", "evaluated_task"},
    "generator": {"op", "estimator", "counterfactual_distribution"},
    "identification": {"correct", "measure"},
    "training": {"stage", "step", "validation_loss"},
    "differential": {"op_median", "imp_median", "future"},
}


@pytest.mark.parametrize(
    ("table", "column"), [(table, column) for table in COLUMNS for column in sorted(COLUMNS[table])]
)
def test_a_misspelt_column_is_an_error(tables, table, column):
    with pytest.raises(KeyError, match=column):
        claims_table(tables | {table: tables[table].rename(columns={column: f"{column}s"})})


@pytest.mark.parametrize("table", COLUMNS)
def test_a_missing_table_is_an_error(tables, table):
    with pytest.raises(KeyError, match=table):
        claims_table({name: frame for name, frame in tables.items() if name != table})


SMALL = {
    "one size": {"sizes": ["51k"]},
    "one seed": {"seeds": [2]},
    "two sizes, one seed": {"sizes": ["51k", "18k"], "seeds": [2]},
    "one task": {"tasks": ["good4"]},
    "one model, one task": {"sizes": ["51k"], "seeds": [2], "tasks": ["good6"]},
}


@pytest.mark.parametrize("sweep", SMALL)
@pytest.mark.filterwarnings("error")
def test_any_sweep_is_judged_on_what_it_has(sweep, tmp_path):
    claims = claims_table(true_tables(**SMALL[sweep]))
    write_table(claims, SUMMARY["claims"], tmp_path / "claims.parquet", provenance({}, "code"))
    n_sizes = len(SMALL[sweep].get("sizes", PARAMETERS))
    assert len(claims) == len(STATISTICS) + len(BY_SIZE) * (n_sizes - 1)
    assert claims["n"].max() == n_sizes * len(SMALL[sweep].get("seeds", SEEDS))
    assert (claims.loc[claims["value"].isna(), "n"] == 0).all()
    assert (claims.loc[claims["value"].notna(), "n"] > 0).all()


@pytest.mark.parametrize(
    ("sweep", "names"),
    [
        ("one size", ["success_rises_with_size", "pretraining_loss_is_u_shaped", "ratio_falls_with_size"]),
        ("one task", [*BY_SIZE, "self_estimated_op_agrees", "op_identifies_the_task", "some_subset_policy_wins"]),
        ("one task", ["other_policies_lie_above", "wrong_policies_lie_on_other_lines", "one_line_per_task_is_better"]),
    ],
)
def test_what_a_small_sweep_lacks_is_null_and_the_rest_is_not(sweep, names):
    claims = judged(true_tables(**SMALL[sweep]))
    assert claims.loc[names, "value"].isna().all()
    assert claims.loc["success_above_chance", "verdict"] == "replicated"


def test_without_self_estimates_only_what_needs_them_is_null(tables, claims):
    without = judged(tables | {"policies": tables["policies"].assign(op_self=np.nan, imp_self=np.nan)})
    null = without.index[without["value"].isna()]
    assert set(null) == {
        "self_estimated_op_agrees",
        "self_shortfall_falls_with_n_good",
        "self_estimated_imp_is_worse",
    }
    pd.testing.assert_frame_equal(without.drop(index=null), claims.drop(index=null))


def test_policies_without_a_least_impact_are_left_out(tables, claims):
    """As in the study, where one task's plot had no points of another task's policies."""
    crossed, policies = tables["cross_objective"], tables["policies"]
    undefined = (crossed["task"] == "good6") & (crossed["evaluated_task"] == "good2")
    some = policies.index == 3
    changed = judged(
        tables
        | {
            "cross_objective": crossed.assign(
                imp_minimum=crossed["imp_minimum"].mask(undefined), imp_excess=crossed["imp_excess"].mask(undefined)
            ),
            "policies": policies.assign(
                imp_minimum=policies["imp_minimum"].mask(some), imp_ratio=policies["imp_ratio"].mask(some)
            ),
        }
    )
    assert (changed["verdict"] == "replicated").all()
    assert changed.loc["ratio_falls_with_size", "n"] == 15
    assert changed.loc["wrong_policies_lie_on_other_lines", "n"] == 16


# The unit is the model


def test_repeated_policies_change_nothing(tables, claims):
    repeated = {name: pd.concat([frame] * 3) for name, frame in tables.items()}
    changed = judged(repeated)
    # this one corrects for the number of points, and so sees more of them
    adjusted = ["one_line_per_task_is_better"]
    pd.testing.assert_frame_equal(changed.drop(index=adjusted), claims.drop(index=adjusted))
    assert changed.loc[adjusted, "n"].item() == 16


def test_more_policies_a_model_do_not_narrow_an_interval(tables, claims):
    """Every task twice, under two names."""
    policies = tables["policies"]
    doubled = pd.concat([policies, policies.assign(task=policies["task"] + "again")], ignore_index=True)
    # this one corrects for the number of lines
    names = [name for name in NAMES if name != "one_line_per_task_is_better"]
    changed, before = judged(tables | {"policies": doubled}).loc[names], claims.loc[names]
    np.testing.assert_allclose(changed["value"].astype(float), before["value"].astype(float), atol=1e-12)
    assert (changed["n"] == before["n"]).all()
    assert (changed["high"] - changed["low"] >= before["high"] - before["low"] - 1e-12).all()


def test_the_order_of_rows_does_not_matter(tables, claims):
    pd.testing.assert_frame_equal(
        judged({name: frame.sample(frac=1, random_state=0) for name, frame in tables.items()}), claims
    )


# Intervals against scipy


def test_a_mean_has_students_interval(tables, claims):
    policies = tables["policies"]
    distance = (policies["op"] - policies["op_predicted"]).abs().groupby([policies["size"], policies["seed"]]).mean()
    expected = stats.ttest_1samp(distance, 0).confidence_interval()
    row = claims.loc["op_is_near_predicted"]
    np.testing.assert_allclose(row[["value", "low", "high"]].astype(float), [distance.mean(), *expected])


def test_a_slope_has_the_interval_of_its_regression(tables, claims):
    policies = tables["policies"]
    by_model = policies.assign(margin=policies["success_rate_counterfactual"] - policies["n_good"] / 8)
    by_model = by_model.groupby(["n_parameters", "seed"])["margin"].mean().reset_index()
    fit = stats.linregress(np.log10(by_model["n_parameters"]), by_model["margin"])
    half = stats.t.ppf(0.975, 14) * fit.stderr
    row = claims.loc["counterfactual_success_hardly_scales"]
    expected = [fit.slope, fit.slope - half, fit.slope + half]
    np.testing.assert_allclose(row[["value", "low", "high"]].astype(float), expected)


def test_the_smallest_of_three_slopes_has_intervals_that_hold_at_once(tables, claims):
    fits = [stats.linregress(np.log10(own["n_parameters"]), own["op"]) for _, own in tables["policies"].groupby("task")]
    quantile = stats.t.ppf(1 - 0.025 / 3, 14)
    expected = [
        min(fit.slope for fit in fits),
        min(fit.slope - quantile * fit.stderr for fit in fits),
        min(fit.slope + quantile * fit.stderr for fit in fits),
    ]
    row = claims.loc["op_rises_with_size"]
    np.testing.assert_allclose(row[["value", "low", "high"]].astype(float), expected)


def test_a_share_has_wilsons_interval(claims):
    row = claims.loc["subset_policies_at_times_win"]
    expected = stats.binomtest(12, 16).proportion_ci(method="wilson")
    np.testing.assert_allclose(row[["value", "low", "high"]].astype(float), [0.75, *expected])


def mean_of_sums(sums):
    return sums[:, 1] / sums[:, 0]


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.random.default_rng(0).normal(size=9)
    point = jackknife(mean_of_sums, np.column_stack([np.ones(9), values]))
    assert point == pytest.approx((values.mean(), stats.sem(values), 8, 9))


def test_the_jackknife_drops_whole_models():
    """Two rows a model that say the same: as many degrees of freedom and the same error as one row."""
    terms = np.column_stack([np.ones(9), np.random.default_rng(0).normal(size=9)])
    once, models = pd.RangeIndex(9), pd.RangeIndex(9).append(pd.RangeIndex(9))
    of = [
        jackknife(mean_of_sums, sums_of_models(once, terms)),
        jackknife(mean_of_sums, sums_of_models(models, np.concatenate([terms, terms]))),
    ]
    assert of[0] == pytest.approx(of[1])


def test_leaving_out_by_sums_equals_fitting_without_the_model():
    """The slope of a line, also where x is equal for all but one model, without which there is none."""
    x, y = np.random.default_rng(0).normal(size=(2, 9))
    without = [np.polyfit(np.delete(x, i), np.delete(y, i), 1)[0] for i in range(9)]
    point = jackknife(lambda sums: line(sums)[0], moments(x, y))
    assert point == pytest.approx((np.polyfit(x, y, 1)[0], np.sqrt(8 * np.var(without)), 8, 9))
    x[1:] = x[1]
    assert np.isnan(jackknife(lambda sums: line(sums)[0], moments(x - x.mean(), y)).stderr)


def test_r_squared_is_about_the_line_that_is_predicted(tables, claims):
    policies = tables["policies"]
    residual = ((policies["op"] - policies["op_predicted"]) ** 2).mean()
    assert claims.loc["op_is_predicted", "value"] == pytest.approx(1 - residual / policies["op"].var(ddof=0))


def test_a_parabolas_end_slopes_are_its_derivatives():
    x = np.repeat([4.0, 4.5, 5.0, 5.5], 3)
    y = 2 + 3 * (x - 4.6) ** 2 + np.random.default_rng(0).normal(scale=0.1, size=12)
    models = pd.Series(y, index=pd.MultiIndex.from_arrays([x, np.tile([0, 1, 2], 4)]))
    points = outward_slopes(models, {model: model[0] for model in models.index})
    # the same by solving the normal equations: y = b0 + b1 x + b2 x²
    design = np.stack([np.ones(12), x, x**2], axis=1)
    inverse = np.linalg.inv(design.T @ design)
    b = inverse @ design.T @ y
    variance = ((y - design @ b) ** 2).sum() / 9
    for point, end, sign in zip(points, (4.0, 5.5), (-1, 1), strict=True):
        gradient = sign * np.array([0, 1, 2 * end])
        assert point == pytest.approx(
            (gradient @ b, np.sqrt(variance * gradient @ inverse @ gradient), 9, 12), rel=1e-4
        )
    assert points[0].value == pytest.approx(3.6, abs=0.5)
    assert points[1].value == pytest.approx(5.4, abs=0.5)


def test_intervals_hold_as_often_as_they_say():
    """The smallest of three means of four models, in 2,000 made-up sweeps."""
    rng = np.random.default_rng(1)
    held = 0
    for values in rng.normal(size=(2000, 3, 4)):
        estimate = smallest(means(pd.DataFrame(values.T)))
        held += estimate.low <= 0 <= estimate.high
    assert held / 2000 >= 0.94


def test_intervals_hold_although_all_models_share_the_windows():
    """Means of eight models on four repeats whose windows shift all of them alike, in 2,000 made-up sweeps."""
    rng = np.random.default_rng(2)
    held, held_over_models = 0, 0
    for _ in range(2000):
        models, windows, both = rng.normal(size=(8, 1)), rng.normal(size=4), rng.normal(size=(8, 4))
        repeats = models + 2 * windows + both  # (models, repeats)
        over_models = interval(mean(pd.Series(repeats.mean(axis=1))))
        estimate = with_windows(over_models, [np.delete(repeats, repeat, axis=1).mean() for repeat in range(4)])
        held_over_models += over_models.low <= 0 <= over_models.high
        held += estimate.low <= 0 <= estimate.high
    assert held_over_models / 2000 < 0.8
    assert held / 2000 >= 0.94


def test_the_two_parts_of_an_interval_add_up_by_their_squares():
    estimate = Estimate(5.0, 2.0, 9.0, 16)
    assert with_windows(estimate, [5.0, 5.0, 5.0]) == estimate
    assert with_windows(estimate, []) == estimate
    # the jackknife of the mean of a repeat at 4 and one at 6: 4 and 6 are what is left
    half = stats.t.ppf(0.975, 1) * stats.sem([4.0, 6.0])
    wider = with_windows(estimate, [6.0, 4.0])
    assert wider[1:3] == pytest.approx((5 - np.hypot(3, half), 5 + np.hypot(4, half)))
    assert np.isnan(with_windows(estimate, [6.0, np.nan])[1:3]).all()


def test_a_share_and_a_size_stay_in_their_range():
    all_of_16 = share(pd.Series([True] * 16))
    assert with_windows(all_of_16, [1.0, 0.5, 1.0]).high == 1
    assert with_windows(all_of_16, [1.0, 0.0, 1.0]).low == 0
    assert with_windows(magnitude(Estimate(-2.0, -3.0, -1.0, 5)), [2.0, 9.0]).low == 0


def test_windows_widen_what_depends_on_them_and_nothing_else(tables, claims):
    """Two repeats, of which one has a lower Op throughout."""
    shifted = [tables["policies"].assign(op=tables["policies"]["op"] + shift) for shift in (-0.05, 0.05)]
    changed = judged(tables, [{"policies": policies} for policies in shifted])
    models = ["low_models", "high_models"]
    np.testing.assert_array_equal(changed[models], claims[["low", "high"]])
    widened = (changed["low"] < changed["low_models"] - 1e-9) | (changed["high"] > changed["high_models"] + 1e-9)
    assert set(changed.index[widened]) == {
        "op_exceeds_the_generators",
        "every_op_reaches_the_generators",
        "op_is_predicted",
        "op_is_near_predicted",
        "self_estimated_op_agrees",
        "self_estimated_imp_is_worse",
    }
    assert changed.loc["op_exceeds_the_generators", "verdict"] == "inconclusive"
    assert claims.loc["op_exceeds_the_generators", "verdict"] == "replicated"


@pytest.mark.parametrize(
    ("ends", "expected"), [((1.0, 3.0), (1.0, 3.0)), ((-3.0, -1.0), (1.0, 3.0)), ((-3.0, 1.0), (0.0, 3.0))]
)
def test_the_size_of_an_estimate_reaches_down_to_zero_where_its_sign_is_open(ends, expected):
    estimate = magnitude(Estimate(sum(ends) / 2, *ends, 5))
    assert estimate[:4] == (abs(sum(ends)) / 2, *expected, 5)


def test_an_extreme_without_an_interval_has_none():
    known, unknown = Point(1.0, 0.5, 8, 9), Point(3.0, np.nan, 0, 1)
    for extreme, value in ((smallest, 1.0), (largest, 3.0)):
        estimate = extreme([known, unknown])
        assert (estimate.value, estimate.n) == (value, 1)
        assert np.isnan([estimate.low, estimate.high]).all()


# Statistics by hand


def test_models_in_which_op_and_imp_identify_as_many_tasks_have_no_say(tables):
    identified = tables["identification"]
    even = (identified["seed"] == 0) & (identified["measure"] == "imp")
    other = identified.assign(correct=identified["correct"] | even)
    assert judged(tables | {"identification": other}).loc["imp_identifies_less", ["value", "n"]].tolist() == [1, 12]


def test_the_gap_between_wrong_and_right_policies_is_in_units_of_their_scatter(tables, claims):
    crossed = tables["cross_objective"]
    leads = []
    for task, judge in itertools.permutations(GOOD_SETS, 2):
        d = []
        for column in ("op_excess", "imp_excess"):
            on_judge = crossed[crossed["evaluated_task"] == judge]
            wrong, right = (on_judge.loc[on_judge["task"] == name, column] for name in (task, judge))
            d.append((wrong.mean() - right.mean()) / np.sqrt((np.var(wrong, ddof=1) + np.var(right, ddof=1)) / 2))
        leads.append(d[0] - d[1])
    assert claims.loc["imp_separates_less", "value"] == pytest.approx(np.mean(leads))


def test_lines_of_tasks_are_compared_with_one_line_by_residual_variance(tables, claims):
    policies = tables["policies"]

    def squares(rows):
        return np.polyfit(rows["imp_minimum"], rows["imp"], 1, full=True)[1].item()

    apart = sum(squares(own) for _, own in policies.groupby("task")) / (48 - 6)
    expected = 1 - apart / (squares(policies) / (48 - 2))
    assert claims.loc["one_line_per_task_is_better", "value"] == pytest.approx(expected)


def test_output_bias_is_what_the_generators_future_does_not_explain(tables, claims):
    # the generator's F' puts 0.002 more than chance on each even outcome and as much less on each odd one
    generators = tables["policies"]["task"].map({"good2": 0.254, "good4": 0.508, "good6": 0.754})
    chance = tables["policies"]["n_good"] / 8
    q = tables["policies"]["success_rate_counterfactual"]
    parts = (q - generators) - (generators - chance)
    assert claims.loc["output_bias_outweighs_frequencies", "value"] == pytest.approx(parts.mean())
    by_task = parts.groupby(tables["policies"]["task"]).mean()
    assert claims.loc["output_bias_outweighs_frequencies_on_each_task", "value"] == pytest.approx(by_task.min())


def test_frequencies_below_chance_explain_no_success_above_it(tables):
    generator = tables["generator"].assign(
        counterfactual_distribution=lambda of: [np.full(8, 1 / 4) - p for p in of["counterfactual_distribution"]]
    )
    claims = judged(tables | {"generator": generator})
    margin = tables["policies"]["success_rate_counterfactual"] - tables["policies"]["n_good"] / 8
    by_task = margin.groupby(tables["policies"]["task"]).mean()
    assert claims.loc["output_bias_outweighs_frequencies_on_each_task", "value"] == pytest.approx(by_task.min())
    assert claims.loc["output_bias_outweighs_frequencies", "value"] > margin.mean() + 0.008


def test_cancelled_optimization_is_what_the_sum_lacks(tables):
    sources = pd.DataFrame(
        {
            "task": [None] * 2 + ["good2"] * 5,
            "size": "18k",
            "seed": 0,
            "future": ["block"] * 6 + ["end"],
            "op_median": [1.0, 1.0, 1.0, -0.5, 2.0, 0.5, -9.0],  # of 4.0 in all, 3.0 is left
            "imp_median": [9.0, 9.0, 1.0, 2.0, 3.0, 4.0, 9.0],  # of 10.0 in all, 2.0 is of what is outweighed
        }
    )
    claims = judged(tables | {"differential": sources})
    assert claims.loc["op_cancels", ["value", "n"]].tolist() == [0.25, 1]
    assert claims.loc["imp_adds_what_op_cancels", ["value", "n"]].tolist() == [0.2, 1]


def test_self_estimates_are_compared_by_relative_error(tables, claims):
    policies = tables["policies"]
    errors = [
        [
            (own[f"{name}_self"] - own[name]).abs().sum() / own[name].sum()
            for _, own in policies.groupby(["size", "seed"])
        ]
        for name in ("imp", "op")
    ]
    assert claims.loc["self_estimated_imp_is_worse", "value"] == pytest.approx(np.subtract(*errors).mean())


def test_few_models_have_no_interval():
    assert np.isnan(mean(pd.Series([1.0])).stderr)
    pair = pd.Series([1.0, 3.0], index=pd.MultiIndex.from_tuples([("18k", 0), ("402k", 0)]))
    point = slope(pair, {("18k", 0): 4.0, ("402k", 0): 5.0})
    assert point.value == pytest.approx(2)
    assert np.isnan(point.stderr)
    assert np.isnan(slope(pair, {("18k", 0): 4.0, ("402k", 0): 4.0}).value)
    assert share(pd.Series(dtype=bool)).n == 0
    for of_models in (lambda n: interval(mean(pd.Series(range(n)))), lambda n: share(pd.Series([True] * n))):
        assert np.isnan([of_models(2).low, of_models(2).high]).all()
        assert np.isfinite([of_models(2).value, of_models(3).low, of_models(3).high]).all()


def test_a_share_of_policies_is_as_uncertain_as_one_observation_per_model():
    whole, parts = share(pd.Series([True] * 6 + [False] * 3)), share(pd.Series([2 / 3] * 9))
    assert parts[:4] == pytest.approx(whole[:4])
    expected = stats.binomtest(6, 9).proportion_ci(method="wilson")
    assert whole[:3] == pytest.approx((2 / 3, expected.low, expected.high))
    assert share(pd.Series([1.0] * 7)).high == 1
    assert share(pd.Series([0.0] * 7)).low == 0


def test_the_line_of_claim_8_is_shown_as_it_is_and_judged_about_the_studys(tables, claims):
    policies = tables["policies"]
    slope_, intercept = np.polyfit(policies["imp_minimum"], policies["imp"], 1)
    rows = claims.loc[["one_line_has_the_studys_slope", "one_line_has_the_studys_intercept"]]
    np.testing.assert_allclose(rows["value"].astype(float), [slope_, intercept])
    assert rows["centre"].tolist() == [2.6, 0.059]
    assert rows["verdict"].tolist() == ["replicated"] * 2
    assert (claims["centre"].drop(rows.index) == 0).all()


# Verdicts, the table and the page


@pytest.mark.parametrize(
    ("low", "high", "side", "expected"),
    [
        (0.6, 0.7, "above", "replicated"),
        (0.4, 0.6, "above", "inconclusive"),
        (0.5, 0.6, "above", "inconclusive"),
        (0.3, 0.4, "above", "not replicated"),
        (0.3, 0.4, "below", "replicated"),
        (0.4, 0.6, "below", "inconclusive"),
        (0.6, 0.7, "below", "not replicated"),
        (-0.4, 0.4, "within", "replicated"),
        (-0.6, 0.4, "within", "inconclusive"),
        (-0.4, 0.6, "within", "inconclusive"),
        (-9.0, 9.0, "within", "inconclusive"),
        (0.6, 0.7, "within", "not replicated"),
        (-0.7, -0.6, "within", "not replicated"),
        (np.nan, np.nan, "above", "inconclusive"),
        (np.nan, np.nan, "within", "inconclusive"),
    ],
)
def test_a_verdict_needs_the_whole_interval_on_one_side(low, high, side, expected):
    assert verdict(Estimate((low + high) / 2, low, high, 4), side, 0.5) == expected
    if side == "within":
        moved = Estimate(2 + (low + high) / 2, 2 + low, 2 + high, 4)
        assert verdict(moved, side, 0.5, centre=2.0) == expected


@pytest.mark.parametrize(
    ("verdicts", "expected"),
    [
        (["replicated"], "replicated"),
        (["replicated", "replicated"], "replicated"),
        (["replicated", "inconclusive"], "inconclusive"),
        (["inconclusive", "not replicated"], "not replicated"),
        (["not replicated", "replicated", "replicated"], "not replicated"),
    ],
)
def test_a_claim_replicates_if_all_of_its_statistics_do(verdicts, expected):
    assert verdict_of_claim(verdicts) == expected


def test_every_claim_has_one_verdict(tables):
    claims = judged(tables | FALSE["success_rises_with_size"](tables))
    assert (claims.groupby("claim")["verdict_claim"].nunique() == 1).all()
    assert claims.loc[claims["verdict_claim"] != "replicated", "claim"].unique().tolist() == [1]
    assert set(claims.loc[claims["claim"] == 1, "verdict_claim"]) == {"not replicated"}


def test_every_claim_is_judged_in_order(claims):
    assert claims["claim"].unique().tolist() == list(range(1, 17)) == [claim.number for claim in CLAIMS]
    assert claims["claim"].is_monotonic_increasing
    statements = {claim.number: claim.statement for claim in CLAIMS}
    assert claims["statement"].tolist() == claims["claim"].map(statements).tolist()
    assert list(dict.fromkeys(claims.index)) == NAMES
    assert claims["side"].tolist() == [STATISTICS[name].side for name in claims.index]
    assert not claims.duplicated(["claim", "statistic"]).any()
    assert len(STATISTICS) == sum(len(claim.statistics) + len(claim.replaced) for claim in CLAIMS)


def test_what_was_replaced_is_shown_beside_what_replaced_it_and_has_no_say(tables, claims):
    assert claims["replaced_by"].dropna().to_dict() == {name: replaced.by for name, replaced in REPLACED.items()}
    for claim in CLAIMS:
        assert {replaced.by for replaced in claim.replaced.values()} <= set(claim.statistics)
    changed = judged(tables | FALSE["imp_is_never_negative"](tables))
    assert changed.loc["imp_is_never_negative", ["verdict", "verdict_claim"]].tolist() == [
        "not replicated",
        "replicated",
    ]


def test_what_holds_for_large_models_only_is_said_by_size(tables):
    small = tables["policies"]["size"].isin(["18k", "51k"])
    of_small = tables["policies"]["n_good"] / 10
    policies = tables["policies"].assign(op=tables["policies"]["op"] + of_small.where(small, -of_small))
    claims = judged(tables | {"policies": policies})
    by_size = claims.loc["op_falls_with_n_good_at_each_size"]
    verdicts = {"18k": "not replicated", "51k": "not replicated", "143k": "replicated", "402k": "replicated"}
    assert by_size.set_index("size")["verdict"].to_dict() == verdicts
    assert all(size in statistic for size, statistic in by_size[["size", "statistic"]].to_numpy())
    own = policies[policies["size"] == "143k"].pivot(index="seed", columns="n_good", values="op")
    drops = [stats.ttest_1samp(own[few] - own[many], 0) for few, many in ((2, 4), (4, 6))]
    ends = [min(ends) for ends in zip(*(drop.confidence_interval(0.975) for drop in drops), strict=True)]
    np.testing.assert_allclose(by_size[["low", "high"]].to_numpy(dtype=float)[2], ends)
    assert claims.loc["op_falls_with_n_good", ["verdict", "verdict_claim"]].tolist() == [
        "inconclusive",
        "not replicated",
    ]


def test_the_table_fits_its_schema(tables, tmp_path):
    claims = claims_table(tables)
    assert list(claims) == list(SUMMARY["claims"].columns)
    path = tmp_path / "claims.parquet"
    write_table(claims, SUMMARY["claims"], path, provenance({}, "code"))
    assert read_table(path, SUMMARY["claims"]).num_rows == len(STATISTICS) + len(BY_SIZE) * (len(PARAMETERS) - 1)


def test_tasks_are_compared_by_their_good_sets_whatever_their_names(tables, claims):
    names = {"good2": "z", "good4": "m", "good6": "a"}
    renamed = {
        name: frame.replace(dict.fromkeys({"task", "evaluated_task"} & set(frame), names))
        for name, frame in tables.items()
    }
    numbers = ["value", "low", "high", "n"]
    np.testing.assert_allclose(judged(renamed)[numbers].astype(float), claims[numbers].astype(float), atol=1e-12)


def with_good_sets(tables, *good_sets):
    of_task = dict(zip(GOOD_SETS, good_sets, strict=True))
    return tables | {"policies": tables["policies"].assign(good_set=tables["policies"]["task"].map(of_task))}


def test_good_sets_that_are_not_nested_have_no_subset_to_win(tables):
    apart = judged(with_good_sets(tables, [1, 3], [0, 2, 4, 6], [0, 1, 4, 5, 6, 7]))
    wins = ["some_subset_policy_wins", "op_shows_every_win", "subset_policies_at_times_win", "op_shows_it"]
    assert apart.loc[wins, "n"].tolist() == [0, 0, 0, 0]
    other = judged(with_good_sets(tables, [1, 3], [0, 2, 4, 6], [0, 1, 2, 3, 4, 6]))
    crossed = tables["cross_objective"].set_index([*MODEL, "task", "evaluated_task"])["success_rate"].unstack("task")
    on_the_largest = crossed.xs("good6", level="evaluated_task")
    wins = on_the_largest[["good2", "good4"]].gt(on_the_largest["good6"], axis=0)
    assert other.loc["subset_policies_at_times_win", "value"] == wins["good2"].mean()
    assert other.loc["some_subset_policy_wins", "value"] == wins.any(axis=1).mean()


def test_any_subset_may_win_and_each_win_counts_within_its_model(tables):
    """Policies of good4 win on good6 in half of the models; in two of these those of good2 do so as well."""
    crossed = tables["cross_objective"].assign(success_rate=lambda of: 0.5 + 0.2 * of["is_training_task"])
    on_good6 = crossed["evaluated_task"] == "good6"
    by = {
        "good4": on_good6 & (crossed["task"] == "good4") & (crossed["seed"] < 2),
        "good2": on_good6
        & (crossed["task"] == "good2")
        & (crossed["seed"] == 0)
        & crossed["size"].isin(["18k", "51k"]),
    }
    for winner, excess in (("good4", 0.1), ("good2", 0.3)):
        crossed.loc[by[winner], ["success_rate", "op_excess"]] = [0.8, excess]
    crossed.loc[crossed["is_training_task"], "op_excess"] = 0.0
    claims = judged(tables | {"cross_objective": crossed})
    assert claims.loc["some_subset_policy_wins", ["value", "n"]].tolist() == [0.5, 16]
    assert claims.loc["op_shows_every_win", "value"] == pytest.approx((6 * 0.1 + 2 * 0.2) / 8)
    assert claims.loc["op_shows_every_win", "n"] == 8
    assert claims.loc["subset_policies_at_times_win", "value"] == 0


def test_the_page_is_made_from_the_catalogue():
    page = (ROOT / "docs" / "claims.md").read_text(encoding="utf-8")
    assert page == claims_page(), "make it with `make reference`"
    for statistic in STATISTICS.values():
        assert f"| {statistic.description.format(size='each size')} | " in page
    assert "| > 0.05 |" in page
    assert "| within ± 0.02 |" in page
    assert "all policies | within 2.6 ± 0.8 |" in page
    assert "all policies, nats | within 0.059 ± 0.0295 |" in page
