from datetime import UTC, datetime

from sayings import WORDS, configuration, read

JOBS = read("sweeps/study/jobs.csv")


def what_it_is():
    sweep = configuration("study")["sweep"]
    n_models = len(sweep["sizes"]) * len(sweep["seeds"])
    counts = ", ".join(f"{WORDS[len(sweep[key])]} {key}" for key in ("sizes", "seeds", "tasks"))
    yield f"{counts}; {n_models} pretrained models and {n_models * len(sweep['tasks'])} policies"
    yield f"measured and drawn on {datetime.fromtimestamp(JOBS['end'].max(), UTC):%d %B %Y}"


def what_it_took():
    timed = JOBS.dropna(subset=["seconds"])
    wall_time = timed["end"].max() - (timed["end"] - timed["seconds"]).min()
    yield f"It took {wall_time / 60:.0f} minutes of wall time"
    yield f"its {len(timed)} timed jobs are {JOBS['seconds'].sum():,.0f} core-seconds"
    by_rule = JOBS.groupby("rule")["seconds"].sum()
    differential = by_rule[by_rule.index.str.startswith("measure_differential")].sum()
    yield (
        f"{by_rule['pretrain']:,.0f} of pretraining, {by_rule['finetune']:,.0f} of reinforcement, "
        f"{by_rule['measure']:,.0f} of measuring and {differential:,.0f} of the differential measures"
    )
    by_size = JOBS.groupby("size")["seconds"].sum()[["18k", "51k", "143k", "402k"]]
    yield "by size " + " / ".join(f"{of:,.0f}" for of in by_size)
    most = JOBS.groupby("rule")["memory"].max() / 1000
    trainings = most[["pretrain", "finetune"]].max()
    yield f"The largest job had {most.max():.2f} GB of memory"
    yield f"trainings at most {trainings:.2f} GB"
