from datetime import UTC, datetime

from sayings import CONFIG, WORDS, read

JOBS = read("sweeps/paper/jobs.csv").dropna(subset=["seconds"])


def what_it_is():
    sweep = CONFIG["sweep"]
    n_models = len(sweep["sizes"]) * len(sweep["seeds"])
    counts = ", ".join(f"{WORDS[len(sweep[key])]} {key}" for key in ("sizes", "seeds", "tasks"))
    yield f"{counts}; {n_models} pretrained models and {n_models * len(sweep['tasks'])} policies"
    yield f"Trained, measured and drawn on {datetime.fromtimestamp(JOBS['end'].max(), UTC):%d %B %Y}"


def what_it_took():
    start = (JOBS["end"] - JOBS["seconds"]).min()
    yield f"It took {(JOBS['end'].max() - start) / 60:.0f} minutes of wall time"
    by_rule = JOBS.groupby("rule")["seconds"].sum()
    measuring = by_rule[by_rule.index.str.startswith("measure")].sum()
    yield (
        f"{len(JOBS)} timed jobs took {JOBS['seconds'].sum():,.0f} seconds: {by_rule['pretrain']:,.0f} of pretraining, "
        f"{by_rule['finetune']:,.0f} of reinforcement and {measuring:,.0f} of measuring; by size "
        + " / ".join(f"{of:,.0f}" for of in JOBS.groupby("size")["seconds"].sum()[CONFIG["sweep"]["sizes"]])
    )
    yield f"The largest job had {JOBS['memory'].max() / 1000:.2f} GB of memory"
