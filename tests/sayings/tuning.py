import numpy as np
from scipy.stats import spearmanr

from sayings import CONFIG, DOCS, benchmark, configuration, r_squared_about_prediction, read, rows
from splithistory.environment import MEMORY, MODULUS
from splithistory.reinforcement import MaintenanceSettings
from splithistory.sequence import N_OUTCOMES
from sweep.stages import finetune_settings, pretrain_settings

PAGE = (DOCS / "tuning.md").read_text(encoding="utf-8")
PRETRAINING, STEPS, SUCCESSES, ROLLOUTS, REINFORCEMENT = (
    read(f"tuning/{name}.csv") for name in ("pretraining", "steps", "successes", "rollouts", "reinforcement")
)
POLICIES = read("sweeps/paper/summary/policies.parquet")
STUDY, QUICK = configuration("study"), configuration("quick")
GOOD = {name: task["good"] for name, task in CONFIG["tasks"].items()}
SETS = {name: f"{{{', '.join(map(str, good))}}}" for name, good in GOOD.items()}
N_TEST = f"{CONFIG['sequence']['n_test']:,}"


def tables_of_trials():
    """The rows that the page shows: it leaves out some, and what it shows and no table has is unchecked."""
    all_rows = [
        *rows(
            "{size} | {batch_size} | {learning_rate:g} | {dropout:g} | {n_steps:,} | {core_seconds:.0f} | "
            "{seconds_to_030:.0f} | {validation_loss:.3f}",
            PRETRAINING,
        ),
        *rows(
            "{size} | {n_train:,} | {dropout:g} | {train_loss:.3f} | {validation_loss:.3f} | {success_rate:.3f}",
            read("tuning/training_set.csv"),
        ),
        *rows(
            "{task} | {size} | {n_steps:,} | {batch_size} | {learning_rate:g} / {maintenance_learning_rate:g} "
            "({maintenance_batch_size}) | {core_seconds:.0f} | {success_rate:.3f} | {natural_loss:.2f} | "
            "{maintenance_loss:.2f} | {reinforcement_loss:.2f}",
            REINFORCEMENT,
        ),
        *rows(
            "{size} | {task} | {successes} | {n_steps:,} | {dropout:g} | {n_own} + {n_random} + {n_natural} | "
            "{core_seconds:.0f} | {success_rate:.3f} | {op:.3f} | {op_predicted:.3f} | {op_self:.3f} | {imp:.3f} | "
            "{imp_self:.3f} | {natural_loss:.2f}",
            SUCCESSES,
        ),
        *rows(
            "{size} | {task} | {action_tokens} | {pretrain_dropout:g} | {learning_rate:g} / "
            "{maintenance_learning_rate:g} | {n_own} + {n_random} + {n_natural} | {core_seconds:.0f} | "
            "{success_rate:.3f} | {success_rate_rollouts:.3f} | {success_rate_counterfactual_rollouts:.3f} | "
            "{op_rollouts:.3f} | {op_predicted_rollouts:.3f} | {imp_rollouts:.3f} | {imp_minimum_rollouts:.3f} | "
            "{natural_loss:.2f}",
            ROLLOUTS,
        ),
        *rows(
            "{size} | {task} | {seed} | {pretrain_n_steps:,} | {n_steps:,} | {learning_rate:g} / "
            "{maintenance_learning_rate:g} | {core_seconds:.0f} | {success_rate:.3f} | {op:.3f} | {op_predicted:.3f} | "
            "{natural_loss:.2f}",
            STEPS,
        ),
    ]
    assert sum(row in PAGE for row in all_rows) > 100
    yield from (row for row in all_rows if row in PAGE)


def how_trials_are_made():
    (seed,) = set(SUCCESSES["seed"]) | set(ROLLOUTS["seed"])
    (tokens,) = set(SUCCESSES["action_tokens"])
    assert tokens == "all"
    yield f"exact estimator, on {N_TEST} windows unless stated otherwise"
    losses = PRETRAINING[is_configured(PRETRAINING)]["validation_loss"]
    yield f"untouched chains, {losses.min():.2f} to {losses.max():.2f} before reinforcement"
    yield f"They use seed {seed}, {N_TEST} windows of chains that no sweep uses"
    (n_steps,), (batch,) = set(ROLLOUTS["n_steps"]), set(ROLLOUTS["batch_size"])
    yield f"one sampled action per window, seed {seed}, and {n_steps:,} steps of {batch} windows"
    yield f"after {benchmark('trials').N_ANSWERS} of the policy's own answers"
    fewest = min(pretrain_settings(CONFIG, size)["n_steps"] for size in CONFIG["sizes"])
    maintained = STEPS[STEPS["pretrain_n_steps"] < fewest]
    quick = MaintenanceSettings(**QUICK["finetune"]["maintenance"])
    assert (
        (maintained[["n_own", "n_random", "n_natural"]] == [quick.n_own, quick.n_random, quick.n_natural])
        .to_numpy()
        .all()
    )
    yield f"Policies pretrained for fewer than {fewest:,} steps are maintained as in the quick sweep"
    yield f"{MODULUS}. The further the logarithms"


def every_success():
    light, heavy = SUCCESSES[SUCCESSES["n_steps"] == 700], SUCCESSES[SUCCESSES["n_steps"] == 1500].set_index("task")
    of_way = light[(light["task"] == "good2") & (light["dropout"] == 0)].set_index("successes")["success_rate"]
    ways = [of_way[way] for way in ("sampled", "expected", "every")]
    yield "the three ways end at {:.3f}, {:.3f} and {:.3f} on".format(*ways)
    (with_dropout,) = light[light["dropout"] > 0].to_dict("records")
    yield f"dropout of {with_dropout['dropout']} does not help ({with_dropout['success_rate']:.3f})"
    good6 = SUCCESSES[SUCCESSES["task"] == "good6"].set_index("n_steps")
    beyond = good6["op"] - good6["op_predicted"]
    yield f"half the steps reach {good6['success_rate'][350]:.3f}, and Op exceeds its prediction by "
    yield f"by {beyond[350]:.3f} instead of {beyond[700]:.3f} nats"
    held_out = SUCCESSES.loc[SUCCESSES["task"].str.startswith("["), "success_rate"]
    yield "learnt as well: {:.3f}, {:.3f} and {:.3f}".format(*held_out)
    for measure in ("Op", "Imp"):
        shares = 100 * heavy[f"{measure.lower()}_self"] / heavy[measure.lower()]
        said = "to {:.0f} %, {:.0f} % and {:.0f} %".format(*shares[list(GOOD)])
        yield f"their own Op comes {said} of the measured one" if measure == "Op" else f"their own Imp {said}, at"
    yield f"at {heavy['core_seconds'].mean() / light['core_seconds'].mean():.1f} times the cost"
    assert heavy["n_own"].iloc[0] == 14 * light["n_own"].iloc[0]  # "fourteen times as many rollouts"


def rollouts():
    chance = ROLLOUTS["task"].map({name: len(good) / N_OUTCOMES for name, good in GOOD.items()})
    off = (ROLLOUTS["success_rate_counterfactual_rollouts"] - chance).abs().max()
    below = (ROLLOUTS["op_rollouts"] < ROLLOUTS["op_predicted_rollouts"]).sum()
    yield f"within {off:.3f} of chance, and {below} of {len(ROLLOUTS)} policies lie below theory"
    here, studys = sorted(set(ROLLOUTS["pretrain_dropout"]))
    yield f"**The study's dropout** of {studys} in pretraining makes little difference compared with the {here} used"


def steps():
    trials = STEPS.assign(beyond=STEPS["op"] - STEPS["op_predicted"])
    six = trials.query("size == '143k' and task == 'good6' and pretrain_n_steps == 2500").set_index("n_steps")
    rates, beyond = six["success_rate"], six["beyond"]
    yield f"in {rates[200]:.3f} of windows after 200 steps and in {rates[325]:.3f} after 325"
    yield f"with {beyond[200]:.3f} and {beyond[325]:.3f} nats"
    yield f"n_steps × (1 − chance)^{CONFIG['finetune']['chance_exponent']}, by one rule"
    briefly = trials.query("pretrain_n_steps < 2000").copy()  # nine policies for each of three settings, in that order
    briefly["setting"] = np.arange(len(briefly)) // 9
    longer, quick, fewer = (of for _, of in briefly.groupby("setting"))
    for policies in (longer, quick, fewer):
        assert policies[["size", "task"]].drop_duplicates().shape == (9, 2)
    yield f"the exponent is {QUICK['finetune']['chance_exponent']}: nine such policies"
    yield f"have an R² about y = x of {r_squared_about_prediction(longer):.3f}"
    steps = {size: pretrain_settings(QUICK, size)["n_steps"] for size in QUICK["sweep"]["sizes"]}
    assert quick["pretrain_n_steps"].tolist() == [steps[size] for size in quick["size"]]
    shares = [quick["pretrain_n_steps"].iloc[i] / longer["pretrain_n_steps"].iloc[i] for i in range(9)]
    assert np.allclose(shares, 0.7, atol=0.02)  # "seven tenths of that"
    assert np.allclose(fewer["n_steps"].array / quick["n_steps"].array, 0.8, atol=0.01)  # "four fifths of these steps"
    mean, of_quick, of_fewer = (of["success_rate"].mean() for of in (longer, quick, fewer))
    yield f"then succeed in {of_quick:.3f} of windows on average instead of {mean:.3f}"
    yield f"with an R² of {r_squared_about_prediction(quick):.3f}. With"
    on_good2 = [of.loc[of["task"] == "good2", "success_rate"].mean() for of in (fewer, quick)]
    yield f"these steps they succeed in {of_fewer:.3f}, and on good2 in {on_good2[0]:.3f} instead of {on_good2[1]:.3f}"
    smallest = trials.query("size == '18k' and task == 'good4' and seed == 100")
    rates = smallest.set_index(["learning_rate", "n_steps"])["success_rate"]
    slow, longer, fast = rates[0.008, 780], rates[0.008, 990], rates[0.012, 990]
    yield f"at a rate of 0.008 it is still there after 780 steps ({slow:.3f}) and at {longer:.3f} after 990, at"
    yield f"at a rate of 0.012 at {fast:.3f}"
    yield f"readers without position −{MEMORY}"


def more_steps_at_143k():
    succeeded = read("tuning/processors.csv").query("task == 'good2'").groupby("processor")["success_rate"].agg(list)
    first, other = succeeded["AMD EPYC"], succeeded["Intel Xeon"]
    assert (len(first), len(other)) == (8, 4)
    yield f"With `n_steps: 700` eight seeds succeeded in {min(first):.3f} to {max(first):.3f} of windows"
    yield "seeds came to {:.3f}, {:.3f}, {:.3f} and {:.3f} ([".format(*other)
    trials = STEPS.assign(beyond=STEPS["op"] - STEPS["op_predicted"])
    trials = trials.query("size == '143k' and pretrain_n_steps == 2500").groupby(["task", "learning_rate", "n_steps"])
    of = trials.agg(
        mean=("success_rate", "mean"), least=("success_rate", "min"), beyond=("beyond", "mean"), seeds=("seed", list)
    )
    few, more, high = (of.loc[("good2", *of_rate)] for of_rate in ((0.005, 606), (0.005, 780), (0.008, 606)))
    assert few["seeds"] == more["seeds"] == high["seeds"] == [100, 101, 102, 103]
    yield (
        f"On seeds 100 to 103, 780 steps instead of 606 raise the mean on {SETS['good2']} from {few['mean']:.3f} to "
        f"{more['mean']:.3f} and the least from {few['least']:.3f} to {more['least']:.3f}; at a rate of 0.008, 606 "
        f"steps give {high['mean']:.3f} and {high['least']:.3f}"
    )
    few, more = of.loc[("good4", 0.005, 495)], of.loc[("good4", 0.005, 636)]
    assert few["seeds"] == more["seeds"] == [101, 102, 103]
    yield f"636 steps instead of 495 raise the mean from {few['mean']:.3f} to {more['mean']:.3f}, and on"
    few, more = of.loc[("good6", 0.005, 350)], of.loc[("good6", 0.005, 450)]
    assert few["seeds"] == more["seeds"] == [100, 101, 102, 103]
    yield (
        f"450 instead of 350 from {few['mean']:.3f} to {more['mean']:.3f}, with {more['beyond']:.3f} instead of "
        f"{few['beyond']:.3f} nats"
    )
    yield f"Hence `n_steps: {CONFIG['finetune']['n_steps']}`"
    assert [finetune_settings(CONFIG, "143k", task)["n_steps"] for task in GOOD] == [779, 636, 450]


def what_policies_learn():
    sampled = read("sweeps/study/summary/policies.parquet").groupby(["task", "size"])["success_rate"].mean()
    identified = read("sweeps/paper/summary/identification.parquet").query("windows == 'natural' and measure == 'op'")
    first = identified.assign(first=identified["true_set_rank"] == 1).groupby(["task", "size"], observed=True)["first"]
    for (task, size), of in POLICIES.groupby(["task", "size"], observed=True):
        yield (
            f"| {task} | {size} | {sampled[task, size]:.3f} | {of['success_rate'].mean():.3f} | "
            f"{of['op'].mean():.3f} | {of['op_predicted'].mean():.3f} | {of['op_within_good'].mean():.3f} | "
            f"{first.sum()[task, size]} of {len(of)} | {of['natural_loss'].mean():.3f} | "
            f"{of['op_self'].mean():.3f} |"
        )
    yield f"the published sweep of `config.yaml`, on {N_TEST} test windows"
    yield f"R² about y = x is {r_squared_about_prediction(POLICIES):.3f}"
    assert identified["correct"].all()
    yield f"Op identifies all {len(POLICIES)}"
    least = POLICIES.groupby("task")["success_rate"].min()
    possible = [1 - CONFIG["sequence"]["noise"] * (1 - len(good) / N_OUTCOMES) for good in GOOD.values()]
    sets = "{}, {} and {}".format(*SETS.values())
    yield "at least {:.3f}, {:.3f} and {:.3f} on ".format(*least[list(GOOD)]) + sets
    yield "where {:.3f}, {:.3f} and {:.3f} are possible".format(*possible)
    yield f"natural loss at most {POLICIES['natural_loss'].max():.3f}"
    behind = POLICIES.query("task == 'good4' and success_rate < 0.93")["size"].value_counts()
    assert behind[behind > 0].to_dict() == {"402k": 3, "143k": 2}
    n_steps = finetune_settings(CONFIG, "402k", "good4")["n_steps"]
    yield f"402k's {n_steps} steps are barely enough: three of its eight policies stay below 0.93"


def favouritism_follows_the_circle_of_logarithms():
    """How far the logarithms of an outcome's two residues lie from those of the outcomes that fail."""
    logarithm = {pow(3, power, MODULUS): power for power in range(MODULUS - 1)}
    good, circle = GOOD["good6"], MODULUS - 1
    failing = [outcome for outcome in range(N_OUTCOMES) if outcome not in good]
    avoided = [logarithm[residue] for residue in range(1, MODULUS) if residue % N_OUTCOMES in failing]

    def room(outcome):
        own = [logarithm[residue] for residue in range(1, MODULUS) if residue % N_OUTCOMES == outcome]
        return sum(min(min((at - other) % circle, (other - at) % circle) for other in avoided) for at in own)

    futures = np.stack(POLICIES[POLICIES["task"] == "good6"]["outcome_distribution"])
    shares = futures.mean(axis=0)[good]
    rank = spearmanr([room(outcome) for outcome in good], shares).statistic
    order = [good[at] for at in np.argsort(-shares, kind="stable")]
    yield "outcomes {} and {}, which fail".format(*failing)
    yield f"(rank correlation {rank:.2f}), in the order {', '.join(map(str, order))}. A policy"


def self_estimates():
    """Both sweeps, on the sizes and seeds of the one with heavy maintenance."""
    config = configuration("experiments/heavy_maintenance")
    sizes, seeds = config["sweep"]["sizes"], config["sweep"]["seeds"]
    heavy = read("experiments/heavy_maintenance/summary/policies.parquet")
    light = POLICIES[POLICIES["size"].isin(sizes) & POLICIES["seed"].isin(seeds)]
    assert len(light) == len(heavy) == len(GOOD) * len(sizes) * len(seeds)
    yield "means over seeds {} and {} of both sweeps".format(*seeds)
    shares = {}
    for maintenance, policies in (("light", light), ("heavy", heavy)):
        for measure in ("op", "imp"):
            policies = policies.assign(**{f"{measure}_share": 100 * policies[f"{measure}_self"] / policies[measure]})
        shares[maintenance] = policies
        for (task, size), of in policies.astype({"size": str}).groupby(["task", "size"]):
            cells = [f"{of['success_rate'].mean():.3f}", f"{of['natural_loss'].mean():.2f}"]
            for measure in ("op", "imp"):
                share = of[f"{measure}_share"]
                cells += [f"{of[measure].mean():.3f}", f"{of[f'{measure}_self'].mean():.3f}"]
                cells += [f"{share.mean():.0f} % ({share.min():.0f} to {share.max():.0f})"]
            yield f"| {task} | {size} | {maintenance} | {' | '.join(cells)} |"
    means = shares["heavy"].groupby(["task", "size"], observed=True)[["op_share", "imp_share"]].mean().sub(100).abs()
    yield f"within {means['op_share'].max():.0f} % of the measured Op and {means['imp_share'].max():.0f} % of the"
    off = shares["heavy"][["op_share", "imp_share"]].sub(100).abs().max()
    yield f"single policies within {off['op_share']:.0f} % and {off['imp_share']:.0f} %"
    success = (of.groupby(["task", "size"], observed=True)["success_rate"].mean() for of in (heavy, light))
    assert np.subtract(*success).min() >= 0  # "success is no lower"
    judged = {
        "light": read("sweeps/paper/summary/claims.parquet"),
        "heavy": read("experiments/heavy_maintenance/summary/claims.parquet"),
    }
    first, second = 10, 11
    yield f"The verdicts on claims {first} (two statistics) and {second}"
    for maintenance, claims in judged.items():
        claims = claims[claims["replaced_by"].isna() & claims["claim"].isin([first, second])]
        told = [f"{of.value:.3f} ({of.low:.3f} to {of.high:.3f}), {of.verdict}" for of in claims.itertuples()]
        assert len(told) == 3
        yield f"{maintenance}, n = {claims['n'].iloc[0]}: {'; '.join(told)}"
    practised = MaintenanceSettings(**CONFIG["finetune"]["maintenance"])
    yield f"{practised.n_own} rollouts with their own answers and {practised.n_random} with random answers per step"
    heavily = MaintenanceSettings(**config["finetune"]["maintenance"])
    assert heavily.n_own == heavily.n_random
    yield f"has {heavily.n_own} of each"
    ratios = [
        finetune_settings(config, size, task)["n_steps"] / finetune_settings(CONFIG, size, task)["n_steps"]
        for size in sizes
        for task in GOOD
    ]
    assert (round(min(ratios)), round(max(ratios))) == (3, 5)  # "three to five times the steps"
    lacking = 100 - shares["heavy"].query("task == 'good2'")["op_share"]
    assert 5 < lacking.mean() < 15  # "is a tenth of their Op"


def is_configured(trials):
    """Which trials of pretraining have the settings that `config.yaml` had next."""
    settings = [pretrain_settings(CONFIG, size) for size in trials["size"]]
    steps, rates, batches = ([of[key] for of in settings] for key in ("n_steps", "learning_rate", "batch_size"))
    dropout = trials["size"].map({"18k": 0, "51k": 0, "143k": 0.05, "402k": 0.05})
    same = (trials["n_steps"] == steps) & (trials["learning_rate"] == rates) & (trials["batch_size"] == batches)
    return same & (trials["dropout"] == dropout)


def pretraining():
    trials = PRETRAINING[is_configured(PRETRAINING)]
    for size, of in trials.groupby("size"):
        seconds = of["seconds_to_030"]
        reached = ", ".join("not reached" if np.isnan(of_seed) else f"{of_seed:.1f}" for of_seed in seconds)
        median = seconds.fillna(np.inf).median()
        losses = ", ".join(f"{loss:.3f}" for loss in of["validation_loss"])
        yield f"| {size}, {of['n_steps'].iloc[0]:,} steps | {reached} | {median:.0f} | {losses} |"
    (column,) = (name for name in PRETRAINING if name.startswith("seconds_to_"))
    goal = f"{int(column[-3:]) / 100:.2f}"
    yield f"seconds to {goal}, seeds {', '.join(map(str, sorted(set(trials['seed']))))} |"
    (first,) = set(PRETRAINING.groupby("size")["seed"].min())
    yield f"with seed {first}, one core, warm-up over {CONFIG['pretrain']['warmup_fraction']} of the steps"
    yield f"## Pretraining: seconds to a validation loss of {goal}"
    yield f"| seconds | to {goal} | loss |"
    yield f'"To {goal}" is the number of seconds until an evaluation first gave {goal} or less'
    n_chains = read("tuning/training_set.csv")["n_train"].max()
    yield f"still with {n_chains:,} chains"
    yield f"With {n_chains:,} chains no model sees a window twice"
    windows = CONFIG["sequence"]["chain_length"] - CONFIG["sequence"]["context_length"]
    assert (trials["n_steps"] * trials["batch_size"]).max() < n_chains * windows
    yield f"each of {windows} windows"
    yield f"batches of {CONFIG['pretrain']['batch_size']} (with {PRETRAINING['batch_size'].min()}, the steps get"
    loss = PRETRAINING.query("batch_size == 128 and seed == 100").set_index(
        ["size", "n_steps", "learning_rate", "dropout"]
    )
    ends = [
        f"{loss['validation_loss'][(*of, 0.0)]:.3f} instead of {loss['validation_loss'][(*of, 0.1)]:.3f}"
        for of in (("18k", 4000, 0.01), ("51k", 3000, 0.006))
    ]
    yield f"without any, 18k ends at {ends[0]}, 51k at {ends[1]}. The larger models kept 0.05."


def a_finite_training_set():
    trials = read("tuning/training_set.csv")
    (seed,), n_steps = set(trials["seed"]), trials["finetune_n_steps"].dropna()
    fewest = CONFIG["sequence"]["n_train"]
    yield f"They use seed {seed} and the steps of `config.yaml`, so {fewest:,} chains are seen"
    yield f"Success is on {SETS['good4']} after {n_steps.min():,.0f} steps"
    loss = trials.set_index(["size", "n_train"])["validation_loss"].unstack()
    lost = loss[fewest] - loss[trials["n_train"].max()]
    yield f"A thousand chains cost the largest size {lost['402k']:.2f} nats of its predictions and"
    yield f"the next {lost['143k']:.2f}, and cost neither any success"
    least = trials.loc[trials["train_loss"].idxmin()]
    yield f"without dropout the small ones most: {least['size']} memorizes {least['n_train']} chains"
    yield f"Hence `n_train: {fewest}` and dropout {CONFIG['pretrain']['dropout']} for every size"


def sampled():
    of = REINFORCEMENT.query(
        "size == '143k' and task == 'good2' and batch_size == 128 and maintenance_batch_size >= 64"
    )
    alone, mixed = of[of["natural_fraction"] == 0], of[of["natural_fraction"] == 0.5]
    (alone,) = alone.to_dict("records")
    loss, success = mixed["natural_loss"], mixed["success_rate"]
    yield (
        f"143k on {SETS['good2']} with rollouts alone ends at a natural loss of {alone['natural_loss']:.2f}, and with "
        f"untouched windows as half of the examples at {loss.min():.2f} to {loss.max():.2f}, at success rates of "
        f"{alone['success_rate']:.3f} and {success.min():.3f} to {success.max():.3f}."
    )
    settings = finetune_settings(STUDY, "143k", "good2")
    assert settings["maintenance"]["batch_size"] == settings["batch_size"] / 4  # "a quarter ... is enough"
    yield f"positions −1, −2, −{MEMORY + 1} and −{MEMORY + 2}, as predictions do, and hardly on −{MEMORY}, which"

    n_windows = CONFIG["sequence"]["n_validation"]
    yield f"measured on {n_windows:,} validation windows (the largest standard error is {0.5 / n_windows**0.5:.3f})"
    success = REINFORCEMENT.set_index(["task", "size", "batch_size", "n_steps"])["success_rate"]
    small = success["good2", "402k", 128, 2000], success["good2", "51k", 128, 2000]
    yield f"at 402k, 2,000 steps of 128 end at {small[0]:.3f} on {SETS['good2']} where 51k reaches {small[1]:.3f}."
    before, after = success["good4", "402k", 256, 1500], success["good4", "402k", 256, 1800]
    yield f"with 300 more steps it took 402k on {SETS['good4']} from {before:.3f} to {after:.3f}."
    models = REINFORCEMENT.query(
        "size == '143k' and task == 'good2' and learning_rate <= 0.0015 and natural_fraction > 0"
    )
    shorter, longer = (models.query(f"pretrain_n_steps == {n}")["success_rate"] for n in (800, 2500))
    yield (
        f"Shorter pretraining, 800 instead of 2,500 steps, gave 143k success rates of {shorter.iloc[0]:.3f} and "
        f"{shorter.iloc[1]:.3f} on {SETS['good2']} with two seeds, against {longer.min():.3f} to {longer.max():.3f}"
    )
