"""The page on the method: its sections, statements and numbers, and the statements that no other test shows."""

import ast
import re

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, logsumexp
from snakemake.utils import update_config

from conftest import ROOT
from splithistory.differential import LEAST_RECIPROCAL_CONDITION, measure_differential, scalar_differential_impact
from splithistory.environment import BURN_IN, MEMORY, MODULUS, Recurrence
from splithistory.identification import good_set_pairs, rank_good_set
from splithistory.information import binary_kl_divergence, entropy, kl_divergence
from splithistory.model import Architecture
from splithistory.policy_measurement import PSEUDOCOUNT, MeasureSettings, generator_policy
from splithistory.reinforcement import MaintenanceSettings
from splithistory.sequence import N_OUTCOMES, N_TOKENS, one_window_a_chain
from splithistory.split_history import compare_futures
from splithistory.task import good_mask
from splithistory.theory import (
    jensen_gaps,
    mean_utility,
    minimum_impact,
    minimum_impact_distribution,
    predicted_optimization,
    rate_function,
)
from splithistory.training_outcomes import training_outcomes
from sweep.claims.catalogue import CLAIMS
from sweep.stages import finetune_settings, pretrain_settings

PAGE = (ROOT / "docs" / "method.md").read_text()
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
STUDY = yaml.safe_load((ROOT / "config.yaml").read_text())
update_config(STUDY, yaml.safe_load((ROOT / "config" / "study.yaml").read_text()))
UNEVEN = (
    0,
    0,
    0,
    0,
    0,
    1,
    1,
    1,
    2,
    2,
    3,
    3,
    4,
    5,
    6,
    7,
)  # outcomes of the residues 1..16; m = (5, 3, 2, 2, 1, 1, 1, 1)
UNIFORM = np.full(N_OUTCOMES, 1 / N_OUTCOMES)
seeds = st.integers(0, 2**32)


# The page


def numbers_of(text):
    """The sections that a text cites: "section 4", "sections 4, 5 and 12", "sections 4 to 6"."""
    found = set()
    for listed in re.findall(r"\bsections? (\d+(?:(?:, | and | to )\d+)*)", text):
        numbers = [int(number) for number in re.findall(r"\d+", listed)]
        found.update(range(numbers[0], numbers[-1] + 1) if " to " in listed else numbers)
    return found


def docstrings(path):
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    nodes = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, documented)]
    return " ".join(filter(None, map(ast.get_docstring, nodes)))


def test_sections_are_those_that_docstrings_and_pages_cite():
    headings = [int(number) for number in re.findall(r"^## (\d+)\. \S", PAGE, re.MULTILINE)]
    assert headings == list(range(1, 16))
    cited = {path: numbers_of(docstrings(path)) for path in (ROOT / "workflow_scripts").rglob("*.py")}
    cited |= {path: numbers_of(path.read_text()) for path in (ROOT / "docs").rglob("*.md")}
    assert {path: numbers for path, numbers in cited.items() if not numbers <= set(headings)} == {}
    assert {1, 2, 3, 4, 5, 6, 7, 8, 9, 12, 15} <= set().union(*cited.values())


def test_every_statement_is_marked_and_backed_by_tests_that_exist():
    body, _, table = PAGE.partition("\n## Statements and their tests")
    marks = dict(re.findall(r"^\*\*(\d+\.\d+) [^*]+\.\*\* \*(.+?)\.\*\s", body, re.MULTILINE))
    assert len(marks) == len(re.findall(r"^\*\*\d", body, re.MULTILINE))
    for number, mark in marks.items():
        assert re.search("study|derived|inferred|literature|ours", mark, re.IGNORECASE), number
    rows = re.findall(r"^\| (\d+\.\d+) \| (.+) \|$", table, re.MULTILINE)
    assert [number for number, _ in rows] == list(marks)
    tests = {
        f"{path.name}::{node.name}"
        for path in (ROOT / "tests").glob("test_*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    named = {name for _, names in rows for name in re.findall(r"`(\S+)`", names)}
    assert named - tests == set()
    assert [number for number, names in rows if not re.search(r"`\S+`", names)] == []


def test_every_statement_that_is_referred_to_is_there():
    referred = set(re.findall(r"§(\d+\.\d+)", PAGE))
    assert len(referred) > 5
    assert referred <= set(re.findall(r"^\*\*(\d+\.\d+)", PAGE, re.MULTILINE))


def test_every_number_is_the_librarys():
    """Each text is made from numbers that are computed here; without these texts no number is left on the page."""
    body = PAGE.partition("\n## Statements and their tests")[0]
    left = " ".join(re.sub(r"(§|^\*\*)\d+\.\d+", "", body, flags=re.MULTILINE).split())
    texts = [*numbers_of_the_sequence(), *numbers_of_training(), *numbers_of_measures(), *numbers_of_theory(), *CITED]
    assert [text for text in texts if text not in left] == []
    for text in sorted(texts, key=len, reverse=True):
        left = left.replace(text, "")
    assert re.findall(r".{,30}(?:\d\.\d+|\d{3,}|\d,\d{3}).{,30}", left) == []


CITED = [
    "8 April 2024",
    "Ciosek and Whiteson 2018",
    "Dayan and Hinton 1997",
    "Peters and Schaal 2007",
    "https://arxiv.org/abs/2412.04758), NeurIPS 2024",
]


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
    trials = pd.read_csv(ROOT / "docs/tuning/successes.csv").query(
        "task == 'good2' and n_steps == 700 and dropout == 0"
    )
    by_way = trials.set_index("successes")["success_rate"]
    ways = [by_way[way] for way in ("sampled", "expected", "every")]
    assert set(trials["size"]) == {"143k"}
    yield "a 143k policy of {{0, 4}} succeeded in {:.3f} of windows by `sampled`, in {:.3f} by `expected`".format(*ways)
    yield f"and in {ways[-1]:.3f} by `every`"
    yield from rows_of_settings()


def rows_of_settings():
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
    yield row("maintenance: own rollouts, chance's rollouts, untouched windows", "own rollouts (inferred)", shares)
    yield row("training chains", "not said", lambda of: "{n_train:,} of {chain_length} tokens".format(**of["sequence"]))
    yield row("seeds per size", "4 (inferred)", lambda of: str(len(of["sweep"]["seeds"])))
    yield row("measured, repeats × windows", "10 × 200", windows)


def numbers_of_measures():
    of, rng = MeasureSettings(**CONFIG["measure"]), np.random.default_rng(0)
    few, many = of.n_contexts_monte_carlo, of.n_contexts_exact
    yield f"Op = −½ ln 2 = {answering_the_own_number().op:.3f}".replace("= -", "= −")
    yield f"{of.n_repeats} times {few} windows. Entropies"
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
    yield f"95 % of {of.n_bootstrap} bootstrap draws"
    yield f"quartiles over {of.n_contexts_differential} windows"


def numbers_of_theory():
    two_and_three = np.zeros(8)
    two_and_three[[2, 3]] = 0.85, 0.15
    good6 = good_mask(CONFIG["tasks"]["good6"]["good"], 8)
    s = mean_utility(two_and_three, good6)
    yield f"has s = {s:.2f} and Op_pred = {predicted_optimization(s, good6):.4f}"
    yield f"while ln 8 − H(F) = {np.log(8) - entropy(two_and_three):.4f}"
    yield "With s = 0.75 on {0, 2, 4, 6}"
    for outcome in training_outcomes(good_mask([0, 2, 4, 6], 8), 0.75):
        yield f"| {outcome.name} | {outcome.futures.op:.3f} | {abs(outcome.op_excess):.3f} |"
    least = float(scalar_differential_impact(torch.tensor(-0.5, dtype=torch.float64)))
    yield f"On r < 0 the scalar Imp is at least {least:.3f}"
    yield f"{1e8 * LEAST_RECIPROCAL_CONDITION:.1f} · 10⁻⁸"
    yield f"1 : 2 : 4 and R = {rate_function(5 / 7, [0, 0.5, 1], np.full(3, 1 / 3)):.3f}"


def test_each_claim_is_assigned_to_a_section():
    section = PAGE.partition("## 10.")[2].partition("\n## ")[0]
    assert "Sixteen claims" in section
    cells = re.findall(r"\| ([\d, ]+) \|$", section, re.MULTILINE)
    listed = [int(number) for cell in cells for number in cell.split(",")]
    assert sorted(listed) == [claim.number for claim in CLAIMS]


# The glossary

GLOSSARY = (ROOT / "docs" / "glossary.md").read_text()
ENTRIES = dict(re.findall(r"^\*\*(.+?)\*\* — (.+?)(?=\n\n|\Z)", GLOSSARY, re.MULTILINE | re.DOTALL))
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_entries_of_the_glossary_are_sorted_and_lead_further():
    assert len(ENTRIES) == GLOSSARY.count("\n**") > 50
    assert list(ENTRIES) == sorted(ENTRIES, key=str.casefold)
    assert [term for term, entry in ENTRIES.items() if not re.search(r"\]\([\w.#'-]+\)$", entry)] == []
    for number, anchor in re.findall(r"\[§(\d+)[.\d]*\]\(method.md#(\d+)", GLOSSARY):
        assert number == anchor
    statements = re.findall(r"^\*\*(\d+\.\d+)", PAGE, re.MULTILINE)
    assert set(re.findall(r"§(\d+\.\d+)", GLOSSARY)) <= set(statements)


def test_terms_of_the_glossary_are_used():
    pages = [page for page in PAGES if page.name != "glossary.md"]
    schemas = [*(ROOT / "config").glob("*.schema.yaml"), *(ROOT / "workflow_scripts/sweep/schemas").glob("*.py")]
    used = " ".join(" ".join(path.read_text() for path in pages + schemas).split())
    patterns = {term: re.sub("[ -]", "[ _-]", re.escape(term).replace("\\", "")) for term in ENTRIES}
    unused = [
        term for term, as_written in patterns.items() if not re.search(rf"\b{as_written}(s|es)?(?!\w)", used, re.I)
    ]
    assert unused == []
    named = set(re.findall(r"`(\w+)`", GLOSSARY)) - {"code"}
    assert {name for name in named if name not in used} == set()


def test_headings_that_links_lead_to_are_there():
    def anchors(page):
        headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
        return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    links = [(page, *link) for page in PAGES for link in re.findall(r"\]\(([^)#:]*)#([^)]+)\)", page.read_text())]
    assert len(links) > 50
    missing = [
        (page.name, path, anchor)
        for page, path, anchor in links
        if path.endswith(".md") or not path
        if anchor not in anchors((page.parent / path) if path else page)
    ]
    assert missing == []


# What no other test shows


def windows_before_odd_positions(n, seed=0):
    rng = np.random.default_rng(seed)
    return one_window_a_chain(Recurrence(0.02).generate_chains(n, 23, rng), 20, rng, target_parity=1).contexts


def answering_the_own_number():
    """Two windows and two actions; the outcome is 1 if both are 1."""
    numbers = np.array([0, 1])
    return compare_futures(numbers, np.eye(2)[np.multiply.outer(numbers, numbers)])


def test_op_can_be_negative_and_imp_infinite():
    futures = answering_the_own_number()
    assert futures.outcome_distribution.tolist() == [0.5, 0.5]
    assert sorted(futures.counterfactuals.tolist()) == [[0.5, 0.5], [1, 0]]
    assert futures.op == pytest.approx(-np.log(2) / 2)
    assert futures.imp == np.inf


@pytest.mark.parametrize("n", [400, 2000])
def test_entropies_and_divergences_of_frequencies_are_biased_as_their_variances_make_them(n):
    rng = np.random.default_rng(0)
    future, other = UNIFORM, np.array([0.3, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.1])
    frequencies, others = (rng.multinomial(n, p, size=20_000) / n for p in (future, other))
    assert (entropy(future) - entropy(frequencies)).mean() == pytest.approx(7 / (2 * n), rel=0.05)
    excess = kl_divergence(frequencies, others) - kl_divergence(future, other)
    assert excess.mean() == pytest.approx((7 + (future / other).sum() - 1) / (2 * n), rel=0.05)
    assert kl_divergence(*(rng.multinomial(n, future, size=(2, 20_000)) / n)).mean() == pytest.approx(7 / n, rel=0.05)


def test_the_bias_of_a_divergence_is_that_of_what_each_window_contributes():
    rng = np.random.default_rng(0)
    n, u, v = 400, rng.dirichlet(np.ones(8), size=10), rng.dirichlet(np.ones(8), size=10)  # of ten kinds of windows
    future, other = u.mean(axis=0), v.mean(axis=0)
    frequencies = rng.multinomial(n, np.full(10, 1 / 10), size=20_000) / n
    excess = kl_divergence(frequencies @ u, frequencies @ v) - kl_divergence(future, other)
    expected = future @ (u / future - v / other).var(axis=0) / (2 * n)
    # What is linear in the frequencies has no mean, and makes nearly all of the scatter.
    linear = (frequencies - 1 / 10) @ (u @ np.log(future / other) - v @ (future / other))
    assert (excess - linear).mean() == pytest.approx(expected, rel=0.05)
    assert expected < 7 / n


@settings(deadline=None)
@given(seeds)
def test_where_outcomes_are_but_success_and_failure_the_excess_impact_is_the_jensen_gap(seed):
    rng = np.random.default_rng(seed)
    policy, outcome = rng.dirichlet(np.ones(3), size=5), rng.dirichlet(np.ones(2), size=(5, 3))
    futures, good = compare_futures(policy, outcome), [True, False]
    s, answers = futures.outcome_distribution[0], np.zeros(len(futures.weights), dtype=int)
    (gap,) = jensen_gaps([s], good, answers, weights=futures.weights, counterfactuals=futures.counterfactuals)
    assert futures.imp - minimum_impact(s, good, futures.counterfactual_distribution) == pytest.approx(gap)


@settings(deadline=None)
@given(seeds)
def test_moving_mass_among_outcomes_of_one_kind_raises_the_divergence_at_second_order(seed):
    rng = np.random.default_rng(seed)
    reference = 0.02 + 0.98 * rng.dirichlet(np.ones(6))
    reference /= reference.sum()
    good = good_mask([0, 1, 2], 6)
    nearest = minimum_impact_distribution(reference, good, rng.uniform(0.1, 0.9))
    i, j = rng.permutation(np.flatnonzero(good if rng.random() < 0.5 else ~good))[:2]
    moved = np.eye(6)[j] - np.eye(6)[i]
    least = kl_divergence(nearest, reference)
    for mass in (1e-3, 1e-2, -1e-2):
        mass *= nearest[[i, j]].min()
        raised = kl_divergence(nearest + mass * moved, reference) - least
        expected = mass**2 / 2 * (1 / nearest[i] + 1 / nearest[j])
        assert raised == pytest.approx(expected, rel=0.02, abs=1e-15)


@settings(deadline=None)
@given(seeds)
def test_against_one_future_of_success_and_failure_there_is_no_excess_impact(seed):
    rng = np.random.default_rng(seed)
    policy, other = rng.dirichlet(np.ones(3), size=(2, 5))
    futures = compare_futures(policy, rng.dirichlet(np.ones(2), size=(5, 3)), alternative=other)
    least = minimum_impact(futures.outcome_distribution[0], [True, False], futures.counterfactual_distribution)
    assert futures.imp == pytest.approx(least, abs=1e-12)


@settings(deadline=None)
@given(seeds)
def test_sources_with_parts_of_their_own_add_up_and_what_the_parts_share_comes_on_top(seed):
    rng = np.random.default_rng(seed)
    (n, m), (a, b), (k, h) = rng.integers(2, 4, (3, 2))
    one, two = rng.dirichlet(np.ones(k), size=(n, a)), rng.dirichlet(np.ones(h), size=(m, b))
    # Each answers by both situations, so that the parts depend on each other under F and not under any F'.
    answers = rng.integers(0, [[a, b]], size=(n * m, 2))
    outcome = np.einsum("xaf,ybg->xyabfg", one, two).reshape(n * m, a * b, k * h)
    both = compare_futures(answers @ [b, 1], outcome)
    parts = [
        compare_futures(answers[:, 0], np.repeat(one, m, axis=0)),
        compare_futures(answers[:, 1], np.tile(two, (n, 1, 1))),
    ]
    marginals = np.outer(*(part.outcome_distribution for part in parts)).ravel()
    shared = kl_divergence(both.outcome_distribution, marginals)
    assert both.op == pytest.approx(sum(part.op for part in parts) + shared, abs=1e-12)
    assert both.imp == pytest.approx(sum(part.imp for part in parts) + shared, abs=1e-12)


def test_two_sources_of_one_outcome_can_undo_each_other():
    bit = np.arange(2)
    differ = np.eye(2)[bit[:, None] ^ bit]
    alone = compare_futures(bit, differ)  # the other source repeats the window
    together = compare_futures([0, 3], differ.reshape(4, 2))
    assert (alone.op, alone.imp) == pytest.approx((np.log(2), np.log(2)))
    assert (together.op, together.imp) == (0, 0)


@settings(deadline=None)
@given(seeds)
def test_against_a_random_token_op_and_imp_are_what_the_entropy_of_f_lacks(seed):
    rng = np.random.default_rng(seed)
    contexts = rng.integers(0, 16, (20, 20), dtype=np.uint8)
    outcome = Recurrence(0.02).outcome_probabilities(contexts)
    futures = compare_futures(rng.integers(0, 16, 20), outcome, alternative=np.full((20, 16), 1 / 16))
    np.testing.assert_allclose(futures.counterfactuals, [UNIFORM])
    assert futures.op == pytest.approx(np.log(8) - futures.entropy)
    assert futures.imp == pytest.approx(np.log(8) - futures.entropy)


@pytest.mark.parametrize(("j", "k"), [(0.5, 1.0), (-2.0, 1.5), (3.0, -0.7)])
def test_the_scalar_measures_are_the_mean_divergence_of_two_normal_distributions(j, k):
    sigma = 1.3
    nodes, weights = np.polynomial.hermite_e.hermegauss(8)  # exact for polynomials of the other past
    variance, other = (sigma * j) ** 2, (sigma * k) ** 2
    means = (j - k) * sigma * nodes
    divergences = (np.log(other / variance) - 1 + (variance + means**2) / other) / 2
    measures = measure_differential(torch.tensor([[j]]), torch.tensor([[k]]))
    assert measures.imp == pytest.approx(weights @ divergences / weights.sum(), rel=1e-6)
    assert measures.op == pytest.approx(np.log(other / variance) / 2, rel=1e-6)


@settings(deadline=None)
@given(seeds, st.sampled_from([(3, 3), (2, 4)]))
def test_any_covariance_is_that_of_changed_jacobians(seed, shape):
    rng = np.random.default_rng(seed)
    j, k = rng.standard_normal((2, *shape)) + 2 * np.eye(*shape)
    root = rng.standard_normal((shape[1], shape[1])) / 4 + np.eye(shape[1])
    covariance = root @ root.T
    future, other, shift = (matrix @ covariance @ matrix.T for matrix in (j, k, j - k))
    log_ratio = np.linalg.slogdet(other)[1] - np.linalg.slogdet(future)[1]
    trace = np.trace(np.linalg.solve(other, future + shift))
    measures = measure_differential(torch.from_numpy(j @ root), torch.from_numpy(k @ root))
    assume(max(map(np.linalg.cond, (future, other))) < 1e6)
    assert measures.op == pytest.approx(log_ratio / 2, abs=1e-6)
    assert measures.imp == pytest.approx((log_ratio - len(j) + trace) / 2, rel=1e-6, abs=1e-6)
    if shape[0] == shape[1]:
        assert measures.op == pytest.approx(measure_differential(*map(torch.from_numpy, (j, k))).op, abs=1e-6)


def test_the_final_norm_has_a_singular_jacobian():
    norm = torch.nn.LayerNorm(16, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(norm, torch.randn(16, dtype=torch.float64))
    assert measure_differential(jacobian, torch.eye(16)).reasons == "J is near-singular"


def literal_goal_directedness(policy, expected_utility):
    """MEG by its definition: (n, A) π(a|x) and Σ_f p(f|x, a) u(f) -> nats."""

    def missed(beta):
        return -(policy * log_softmax(beta * expected_utility, axis=1)).sum(axis=1).mean()

    return np.log(policy.shape[1]) - minimize_scalar(missed).fun


def mixed_policy(rng, n):
    """(n, 16) probabilities, each above 0, so that the best β is finite."""
    return rng.dirichlet(np.full(16, rng.choice([0.1, 1, 10])), size=n) * 0.9 + 0.1 / 16


MAPS = pytest.mark.parametrize("outcome_of_residue", [Recurrence(0).outcome_of_residue, UNEVEN], ids=["even", "uneven"])


@MAPS
@settings(deadline=None, max_examples=30)
@given(seed=seeds, noise=st.sampled_from([0.0, 0.02, 0.5]))
def test_goal_directedness_is_the_rate_function_of_what_random_answers_make(outcome_of_residue, seed, noise):
    rng = np.random.default_rng(seed)
    contexts, policy = rng.integers(0, 16, (12, 20), dtype=np.uint8), mixed_policy(rng, 12)
    outcome = Recurrence(noise, outcome_of_residue).outcome_probabilities(contexts)
    noiseless = compare_futures(policy, Recurrence(0.0, outcome_of_residue).outcome_probabilities(contexts))
    by_chance = np.bincount(outcome_of_residue) / 16
    for utility in (good_mask(rng.permutation(8)[: rng.integers(1, 8)], 8).astype(float), rng.random(8)):
        expected = rate_function(mean_utility(noiseless.outcome_distribution, utility), utility, by_chance)
        assert literal_goal_directedness(policy, outcome @ utility) == pytest.approx(expected, abs=1e-7)
        if outcome_of_residue is not UNEVEN:
            s = mean_utility(noiseless.outcome_distribution, utility)
            assert expected == pytest.approx(predicted_optimization(s, utility))


@MAPS
@settings(deadline=None, max_examples=10)
@given(seed=seeds)
def test_goal_directedness_towards_anything_is_the_divergence_from_what_random_answers_make(outcome_of_residue, seed):
    rng = np.random.default_rng(seed)
    contexts, policy = rng.integers(0, 16, (12, 20), dtype=np.uint8), mixed_policy(rng, 12)
    outcome = Recurrence(0.0, outcome_of_residue).outcome_probabilities(contexts)

    def missed(scaled_utility):
        return -(policy * log_softmax(outcome @ scaled_utility, axis=1)).sum(axis=1).mean()

    futures = compare_futures(policy, outcome)
    found = np.log(16) - minimize(missed, np.zeros(8)).fun
    by_chance = np.bincount(outcome_of_residue) / 16
    assert found == pytest.approx(kl_divergence(futures.outcome_distribution, by_chance), abs=1e-5)
    if outcome_of_residue is not UNEVEN:
        nonuniformity = np.log(8) - futures.entropy_counterfactual
        assert futures.op == pytest.approx(found - nonuniformity, abs=1e-5)


@settings(deadline=None)
@given(seeds)
def test_goal_directedness_is_never_negative_and_zero_for_random_answers(seed):
    rng = np.random.default_rng(seed)
    outcome = rng.dirichlet(np.ones(5), size=(7, 16))  # any environment
    utility = rng.random(5)
    assert literal_goal_directedness(np.full((7, 16), 1 / 16), outcome @ utility) == pytest.approx(0, abs=1e-9)
    policy = mixed_policy(rng, 7)
    found = literal_goal_directedness(policy, outcome @ utility)
    assert -1e-9 <= found <= np.log(16)

    def missed(beta):
        gained = beta * mean_utility(compare_futures(policy, outcome).outcome_distribution, utility)
        return logsumexp(beta * (outcome @ utility), axis=1).mean() - gained

    assert found == pytest.approx(np.log(16) - minimize_scalar(missed).fun, abs=1e-7)  # from the future alone


@settings(deadline=None)
@given(seeds, st.sampled_from([0.5, 1, 10]))
def test_the_best_good_set_is_a_head_of_the_likelihood_ratios_order(seed, concentration):
    rng = np.random.default_rng(seed)
    future, reference = rng.dirichlet(np.full(8, concentration), size=2)
    order = np.argsort(-future / reference)
    heads = [good_mask(order[:size], 8) for size in range(1, 8)]
    of_heads = [binary_kl_divergence(future[head].sum(), reference[head].sum()) for head in heads]
    of_all = binary_kl_divergence(good_set_pairs(8) @ future, good_set_pairs(8) @ reference)
    assert max(of_heads) == pytest.approx(of_all.max(), rel=1e-9, abs=1e-12)
    best = rank_good_set(future, reference, None).best_set
    explained = binary_kl_divergence(future[best].sum(), reference[best].sum())
    assert explained == pytest.approx(max(of_heads), rel=1e-9, abs=1e-12)


def test_where_outcomes_are_uneven_op_pred_bounds_nothing():
    contexts = windows_before_odd_positions(50)
    futures = compare_futures(np.full((50, 16), 1 / 16), Recurrence(0.0, UNEVEN).outcome_probabilities(contexts))
    np.testing.assert_allclose(futures.outcome_distribution, np.bincount(UNEVEN) / 16)
    good = good_mask([0, 4], 8)
    assert futures.op == pytest.approx(0)
    assert predicted_optimization(mean_utility(futures.outcome_distribution, good), good) > 0.03
