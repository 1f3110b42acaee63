from sayings import WORDS, read

POLICIES = read("sweeps/paper/summary/policies.parquet")
KEYS = ["task", "size", "seed"]


def the_tables():
    measured = read("sweeps/paper/finetuned/measured")
    (n_rows,) = measured.groupby(KEYS, observed=True).size().unique()
    n_seeds = WORDS[POLICIES["seed"].nunique()]
    yield f"Each policy has {n_rows} rows, and here each task and size has {n_seeds} seeds. A hundred of the rows"
    natural = measured[measured["windows"] == "natural"]
    assert (natural.groupby(KEYS, observed=True).size() == 100).all()
    kinds = natural[["repeat", "estimator", "counterfactual"]].nunique()
    yield (
        f"{WORDS[kinds['repeat']]} repeats, {WORDS[kinds['estimator']]} estimators, "
        f"{WORDS[kinds['counterfactual']]} counterfactual futures"
    )


def how_sure_it_is():
    draws = read("sweeps/paper/finetuned/bootstrap").groupby(KEYS, observed=True).size()
    yield f"the same measurement on {draws.min()} bootstrap resamples of the test windows"
    n_sets = read("sweeps/paper/summary/identification.parquet")["n_promoted"].max()
    yield f"Eight outcomes give {n_sets} pairs of a good set and its complement"
    yield f"Wilson's interval says how much {len(POLICIES)} policies can show"
