import math
from math import prod

import yaml

from sayings import ROOT, read
from sweep.figures import marks, training
from sweep.stages import FINETUNE, MEASURE

PROFILE = yaml.safe_load((ROOT / "profiles" / "slurm" / "config.yaml").read_text())
PLANS = read("performance/plans.csv")
MILLION = 1_000_000
MANY = (10, 100, 10)  # sizes, seeds and tasks


def n_jobs(n_sizes, n_seeds, n_tasks):
    """Of a sweep: three splits, the generator and four rules of the whole besides those of models and policies."""
    return sum(_jobs_of_rules(n_sizes, n_seeds, n_tasks).values())


def n_submissions(n_sizes, n_seeds, n_tasks):
    jobs = _jobs_of_rules(n_sizes, n_seeds, n_tasks)
    return sum(math.ceil(n / PROFILE["group-components"].get(rule, 1)) for rule, n in jobs.items())


def _jobs_of_rules(n_sizes, n_seeds, n_tasks):
    of_models = dict.fromkeys(("pretrain", "measure_pretrained"), n_sizes * n_seeds)
    of_policies = dict.fromkeys(("finetune", "measure"), n_sizes * n_seeds * n_tasks)
    once = dict.fromkeys(("measure_generator", "summarize", "figures", "report", "manifest"), 1)
    return {"sequences": 3} | of_models | of_policies | once


def what_was_measured():
    seeds, counts = (1, 10, 100), sorted(set(PLANS["policies"]))
    assert counts == [10 * n * 10 for n in seeds]
    jobs = [n_jobs(10, n, 10) for n in seeds]
    then = [n + of for n, of in zip(jobs, counts, strict=True)]  # a job more for each policy
    yield "with {}, {} and {} seeds: ".format(*seeds) + "{:,}, {:,} and {:,} policies".format(*counts)
    yield "| step | {:,} policies | {:,} | {:,} |".format(*counts)
    yield f"| plan: jobs | {' | '.join(f'{n:,}' for n in then)} |"
    yield "so a plan has {:,}, {:,} and {:,} jobs".format(*jobs)
    for step, of in PLANS[PLANS["code"] == "then"].groupby("step"):
        took = of.set_index("policies").reindex(counts)
        decimals = 0 if step == "figures" else 1
        cells = [
            "not run" if math.isnan(row.seconds) else f"{row.seconds:.{decimals}f} s, {row.gigabytes:.2f} GB"
            for row in took.itertuples()
        ]
        yield f"| {step} | {' | '.join(cells)} |"
    before, now = (PLANS[PLANS["code"] == f"{when} on another server"].iloc[0] for when in ("then", "now"))
    yield (
        f"The plan of {before['policies']:,} policies took {before['seconds']} s and {before['gigabytes']} GB, and now "
        f"takes {now['seconds']} s and {now['gigabytes']} GB, which is {now['seconds'] / before['seconds']:.2f} of"
    )
    yield f"Each is planned in {now['seconds']:.0f} s and {now['gigabytes']:.1f} GB"
    latest = PLANS[PLANS["code"] == "now on two cores"].set_index("step")
    (n_policies,) = set(latest["policies"])
    yield f"The figures of {n_policies:,} policies take {latest['seconds']['figures']:.0f} s on two cores"
    yield f"Summarizing the same takes {latest['seconds']['summarize']:.0f} s:"
    yield f"Figures of more than {marks.MOST_POINTS} policies draw an even share"
    assert training._FEW_RUNS == 12  # "a dozen runs"
    yield f"of a task that has more than {training._MANY_RUNS}."


def what_a_policy_adds():
    per_policy, exponent, last = {}, {}, {}
    for step in ("plan", "summarize"):
        of = PLANS[(PLANS["step"] == step) & (PLANS["code"] == "then")]
        of = of.set_index("policies")[["seconds", "gigabytes"]]
        per_policy[step] = (of.loc[10_000] - of.loc[1000]) / 9000
        exponent[step] = math.log10(of["seconds"][10_000] / of["seconds"][1000])
        last[step] = of["seconds"][10_000]
    seconds, memory = ({step: of[key] for step, of in per_policy.items()} for key in ("seconds", "gigabytes"))
    a_job = 9000 / (n_jobs(*MANY) + prod(MANY) - n_jobs(10, 10, 10) - 1000)
    yield f"Each further policy costs the plan {1e3 * seconds['plan']:.1f} ms and {1e6 * memory['plan']:.0f} kB"
    yield f"or {1e3 * seconds['plan'] * a_job:.1f} ms and {1e6 * memory['plan'] * a_job:.0f} kB per job"
    yield f"the summary {1e3 * seconds['summarize']:.1f} ms and {1e6 * memory['summarize']:.0f} kB"
    yield f"From 1,000 to 10,000 policies the seconds grow with an exponent of {exponent['plan']:.2f} and"
    yield f"and {exponent['summarize']:.2f}. Figures"
    yield f"At {prod(MANY):,} policies, make only the tables"

    jobs, submissions = (100 * of(*MANY) / MILLION for of in (n_jobs, n_submissions))
    yield f"of {jobs + 1:.1f} million jobs then and {jobs:.1f} million now"
    minutes = {step: round(of * MILLION / 60, -1) for step, of in seconds.items()}
    gigabytes = {step: of * MILLION for step, of in memory.items()}
    yield f"would take {minutes['plan']:.0f} minutes and about {round(gigabytes['plan'], -1):.0f} GB for each start"
    yield f"would take {minutes['summarize']:.0f} minutes and {gigabytes['summarize']:.0f} GB in one process"
    yield f"each sweep of {prod(MANY):,} makes its own summary, in {last['summarize']:.0f} s"
    assert prod(MANY) == MILLION / 100
    yield f"into a hundred sweeps of {prod(MANY):,}, each"
    yield f"One file for each table of a sweep of {prod(MANY):,}, with"
    yield f"when a sweep of {prod(MANY):,} is finished"
    n_tables = len(FINETUNE.tables) + len(MEASURE.tables)
    yield f"A policy has {n_tables} tables and 4 logs and benchmarks"
    yield f"at least {2 * n_tables + 4} million inodes"
    yield f"would make {100 * n_tables}."
    yield f"would number {submissions:.1f} million with the groups"
    a_minute = int(PROFILE["max-jobs-per-timespan"].removesuffix("/1m"))
    assert 13 < submissions * MILLION / a_minute / 60 / 24 < 15
    yield f"two weeks at {a_minute} a minute"

    paper = read("performance/sweeps.csv").set_index("sweep").loc["paper"]
    a_policy = paper["core_seconds"] / 48
    yield f"At the {a_policy:.0f} core-seconds per policy of the [paper-scale sweep]"
    assert 1.5 < a_policy * MILLION / (365.25 * 24 * 3600) < 2.5  # "a million take two core-years"
    both = sum(seconds.values())
    yield f"take {1e3 * both:.0f} ms of this per policy"
    assert 0.5 < both / a_policy * 10_000 < 1.5  # "one part in ten thousand"


def many_tasks():
    ours, few, snakemakes, _ = read("performance/many_tasks.csv").itertuples()
    yield f"With {ours.tasks:,} tasks and two used, a dry-run takes {ours.core_seconds} core-seconds"
    yield f"{few.core_seconds} of which it takes with any configuration"
    yield f"with a Snakefile that does nothing, takes {snakemakes.core_seconds} to start with that configuration"
