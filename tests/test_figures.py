"""The figures, drawn from small tables that are made by formula."""

import itertools
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PathCollection
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.text import Text
from PIL import Image

from splithistory.information import binary_kl_divergence, entropy, kl_divergence
from splithistory.plots import COLORS
from splithistory.task import good_mask
from splithistory.theory import minimum_impact, minimum_impact_distribution, predicted_optimization
from sweep.figures import FIGURES, figure_names
from sweep.figures.axes import legend_below
from sweep.figures.drawing import draw, required_tables
from sweep.figures.marks import FigureStyle
from sweep.figures.optimization import explained_about_identity
from sweep.figures.registry import REGISTRY, figure
from sweep.figures.theme import save, style_context
from sweep.figures.wording import trend, trend_text
from sweep.identification import first_identified_table

PARAMETERS = {"18k": 18_784, "51k": 51_280, "143k": 143_200, "402k": 402_448}
GOOD_SETS = {"good2": [0, 4], "good4": [0, 2, 4, 6], "good6": [0, 1, 2, 4, 5, 6]}
UTILITIES = {task: good_mask(good, 8).astype(float) for task, good in GOOD_SETS.items()} | {
    "graded": np.array([0, 0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 1])
}
TASKS = list(GOOD_SETS)
UNIFORM = np.full(8, 1 / 8)
# Columns of x and y.
PER_POLICY = {
    "op_vs_success": ["success_rate", "op"],
    "op_vs_predicted": ["op_predicted", "op"],
    "imp_vs_minimum": ["imp_minimum", "imp"],
    "self_op_vs_measured": ["op", "op_self"],
    "self_imp_vs_measured": ["imp", "imp_self"],
}
JUDGED = {
    "cross_op_vs_success": ["success_rate", "op"],
    "cross_op_vs_predicted": ["op_predicted", "op"],
    "cross_imp_vs_minimum": ["imp_minimum", "imp"],
    "imp_ratio": ["imp_minimum", "imp_ratio"],
    "imp_excess": ["imp_minimum", "imp_excess"],
}
PER_RUN = {
    "success_vs_parameters": "success_rate",
    "op_vs_parameters": "op",
    "imp_vs_parameters": "imp",
}
# Of no trained policy.
COMPUTED = ["training_outcomes", "impact_kinds"]


def make_tables(tasks=TASKS, sizes=tuple(PARAMETERS), n_seeds=4):
    """Summary tables that look like a sweep's: smooth in size, with scatter between seeds."""
    random = np.random.default_rng(0)
    keys = pd.DataFrame(itertools.product(tasks, sizes, range(n_seeds)), columns=["task", "size", "seed"])
    policies = keys.assign(utility=keys["task"].map(UTILITIES), n_parameters=keys["size"].map(PARAMETERS))
    rank = np.log(policies["n_parameters"] / 18_000) / np.log(402 / 18)
    policies["chance"] = chance = policies["utility"].map(np.mean)
    scatter = {name: random.normal(size=len(keys)) for name in ("s", "q", "op", "imp", "own", "natural")}
    shared = random.normal(size=(len(PARAMETERS), n_seeds))
    policies["pretraining_loss"] = [
        0.3 + 0.02 * (list(PARAMETERS).index(size) - 1.6) ** 2 + 0.006 * shared[list(PARAMETERS).index(size), seed]
        for size, seed in zip(keys["size"], keys["seed"], strict=True)
    ]
    policies["maintenance_loss"] = 1.1 - 0.3 * rank + 0.2 * chance + 0.03 * scatter["own"]
    policies["natural_loss"] = 0.9 - 0.2 * rank + 0.1 * chance + 0.04 * scatter["natural"]
    policies["off_alphabet_rate"] = 0.5
    policies["success_rate"] = chance + (0.22 + 0.07 * rank) * 4 * chance * (1 - chance) + 0.012 * scatter["s"]
    policies["success_rate_pretrained"] = chance
    policies["success_rate_counterfactual"] = chance + 0.015 + 0.004 * scatter["q"]
    scores = list(zip(policies["success_rate"], policies["utility"], strict=True))
    policies["op_predicted"] = [float(predicted_optimization(s, utility)) for s, utility in scores]
    policies["op_excess"] = 0.01 + 0.008 * scatter["op"]
    policies["op"] = policies["op_predicted"] + policies["op_excess"]
    policies["op_nonuniformity"] = 0.005 + 0.001 * keys["seed"]
    policies["op_stderr"] = 0.006
    policies["imp_minimum"] = binary_kl_divergence(policies["success_rate"], policies["success_rate_counterfactual"])
    policies["imp_minimum_reason"] = None
    policies["imp"] = policies["imp_minimum"] * (1.2 + 0.3 * chance) + 0.02 + 0.004 * np.abs(scatter["imp"])
    policies["imp_stderr"] = 0.005
    policies["imp_ratio"] = policies["imp"] / policies["imp_minimum"]
    policies["imp_excess"] = policies["imp"] - policies["imp_minimum"]
    policies["op_self"] = policies["op"] * (0.2 + chance) - 0.01
    policies["imp_self"] = policies["imp"] * (0.1 + chance)
    policies["meg_task"] = policies["op_predicted"] * 1.05
    policies["meg_any"] = policies["op"] * 1.05 + 0.01
    policies["meg_task_stderr"] = policies["meg_any_stderr"] = 0.007
    policies["outcome_distribution"] = [minimum_impact_distribution(UNIFORM, utility, s) for s, utility in scores]
    policies["counterfactual_distribution"] = [np.full(8, 1 / 8) + 0.01 * np.cos(np.pi * np.arange(8))] * len(keys)

    generator = pd.DataFrame(itertools.product(range(10), ["exact", "monte_carlo"]), columns=["repeat", "estimator"])
    generator["windows"], generator["counterfactual"] = "natural", "split_history"
    generator["op"] = np.where(generator["estimator"] == "exact", 0.03 + 0.0004 * generator["repeat"], 9.0)
    generator["imp"] = generator["op"] + 0.01
    along_training = make_along_training(policies, tasks)
    return {
        "policies": policies,
        "along_training": along_training,
        "first_identified": first_identified_table(along_training),
        "generator": generator,
        "fits": make_fits(policies),
        "training": make_training(policies),
        "cross_objective": make_cross_objective(policies, tasks),
        "counterfactuals": make_counterfactuals(policies),
        "actions": make_actions(policies),
        "identification": make_identification(policies, tasks),
        "goal_directedness": make_goal_directedness(policies, tasks),
        "windows": make_windows(policies, tasks),
        "differential": make_differential(policies),
    }


def make_cross_objective(policies, tasks):
    """Every policy judged by every task from its own future."""
    shared = policies[["task", "size", "seed", "op", "imp"]]
    parts = []
    for task in tasks:
        s, q = (
            np.array([distribution @ UTILITIES[task] for distribution in policies[column]])
            for column in ("outcome_distribution", "counterfactual_distribution")
        )
        part = shared.assign(evaluated_task=task, is_training_task=policies["task"] == task)
        part["success_rate"], part["success_rate_counterfactual"] = s, q
        part["op_predicted"] = predicted_optimization(s, UTILITIES[task])
        part["imp_minimum"] = minimum_impact(s, UTILITIES[task], np.stack(policies["counterfactual_distribution"]))
        parts.append(part)
    crossed = pd.concat(parts, ignore_index=True)
    crossed["op_excess"] = crossed["op"] - crossed["op_predicted"]
    crossed["imp_ratio"] = crossed["imp"] / crossed["imp_minimum"]
    crossed["imp_excess"] = crossed["imp"] - crossed["imp_minimum"]
    return crossed


def make_counterfactuals(policies):
    """Five futures to compare with, a little further from each policy one after another."""
    futures = ["split_history", "do_nothing", "random_token", "untrained", "pretrained"]
    parts = [
        policies[["task", "size", "seed", "op", "op_stderr", "imp", "imp_stderr"]].assign(
            counterfactual=future, op=policies["op"] * (1 - 0.2 * place), imp=policies["imp"] * (1 + 0.1 * place)
        )
        for place, future in enumerate(futures)
    ]
    return pd.concat(parts, ignore_index=True)


def make_actions(policies):
    """Three answers a policy, the middle one the most frequent."""
    parts = [
        policies[["task", "size", "seed"]].assign(
            action=action,
            weight=weight,
            outcome_distribution=[np.roll(np.linspace(0.1, 0.15, 8), action)] * len(policies),
        )
        for action, weight in ((15, 0.3), (9, 0.5), (2, 0.2))
    ]
    return pd.concat(parts, ignore_index=True)


def make_identification(policies, tasks):
    """Op right for all but each third policy, which Imp takes for none; ranks that grow with the seed."""
    parts = []
    for measure in ("op", "imp"):
        part = policies[["task", "size", "seed"]].assign(measure=measure, identified_task=policies["task"])
        wrong = np.arange(len(part)) % 3 == 2
        part.loc[wrong, "identified_task"] = tasks[0] if measure == "op" else None
        part["correct"] = (part["identified_task"] == part["task"]).fillna(False)
        part["true_set_rank"] = (1 + 3 * part["seed"]).astype("Int64")
        part["true_set_rank_low"], part["true_set_rank_high"] = 1.0, 5.5 + 4.0 * part["seed"]
        ranks = [column for column in part if column.startswith("true_set_rank")]
        part.loc[part["task"] == "graded", ranks] = pd.NA
        part["n_promoted"] = 127
        part["best_set"] = [[0, 4]] * len(part)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def make_goal_directedness(policies, tasks):
    """As 'identification' by Op and Imp; MEG is always right, the success rate never, and it has no rank on good6."""
    by_op_and_imp = make_identification(policies, tasks)
    by_meg = by_op_and_imp[by_op_and_imp["measure"] == "op"].assign(
        measure="meg", identified_task=policies["task"], correct=True
    )
    by_success = by_meg.assign(measure="success_rate", identified_task=None, correct=False)
    by_success.loc[by_success["task"] == "good6", "true_set_rank"] = pd.NA
    columns = ["task", "size", "seed", "measure", "identified_task", "correct", "true_set_rank"]
    return pd.concat([by_op_and_imp, by_meg, by_success], ignore_index=True)[columns]


def make_along_training(policies, tasks):
    """Courses that end at the policies' success and Op; each measure is wrong until a step of its own.

    MEG is right from the first evaluation on, Op from the second or, for a seed of 3, never.
    """
    begins = {"op": 40, "imp": 90, "meg": 20, "success_rate": 160}
    parts = []
    for step, (measure, begin) in itertools.product((20, 40, 90, 160, 300), begins.items()):
        part = policies[["task", "size", "seed"]].assign(step=step, measure=measure)
        part["success_rate"] = policies["chance"] + (policies["success_rate"] - policies["chance"]) * step / 300
        part["gained"] = (part["success_rate"] - policies["chance"]) / (1 - policies["chance"])
        part["value"], part["predicted"] = policies["op"] * step / 300, policies["op_predicted"] * step / 300
        part["correct"] = (step >= begin) & ((measure != "op") | (part["seed"] != 3))
        part["identified_task"] = part["task"].where(part["correct"])
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def make_windows(policies, tasks):
    """As 'cross_objective' on natural windows; on rollouts half the success and Op and twice the Imp."""
    crossed = make_cross_objective(policies, tasks).assign(estimator="exact", windows="natural")
    crossed["op_stderr"], crossed["imp_stderr"] = 0.003, 0.004
    rollouts = crossed.assign(
        windows="rollouts", success_rate=crossed["success_rate"] / 2, op=crossed["op"] / 2, imp=crossed["imp"] * 2
    )
    sampled = [rows.assign(estimator="monte_carlo", op=9.0, imp=9.0) for rows in (crossed, rollouts)]
    return pd.concat([crossed, rollouts, *sampled], ignore_index=True)


def make_differential(policies):
    """Quartiles over windows of two blocks, further from zero after reinforcement and towards the end."""
    pretrained = policies.drop_duplicates(["size", "seed"]).assign(task=None, stage="pretrain")
    rows = []
    for model in pd.concat([pretrained, policies.assign(stage="finetune")]).itertuples():
        keys = {"stage": model.stage, "task": model.task, "size": model.size, "seed": model.seed}
        for block, component, future in itertools.product(range(2), ("attention", "mlp"), ("block", "end")):
            op = (0.4 * block - 0.1) * (1.5 if model.task else 1) - 0.05 * model.seed - (component == "mlp")
            imp = 0.2 * 10 ** (block + (component == "mlp") + 0.2 * model.seed)
            rows.append(keys | {"block": block, "component": component, "future": future, "op_median": op})
            rows[-1] |= {
                "op_low": op - 1,
                "op_high": op + 1,
                "imp_median": imp,
                "imp_low": imp / 2,
                "imp_high": imp * 2,
            }
            rows[-1] |= {"n_windows": 100, "n_undefined": 0, "reason": None}
    return pd.DataFrame(rows)


def make_fits(policies):
    """Least-squares fits of Imp against Imp_min, for all policies and for each task that has two."""
    groups = {"all": policies} | dict(list(policies.groupby("task")))
    fits = []
    for group, rows in groups.items():
        slope, intercept = np.polyfit(rows["imp_minimum"], rows["imp"], 1) if len(rows) > 1 else (np.nan, np.nan)
        fits.append(("imp_vs_minimum", group, slope, 0.05, intercept, 0.003, 0.95, len(rows)))
    columns = ["figure", "group", "slope", "slope_stderr", "intercept", "intercept_stderr", "r_squared", "n"]
    return pd.DataFrame(fits, columns=columns)


def make_training(policies):
    """Training records: learning curves that end at the policies' values."""
    parts = []
    for policy in policies.drop_duplicates(["size", "seed"]).itertuples():
        step = np.arange(0, 12_001, 300)
        loss = policy.pretraining_loss + 1.7 * np.exp(-step / 900)
        part = pd.DataFrame({"step": step, "validation_loss": loss, "train_loss": loss - 0.03 * step / 12_000})
        parts.append(part.assign(stage="pretrain", task=None, size=policy.size, seed=policy.seed))
    for policy in policies.itertuples():
        step = np.arange(0, 2001, 50)
        share = 1 - np.exp(-step / 400)
        chance = np.mean(policy.utility)
        rate = chance + (policy.success_rate - chance) * share
        part = pd.DataFrame({"step": step, "success_rate": rate})
        part["sampled_success_rate"] = np.where(step, rate - 0.04 + 0.02 * np.sin(step), np.nan)
        part["maintenance_loss"] = np.where(step, 0.3 + (policy.maintenance_loss - 0.3) * share, np.nan)
        part["natural_loss"] = 0.3 + (policy.natural_loss - 0.3) * share
        part["reinforcement_loss"] = 2 - share
        parts.append(part.assign(stage="finetune", task=policy.task, size=policy.size, seed=policy.seed))
    return pd.concat(parts, ignore_index=True)


@pytest.fixture(scope="module")
def tables():
    return make_tables()


@pytest.fixture(scope="module")
def style(tables):
    return FigureStyle.from_policies(TASKS, tables["policies"])


def drawn_points(drawn):
    """(x, y) of all unconnected points in axes or all axes of a figure: scatters, and markers without a line."""
    points = []
    for axes in [drawn] if isinstance(drawn, Axes) else drawn.axes:
        points += [collection.get_offsets() for collection in axes.collections if len(collection.get_paths()) == 1]
        points += [line.get_xydata() for line in axes.lines if line.get_linestyle() == "None"]
    return np.concatenate([np.asarray(part, dtype=float).reshape(-1, 2) for part in points])


def rounded(pairs):
    """A multiset of points, to be compared."""
    return sorted(map(tuple, np.round(np.asarray(pairs, dtype=float), 9)))


@pytest.mark.parametrize("name", figure_names(TASKS))
def test_figure_is_complete_and_reproducible(name, tables, style, tmp_path):
    given = {table: tables[table] for table in required_tables(name, TASKS)}
    files = []
    for run in ("first", "second"):
        captioned = draw(name, given, style)
        files.append((tmp_path / f"{run}.svg", tmp_path / f"{run}.png"))
        save(captioned, *files[-1], dpi=100, made_by={"code": "3f"})
    (svg, png), (svg_again, _) = files
    assert svg.read_bytes() == svg_again.read_bytes()
    text = svg.read_text()
    assert "<svg" in text
    assert captioned.title in text
    assert "dc:date" not in text
    with Image.open(png) as image:
        image.load()
        assert min(image.size) >= 250
        assert image.info["Title"] == captioned.title
        assert image.info["Description"] == captioned.caption
        # Something was drawn: neither blank nor a single colour.
        assert np.asarray(image.convert("L")).std() > 5
    assert sorted(os.listdir(tmp_path)) == ["first.png", "first.svg", "second.png", "second.svg"]

    if name in COMPUTED:
        assert re.search(r"computed, n = \d+, no trained policy", captioned.caption)
    elif name == "split_history":
        assert "n = 1 policy (1 task × 1 size × 1 seed), chosen from 48" in captioned.caption
    else:
        assert re.search(r"n = \d+ policies \(.*4 sizes × 4 seeds\)", captioned.caption)
    # What is left out is said where something is.
    assert "othing is left out" not in captioned.caption
    assert not re.search(r"  |\s$", captioned.caption)
    for axes in (axes for axes in captioned.figure.axes if axes.axison):  # others are drawings
        # Axes in a shared row or column carry their label at its outer edge.
        labels = {
            other.get_ylabel() for other in captioned.figure.axes if other.get_position().y0 == axes.get_position().y0
        }
        assert labels - {""}
    units = re.compile(r"\(nats\)|\(ratio\)|success rate|probability|rank|trained task|share of policies")
    assert all(units.search(axes.get_ylabel()) for axes in captioned.figure.axes if axes.get_ylabel())


@pytest.mark.parametrize("name", [name for name in figure_names(TASKS) if not name.endswith(("good2", "good6"))])
def test_texts_neither_overlap_nor_leave_the_figure(name, tables, style):
    assert_texts_are_apart(draw(name, tables, style).figure)


def assert_texts_are_apart(figure):
    """No text overlaps another or leaves the figure, and the legend lies outside the axes."""
    figure.draw_without_rendering()
    texts = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]
    boxes = {text: text.get_window_extent() for text in texts}
    # Ticks outside the limits of their axis are not drawn.
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        drawn = {tick.label1 for tick in axis._update_ticks()}
        for label in {tick.label1 for tick in axis.majorTicks} - drawn:
            boxes.pop(label, None)
    outer = figure.bbox.padded(1)
    for text, box in boxes.items():
        assert outer.contains(*box.min), text
        assert outer.contains(*box.max), text
    for (one, box), (other, other_box) in itertools.combinations(boxes.items(), 2):
        assert not box.overlaps(other_box), (one, other)
    (legend,) = figure.legends
    assert not any(legend.get_window_extent().overlaps(axes.bbox) for axes in figure.axes)


@pytest.mark.parametrize("name", PER_POLICY)
def test_every_policy_is_a_point(name, tables, style):
    points = drawn_points(draw(name, tables, style).figure)
    assert rounded(points) == rounded(tables["policies"][PER_POLICY[name]])


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("name", JUDGED)
def test_every_policy_is_judged_by_the_one_task(name, task, tables, style):
    points = drawn_points(draw(f"{name}_{task}", tables, style).figure)
    crossed = tables["cross_objective"]
    assert rounded(points) == rounded(crossed.loc[crossed["evaluated_task"] == task, JUDGED[name]])


@pytest.mark.parametrize("name", ["cross_imp_vs_minimum", "imp_ratio", "imp_excess"])
def test_judged_policies_without_a_least_impact_are_counted(name, tables, style):
    crossed = tables["cross_objective"].copy()
    undefined = (crossed["evaluated_task"] == "good4") & (crossed["task"] == "good2") & (crossed["seed"] == 0)
    crossed.loc[undefined, ["imp_minimum", "imp_ratio", "imp_excess"]] = np.nan
    captioned = draw(f"{name}_good4", tables | {"cross_objective": crossed}, style)
    assert "n = 44 policies" in captioned.caption
    assert "Left out: 4 of 48 policies" in captioned.caption
    assert len(drawn_points(captioned.figure)) == 44
    assert "eft out" not in draw(f"{name}_good2", tables | {"cross_objective": crossed}, style).caption


@pytest.mark.parametrize("name", ["cross_imp_vs_minimum", "imp_ratio", "imp_excess"])
def test_nothing_to_judge_is_no_error(name, tables, style):
    crossed = tables["cross_objective"].assign(imp_minimum=np.nan, imp_ratio=np.nan, imp_excess=np.nan)
    captioned = draw(f"{name}_good4", tables | {"cross_objective": crossed}, style)
    captioned.figure.draw_without_rendering()
    assert "Left out: 48 of 48 policies" in captioned.caption
    assert not re.search(r"\b(nan|inf)\b", captioned.title + captioned.caption)


def test_curve_is_that_of_the_task_that_judges(tables, style):
    axes = draw("cross_op_vs_success_good2", tables, style).figure.axes[0]
    falling, rising = (line for line in axes.lines if line.get_linestyle() == "-")
    for curve in (falling, rising):
        x, y = curve.get_data()
        np.testing.assert_allclose(y, binary_kl_divergence(x, 2 / 8))
        assert curve.get_color() == style.color("good2")
    # Below chance it is the paler.
    assert falling.get_xdata()[-1] == rising.get_xdata()[0] == 2 / 8
    assert falling.get_alpha() < rising.get_alpha()


def test_titles_of_judged_policies_tell_own_from_others(tables, style):
    crossed = tables["cross_objective"].copy()
    own = crossed["is_training_task"]
    crossed["op_excess"] = np.where(own, 0.0, np.where(crossed["seed"] == 0, -0.01, 0.25))
    given = tables | {"cross_objective": crossed}
    for name in ("cross_op_vs_success_good6", "cross_op_vs_predicted_good6"):
        title = draw(name, given, style).title
        assert "is 0 for its own policies, −0.010 to 0.25 for good2's and −0.010 to 0.25 for good4's" in title
    crossed["imp_excess"] = np.where(own, 0.1, np.where(crossed["seed"] == 0, 0.05, 0.25))
    assert "24 of 32 policies" in draw("cross_imp_vs_minimum_good6", given, style).title
    crossed["imp_ratio"] = np.where(own, 1.5, 1234.5)
    assert "1.5 for its own policies, 1,200 for good2's" in draw("imp_ratio_good6", given, style).title


def test_titles_of_judged_policies_give_no_number_between_two_groups(tables, style):
    crossed = tables["cross_objective"].copy()
    crossed["imp_ratio"] = crossed["task"].map({"good2": 1.2, "good4": 13.0, "good6": 250.0})
    crossed.loc[(crossed["task"] == "good6") & (crossed["seed"] < 2), "imp_ratio"] = 20.0
    title = draw("imp_ratio_good2", tables | {"cross_objective": crossed}, style).title
    assert title.endswith("Imp / Imp_min is 1.2 for its own policies, 13 for good4's and 20 to 250 for good6's")


def test_titles_of_judged_policies_stay_short_with_many_tasks(tables):
    crossed = tables["cross_objective"]
    more = [crossed[crossed["task"] == "good6"].assign(task=f"more{number}") for number in range(4)]
    tasks = [*TASKS, *(f"more{number}" for number in range(4))]
    given = tables | {"cross_objective": pd.concat([crossed, *more], ignore_index=True)}
    title = draw("imp_ratio_good2", given, FigureStyle(tasks, PARAMETERS)).title
    assert re.fullmatch(r"Judged by good2, .* for its own policies and .* for those of 6 other tasks", title)


def test_self_estimates_are_compared_on_equal_axes(tables, style):
    captioned = draw("self_op_vs_measured", tables, style)
    (axes,) = captioned.figure.axes
    assert axes.get_xlim() == axes.get_ylim()
    assert captioned.title == "48 of 48 policies underestimate their own Op"


def bars_of(axes):
    """Heights and colours of the bars."""
    return [bar.get_height() for bar in axes.patches], [bar.get_facecolor() for bar in axes.patches]


def test_op_is_drawn_beside_goal_directedness(tables, style):
    captioned = draw("op_vs_goal_directedness", tables, style)
    for axes, columns in zip(captioned.figure.axes, (["meg_any", "op"], ["meg_task", "op_predicted"]), strict=True):
        assert rounded(drawn_points(axes)) == rounded(tables["policies"][columns])
        assert axes.get_xlim() == axes.get_ylim()
    beyond = tables["policies"]["meg_any"] - tables["policies"]["op"]
    assert f"exceeds Op for {(beyond > 0).sum()} of 48 policies" in captioned.title
    assert f"exceeds Op by {beyond.min():.2g} to {beyond.max():.2g} nats" in captioned.caption


def test_how_well_each_measure_identifies_is_counted(tables, style):
    captioned = draw("identification_by_measure", tables, style)
    counts = [[text.get_text() for text in axes.texts] for axes in captioned.figure.axes]
    told = tables["identification"].groupby(["measure", "task"])["correct"].sum()
    by_op, by_imp = told["op"][TASKS], told["imp"][TASKS]
    rows = [*zip(by_op, by_imp, [16] * 3, [0] * 3, strict=True), (by_op.sum(), by_imp.sum(), 48, 0)]
    assert counts[0] == [str(count) for row in rows for count in row]
    firsts = [4, 4, 4, 4] * 2 + [4, 4, 4, 0] + [12, 12, 12, 8]  # of seed 0
    assert counts[1] == list(map(str, firsts))
    assert captioned.title == (
        f"Op identifies the task of {by_op.sum()} of 48 policies, Imp of {by_imp.sum()}, MEG of 48 and success above "
        "chance of 0"
    )
    assert "ranks first for 12 (Op), 12 (Imp), 12 (MEG) and 8 (success above chance) of 48" in captioned.caption


def test_shares_of_policies_rise_where_their_tasks_begin_to_be_identified(tables, style):
    above, below = draw("identification_along_training", tables, style).figure.axes
    first = tables["first_identified"]
    found = {(line.get_color(), line.get_linewidth()): line for line in above.lines}
    assert len(found) == 4
    legend = {
        handle.get_label(): found[handle.get_color(), handle.get_linewidth()]
        for handle in above.figure.legends[0].findobj(Line2D)
        if (handle.get_color(), handle.get_linewidth()) in found
    }
    names = {"op": "Op", "imp": "Imp", "meg": "MEG", "success_rate": "success above chance"}
    for measure, name in names.items():
        x, y = legend[name].get_data()
        gained = first.loc[first["measure"] == measure, "gained"]
        for at in (-0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5):
            drawn_share = y[np.searchsorted(x, at, side="right") - 1] if at >= x[0] else 0
            assert drawn_share == pytest.approx((gained <= at).sum() / 48)
    assert legend["Op"].get_ydata()[-1] == 36 / 48
    assert below.get_xscale() == "log"


def test_courses_of_op_are_marked_where_it_begins_to_identify_the_task(tables, style):
    captioned = draw("identification_along_training", tables, style)
    below = captioned.figure.axes[1]
    policies = tables["policies"]
    told = policies[policies["seed"] != 3]
    assert rounded(drawn_points(below)) == rounded(np.column_stack([np.full(36, 40), told["op"] * 40 / 300]))
    lines = {line.get_color(): line.get_xydata() for line in below.lines if line.get_linestyle() == "-"}
    for task in TASKS:
        course = lines[style.color(task)]
        expected = [
            (step, op * step / 300)
            for op in policies.loc[policies["task"] == task, "op"]
            for step in (20, 40, 90, 160, 300)
        ]
        assert rounded(course[~np.isnan(course[:, 0])]) == rounded(expected)
        assert np.isnan(course[:, 0]).sum() == 16
    assert "36 by Op (half of them at " in captioned.caption
    assert "48 by MEG" in captioned.caption
    assert "48 at the first evaluation" in captioned.caption
    assert "at step 20, may have been identifiable before" in captioned.caption


@pytest.mark.parametrize(
    ("op", "success", "title"),
    [
        ({}, {}, "Op identifies the task earlier in training than success alone for 0 of 48 policies, later for 0"),
        (
            {},
            {"good2", "good4"},
            "Op identifies the task earlier in training than success alone for 32 of 48 policies, later for 0",
        ),
        (
            {"good2"},
            {"good4"},
            "Op identifies the task earlier in training than success alone for 16 of 48 policies, later for 16",
        ),
        (
            set(TASKS),
            set(TASKS),
            "Neither Op nor success alone identifies any policy's task to the end of its training",
        ),
    ],
)
def test_the_title_compares_op_with_success_alone(tables, style, op, success, title):
    """Given the tasks that each never identifies; all others are identified at once."""
    first = tables["first_identified"].assign(step=20, gained=0.1)
    for measure, tasks in (("op", op), ("success_rate", success)):
        first.loc[(first["measure"] == measure) & first["task"].isin(tasks), ["step", "gained"]] = None
    captioned = draw("identification_along_training", tables | {"first_identified": first}, style)
    assert captioned.title == title
    assert ("none by Op" in captioned.caption) == (op == set(TASKS))
    assert not re.search(r"\b(nan|inf)\b", captioned.caption)


def test_own_rollouts_are_drawn_against_natural_windows(tables, style):
    captioned = draw("rollouts_vs_natural", tables, style)
    own = make_cross_objective(tables["policies"], TASKS).query("is_training_task")
    for axes, (column, factor) in zip(
        captioned.figure.axes, (("success_rate", 0.5), ("op", 0.5), ("imp", 2)), strict=True
    ):
        assert rounded(drawn_points(axes)) == rounded(np.column_stack([own[column], factor * own[column]]))
        assert axes.get_xlim() == axes.get_ylim()
    assert captioned.title == "All 48 policies succeed less, and steer less, on their own rollouts"
    halves = {column: (own[column] / 2).agg(["min", "max", "median"]) for column in ("success_rate", "op")}
    (low, high, median), (low_op, high_op, median_op) = halves["success_rate"], halves["op"]
    falls = (
        f"success falls by {low:#.2g} to {high:#.2g} (median {median:#.2g}), Op falls by {low_op:#.2g} to "
        f"{high_op:#.2g} nats (median {median_op:#.2g}) and Imp rises by "
    )
    assert falls in captioned.caption


@pytest.mark.parametrize(
    ("success", "op", "title"),
    [
        ([-1, -1, -1], [-1, -1, -1], "All 3 policies succeed less, and steer less, on their own rollouts"),
        ([-1, -1, -1], [-1, 1, 1], "All 3 policies succeed less on their own rollouts, and 1 steer less"),
        ([-1, -1, 1], [-1, -1, -1], "2 of 3 policies succeed less on their own rollouts, and all 3 steer less"),
        ([-1, -1, 1], [-1, -1, 0], "2 of 3 policies succeed less, and steer less, on their own rollouts"),
        ([-1, -1, 1], [0, -1, -1], "2 of 3 policies succeed less on their own rollouts, and 2 steer less"),
        ([-1, -1, 1], [0, 0, 1], "2 of 3 policies succeed less on their own rollouts, and none steer less"),
        ([0, 0, 0], [0, 1, 0], "None of 3 policies succeed less or steer less on their own rollouts"),
        ([-1], [-1], "1 of 1 policies succeed less, and steer less, on their own rollouts"),
    ],
)
def test_the_title_says_of_how_many_policies_rollouts_take_what(success, op, title, style):
    tables = make_tables(tasks=["good4"], sizes=["18k"], n_seeds=len(op))
    natural = tables["windows"].query("windows == 'natural' and estimator == 'exact'")
    rollouts = natural.assign(windows="rollouts")
    for column, signs in (("success_rate", success), ("op", op)):
        rollouts[column] += 0.1 * rollouts["seed"].map(dict(enumerate(signs)))
    captioned = draw("rollouts_vs_natural", tables | {"windows": pd.concat([natural, rollouts])}, style)
    assert captioned.title == title
    verb = {-1: "falls by 0.10", 1: "rises by 0.10"}
    expected = verb[success[0]] if len({*success}) == 1 and success[0] else "changes by"
    assert f"success {expected}" in captioned.caption
    if expected == "changes by":
        assert f"down for {success.count(-1)})" in captioned.caption


@pytest.mark.parametrize(
    ("offsets", "title"),
    [
        ([0.02, 0.01, -0.004], "2 of 3 policies lie above their task's curve: Op minus the curve is −0.0040 to 0.020"),
        ([0.02, 0.02, 0.02], "3 of 3 policies lie above their task's curve: Op minus the curve is 0.020"),
        ([-0.02, -0.01, -0.01], "0 of 3 policies lie above their task's curve: Op minus the curve is −0.020 to −0.010"),
    ],
)
def test_the_excess_over_the_curve_is_said_and_how_far_the_curve_is_a_bound(offsets, title, style):
    tables = make_tables(tasks=["good4"], sizes=["18k"], n_seeds=3)
    policies = tables["policies"].assign(op=tables["policies"]["op_predicted"] + offsets)
    captioned = draw("op_vs_success", tables | {"policies": policies}, style)
    assert captioned.title == f"{title} nats"
    assert "ln 8 minus their mean entropy, here at most 0.0070 nats" in captioned.caption
    beside = draw("op_vs_predicted", tables | {"policies": policies}, style)
    assert "The line is a lower bound where all outcomes are equally likely" in beside.caption
    expected = explained_about_identity(policies["op_predicted"], policies["op"])
    said = f"{expected:.3f}".replace("-", "−")
    assert beside.title == f"Op against its prediction: R² about y = x is {said}"


def test_graded_tasks_are_identified_by_each_measure_and_not_ranked():
    mixed = make_tables(["good2", "graded"])
    captioned = draw(
        "identification_by_measure", mixed, FigureStyle.from_policies(["good2", "graded"], mixed["policies"])
    )
    left, right = captioned.figure.axes
    assert len(left.texts) == 12
    assert len(right.texts) == 8
    assert "(success or utility above chance) of 16. " in captioned.caption
    assert "Left out: ranks of graded tasks, which have none" in captioned.caption


def test_split_history_shows_the_policy_of_highest_op_and_its_commonest_answers(tables, style):
    policies = tables["policies"].copy()
    policies.loc[20, "op"] = 2.0
    captioned = draw("split_history", tables | {"policies": policies}, style)
    chosen = policies.loc[20]
    assert f"{chosen['task']}, {chosen['size']}, seed {chosen['seed']}" in captioned.caption
    assert "lowers the entropy of outcomes by 2.00 nats" in captioned.title
    actions = tables["actions"].drop_duplicates("action").set_index("action")["outcome_distribution"]
    expected = [chosen["outcome_distribution"], actions[9], actions[15]]
    for axes, distribution in zip(captioned.figure.axes, expected, strict=True):
        heights, colors = bars_of(axes)
        np.testing.assert_allclose(heights, distribution)
        in_color = [color == to_rgba(style.color(chosen["task"])) for color in colors]
        assert np.flatnonzero(in_color).tolist() == GOOD_SETS[chosen["task"]]
    marks = drawn_points(captioned.figure)
    np.testing.assert_allclose(marks[:, 1], chosen["counterfactual_distribution"])


def test_a_policy_with_one_answer_has_one_counterfactual_panel(tables, style):
    actions = tables["actions"]
    captioned = draw("split_history", tables | {"actions": actions[actions["action"] == 9]}, style)
    assert len(captioned.figure.axes) == 2
    assert "other answers (0)" in captioned.caption


def test_training_outcomes_have_one_score(tables, style):
    figure = draw("training_outcomes", {}, style).figure
    assert len(figure.axes) == 4
    for axes in figure.axes:
        heights = bars_of(axes)[0]
        assert sum(heights) == pytest.approx(1)
        assert sum(heights[::2]) == pytest.approx(0.75)
        op, excess = (float(number) for number in re.findall(r"\d+\.\d+", axes.get_title(loc="left")))
        assert op == pytest.approx(np.log(8) - entropy(heights), abs=0.006)
        assert op - excess == pytest.approx(binary_kl_divergence(0.75, 0.5), abs=0.011)


def test_kinds_of_impact_are_of_equal_impact_and_opposite_optimization(tables, style):
    original, optimizing, flattening = (
        np.array(bars_of(axes)[0]) for axes in draw("impact_kinds", {}, style).figure.axes
    )
    assert kl_divergence(optimizing, original) == pytest.approx(kl_divergence(flattening, original))
    assert entropy(optimizing) < entropy(original) < entropy(flattening)
    assert all(distribution.sum() == pytest.approx(1) for distribution in (original, optimizing, flattening))


def test_every_policy_is_in_every_counterfactual_strip(tables, style):
    table = tables["counterfactuals"]
    for axes, column in zip(draw("counterfactuals", tables, style).figure.axes, ("op", "imp"), strict=True):
        points = drawn_points(axes)
        place = {key: place for place, key in enumerate(table["counterfactual"].unique())}
        expected = zip(table["counterfactual"].map(place), table[column], strict=True)
        assert rounded(np.column_stack([np.round(points[:, 0]), points[:, 1]])) == rounded(list(expected))
        means = table.groupby(["counterfactual", "task"])[column].mean()
        bars = [line.get_ydata() for line in axes.lines if len(line.get_xdata()) == 2]
        assert {round(y[0], 9) for y in bars if y[0] == y[1]} >= {round(mean, 9) for mean in means}


def test_undefined_counterfactuals_are_counted(tables, style):
    table = tables["counterfactuals"].copy()
    table.loc[[0, 7], "imp"] = np.inf
    captioned = draw("counterfactuals", tables | {"counterfactuals": table}, style)
    assert "Left out: 2 of 240 measurements" in captioned.caption
    assert len(drawn_points(captioned.figure)) == 2 * 238


def test_differential_shows_both_futures_of_every_model(tables, style):
    table = tables["differential"]
    figure = draw("differential", tables, style).figure
    panels = itertools.product(("op_median", "imp_median"), ("block", "end"))
    for axes, (column, future) in zip(figure.axes, panels, strict=True):
        assert rounded(drawn_points(axes)[:, 1:]) == rounded(table.loc[table["future"] == future, [column]])
        assert axes.get_yscale() == ("log" if column == "imp_median" else "asinh")
        low, high = axes.get_ylim()
        assert low < table[column].min()
        assert high > table[column].max()


def test_differential_title_counts_quartiles_that_overlap(tables, style):
    table = tables["differential"]
    # Four seeds a model before reinforcement at 0 to 3; good2 amid these, good4 above, good6 touching at 2.
    after = {"good2": 1.0, "good4": 9.0, "good6": 2.0}
    table = table.assign(
        op_median=[after.get(task, seed) for task, seed in table[["task", "seed"]].itertuples(index=False)]
    )
    title = draw("differential", tables | {"differential": table}, style).title
    assert title.endswith("before and after reinforcement overlap in 8 of 12 cases")


def test_undefined_differential_measures_are_counted(tables, style):
    table = tables["differential"].copy()
    table.loc[[0, 5], ["op_median", "imp_median"]] = np.nan
    table.loc[[0, 5], "n_undefined"] = 100
    table.loc[9, "imp_median"] = 0.0
    captioned = draw("differential", tables | {"differential": table}, style)
    assert "Left out: 3 of 512 medians" in captioned.caption
    assert "200 of 51,200 evaluations" in captioned.caption
    assert "speculative" in captioned.caption
    assert len(drawn_points(captioned.figure)) == 2 * 509


# Graded tasks


@pytest.fixture(scope="module")
def mixed():
    """Tables and style of two good sets and a graded task."""
    tasks = ["good2", "good4", "graded"]
    tables = make_tables(tasks)
    return tables, FigureStyle.from_policies(tasks, tables["policies"])


@pytest.fixture(scope="module")
def graded():
    """Tables and style of a graded task alone."""
    tables = make_tables(["graded"])
    return tables, FigureStyle.from_policies(["graded"], tables["policies"])


@pytest.mark.parametrize("name", figure_names(["graded"]))
def test_every_figure_is_drawn_with_graded_tasks_beside_good_sets_and_alone(name, mixed, graded):
    for tables, style in (mixed, graded):
        captioned = draw(name, {table: tables[table] for table in required_tables(name, style.tasks)}, style)
        if captioned.figure.legends:  # two matrices alone need none
            assert_texts_are_apart(captioned.figure)
        assert not re.search(r"\b(nan|inf)\b", captioned.title + captioned.caption)
    if name not in COMPUTED:
        texts = [text.get_text() for text in captioned.figure.findobj(Text)]
        # What is said of the graded task alone: it has no success rate, no good outcomes and no good set to rank.
        for text in [captioned.title, captioned.caption.replace("have no good set to rank", ""), *texts]:
            assert not re.search("success|succeed|good outcome|good set|share of good", text, re.IGNORECASE), text


def test_the_curve_of_a_graded_task_is_that_of_its_utility(mixed):
    tables, style = mixed
    for name, number in (("op_vs_success", 3), ("cross_op_vs_success_graded", 1)):
        axes = draw(name, tables, style).figure.axes[0]
        curves = [line for line in axes.lines if line.get_linestyle() == "-" and len(line.get_xdata()) == 251]
        assert len(curves) == 2 * number
        falling, rising = curves[-2:]
        assert falling.get_xdata()[[0, -1]].tolist() == [0, pytest.approx(0.5)]
        assert rising.get_xdata()[[0, -1]].tolist() == [pytest.approx(0.5), 1]
        for curve in (falling, rising):
            x, y = curve.get_data()
            np.testing.assert_allclose(y, predicted_optimization(x, UTILITIES["graded"]))
            assert curve.get_color() == style.color("graded")
        assert axes.get_ylim()[1] < 1.5
    assert axes.get_xlabel() == "mean utility judged by graded"


def test_words_are_those_of_the_tasks(tables, style, mixed, graded):
    for given, word in (
        ((tables, style), "success rate"),
        (graded, "mean utility"),
        (mixed, "success rate or mean utility"),
    ):
        captioned = draw("success_vs_parameters", *given)
        assert captioned.figure.axes[0].get_ylabel() == word
        assert captioned.caption.startswith(f"{word.capitalize()} on a policy's own task")
        assert draw("op_vs_success", *given).figure.axes[0].get_xlabel() == word
    caption = draw("op_vs_predicted", *mixed).caption
    assert "p the share of good outcomes, or for a graded task the least KL divergence from uniform" in caption


def test_chance_of_a_graded_task_is_its_mean_utility(mixed):
    tables, style = mixed
    axes = draw("success_vs_parameters", tables, style).figure.axes[0]
    levels = [line.get_ydata()[0] for line in axes.lines if line.get_linestyle() == "--"]
    assert levels == pytest.approx([0.25, 0.5, 0.5])
    legend = draw("training_runs_graded", tables, style).figure.legends[0]
    assert "chance, 0.5" in [text.get_text() for text in legend.findobj(Text)]


def test_outcomes_of_a_graded_task_are_shaded_by_utility(graded):
    captioned = draw("split_history", *graded)
    _, colors = bars_of(captioned.figure.axes[0])
    light, full = (np.array(to_rgba(color)) for color in ("#D0D0D0", graded[1].color("graded")))
    for color, utility in zip(colors, UTILITIES["graded"], strict=True):
        np.testing.assert_allclose(color, light + utility * (full - light))
    labels = [text.get_text() for text in captioned.figure.legends[0].findobj(Text)]
    assert {"utility 1", "utility 0"} <= set(labels)


def test_graded_tasks_are_identified_and_not_ranked(mixed, graded):
    tables, style = mixed
    captioned = draw("identification", tables, style)
    assert len(captioned.figure.axes) == 4
    above, below = captioned.figure.axes[0], captioned.figure.axes[2]
    assert [label.get_text() for label in above.get_yticklabels()] == ["good2", "good4", "graded"]
    assert [label.get_text() for label in below.get_xticklabels()] == ["good2", "good4"]
    assert len(drawn_points(below)) == 32
    assert captioned.caption.endswith(" by Imp. Graded tasks have no good set to rank.")
    alone = draw("identification", *graded)
    assert len(alone.figure.axes) == 2
    correct = graded[0]["identification"].groupby("measure")["correct"].sum()
    assert alone.title == f"Op identifies the task of {correct['op']} of 16 policies, Imp that of {correct['imp']}"


def test_the_graphical_abstract_says_what_the_tables_do(tables, style):
    policies, identified = tables["policies"], tables["identification"]
    best = policies.loc[policies["op"].idxmax()]
    captioned = draw("graphical_abstract", tables, style)
    window, future, other, numbers, theory, counts = captioned.figure.axes
    assert [text.get_text() for text in window.texts][-3] == "window x"
    for axes, column in ((future, "outcome_distribution"), (other, "counterfactual_distribution")):
        np.testing.assert_allclose([bar.get_height() for bar in axes.patches], best[column])
    (said,) = numbers.texts
    before, after = entropy(best["outcome_distribution"]) + best["op"], entropy(best["outcome_distribution"])
    assert said.get_text() == (
        f"Op = {before:.2f} − {after:.2f} = {best['op']:.2f} nats      Imp = {best['imp']:.2f} nats"
    )
    predicted = [
        predicted_optimization(best["outcome_distribution"] @ UTILITIES[task], UTILITIES[task]) for task in TASKS
    ]
    np.testing.assert_allclose([bar.get_height() for bar in theory.patches], predicted)
    assert [line.get_ydata()[0] for line in theory.lines] == [best["op"]]
    by_op = identified[identified["measure"] == "op"]
    shown = np.array([int(text.get_text()) for text in counts.texts]).reshape(3, 4)
    assert shown.sum() == len(by_op)
    assert np.trace(shown) == by_op["correct"].sum()
    assert captioned.title.endswith(f"correctly for {by_op['correct'].sum()} of 48 policies")
    own = best["outcome_distribution"] @ UTILITIES[TASKS[0]]
    assert f"success {own:.2f} on good2 predicts {predicted[0]:.2f} nats; success " in captioned.caption
    assert f"mean entropy of F'|x'', {entropy(best['outcome_distribution']) + best['op']:.3f}" in captioned.caption
    wrong = identified.assign(correct=False)
    title = draw("graphical_abstract", tables | {"identification": wrong}, style).title
    assert title.endswith("correctly for 0 of 48 policies")


@pytest.mark.parametrize("more", [-3, 0, 1])
def test_measured_op_is_within_the_panel_of_what_is_predicted(tables, style, more):
    policies = tables["policies"].assign(op=lambda of: of["op"] + more)
    theory = draw("graphical_abstract", tables | {"policies": policies}, style).figure.axes[4]
    low, high = theory.get_ylim()
    assert low < policies["op"].max() < high


def test_many_tasks_have_no_numbers_on_their_bars_in_the_graphical_abstract(monkeypatch):
    names = [f"task{number}" for number in range(9)]
    monkeypatch.setitem(globals(), "UTILITIES", UTILITIES | {name: UTILITIES["good4"] for name in names})
    tables = make_tables(names, n_seeds=1)
    captioned = draw("graphical_abstract", tables, FigureStyle.from_policies(names, tables["policies"]))
    assert len(captioned.figure.axes[4].texts) == 0
    assert_texts_are_apart(captioned.figure)


def test_identification_counts_policies(tables, style):
    table = tables["identification"]
    captioned = draw("identification", tables, style)
    for axes, measure in zip(captioned.figure.axes, ("op", "imp"), strict=False):
        rows = table[table["measure"] == measure]
        shown = np.array([int(text.get_text()) for text in axes.texts]).reshape(3, 4)
        assert shown.sum() == 48
        for trained, identified in itertools.product(range(3), range(4)):
            name = [*TASKS, None][identified]
            same = rows["identified_task"].isna() if name is None else rows["identified_task"] == name
            assert shown[trained, identified] == (same & (rows["task"] == TASKS[trained])).sum()
    correct = table.groupby("measure")["correct"].sum()
    first = (table["true_set_rank"] == 1).groupby(table["measure"]).sum()
    assert captioned.title == f"Op identifies the task of {correct['op']} of 48 policies, Imp that of {correct['imp']}"
    assert f"ranks first for {first['op']} policies by Op and for {first['imp']} by Imp" in captioned.caption


def test_true_good_sets_are_ranked_policy_by_policy(tables, style):
    table = tables["identification"].copy()
    table.loc[[2, 60, 61], "true_set_rank"] = pd.NA
    captioned = draw("identification", tables | {"identification": table}, style)
    assert "Left out: 3 of 96 rankings" in captioned.caption
    for axes, measure in zip(captioned.figure.axes[2:], ("op", "imp"), strict=True):
        ranks = table.loc[table["measure"] == measure, ["true_set_rank"]].dropna()
        assert rounded(drawn_points(axes)[:, 1:]) == rounded(ranks)
        assert axes.get_yscale() == "log"
    few = table.assign(true_set_rank_high=table["true_set_rank"].astype(float).clip(upper=12))
    below = draw("identification", tables | {"identification": few}, style).figure.axes[2]
    assert below.get_yscale() == "linear"
    assert all(float(tick).is_integer() for tick in below.get_yticks())


def test_tasks_may_have_long_names(tables):
    columns = ["task", "evaluated_task", "identified_task", "group"]
    names = {task: f"a_rather-long.NAME_{task}" for task in TASKS}
    renamed = {
        name: table.assign(**{column: table[column].replace(names) for column in columns if column in table})
        for name, table in tables.items()
    }
    tasks = list(names.values())
    style = FigureStyle.from_policies(tasks, renamed["policies"])
    for name in figure_names(tasks):
        assert_texts_are_apart(draw(name, renamed, style).figure)


@pytest.mark.parametrize("name", PER_RUN)
def test_every_run_is_behind_the_means(name, tables, style):
    points = drawn_points(draw(name, tables, style).figure)
    assert rounded(points[:, 1:]) == rounded(tables["policies"][[PER_RUN[name]]])
    # Sideways shifts stay far below the distance between sizes.
    assert np.all(np.abs(np.log(np.sort(points[:, 0]) / np.sort(tables["policies"]["n_parameters"]))) < 0.2)


def test_loss_figure_counts_pretrained_models_once(tables, style):
    left, middle, right = draw("loss_vs_parameters", tables, style).figure.axes
    counts = [
        sum(len(collection.get_offsets()) for collection in axes.collections if len(collection.get_paths()) == 1)
        for axes in (left, middle, right)
    ]
    assert counts == [16, 48, 48]


def test_training_figure_has_a_panel_a_run(tables, style):
    figure = draw("training_runs_good4", tables, style).figure
    assert len(figure.axes) == 2 * 16
    for place, axes in enumerate(figure.axes):
        chance = [line for line in axes.lines if line.get_linestyle() == "--"]
        assert [line.get_ydata()[0] for line in chance] == ([0.5] if place // 4 % 2 == 0 else [])
        assert len(axes.lines) == 2 + len(chance)
    assert len({axes.get_ylim() for axes in figure.axes}) == 2


def test_training_figure_shows_the_first_of_many_seeds_and_says_so(tables, style):
    training = tables["training"]
    many = pd.concat([training.assign(seed=training["seed"] + 4 * copy) for copy in range(25)])
    drawn = draw("training_runs_good4", tables | {"training": many}, style)
    assert len(drawn.figure.axes) == 2 * 4 * 3
    assert "one column per seed (the first 3 of 100) " in drawn.caption
    assert "in 400 of 400 runs" in drawn.title


def test_training_summary_names_each_line_beside_its_end(tables, style):
    figure = draw("training_summary_good4", tables, style).figure
    figure.draw_without_rendering()
    for axes in figure.axes:
        names = [text for text in axes.texts if text.get_text()]
        assert sorted(text.get_text() for text in names) == sorted(PARAMETERS)
        ends = {line.get_color(): line.get_ydata()[-1] for line in axes.lines if line.get_linestyle() == "-"}
        heights = [ends[text.get_color()] for text in sorted(names, key=lambda text: text.get_position()[1])]
        assert heights == sorted(heights)
        assert all(0 <= text.get_position()[1] <= 1 for text in names)


def test_generator_uses_exact_rows(tables, style):
    axes = draw("op_vs_parameters", tables, style).figure.axes[0]
    dashed = [line for line in axes.lines if line.get_linestyle() == "--"]
    assert [line.get_ydata()[0] for line in dashed] == [pytest.approx(0.0318)]


def test_what_is_left_out_is_counted(tables, style):
    policies = tables["policies"].copy()
    policies.loc[[3, 20], "imp_minimum"] = [np.nan, np.inf]
    policies.loc[[3, 20], "imp_minimum_reason"] = ["success rate 0", "q is 0"]
    captioned = draw("imp_vs_minimum", tables | {"policies": policies}, style)
    assert "n = 46 policies" in captioned.caption
    assert "2 of 48 policies" in captioned.caption
    assert "q is 0: 1" in captioned.caption
    assert len(drawn_points(captioned.figure)) == 46


@pytest.mark.parametrize(
    "choice",
    [
        {"n_seeds": 1},
        {"sizes": ["51k"], "n_seeds": 2},
        {"tasks": ["good4"], "n_seeds": 2},
        {"tasks": ["good2"], "sizes": ["402k"], "n_seeds": 1},
    ],
    ids=["one seed", "one size", "one task", "one policy"],
)
def test_small_sweeps_draw_without_warnings(choice, tmp_path):
    tables = make_tables(**choice)
    tasks = choice.get("tasks", TASKS)
    style = FigureStyle.from_policies(tasks, tables["policies"])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in figure_names(tasks):
            captioned = draw(name, tables, style)
            save(captioned, tmp_path / f"{name}.svg", tmp_path / f"{name}.png", dpi=60, made_by={})
            assert not re.search(r"\b(nan|inf)\b", captioned.title + captioned.caption)


def test_failed_save_leaves_the_old_file(tables, style, tmp_path):
    captioned = draw("op_vs_predicted", tables, style)
    svg, png = tmp_path / "figure.svg", tmp_path / "figure.png"
    svg.write_text("old")
    captioned.figure.draw = lambda renderer: 1 / 0
    with pytest.raises(ZeroDivisionError):
        save(captioned, svg, png, dpi=60, made_by={})
    assert os.listdir(tmp_path) == ["figure.svg"]
    assert svg.read_text() == "old"


def test_listing_figures_imports_nothing_heavy():
    source = Path(sys.modules["sweep.figures"].__file__).parents[2]
    code = "import sys; from sweep.figures import figure_names; figure_names(['a']);"
    code += "sys.exit(any(name in sys.modules for name in ('matplotlib', 'pandas', 'numpy')))"
    assert subprocess.run([sys.executable, "-c", code], cwd=source, check=False).returncode == 0


def test_the_figures_that_are_listed_are_those_that_are_drawn():
    assert len(set(FIGURES)) == len(FIGURES)
    assert set(REGISTRY) == set(FIGURES)


def test_a_figure_registers_under_a_name_that_is_listed_and_free(monkeypatch):
    with pytest.raises(ValueError, match=r"'mine' is not listed in sweep\.figures\.FIGURES"):
        figure("mine")
    with pytest.raises(ValueError, match=r"'imp_ratio_\{task\}' is drawn twice"):
        figure("imp_ratio_{task}")


def test_figure_names_follow_the_tasks(tables, style):
    names = figure_names(["a", "runs_a"])
    assert len(names) == len(set(names))
    assert {"training_runs_a", "training_runs_runs_a"} <= set(names)
    with pytest.raises(KeyError, match="op_vs_predicted"):
        draw("op_vs_predicte", tables, style)


def test_markers_follow_size_and_colors_the_configured_order():
    style = FigureStyle(("late", "early"), {"big": 400, "small": 20, "middle": 50})
    assert style.sizes == ("small", "middle", "big")
    assert len({style.marker(size) for size in style.sizes}) == 3
    assert style.color("late") == COLORS[0]
    many = FigureStyle(tuple("abcdefghij"), {})
    assert len({many.color(task) for task in many.tasks}) == 10


@pytest.mark.parametrize(
    ("means", "expected"),
    [
        ([1, 2, 3], "rises with size at every step"),
        ([3, 2], "falls with size at every step"),
        ([3, 1, 2], "is U-shaped in size"),
        ([1, 3, 2], None),
        ([3, 1, 2, 1], None),
        ([2, 2, 3], None),
        ([1], None),
    ],
)
def test_trend_is_claimed_beyond_the_error_only(means, expected):
    def runs(scatter, n=3):
        return [mean + scatter * pd.Series(np.arange(n) - (n - 1) / 2) for mean in means]

    # A step of one has an interval by Student's t of 4 degrees of freedom, of 2.776 times scatter √(2/3).
    assert trend(runs(0.44)) == expected
    assert trend(runs(0.442)) is None
    # Two seeds are too few however alike they are.
    assert trend(runs(0.001, n=2)) is None
    assert trend(runs(0.001, n=1)) is None


def test_two_seeds_have_no_error_bars_and_no_trend(style):
    captioned = draw("op_vs_parameters", make_tables(n_seeds=2), style)
    (axes,) = captioned.figure.axes
    bars = [part for part in axes.collections if isinstance(part, LineCollection)]
    assert not [segment for bar in bars for segment in bar.get_segments() if len(segment)]
    assert "two seeds are too few for error bars" in captioned.caption
    assert re.match("Mean Op by size is ", captioned.title)
    three = draw("op_vs_parameters", make_tables(n_seeds=3), style)
    bars = [part for part in three.figure.axes[0].collections if isinstance(part, LineCollection)]
    assert np.isfinite(np.concatenate([segment for bar in bars for segment in bar.get_segments()])).all()
    assert "bars are ± one standard error" in three.caption


def test_steps_are_said_and_why_tasks_differ_in_them(tables, style):
    training = tables["training"]
    short = (training["size"] == "18k") & (training["stage"] == "finetune") & (training["step"] > 1500)
    given = tables | {"training": training[~short]}
    for name in ("training_runs_good4", "training_summary_good4"):
        caption = draw(name, given, style).caption
        assert "Runs end at step 1,500 (18k), 2,000 (51k), 2,000 (143k) and 2,000 (402k)." in caption
        assert "times (1 − chance) to the power chance_exponent" in caption
    assert "to the power chance_exponent" in draw("identification_along_training", tables, style).caption


def test_captions_say_which_windows_identification_is_about(tables, style):
    assert "in natural test windows" in draw("identification", tables, style).caption
    assert "in natural test windows after reinforcement" in draw("identification_by_measure", tables, style).caption
    along = draw("identification_along_training", tables, style).caption
    assert "one window of each validation chain; in the test windows that all other figures are about" in along
    caption = draw("identification", tables, style).caption
    assert "Of the 254 proper non-empty sets of 8 outcomes, one of each complementary pair is promoted: 127" in caption
    assert caption.index("A task is promoted if") < caption.index("none is promoted")


def test_titles_say_no_more_than_the_data(tables, style):
    policies = tables["policies"].copy()
    policies["op"] = policies["size"].map({"18k": 0.1, "51k": 0.2, "143k": 0.3, "402k": 0.4}) + 0.01 * policies["seed"]

    def text(rows):
        return trend_text("Op", " nats", rows, "op", style)

    assert text(policies) == "Mean Op rises with size at every step on every task"
    assert text(policies[policies["task"] == "good6"]) == "Mean Op rises with size at every step on good6"
    assert text(policies[policies["size"] == "18k"]).startswith("Mean Op is 0.11 nats on good2, ")
    one_seed = policies[policies["seed"] == 0]
    assert text(one_seed).startswith("Op by size is 0.10 to 0.40 nats on good2, ")
    assert text(one_seed).endswith(" (one seed)")
    policies.loc[(policies["task"] == "good2") & (policies["size"] == "402k"), "op"] = 0.0
    assert text(policies) == "Mean Op rises with size at every step on 2 of 3 tasks"


@pytest.mark.parametrize("n_seeds", [1, 2, 4])
def test_runs_are_full_points_unless_means_are_drawn(n_seeds, style):
    captioned = draw("op_vs_parameters", make_tables(n_seeds=n_seeds), style)
    (axes,) = captioned.figure.axes
    dashes = [line for line in axes.lines if line.get_marker() == "_"]
    runs = [part.get_alpha() for part in axes.collections if isinstance(part, PathCollection)]
    assert len(dashes) == (0 if n_seeds == 1 else 3)
    assert all(alpha == 1.0 if n_seeds == 1 else alpha < 0.5 for alpha in runs)
    labels = [text.get_text() for text in captioned.figure.legends[0].findobj(Text)]
    assert ("mean over seeds" in labels) == ("means over seeds" in captioned.caption) == (n_seeds > 1)


def test_counterfactual_title_says_where_imp_moves_most(tables, style):
    table = tables["counterfactuals"].copy()
    table["op"] = 0.5
    table["imp"] = 0.3 + np.where(table["counterfactual"] != "pretrained", 0, table["task"].map(TASKS.index) - 1) * 0.1
    captioned = draw("counterfactuals", tables | {"counterfactuals": table}, style)
    moved = "−0.10 nats on good2, 0 nats on good4 and +0.10 nats on good6"
    assert captioned.title == "Compared with the split history, mean Imp changes most under “pretrained model”"
    assert (
        f"From split history to pretrained model, mean Imp changes by {moved}, mean Op by at most 0"
        in captioned.caption
    )


def test_the_policy_that_carries_the_fit_is_named(tables, style):
    policies = tables["policies"].copy()
    policies["imp_minimum"] = np.linspace(0.1, 0.2, len(policies))
    policies["imp"] = 2 * policies["imp_minimum"]
    policies.loc[7, ["imp_minimum", "imp"]] = [5.0, 0.1]
    one = policies.loc[7]
    caption = draw("imp_vs_minimum", tables | {"policies": policies}, style).caption
    named = f"({one['task']}, {one['size']}, seed {one['seed']})"
    assert f"Without the policy with the largest Imp_min {named}, the slope is 2.00" in caption


def marks_of(artists):
    """Colours, markers and line styles that artists show, as a legend is to name them."""
    seen = set()
    for artist in artists:
        if isinstance(artist, Patch):
            seen.add(("color", to_rgba(artist.get_facecolor(), 1)))
        elif isinstance(artist, PathCollection):
            seen |= {("color", to_rgba(color, 1)) for color in artist.get_facecolor()}
        elif isinstance(artist, Line2D) and len(artist.get_xdata()):
            # A thin solid line in black is an axis.
            if artist.get_linestyle() != "None" and (artist.get_color(), artist.get_linestyle()) != ("black", "-"):
                seen.add(("line", artist.get_linestyle()))
            seen.add(("color", to_rgba(artist.get_color())))
            if artist.get_marker() not in ("None", "none", None, ""):
                seen.add(("marker", artist.get_marker()))
    return seen


@pytest.mark.parametrize("n_seeds", [1, 2])
def test_every_mark_has_a_legend_entry(n_seeds):
    tables = make_tables(n_seeds=n_seeds)
    style = FigureStyle.from_policies(TASKS, tables["policies"])
    for name in (name for name in figure_names(TASKS) if not name.endswith(("good2", "good6"))):
        figure = draw(name, tables, style).figure
        drawn = marks_of(artist for axes in figure.axes for artist in (*axes.lines, *axes.collections, *axes.patches))
        (legend,) = figure.legends
        entries = legend.findobj(lambda artist: isinstance(artist, Line2D | Patch))
        beside = (text for axes in figure.axes for text in axes.texts)
        named = marks_of(entries) | {("color", to_rgba(text.get_color())) for text in beside}
        # A mean and its bar are named by a cross; separators and zero are parts of the axes.
        cross = {("marker", "_"), ("line", "-")} if ("marker", "$+$") in named else set()
        axes_parts = {("color", to_rgba("0.85")), ("color", to_rgba("black"))} | cross
        assert drawn - axes_parts <= named, (name, drawn - axes_parts - named)


def test_legend_rows_are_folded_to_the_width():
    long, short = ("a label as long as half of the figure", "b")
    rows = [[Line2D([], [], label=label) for label in labels] for labels in ([short] * 4, [long, long, short])]
    with style_context():
        figure = Figure(figsize=(3.5, 3))
        figure.subplots()
        legend_below(figure, *rows)
        figure.draw_without_rendering()
    (legend,) = figure.legends
    boxes = [text.get_window_extent() for text in legend.findobj(Text) if text.get_text()]
    heights = [round(box.y0) for box in boxes]
    assert sorted(heights.count(height) for height in set(heights)) == [1, 2, 4]
    assert all(figure.bbox.x0 <= box.x0 <= box.x1 <= figure.bbox.x1 for box in boxes)


def test_success_under_the_counterfactual_is_said_by_its_distance_from_chance(tables, style):
    policies = tables["policies"].copy()
    policies["success_rate_counterfactual"] = policies["utility"].map(np.mean) + 0.01
    policies.loc[0, "success_rate_counterfactual"] -= 0.04
    captioned = draw("counterfactual_success_vs_parameters", {"policies": policies}, style)
    assert captioned.title == "Success under the split history is within 0.03 of chance"
    beyond = policies["success_rate_counterfactual"] - policies["utility"].map(np.mean)
    assert rounded(drawn_points(captioned.figure)[:, 1:]) == rounded(beyond.to_frame())


def test_no_self_estimate_lies_on_the_edge(tables, style):
    policies = tables["policies"].copy()
    policies["op_self"] = 0.05  # below every measured Op
    (axes,) = draw("self_op_vs_measured", {"policies": policies}, style).figure.axes
    low, high = axes.get_ylim()
    assert 0.05 - low > 0.03 * (high - low)


def test_explained_about_identity():
    measured = pd.Series([1.0, 2.0, 3.0])
    assert explained_about_identity(measured, measured) == 1
    assert explained_about_identity(measured * 0 + 2, measured) == 0
    assert explained_about_identity(measured[:1], measured[:1]) is None


# Machado, Oliveira and Fernandes (2009), full severity, on linear RGB.
VISION = {
    "normal": np.eye(3),
    "protanopia": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deuteranopia": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritanopia": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def cielab(color, vision):
    """CIELAB coordinates of a hex colour as seen with a kind of vision."""
    rgb = np.array([int(color[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.array(VISION[vision]) @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ seen / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(("n_tasks", "bound"), [(3, 30), (8, 15)])
def test_task_colors_stay_apart(vision, n_tasks, bound):
    seen = [cielab(color, vision) for color in COLORS[:n_tasks]]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(seen, 2)) > bound
