from sayings import CONFIG, WORDS, read

POLICIES = read("sweeps/paper/summary/policies.parquet")


def the_sweep():
    counts = (f"{WORDS[POLICIES[key].nunique()]} {key}s" for key in ("size", "seed", "task"))
    yield f"({', '.join(counts)}, {len(POLICIES)} policies)"
    told = POLICIES["identified_task"].astype(str) == POLICIES["task"].astype(str)
    yield f"The same reading is correct for {told.sum()} of the {len(POLICIES)} policies"


def the_studys_windows():
    yield f"The study measured {CONFIG['measure']['n_contexts_monte_carlo']} windows with sampled outcomes"
