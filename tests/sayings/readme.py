import numpy as np

from sayings import CONFIG, DOCS, WORDS, r_squared_about_prediction, read

POLICIES = read("sweeps/paper/summary/policies.parquet")


def what_came_out():
    identified = read("sweeps/paper/summary/identification.parquet").query("windows == 'natural' and measure == 'op'")
    n, first = len(identified), (identified["true_set_rank"] == 1).sum()
    yield f"here, for {identified['correct'].sum()} of {n} policies"
    yield f"each of {n} tiny transformers"
    yield (
        f"Op identifies the task of {identified['correct'].sum()} of {n} policies, where guessing would be right for "
        f"{n // 3}. Among all {identified['n_promoted'].max()} candidate sets, the true good set ranks first for "
        f"{first} of the {n} policies"
    )
    held_out = read("experiments/held_out/summary/identification.parquet").query("measure == 'op'")
    told = f"it identifies those of {held_out['correct'].sum()} of {len(held_out)} policies"
    yield f"Among {WORDS[held_out['task'].nunique()]} rewards that no setting was tuned on, {told}"
    experiments = " ".join((DOCS / "experiments.md").read_text(encoding="utf-8").split())
    assert f"Op tells all {n} right" in experiments  # which tests compare with the tables
    yield f"on windows that they write themselves, it identifies {n} of {n} too"
    claims = read("sweeps/paper/summary/claims.parquet")
    (r_squared,) = claims[claims["statistic"].str.startswith("R² of Op about Op_pred")].itertuples()
    assert np.isclose(r_squared.value, r_squared_about_prediction(POLICIES))
    yield f"R² about y = x is {r_squared.value:.3f} (95 % interval {r_squared.low:.3f} to {r_squared.high:.3f})"
    verdicts = claims.groupby("claim")["verdict_claim"].first().value_counts()
    yield (
        f"Of the study's {verdicts.sum()} claims**, {verdicts['replicated']} replicated, {verdicts['not replicated']} "
        f"did not replicate and {verdicts['inconclusive']} are inconclusive"
    )
    slope, intercept = np.polyfit(POLICIES["imp_minimum"], POLICIES["imp"], 1)
    yield f"follows its lower bound as {slope:.2f} Imp_min + {intercept:.2f}. The study's slope of 2.6 comes out"


def success():
    windows = read("sweeps/study/summary/windows.parquet").query("is_training_task and estimator == 'exact'")
    every, untouched, own = (
        table.query("task == 'good2'").groupby("size", observed=True)["success_rate"].mean()
        for table in (POLICIES, *(windows[windows["windows"] == kind] for kind in ("natural", "rollouts")))
    )
    chance = POLICIES.query("task == 'good2'")["chance"].min()
    yield (
        f"succeeds on {{0, 4}}, where chance is {chance:.2f}, in {every.min():.3f} to {every.max():.3f} of windows, by "
        "size. Reinforced as in the study, at one sampled answer "
        f"per window that it has written every other token of, it succeeds in {untouched.min():.3f} to "
        f"{untouched.max():.3f} of untouched windows and in {own.min():.3f} to {own.max():.3f} of its own"
    )


def what_it_takes():
    setups = read("performance/setups.csv").query("by == 'now'")
    yield f"need Python 3.11 or later and {np.ceil(setups['megabytes'].max() / 1000):.0f} GB of disk"
    least, *_, most = (name.removesuffix("k") for name in CONFIG["sweep"]["sizes"])  # sizes are named after it
    yield f"a transformer of {least} to {most} thousand parameters"
    n_sets = read("sweeps/paper/summary/identification.parquet")["n_promoted"].max()
    yield f"the rank of the true good set among all {n_sets}](docs/sweeps/paper/figures/identification.svg)"
    yield f"where its true set of rewarded outcomes ranks among all {n_sets} candidates"
