"""The page on the method: its sections, statements and numbers, and the statements that no other test shows."""

import ast
import re

import numpy as np
import pytest
import torch
import yaml
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize, minimize_scalar
from scipy.special import log_softmax, logsumexp
from snakemake.utils import update_config

from conftest import ROOT
from splithistory.differential import measure_differential
from splithistory.environment import Recurrence
from splithistory.identification import good_set_pairs, rank_good_set
from splithistory.information import binary_kl_divergence, entropy, kl_divergence
from splithistory.sequence import N_OUTCOMES, one_window_per_chain
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
    return one_window_per_chain(Recurrence(0.02).generate_chains(n, 23, rng), 20, rng, target_parity=1).contexts


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
