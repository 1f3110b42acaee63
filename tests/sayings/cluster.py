import re
from math import prod

from sayings import CONFIG, ROOT, read
from sayings.scale import MANY, PROFILE, n_jobs, n_submissions

COMMON = (ROOT / "rules" / "common.smk").read_text()


def submissions():
    """Of the paper-scale sweep `test_profiles.py` has Snakemake count them."""
    of = [len(CONFIG["sweep"][key]) for key in ("sizes", "seeds", "tasks")]
    yield f"The paper-scale sweep makes {n_jobs(*of):,} jobs in {n_submissions(*of):,} submissions"
    yield f"ten tasks, {prod(MANY):,} policies, make {n_jobs(*MANY):,} jobs in {n_submissions(*MANY):,}."
    assert PROFILE["group-components"]["measure"] == 20  # "twenty measuring jobs share one submission"
    yield f"which takes hours at {prod(MANY):,} policies"
    asked, timespan = PROFILE["max-jobs-per-timespan"].split("/")
    assert timespan == "1m"
    yield f"It makes at most {asked} submissions a minute"
    yield f"every {PROFILE['slurm-init-seconds-before-status-checks']} seconds at first"


def what_jobs_ask_for():
    asked = {}
    for path in (ROOT / "rules").glob("*.smk"):
        for rule, body in re.findall(r"^rule (\w+):\n(.*?)(?=^rule |\Z)", path.read_text(), re.DOTALL | re.MULTILINE):
            resources = re.findall(r"(?:mem_mb|runtime)=(?:asking\((\d+)\)|memory\(bytes_per_weight=(\d+)\)|\w+)", body)
            asked[rule] = [int(amount) for pair in resources for amount in pair if amount]
    (base,) = re.findall(r"attempt \* \((\d+) \+ weights\(wildcards\.size\) \* bytes_per_weight", COMMON)
    (training,) = re.findall(r"return (\d+) \+ round\(4 \* tokens", COMMON)
    (measuring, weights) = re.findall(r"attempt \* \((\d+) \+ weights\(wildcards\.size\) // ([\d_]+)\)", COMMON)[0]
    assert asked["pretrain"] == asked["finetune"]
    assert asked["measure"] == asked["measure_pretrained"]
    yield f"| pretrain, finetune | {base} and {asked['pretrain'][0]} bytes per weight | {training} and four times what"
    yield (
        f"| measure, measure_pretrained | {base} and {asked['measure'][0]} bytes per weight | "
        f"{measuring}, and 1 for each {int(weights):,} weights |"
    )
    (minutes,) = {asked[rule][1] for rule in ("summarize", "figures", "report", "manifest")}
    assert asked["report"] == asked["manifest"]
    memory = "; ".join(str(asked[rule][0]) for rule in ("summarize", "figures", "report"))
    yield f"| summarize; figures; report, manifest | {memory} | {minutes} |"
    assert asked["sequences"] == asked["measure_generator"]
    yield f"| sequences, measure_generator | {asked['sequences'][0]} | {asked['sequences'][1]} |"


def the_largest_jobs():
    jobs = read("sweeps/paper/jobs.csv").groupby(["size", "rule"])[["memory", "seconds"]].max()
    for size in CONFIG["sizes"]:
        of = jobs.loc[size].loc[["pretrain", "finetune", "measure"]]
        yield f"| {size} | {' | '.join(f'{job.memory:.0f} MB, {job.seconds:.0f} s' for job in of.itertuples())} |"


def plans():
    plan = read("performance/plans.csv").query("step == 'plan' and code == 'then'").set_index("policies")["gigabytes"]
    yield f"memory for the plan: {plan[1000]} GB for 1,000 policies, {plan[10_000]} GB for 10,000"
