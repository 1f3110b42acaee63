import re

import numpy as np
import pandas as pd
from scipy.special import rel_entr

from sayings import CONFIG, DOCS, WORDS, configuration, read

KEYS = ["task", "size", "seed"]
GOOD = {name: task["good"] for name, task in CONFIG["tasks"].items()}
SETS = {name: f"{{{', '.join(map(str, good))}}}" for name, good in GOOD.items()}
MEASURE = CONFIG["measure"]


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


def why_op_falls_below_theory():
    policies = [read(f"sweeps/{sweep}/summary/policies.parquet") for sweep in ("paper", "study")]
    first, second = ((of["op_excess"] < 0).sum() for of in policies)
    yield f"outweighs the favourites of {first} policies of the first sweep and {second} of the second"
    lowers = [of.groupby("task")["op_nonuniformity"].mean().round(3) for of in policies]
    least, most = min(map(min, lowers)), max(map(max, lowers))
    yield f"lower it, by {least:.3f} or {most:.3f} nats on every task"
    yield f"Part of the {most:.3f} comes from having few windows"
    yield "In 200,000 windows of other chains it is 0.007."  # test_published.py computes it
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
    yield f"and {_below_theory('paper', 'natural', 'monte_carlo')} of {n} fall below it"


def what_is_practised():
    of = CONFIG["finetune"]["maintenance"]
    natural = of["batch_size"] * of["natural_fraction"]
    random = (of["batch_size"] - natural) * of["random_fraction"]
    own = of["batch_size"] - natural - random
    yield f"has {natural:.0f} untouched windows, {own:.0f} own and {random:.0f} random rollouts per step"


def is_the_reward_identified():
    every, by_op, by_imp = _identified("sweeps/paper"), _identified("sweeps/study"), _identified("sweeps/study", "imp")
    assert every["correct"].all()
    assert _identified("sweeps/paper", "imp")["correct"].all()
    first, n = (every["true_set_rank"] == 1).sum(), len(every)
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
    dropped: dict[str, list[int]] = {}
    of_policies = policies.set_index(KEYS)[["good_set", "outcome_distribution"]]
    for row in identified[identified["true_set_rank"] != 1].itertuples():
        good, future = of_policies.loc[(row.task, row.size, row.seed)]
        (least,) = set(good) - set(row.best_set)
        assert set(row.best_set) < set(good)
        assert least == min(good, key=lambda outcome, future=future: future[outcome])
        dropped.setdefault(row.task, []).append(int(least))
    n = policies.groupby("task").size()
    good_sets = policies.groupby("task")["good_set"].first()
    sets = {task: f"{{{', '.join(map(str, good))}}}" for task, good in good_sets.items()}
    (all_of, some_of, one_of) = sorted(dropped, key=lambda task: -len(dropped[task]))
    assert [len(dropped[task]) for task in (all_of, some_of, one_of)] == [n[all_of], n[some_of] // 2, 1]
    assert all(len(set(outcomes)) == 1 for outcomes in dropped.values())
    yield (
        f"{dropped[all_of][0]} of {sets[all_of]} in all policies, {dropped[some_of][0]} of {sets[some_of]} in half of "
        f"them and {dropped[one_of][0]} of {sets[one_of]} in one"
    )
    yield f"Among {WORDS[len(n)]} candidates no policy is mistaken."


def which_answers_a_policy_may_give():
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
    yield f"Op tells the task of all {by_op['step'].count()} policies from step {by_op['step'].max():.0f} on"
    yield f"from step {by_op['step'].max():.0f} on, of {last.min()} to {last.max()} steps"
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
        assert list(wrong["task"]) == ["linear"] * 3
        assert set(wrong["identified_task"]) == {"steep"}
    by_success = told.query("measure == 'success_rate' and not correct")["identified_task"].value_counts()
    assert by_success["upper"] == 3
    yield "Three of the four policies of `linear` are taken for policies of `steep`"
    yield "Success alone takes three of them for `upper`"


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
    counts = np.bincount(configuration("experiments/uneven")["sequence"]["outcome_of_residue"], minlength=8)
    yield "lead to outcome 0, three to outcome 1, two each to 2 and 3, and one each to the others"
    assert counts.tolist() == [5, 3, 2, 2, 1, 1, 1, 1]  # in words on the page


def natural_windows_against_rollouts():
    for sweep, words in {"paper": "and tells only {right} of {n} right", "study": "Op tells all {n} right"}.items():
        rows = read(f"sweeps/{sweep}/summary/windows.parquet").query("estimator == 'exact' and windows == 'rollouts'")
        promoted = rows[rows["success_rate"] > rows["evaluated_task"].map({of: len(GOOD[of]) / 8 for of in GOOD})]
        distance = (promoted["op"] - promoted["op_predicted"]).abs()
        nearest = promoted.assign(distance=distance).sort_values("distance").drop_duplicates(KEYS)
        right, n = nearest["is_training_task"].sum(), len(rows) // len(GOOD)
        assert right == n or sweep == "paper"
        yield words.format(right=right, n=n)


def the_slopes():
    yield "The study's line has a slope of 2.6 and an intercept of 0.059"
    predicted = rel_entr(0.85, 0.75) + rel_entr(0.15, 0.25)
    yield f'a success rate of 0.85 on six good outcomes "implies" an Op of {predicted:.2f}, is in nats'
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
    symmetric, squared = (of[name] for name in ranked[1:3])
    yield f"the symmetric divergence, {symmetric[0]} ± {symmetric[1]}, and the squared"
    yield f"squared difference, {squared[0]} ± {squared[1]}"
    assert abs(float(logarithm[0]) - 2.6) < 2 * float(logarithm[1])  # "comes out", as the README says
    slopes = [line[0] for (_, name), lines in printed.items() if name == ranked[0] for line in lines]
    yield f"the decimal logarithms give {min(slopes)} to {max(slopes)}."
    n_models = len(CONFIG["sweep"]["sizes"]) * len(CONFIG["sweep"]["seeds"])
    yield f"by resampling the {n_models} models"
    assert configuration("study")["sweep"] == CONFIG["sweep"]
