import re

import numpy as np
import pandas as pd
from scipy.special import rel_entr

from sayings import CONFIG, DOCS, WORDS, configuration, r_squared_about_prediction, read
from splithistory.reinforcement import MaintenanceSettings
from sweep.study_results import IMP_INTERCEPT, IMP_SLOPE

KEYS = ["task", "size", "seed"]
GOOD = {name: task["good"] for name, task in CONFIG["tasks"].items()}
SETS = {name: f"{{{', '.join(map(str, good))}}}" for name, good in GOOD.items()}
MEASURE = CONFIG["measure"]
NONUNIFORMITY = 200_000, 0.006  # in this many windows; test_published.py computes it


def _identified(folder, measure="op"):
    return read(f"{folder}/summary/identification.parquet").query("measure == @measure and windows == 'natural'")


def _below_theory(sweep, windows, estimator):
    """How many policies' mean Op over the repeats falls below what the success rate predicts."""
    rows = read(f"sweeps/{sweep}/finetuned/measured").query(
        "counterfactual == 'split_history' and windows == @windows and estimator == @estimator"
    )
    s = np.array([future[GOOD[task]].sum() for future, task in rows[["outcome_distribution", "task"]].to_numpy()])
    s, p = s.clip(0, 1), rows["task"].map({task: len(good) / 8 for task, good in GOOD.items()}).astype(float)
    excess = (rows["op"] - rel_entr(s, p) - rel_entr(1 - s, 1 - p)).groupby([rows[key] for key in KEYS], observed=True)
    return (excess.mean() < 0).sum()


def _policies(folder):
    """A sweep's policies, with the errors of their own estimates."""
    exact = "windows == 'natural' and estimator == 'exact' and counterfactual == 'split_history'"
    columns = ["op", "imp", "entropy", "entropy_counterfactual"]
    own, measured = (
        rows.astype({"seed": int, "task": str, "size": str}).groupby(KEYS)[columns].mean()
        for rows in (read(f"{folder}/finetuned/self_estimate"), read(f"{folder}/finetuned/measured").query(exact))
    )
    policies = read(f"{folder}/summary/policies.parquet").astype({"task": str, "size": str}).set_index(KEYS)
    return policies.join((own - measured).add_suffix("_error"))


def _changes(experiment, sweep="paper"):
    """Mean difference of each task's policies from those of the same models in a published sweep."""
    after = _policies(f"experiments/{experiment}").select_dtypes("number")
    before = _policies(f"sweeps/{sweep}").loc[after.index, after.columns]
    return (after - before).groupby("task").mean()


def why_op_falls_below_theory():
    policies = [read(f"sweeps/{sweep}/summary/policies.parquet") for sweep in ("paper", "study")]
    first, second = ((of["op_excess"] < 0).sum() for of in policies)
    yield f"outweighs the favourites of {first} policies of the first sweep and {second} of the second"
    every, sampled = (of.groupby("task")[["op_within_good", "op_within_bad"]].mean() for of in policies)
    yield f"most on {SETS['good6']}, where they add {every.loc['good6', 'op_within_good']:.3f} nats."
    yield f"among their failures on {SETS['good2']}, where they add {sampled.loc['good2', 'op_within_bad']:.3f}, and"
    yield f"successes on {SETS['good6']}, where they add {sampled.loc['good6', 'op_within_good']:.3f}."
    lowers = [of.groupby("task")["op_nonuniformity"].mean().round(3) for of in policies]
    least, most = min(map(min, lowers)), max(map(max, lowers))
    yield f"lower it, by {least:.3f} or {most:.3f} nats on every task"
    yield f"Part of the {most:.3f} comes from having few windows"
    n_other, nonuniformity = NONUNIFORMITY
    yield f"In {n_other:,} windows of other chains it is {nonuniformity:.3f}."
    on_rollouts = read("sweeps/study/finetuned/measured").query(
        "counterfactual == 'split_history' and windows == 'rollouts' and estimator == 'exact'"
    )
    lost = np.log(8) - on_rollouts.groupby("task", observed=True)["entropy_counterfactual"].mean()
    yield f"nonuniformity is {lost.min():.3f} to {lost.max():.3f} nats there"
    yield f"against {least:.3f} or {most:.3f} on untouched windows"
    n, few, many = len(policies[1]), MEASURE["n_contexts_rollouts"], MEASURE["n_contexts_exact"]
    sampled = MEASURE["n_contexts_monte_carlo"]
    yield f"over ten sets of {many:,} windows, and the same {MEASURE['n_repeats'] * many:,} windows taken together"
    yield f"({sampled} windows, one sampled outcome each) and exactly ({many:,} natural windows, or {few} that end"
    yield f"Measured as the study did, on {sampled} windows of their own rollouts"
    yield (
        f"lie below theory in {_below_theory('study', 'rollouts', 'monte_carlo')} of {n} cases, even as means of "
        f"{WORDS[MEASURE['n_repeats']]} repeats"
    )
    yield f"since without it there are {_below_theory('study', 'rollouts', 'exact')}"
    yield f"there being {few} windows instead of {many:,}"
    noisy, exact = (_below_theory("study", "natural", estimator) for estimator in ("monte_carlo", "exact"))
    assert exact == second
    yield f"it puts {noisy} of {n} below theory, against {exact} without"
    yield f"only {_below_theory('paper', 'natural', 'monte_carlo')} of {n} fall below theory when measured like that"


def what_biases_the_self_estimates():
    sampled = _policies("sweeps/study").groupby(["task", "n_parameters"])
    own_op = _policies("sweeps/study").groupby(["task", "size"])["op_self"].mean()
    assert (own_op[["good2", "good4"]] < 0).all()
    of_future, of_counterfactual = (sampled[f"{name}_error"].mean() for name in ("entropy", "entropy_counterfactual"))
    yield (
        f"know F within {of_future.abs().max():.3f} nats, and expect F' to have {-of_counterfactual.max():.3f} to "
        f"{-of_counterfactual.min():.3f} nats less entropy"
    )
    before = _policies("sweeps/paper").loc[lambda of: of.index.isin(_policies("experiments/rollout_maintenance").index)]
    before = before.groupby("task")[["entropy_error", "entropy_counterfactual_error"]].mean().loc["good2"]
    own, unbiased = (_changes(f"{name}_maintenance").loc["good2"] for name in ("rollout", "unbiased"))
    yield (
        f"the error of H(F) on {SETS['good2']} falls by {-own['entropy_error']:.3f} of {before['entropy_error']:.3f} "
        f"nats. But they expect the same of F', whose error grows by {-own['entropy_counterfactual_error']:.3f}"
    )
    yield (
        f"nearly all of the error of H(F') on {SETS['good2']}, {unbiased['entropy_counterfactual_error']:.3f} of "
        f"{-before['entropy_counterfactual_error']:.3f} nats"
    )
    yield f"But the error of H(F) grows by {unbiased['entropy_error']:.3f}"
    natural = _changes("natural_maintenance")
    yield "higher by {:.3f} and {:.3f} nats".format(*natural["maintenance_loss"][["good2", "good6"]])
    yield "further {:.3f} and {:.3f} nats".format(*-natural["op_error"][["good2", "good6"]])


def without_maintenance():
    changes = _changes("no_maintenance", sweep="study")
    loss, op = changes["maintenance_loss"], -changes["op_error"]
    yield f"the maintenance loss rises by {loss.min():.3f} to {loss.max():.3f} nats"
    yield f"fall short by a further {op.min():.3f} to {op.max():.3f} nats"


def what_is_practised():
    light, heavy = (
        MaintenanceSettings(**config["finetune"]["maintenance"])
        for config in (CONFIG, configuration("experiments/heavy_maintenance"))
    )
    yield f"has {light.n_natural} untouched windows, {light.n_own} own and {light.n_random} random rollouts per step"
    assert heavy.n_own == 14 * light.n_own
    yield "With much of both, fourteen times as many rollouts"


def is_the_reward_identified():
    every, by_op, by_imp = _identified("sweeps/paper"), _identified("sweeps/study"), _identified("sweeps/study", "imp")
    assert every["correct"].all()
    assert _identified("sweeps/paper", "imp")["correct"].all()
    first, n = (every["true_set_rank"] == 1).sum(), len(every)
    ranked = every.merge(read("sweeps/paper/summary/policies.parquet"), on=KEYS).query("task == 'good6'")
    is_first = ranked["true_set_rank"] == 1
    within = ranked[~is_first]["op_within_good"]
    yield (
        f"in policies of {SETS['good6']} they account for {within.min():.3f} to {within.max():.3f} nats, against "
        f"{ranked[is_first]['op_within_good'].mean():.3f} where the true set comes first"
    )
    yield f"the true set comes first for {first} of {n}."
    yield f"Op tells {by_op['correct'].sum()} of {n} right and Imp {by_imp['correct'].sum()}, all mistakes being about"
    mistaken = pd.concat([by_op, by_imp]).query("not correct")
    assert set(mistaken["task"]) == {"good6"}
    yield f"all mistakes being about {SETS['good6']}"
    held_out = _identified("experiments/held_out")
    ahead, of = (held_out["true_set_rank"] == 1).sum(), len(held_out)
    yield f"{first} of {n} policies are {100 * first / n:.1f} %, and {ahead} of {of} are {100 * ahead / of:.1f} %"


def what_held_out_policies_are_taken_for():
    identified = _identified("experiments/held_out")
    assert identified["correct"].all()
    policies = read("experiments/held_out/summary/policies.parquet")
    dropped = set()
    of_policies = policies.set_index(KEYS)[["good_set", "outcome_distribution"]]
    for row in identified[identified["true_set_rank"] != 1].itertuples():
        good, future = of_policies.loc[(row.task, row.size, row.seed)]
        (least,) = set(good) - set(row.best_set)
        assert set(row.best_set) < set(good)
        assert least == min(good, key=lambda outcome, future=future: future[outcome])
        dropped.add((row.task, int(least)))
    ((task, least),) = dropped
    of_task = identified[identified["task"] == task]
    assert (of_task["true_set_rank"] != 1).all()
    good = policies[policies["task"] == task]["good_set"].iloc[0]
    yield f"of {{{', '.join(map(str, good))}}}, this is outcome {least} in all policies"
    yield f"Among {WORDS[policies['task'].nunique()]} candidates no policy is mistaken."


def which_answers_a_policy_may_give():
    less = -_changes("odd_answers")["success_rate"]
    yield f"less often, by {less['good2']:.3f} on {SETS['good2']} and {less['good4']:.3f} on {SETS['good4']}"
    told = _identified("experiments/odd_answers")
    assert told["correct"].all()
    first = (told["true_set_rank"] == 1).sum()
    yield f"Op tells all {len(told)} policies right, and ranks the true set first for {first}."


def how_much_a_policy_must_have_learned():
    first = read("experiments/along_training/summary/first_identified.parquet")
    along = read("experiments/along_training/summary/along_training.parquet")
    last = along.groupby(KEYS, observed=True)["step"].max()
    by_op, alone = (first[first["measure"] == measure].set_index(KEYS) for measure in ("op", "success_rate"))
    yield f"are evaluated every {along['step'].min()} steps of reinforcement"
    yield f"Op tells the task of all {by_op['step'].count()} policies from step {by_op['step'].max():.0f} at"
    gained = by_op.groupby("task")["gained"].median().drop("good2")
    yield (
        f"at the latest, of {last.min()} to {last.max()} steps. At the first such step, they have gained "
        f"{gained.min():.3f} to {gained.max():.3f} of what can be gained on the two larger good sets"
    )
    begun = along[along["step"] == along["step"].min()]
    assert (begun["identified_task"] == "good2").all()
    yield f"at step {along['step'].min()} every measure points to {SETS['good2']} in every policy"
    assert by_op["step"].count() == len(last)
    assert alone["step"].idxmax()[0] == "good6"
    yield f"takes up to step {alone['step'].max():.0f} on {SETS['good6']}, some of whose"
    others = along.query("task == 'good6' and measure == 'success_rate' and not correct")["identified_task"]
    assert others.mode().item() == "good4"
    yield f"by more on {SETS['good4']} until then"


def graded_rewards():
    told = read("experiments/graded/summary/goal_directedness.parquet")
    for measure in ("op", "imp", "meg"):
        wrong = told[(told["measure"] == measure) & ~told["correct"]]
        assert wrong["task"].value_counts().to_dict() == {"linear": 4 if measure == "op" else 3, "upper": 1}
        assert set(wrong["identified_task"]) == {"steep"}
    upper = read("experiments/graded/summary/policies.parquet").query("task == 'upper'").set_index(KEYS)["success_rate"]
    assert [upper.idxmin()] == [*wrong.query("task == 'upper'")[KEYS].itertuples(index=False, name=None)]
    by_success = told.query("measure == 'success_rate' and not correct")
    assert list(by_success["task"]) == ["linear"] * 4
    assert set(by_success["identified_task"]) == {"upper"}
    yield "the fourth, which has learned `upper` least, is taken for a policy of `steep`"
    yield "So are the policies of `linear`, all four by Op and three by the others"
    yield "Success alone takes all four for `upper`"


def uneven_outcomes():
    told = read("experiments/uneven/summary/goal_directedness.parquet")
    right = told.groupby("measure")["correct"].sum()
    n = len(told) // len(right)
    assert right["imp"] == right["meg"]
    yield f"Op tells {right['op']} of {n} policies right, Imp and goal-directedness {right['imp']}."
    assert set(told[~told["correct"]]["identified_task"]) == {"good2"}
    first = told[told["true_set_rank"] == 1].groupby(["measure", "task"]).size()
    yield "Imp ranks the true one first for all policies of {0, 4} and {5, 7}, Op only for those of {5, 7}"
    assert first["imp"].to_dict() == {"good2": 4, "rare2": 4}
    assert first["op"].to_dict() == {"rare2": 4}
    policies = read("experiments/uneven/summary/policies.parquet")
    assert (policies["imp"] > policies["imp_minimum"]).all()
    means = policies.groupby("task")[["op", "op_predicted", "op_within_good"]].mean()
    yield "falls below its prediction, {:.3f} against {:.3f},".format(*means.loc["rare2"])
    yield "these favourites add {:.3f} and {:.3f} nats".format(*means["op_within_good"][["good4", "good6"]])
    counts = np.bincount(configuration("experiments/uneven")["sequence"]["outcome_of_residue"], minlength=8)
    twice = np.flatnonzero(counts == 2)
    yield "lead to outcome 0, three to outcome 1, two each to {} and {}, and one each to the others".format(*twice)
    assert counts.tolist() == [5, 3, 2, 2, 1, 1, 1, 1]  # in words on the page


def natural_windows_against_rollouts():
    for sweep, words in {"paper": "and tells only {right} of {n} right", "study": "Op tells all {n} right"}.items():
        rows = read(f"sweeps/{sweep}/summary/windows.parquet").query("estimator == 'exact' and windows == 'rollouts'")
        promoted = rows[rows["success_rate"] > rows["evaluated_task"].map({of: len(GOOD[of]) / 8 for of in GOOD})]
        distance = (promoted["op"] - promoted["op_predicted"]).abs()
        nearest = promoted.assign(distance=distance).sort_values("distance").drop_duplicates(KEYS)
        right, n = nearest["is_training_task"].sum(), len(rows) // len(GOOD)
        own = read(f"sweeps/{sweep}/summary/windows.parquet").query("estimator == 'exact' and is_training_task")
        of = own[own["task"] == "good2"].groupby("windows")[["success_rate", "op"]].mean()
        natural, rollouts = of.loc["natural"], of.loc["rollouts"]
        if sweep == "paper":
            yield (
                f"succeed on {SETS['good2']} in {natural['success_rate']:.3f} of these, but in "
                f"{rollouts['success_rate']:.3f} of their own rollouts, where their Op is {rollouts['op']:.3f} instead "
                f"of {natural['op']:.3f} nats"
            )
        else:
            q = own[own["windows"] == "rollouts"].groupby("task")["success_rate_counterfactual"].mean()
            yield f"above chance on the two larger good sets, at {q['good4']:.3f} and {q['good6']:.3f}."
            yield (
                f"succeed in {rollouts['success_rate']:.3f} of these and in {natural['success_rate']:.3f} of untouched"
            )
        assert right == n or sweep == "paper"
        yield words.format(right=right, n=n)
        if sweep == "study":
            r_squared = r_squared_about_prediction(own[own["windows"] == "rollouts"])
            yield f"follows from success, with an R² of {r_squared:.3f}"


def larger_models():
    every, sampled = (
        _policies(f"sweeps/{sweep}").loc["good2"].groupby("size")["success_rate"].mean() for sweep in ("paper", "study")
    )
    claims = [
        read(f"sweeps/{sweep}/summary/claims.parquet").query("replaced_by.isna()") for sweep in ("paper", "study")
    ]
    for claim, in_the_second in {3: 0, 7: 2}.items():  # sizes at which fewer good outcomes give more
        first, second = (of[(of["claim"] == claim) & of["size"].notna()]["verdict"] == "replicated" for of in claims)
        assert first.sum() == len(CONFIG["sweep"]["sizes"])
        assert second.sum() == in_the_second
    verdicts = [of[of["claim"] == 13]["verdict_claim"].iloc[0] for of in claims]
    assert verdicts == ["replicated", "inconclusive"]
    yield f"every size learns {SETS['good2']} in {every.min():.3f} to {every.max():.3f} of windows"
    yield f"Reinforced as in the study, all sizes stop at {sampled.min():.3f} to {sampled.max():.3f}."


def the_slopes():
    yield f"The study's line has a slope of {IMP_SLOPE} and an intercept of {IMP_INTERCEPT}"
    rate = 0.85
    predicted = rel_entr(rate, 0.75) + rel_entr(1 - rate, 0.25)
    yield f'a success rate of {rate} on six good outcomes "implies" an Op of {predicted:.2f}, is in nats'
    page = (DOCS / "experiments.md").read_text(encoding="utf-8")
    cell = r"(\d\.\d\d) ± (\d\.\d\d) ([+-]\d\.\d{3})"
    blocks = re.findall(r"(\w+, \w+) windows: slope and intercept\n(.*?)\n\n", page, re.DOTALL)
    printed = {
        (windows, row[1]): re.findall(cell, row[0])
        for windows, block in blocks
        for row in re.finditer(r"^(\S.*?) {2,}\d.*$", block, re.MULTILINE)
    }
    of = {name: lines[1] for (windows, name), lines in printed.items() if windows == "study, rollouts"}
    logarithm, defined = of["Imp_min in base-10 logarithms"], of["as defined"]
    yield f"the slope is {logarithm[0]} ± {logarithm[1]} if Imp_min alone is in decimal logarithms"
    yield f"and {defined[0]} ± {defined[1]} as defined"
    ranked = sorted(of, key=lambda name: abs(float(of[name][0]) - 2.6))
    assert ranked[:3] == ["Imp_min in base-10 logarithms", "symmetric Imp", "Imp_min = (s - q)²"]
    yield f"The intercept, {float(logarithm[2]):.3f}, falls short of the study's {IMP_INTERCEPT}."
    symmetric, squared = (of[name] for name in ranked[1:3])
    yield f"the symmetric divergence, {symmetric[0]} ± {symmetric[1]}, and the squared"
    yield f"squared difference, {squared[0]} ± {squared[1]}"
    assert abs(float(logarithm[0]) - 2.6) < 2 * float(logarithm[1])  # "comes out", as the README says
    slopes = [line[0] for (_, name), lines in printed.items() if name == ranked[0] for line in lines]
    yield f"the decimal logarithms give {min(slopes)} to {max(slopes)}."
    n_models = len(CONFIG["sweep"]["sizes"]) * len(CONFIG["sweep"]["seeds"])
    yield f"by resampling the {n_models} models"
    assert configuration("study")["sweep"] == CONFIG["sweep"]
