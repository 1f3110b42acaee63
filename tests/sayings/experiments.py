import re

from sayings import CONFIG, DOCS, WORDS, read

KEYS = ["task", "size"]
GOOD = {name: f"{{{', '.join(map(str, task['good']))}}}" for name, task in CONFIG["tasks"].items()}
STUDY = read("sweeps/study/summary/policies.parquet")


def what_biases_the_self_estimates():
    measured = read("sweeps/study/finetuned/measured").query(
        "estimator == 'exact' and counterfactual == 'split_history'"
    )
    own = read("sweeps/study/finetuned/self_estimate")
    expected, found = (
        table.astype({"task": str, "size": str}).groupby(KEYS)[["op", "entropy_counterfactual"]].mean()
        for table in (own, measured)
    )
    errors = expected - found
    share = (100 * errors["entropy_counterfactual"] / errors["op"]).round().unstack("task")
    few = share[["good2", "good4"]].to_numpy()
    yield f"On {GOOD['good2']} and {GOOD['good4']} that is most of the shortfall, {few.min():.0f} to {few.max():.0f} %"
    many = share["good6"]
    small = many.drop("402k")
    yield f"On {GOOD['good6']} it is {small.min():.0f} to {small.max():.0f} % up to 143k"
    yield f"and {many['402k']:.0f} % at 402k"


def what_held_out_policies_are_taken_for():
    identified = read("experiments/held_out/summary/identification.parquet").query("measure == 'op'")
    assert identified["correct"].all()
    policies = read("experiments/held_out/summary/policies.parquet")
    dropped: dict[str, list[int]] = {}
    of_policies = policies.set_index(["task", "size", "seed"])[["good_set", "outcome_distribution"]]
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
    yield f"Among {WORDS[len(n)]} candidates no policy is mistaken. Where the true set"


def long_runs():
    before = STUDY.query("task == 'good2' and seed == 0").astype({"size": str}).set_index("size")["success_rate"]
    longer = read("tuning/long_runs.csv").query("task == 'good2' and evaluated_task == 'good2'").set_index("size")
    gain = longer["success_rate"] - before
    (least,) = gain[gain < 0.001].index
    yield f"On {GOOD['good2']} all sizes but {least} gain from longer runs"


def odd_answers():
    published = STUDY.astype({"size": str}).set_index([*KEYS, "seed"])["maintenance_loss"]
    odd = read("experiments/odd_answers/summary/policies.parquet").astype({"size": str})
    odd = odd.set_index([*KEYS, "seed"])["maintenance_loss"]
    lower = (published.loc[odd.index] - odd).groupby("task", observed=True).mean()
    yield "it is lower by {:.3f}, {:.3f} and {:.3f} on the three tasks".format(*lower[["good2", "good4", "good6"]])


def overfitting():
    tried = read("tuning/training_set.csv").query("n_train == 400")
    smallest = min(tried["size"].unique(), key=lambda name: int(name.removesuffix("k")))
    yield f"with {tried['n_train'].iloc[0]} every size that was tried, {smallest} and up, overfits"


def the_slope():
    """As the page's own code prints it, which another test compares."""
    printed = re.findall(r"Imp_min in base-10 logarithms +\S+ \S+ +(\S+) (\S+)", (DOCS / "experiments.md").read_text())
    (of_study, natural, rollouts) = [(float(slope), float(intercept)) for slope, intercept in printed]
    slopes = sorted(slope for slope, _ in (of_study, natural, rollouts))
    yield f"by the estimator of the study, their slopes are {slopes[0]:.2f} to {slopes[-1]:.2f}"
    (intercept,) = {f"{intercept:.2f}" for _, intercept in (of_study, rollouts)}
    yield f"reinforced as in the study or measured on their rollouts, are {intercept}"
