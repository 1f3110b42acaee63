import inspect
import re

from sayings import CONFIG, DOCS, ROOT, benchmark, read, rows
from sayings.tuning import SETS
from splithistory.sequence import N_TOKENS
from sweep.stages import finetune_settings, pretrain_settings

TRAINED = ["pretrain", "finetune", "measure"]
SIZES = list(CONFIG["sizes"])


def against_plain_references():
    table, sequence = read("performance/bench.csv"), CONFIG["sequence"]
    ratios = table.groupby(["what", "against"], sort=False)["ratio"].agg(list)
    bench = benchmark("bench")
    assert "generate_chains(100_000, 101," in inspect.getsource(bench)
    assert bench.N_PAIRS == 7  # "Each pair runs in turn seven times"
    yield f"sequence, {100_000 * 101 / 1e6:.1f} million tokens | one token at a time | {ratios.iloc[0][0]:.0f} |"

    def listed(what, against, decimals=2):
        return " / ".join(f"{ratio:.{decimals}f}" for ratio in ratios[what, against])

    yield f"`torch.nn.TransformerEncoder` | {listed('training step', 'torch.nn.TransformerEncoder')} |"
    yield f"busy) | {listed('training step', 'the plain model')} |"
    shares = listed("training step", "products")
    assert "torch.rand(1024, 1024), torch.rand(1024, 1024)" in inspect.getsource(bench.matrix_products)
    yield f"products of 1024 × 1024 | {shares} |"
    yield f"its own two passes | {listed('reinforcement step', 'its own two passes')} |"
    literal = ", ".join(f"{ratio:.0f}" for ratio in ratios["split history", "the literal algorithm"])
    windows = " and ".join(table[table["what"] == "split history"]["of"].str.removesuffix(" windows"))
    yield f"split history, {windows} windows | the literal algorithm | {literal} |"
    of_itself = listed("self-estimate of 200 windows", "the literal one", 1)
    yield f"self-estimate of 200 windows | the literal one in batches of {bench.BATCH} | {of_itself} |"
    smallest, *_, largest = shares.split(" / ")
    yield f"At the largest size, {largest} of the time is"
    yield f"at the smallest {smallest}: its products have {CONFIG['sizes'][SIZES[0]]['d_model']} columns"
    yield f"a table of {N_TOKENS} × {sequence['context_length']} rows"
    (bits,) = re.findall(r"view\(torch\.int(\d+)\)", (ROOT / "workflow_scripts/splithistory/fast_model.py").read_text())
    yield f"Dropout masks are made from {bits} random bits per unit"
    yield f"the table is for all {N_TOKENS}."


def many_windows():
    of = benchmark("windows")
    cases = read("performance/windows.csv")
    yield from rows("{environment} | {seconds:.0f} | {seconds_environment:.0f} | {peak_mb:,.0f}", cases)
    yield f"on {of.N_ACTIONS:,} actions, {of.N_OUTCOMES} outcomes and {of.N_WINDOWS:,} windows"
    answers = of.N_ACTIONS * of.N_WINDOWS * 8
    yield f"would take {answers * of.N_OUTCOMES / 1e9:.0f} GB at once"
    yield f"These take {answers / 1e6:.0f} MB"
    assert cases["seconds"].max() < 60
    assert cases["peak_mb"].max() < 2000


def differential_measures():
    of = benchmark("differential_cost")
    cases = read("performance/differential_cost.csv")
    yield from rows("{d_model} | {n_layers} | {jacobians_ms:,.1f} | {measures_ms:,.1f} | {formulas_ms:,.1f}", cases)
    wide = cases[(cases["n_layers"] == 2) & (cases["d_model"] >= of.WIDE)]
    share = wide["measures_ms"] / wide["jacobians_ms"]
    yield f"take {share.min():.2f} to {share.max():.2f} of that time at widths from {of.WIDE}"
    fitted = {
        (row["of"], row["part"]): f"{row['exponent']:.2f} ({row['low']:.2f} to {row['high']:.2f})"
        for row in of.exponents(cases)
    }
    widest = max(size["d_model"] for size in CONFIG["sizes"].values())
    cubic = [{row["part"]: row["power_3"] for row in of.shares(cases, width)} for width in (widest, max(of.WIDTHS))]
    for part in ("jacobians", "measures", "formulas"):
        shares = " | ".join(f"{100 * at[part]:.0f} %" for at in cubic)
        name = part.replace("jacobians", "Jacobians")
        yield f"| {name} | {fitted['width', part]} | {fitted['depth', part]} | {shares} |"
    yield f"for widths from {of.WIDE} and depths from {of.DEEP}"
    yield f"cubic at width {widest} | at {max(of.WIDTHS)} |"
    # "it is most of the Jacobians' time and less than half of the measures'; at 512 it is most of either"
    assert cubic[0]["jacobians"] > 0.5 > cubic[0]["measures"]
    assert min(cubic[1]["jacobians"], cubic[1]["measures"]) > 0.5
    yield f"At a width of {widest}, the largest in `config.yaml`"
    yield f"at {max(of.WIDTHS)} it is most of either"


def the_sweeps():
    sweeps, jobs = read("performance/sweeps.csv"), read("performance/quick_jobs.csv")
    sweeps["minutes"] = sweeps["wall_seconds"] / 60
    yield from rows("{sweep} | {code} | {jobs} | {core_seconds:,} | {minutes:.1f}", sweeps)
    yield from rows("{rule} | {jobs} | {seconds:.1f}", jobs)
    yield f"with 700 instead of {CONFIG['finetune']['n_steps']} steps of reinforcement at 143k"
    before, now, again = sweeps[sweeps["sweep"] == "quick"]["core_seconds"]
    assert round(now / before, 2) == round(again / before, 2)
    yield f"takes {now / before:.2f} of the core-seconds that it took before"
    starts = read("performance/starts.csv").set_index("script")["core_seconds"]
    counts = jobs.set_index("rule")["jobs"][starts.index]
    range_of_starts = f"{starts.min():.1f} to {starts.max():.1f}"
    yield f"Each of the {counts.sum()} jobs that run a policy takes {range_of_starts} core-seconds"
    yield f"with `--help`: {counts @ starts:.0f} of the {now}."


def setting_up():
    setups = read("performance/setups.csv")
    yield from rows("{by} | {setup} | {core_seconds} | {megabytes:,} | {packages}", setups)
    of = setups.set_index(["by", "setup"])
    now, before, uv = (of.loc[(by, "running")] for by in ("now", "before", "uv"))
    yield f"own tests: {before['megabytes'] - now['megabytes']} MB less"
    more = of.loc[("now", "testing"), "packages"] - of.loc[("before", "testing"), "packages"]
    yield f"Testing has {more} packages more"
    yield f"takes {uv['core_seconds'] / now['core_seconds']:.2f} of the core-seconds for running"


def by_size():
    jobs = read("sweeps/paper/jobs.csv")
    seeds = CONFIG["sweep"]["seeds"]
    seconds = jobs.groupby(["size", "rule"])["seconds"].sum().unstack().loc[SIZES] / len(seeds)
    seconds = seconds[["pretrain", "measure_pretrained", "finetune", "measure"]]
    seconds.insert(0, "all jobs", seconds.sum(axis=1))
    seconds.loc["all"] = seconds.sum()
    for size, of in seconds.iterrows():
        yield f"| {size} | {' | '.join(f'{value:,.0f}' for value in of)} |"


def against_one_script():
    loops = read("performance/loops.csv")
    alone = loops["wall_seconds"][0]
    for of in loops.itertuples():
        cores = "one core" if of.cores == 1 else "two cores"
        yield f"| {of.by}, {cores} | {of.wall_seconds} s | {of.wall_seconds / alone:.2f} |"
    start = (loops["wall_seconds"][1] - alone) / loops["jobs"][1]
    yield f"the starts of its {loops['jobs'][1]:.0f} jobs, {start:.1f} seconds each"


def cost_against_size():
    cost = benchmark("cost")
    jobs = cost.costs(DOCS / "sweeps" / "paper")
    fits = cost.fits(jobs).set_index(["quantity", "rule"])
    million = f"{fits['n_next'].iloc[0] / 1e6:.1f} million"
    yield f"| | seconds | at {million} | peak memory, MB | at {million} |"
    yield f"larger size, {million}, at 402k's numbers"
    yield f"Training is counted per {cost.LABELS['pretrain'].removeprefix('pretrain, ')}"
    yield f"n is the number of parameters over {cost.UNIT:,.0f}"
    for rule in TRAINED:
        cells = []
        for quantity in ("seconds", "memory"):
            of = fits.loc[(quantity, rule)]
            grows = f"{of['per_100k']:.{0 if of['per_100k'] >= 5 else 1}f} n^{round(of['exponent'], 2):g}"
            cells.append(f"{of['start']:.0f} + {grows} | {of['at_next']:,.0f}")
        yield f"| {cost.LABELS[rule]} | {' | '.join(cells)} |"
    at_next, largest = fits.loc["seconds"]["at_next"], "402k"
    steps = [finetune_settings(CONFIG, largest, task)["n_steps"] / 1000 for task in SETS]
    pretraining = at_next["pretrain"] * pretrain_settings(CONFIG, largest)["n_steps"] / 1000
    policies = at_next["finetune"] * sum(steps)
    whole = pretraining + policies + len(SETS) * at_next["measure"]
    yield f"would take {round(pretraining, -1):.0f} seconds of pretraining and {round(policies, -1):.0f} of "
    yield f"about {round(whole, -2):,.0f} core-seconds per seed"
    of_all = read("sweeps/paper/jobs.csv").dropna(subset=["size"])["seconds"].sum() / len(CONFIG["sweep"]["seeds"])
    assert 0.85 < whole / of_all < 0.95  # "nine tenths of what the four sizes take together"


def snakemakes_own_time():
    (before, now) = read("performance/scheduler.csv").itertuples()
    yield (
        f"{before.core_seconds} core-seconds for the first {before.jobs} jobs of the paper-scale sweep of eight seeds, "
        f"in {before.minutes} minutes"
    )
    yield f"the next {now.jobs} jobs took {now.core_seconds} core-seconds, in {now.minutes} minutes"
