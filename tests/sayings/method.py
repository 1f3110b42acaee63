import re

import numpy as np
import torch

from sayings import CONFIG, DOCS, configuration, read
from splithistory.differential import LEAST_RECIPROCAL_CONDITION, scalar_differential_impact
from splithistory.environment import BURN_IN, MEMORY, MODULUS, Recurrence
from splithistory.identification import MOST_RANKED_OUTCOMES, good_set_pairs
from splithistory.information import entropy
from splithistory.model import Architecture
from splithistory.policy_measurement import PSEUDOCOUNT, MeasureSettings, generator_policy
from splithistory.reinforcement import MaintenanceSettings
from splithistory.sequence import N_OUTCOMES, N_TOKENS
from splithistory.split_history import compare_futures
from splithistory.task import good_mask
from splithistory.theory import mean_utility, predicted_optimization, rate_function
from splithistory.training_outcomes import training_outcomes
from sweep.claims.catalogue import CLAIMS
from sweep.stages import finetune_settings, pretrain_settings
from test_method import UNEVEN, answering_the_own_number, windows_before_odd_positions

STUDY = configuration("study")


def numbers_of_the_sequence():
    environment, sequence = Recurrence(CONFIG["sequence"]["noise"]), CONFIG["sequence"]
    noise, likeliest = environment.noise, environment.probabilities_of(np.uint8(0))
    assert (
        environment.outcome_of_residue == tuple(residue % 8 for residue in range(1, MODULUS)) == (*range(1, 8), 0) * 2
    )
    values = environment.generate_chains(50_000, 2, np.random.default_rng(4)) % 8
    shares = [8 * np.bincount(column, minlength=8) / len(column) for column in values.T]
    yield f"The noise ε is {noise} (`sequence.noise`), so that {100 * (1 - noise):.0f} % of the values"
    yield f"The modulus {MODULUS} is prime and each of the {MEMORY} factors"
    yield f"A chain starts from {MEMORY} uniformly random tokens of the right parity, and its first {BURN_IN} tokens"
    yield f"each has {np.min(shares):.1f} to {np.max(shares):.1f} times the probability 1/8"
    yield f"A window is {sequence['context_length']} consecutive tokens"
    yield f"An encoder-only transformer reads {sequence['context_length']} tokens"
    yield f"has probability 1 − ε + ε/8 = {likeliest[0]:.4f} and each other one {likeliest[1]:.4f}"
    yield f"a cross-entropy of {entropy(likeliest):.3f} nats"
    yield f"the parity gives ln 8 = {np.log(8):.3f}"

    uneven = Recurrence(noise, UNEVEN)
    residues = np.bincount(UNEVEN)
    below = np.log(8) - entropy(residues / 16)
    assert sorted(residues, reverse=True) == list(residues)
    yield f"With m = {tuple(residues.tolist())} the entropy of m/16 is {entropy(residues / 16):.3f}"
    yield f"{below:.3f} below ln 8"
    yield f"chance on {{0, 4}} is {uneven.chance(good_mask([0, 4], 8)):.4f}"

    assert {pow(3, power, MODULUS) for power in range(MODULUS - 1)} == set(range(1, MODULUS))
    yield f"3 generates the residues modulo {MODULUS}: each is a power of 3"
    of_zero = [residue for residue in range(1, MODULUS) if environment.outcome_of_residue[residue - 1] == 0]
    yield "for example, {} and {} belong to the value 0".format(*of_zero)
    yield f"plus {N_OUTCOMES} if t is odd"
    yield f"the sequence has {N_TOKENS} and {N_OUTCOMES}"
    yield f"with m_f in place of {N_TOKENS // N_OUTCOMES}"


def claims_by_section():
    section = (DOCS / "method.md").read_text().partition("## 10.")[2].partition("\n## ")[0]
    assert "Sixteen claims" in section
    rows = re.findall(r"^(\| .+ \| ([\d, ]+) \|)$", section, re.MULTILINE)
    listed = [int(number) for _, cell in rows for number in cell.split(",")]
    assert sorted(listed) == [claim.number for claim in CLAIMS]
    yield from (row for row, _ in rows)


def numbers_of_training():
    for name, size in CONFIG["sizes"].items():
        shape = [size[key] for key in ("d_model", "n_layers", "n_heads", "d_ff")]
        n_parameters = Architecture(*shape, CONFIG["sequence"]["context_length"]).n_parameters
        yield f"| {name} | {' | '.join(map(str, shape))} | {n_parameters:,} |"
    first, *_, last = CONFIG["sizes"]
    yield f"Four sizes from {first[:-1]} to {last[:-1]} thousand parameters"

    noise, good_sets = CONFIG["sequence"]["noise"], {name: task["good"] for name, task in CONFIG["tasks"].items()}
    shares = [len(good) / 8 for good in good_sets.values()]
    yield " ⊂ ".join(f"{{{', '.join(map(str, good))}}}" for good in good_sets.values())
    yield f"the share p: {', '.join(map(str, shares[:-1]))} and {shares[-1]}"
    yield "{:g}, {:g} and {:g} for two, four and six good".format(*(1 - noise * (1 - p) for p in shares))
    after = (np.arange(1, MODULUS)[:, None] * np.arange(9, MODULUS) % MODULUS) % 8  # product, odd answer
    winnable = [np.isin(after, good).any(axis=1).mean() for good in good_sets.values()]
    ceilings = [(1 - noise) * share + noise * p for share, p in zip(winnable, shares, strict=True)]
    yield "its success rates would be {:g}, {:g} and {:g}".format(*ceilings)

    maintenance = MaintenanceSettings(**CONFIG["finetune"]["maintenance"])
    practised = (maintenance.n_own, maintenance.n_random, maintenance.n_natural)
    yield "these are {}, {} and {} of {}".format(*practised, maintenance.batch_size)
    trials = read("tuning/successes.csv").query("task == 'good2' and n_steps == 700 and dropout == 0")
    by_way = trials.set_index("successes")["success_rate"]
    ways = [by_way[way] for way in ("sampled", "expected", "every")]
    assert set(trials["size"]) == {"143k"}
    yield "a 143k policy of {{0, 4}} succeeded in {:.3f} of windows by `sampled`, in {:.3f} by `expected`".format(*ways)
    yield f"and in {ways[-1]:.3f} by `every`"


def settings_beside_the_studys():
    def row(name, study, settings_of):
        return f"| {name} | {study} | {' | '.join(settings_of(config) for config in (STUDY, CONFIG))} |"

    def of_policies(config, value):
        """The values of all policies, the lowest first."""
        sweep = config["sweep"]
        values = (finetune_settings(config, size, task) for size in sweep["sizes"] for task in sweep["tasks"])
        return sorted({value(settings) for settings in values})

    def dropout(config):
        (pretraining,) = {pretrain_settings(config, size)["dropout"] for size in config["sweep"]["sizes"]}
        (reinforcement,) = of_policies(config, lambda settings: settings["dropout"])
        return f"{pretraining:g} and {reinforcement:g}"

    def weight_decay(config):
        (decay,) = {config[stage]["weight_decay"] for stage in ("pretrain", "finetune")}
        return f"{decay:g}"

    def relative_rates(config):
        rates = of_policies(config, lambda of: of["maintenance"]["learning_rate"] / of["learning_rate"])
        return " to ".join(dict.fromkeys(f"{rate:g}" for rate in (rates[0], rates[-1])))

    def shares(config):
        of = MaintenanceSettings(**config["finetune"]["maintenance"])
        return ", ".join(f"{100 * n / of.batch_size:g} %" for n in (of.n_own, of.n_random, of.n_natural))

    def windows(config):
        of = MeasureSettings(**config["measure"])
        assert of.n_contexts_self_estimate == of.n_contexts_monte_carlo
        return f"{of.n_repeats} × {of.n_contexts_monte_carlo} and {of.n_repeats} × {of.n_contexts_exact:,}"

    yield row("successes", "sampled", lambda config: of_policies(config, lambda of: of["successes"])[0])
    yield row("dropout, pretraining and reinforcement", "0.1", dropout)
    yield row("weight decay", "0.01", weight_decay)
    yield row("maintenance rate over reinforcement rate", '"much lower"', relative_rates)
    yield row("windows", "own rollouts", lambda of: of["finetune"]["windows"])
    yield row("maintenance: own rollouts, chance's rollouts, untouched windows", "own rollouts (inferred)", shares)
    yield row("training chains", "not said", lambda of: "{n_train:,} of {chain_length} tokens".format(**of["sequence"]))
    yield row("seeds per size", "4 (inferred)", lambda of: str(len(of["sweep"]["seeds"])))
    yield row("measured, repeats × windows", "10 × 200", windows)


def numbers_of_measures():
    of, rng = MeasureSettings(**CONFIG["measure"]), np.random.default_rng(0)
    few, many = of.n_contexts_monte_carlo, of.n_contexts_exact
    yield f"Op = −½ ln 2 = {answering_the_own_number().op:.3f}".replace("= -", "= −")
    yield f"{of.n_repeats} times {few} windows. Entropies"
    yield f"Each of the {of.n_repeats} repeats has fresh windows"
    yield f"{of.n_repeats} times {many:,} windows, of which the first {few} are"
    assert PSEUDOCOUNT == 0.5
    yield f"about (K − 1)/N too high: {7 / few:.3f} nats at {few} windows, {7 / many:.4f} at {many:,}."
    yield f"too high on average, {7 / (2 * many):.5f} nats on {many:,} windows"
    environment = Recurrence(CONFIG["sequence"]["noise"])
    contexts = windows_before_odd_positions(20_000)
    ignoring = [
        compare_futures(rng.integers(0, 16, few), np.eye(8)[environment.sample(windows, rng)], PSEUDOCOUNT).imp
        for windows in contexts[: 100 * few].reshape(100, few, -1)
    ]
    yield f"and reads {np.mean(ignoring):.2f} on {few} windows"
    yield f"hence {many:,}; the standard error"
    generator = compare_futures(generator_policy(contexts, environment), environment.outcome_probabilities(contexts))
    yield f"has an Op of about {generator.op:.2f} nats"
    yield f"each other one, {few**2:,} predictions at N = {few}."
    yield f"at most {N_TOKENS}: {N_TOKENS * few:,} predictions, {few / N_TOKENS:.1f} times fewer"
    yield f"the first {of.n_contexts_rollouts} windows of each repeat, {of.rollout_length} answers later"
    yield f"windows are {of.n_repeats} times {of.n_contexts_self_estimate}."
    yield f"Eight outcomes have {len(good_set_pairs(8))} pairs"
    yield f"goes through for up to {MOST_RANKED_OUTCOMES} outcomes"
    yield f"95 % of {of.n_bootstrap} bootstrap draws"
    yield f"quartiles over {of.n_contexts_differential} windows"


def numbers_of_theory():
    two_and_three = np.zeros(8)
    two_and_three[[2, 3]] = 0.85, 0.15
    good6 = good_mask(CONFIG["tasks"]["good6"]["good"], 8)
    s = mean_utility(two_and_three, good6)
    yield f"has s = {s:.2f} and Op_pred = {predicted_optimization(s, good6):.4f}"
    yield f"while ln 8 − H(F) = {np.log(8) - entropy(two_and_three):.4f}"
    good4, s = CONFIG["tasks"]["good4"]["good"], 0.75
    yield f"With s = {s} on {{{', '.join(map(str, good4))}}}"
    for outcome in training_outcomes(good_mask(good4, 8), s):
        yield f"| {outcome.name} | {outcome.futures.op:.3f} | {abs(outcome.op_excess):.3f} |"
    least = float(scalar_differential_impact(torch.tensor(-0.5, dtype=torch.float64)))
    yield f"On r < 0 the scalar Imp is at least {least:.3f}"
    yield f"{1e8 * LEAST_RECIPROCAL_CONDITION:.1f} · 10⁻⁸"
    rate = rate_function(5 / 7, [0, 0.5, 1], np.full(3, 1 / 3))
    yield f"s = 5/7, the tilted distribution is 1 : 2 : 4 and R = {rate:.3f}"
