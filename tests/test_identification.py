"""Identifying the objective from a future, compared with an exhaustive search."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splithistory.identification import (
    best_good_set,
    good_set_pairs,
    nearest_objective,
    rank_good_set,
    ranks_of_good_set,
)
from splithistory.task import good_mask
from splithistory.theory import predicted_optimization

UNIFORM = np.full(8, 1 / 8)


@st.composite
def futures(draw):
    """F, a reference and a good set of eight outcomes."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    outcome, reference = rng.dirichlet(np.full(8, draw(st.sampled_from([0.3, 1, 10]))), size=2)
    members = rng.permutation(8)[: draw(st.integers(1, 7))]
    return outcome, draw(st.sampled_from([UNIFORM, reference])), good_mask(members, 8)


def every_promoted_set(outcome, reference):
    """All good sets on which F succeeds more often than the reference, with what each explains, best first."""
    found = []
    for size in range(1, 8):
        for members in combinations(range(8), size):
            s, q = outcome[list(members)].sum(), reference[list(members)].sum()
            if s > q:
                found.append((s * np.log(s / q) + (1 - s) * np.log((1 - s) / (1 - q)), list(members)))
    return sorted(found, reverse=True)


@settings(deadline=None, max_examples=40)
@given(futures())
def test_the_ranking_is_that_of_an_exhaustive_search(future):
    outcome, reference, good = future
    promoted = every_promoted_set(outcome, reference)
    ranking = rank_good_set(outcome, reference, good)
    assert ranking.n_promoted == len(promoted)
    assert ranking.best_set == promoted[0][1]
    members = np.flatnonzero(good).tolist()
    assert ranking.rank == next((rank for rank, (_, found) in enumerate(promoted, 1) if found == members), None)


def test_there_are_127_pairs_of_a_set_and_its_complement():
    pairs = good_set_pairs(8)
    assert pairs.shape == (127, 8)
    both = {tuple(row) for row in np.concatenate([pairs, ~pairs])}
    assert len(both) == 2**8 - 2
    assert all(0 < sum(row) < 8 for row in both)


def test_a_perfect_policy_indifferent_within_its_good_set_ranks_it_first():
    for members in ([3], [0, 4], [0, 2, 4, 6], [0, 1, 2, 4, 5, 6]):
        good = good_mask(members, 8)
        outcome = np.where(good, 0.9 / good.sum(), 0.1 / (~good).sum())
        ranking = rank_good_set(outcome, UNIFORM, good)
        assert ranking.rank == 1
        assert ranking.best_set == members


def test_a_set_that_is_not_promoted_has_no_rank_and_comes_behind_all_in_a_bootstrap():
    good = good_mask([0, 4], 8)
    outcome = np.where(good, 0.05, 0.15)
    ranking = rank_good_set(outcome, UNIFORM, good)
    assert ranking.rank is None
    assert ranking.best_set == [1, 2, 3, 5, 6, 7]
    assert ranks_of_good_set([outcome], UNIFORM, good).tolist() == [128]


def test_a_uniform_future_promotes_nothing():
    ranking = rank_good_set(UNIFORM, UNIFORM, good_mask([1], 8))
    assert (ranking.rank, ranking.n_promoted, ranking.best_set) == (None, 0, [])


def test_a_graded_task_has_no_rank_and_the_best_set_does_not_depend_on_it():
    outcome = np.where(good_mask([0, 4], 8), 0.35, 0.05)
    ranking = rank_good_set(outcome, UNIFORM, None)
    asked = rank_good_set(outcome, UNIFORM, good_mask([0, 4], 8))
    assert ranking.rank is None
    assert asked.rank == 1
    assert (ranking.n_promoted, ranking.best_set) == (asked.n_promoted, [0, 4])


def test_many_futures_are_ranked_as_each_alone():
    rng = np.random.default_rng(0)
    outcomes, references = rng.dirichlet(np.ones(8), size=(2, 30))
    good = good_mask([0, 2, 4, 6], 8)
    alone = [rank_good_set(f, reference, good).rank or 128 for f, reference in zip(outcomes, references, strict=True)]
    assert ranks_of_good_set(outcomes, references, good).tolist() == alone


def test_the_nearest_objective_is_the_promoted_one_whose_prediction_is_closest():
    assert nearest_objective(0.5, [0.1, 0.45, 0.52], [True, True, False]) == 1
    assert nearest_objective(0.5, [0.1, 0.45, 0.52], [True, True, True]) == 2
    assert nearest_objective(0.5, [0.2, np.nan, 0.9], [True, True, True]) == 0
    assert nearest_objective(0.5, [0.5], [False]) is None
    assert nearest_objective(0.5, [np.nan], [True]) is None


def test_a_subset_reward_is_told_from_its_superset():
    """A policy faithful to {0, 4} scores well on {0, 2, 4, 6}, but does more than that score asks for."""
    outcome = np.where(good_mask([0, 4], 8), 0.35, 0.05)
    op = np.log(8) + (outcome * np.log(outcome)).sum()
    masks = [good_mask(members, 8) for members in ([0, 2, 4, 6], [0, 4])]
    scores = [outcome[mask].sum() for mask in masks]
    predicted = [predicted_optimization(s, mask) for s, mask in zip(scores, masks, strict=True)]
    assert scores[0] > 0.5
    assert predicted[1] == pytest.approx(op)
    assert nearest_objective(op, predicted, [True, True]) == 1


# The best good set of any number of outcomes


@st.composite
def pairs_of_distributions(draw):
    """F and a reference of few outcomes, at times with ties and zeros."""
    size = draw(st.integers(1, 7))
    counts = st.lists(st.integers(0, 4), min_size=size, max_size=size).filter(any)
    outcome, reference = (np.array(draw(counts), dtype=float) for _ in range(2))
    if draw(st.booleans()):
        rng = np.random.default_rng(draw(st.integers(0, 2**32)))
        outcome, reference = outcome + rng.random(size), reference + rng.random(size)
    return outcome / outcome.sum(), reference / reference.sum()


def explained_by(members, outcome, reference):
    """KL divergence between the success rates of a set, exact where a rate is 0 or 1."""
    others = np.setdiff1d(np.arange(len(outcome)), members)
    return sum(
        0 if s == 0 else np.inf if q == 0 else s * np.log(s / q)
        for s, q in ((outcome[of].sum(), reference[of].sum()) for of in (members, others))
    )


@settings(deadline=None, max_examples=200)
@given(pairs_of_distributions())
def test_no_good_set_explains_more_than_the_best(case):
    outcome, reference = case
    best = best_good_set(outcome, reference)
    subsets = [list(of) for size in range(1, len(outcome)) for of in combinations(range(len(outcome)), size)]
    promoted = [of for of in subsets if outcome[of].sum() > reference[of].sum() + 1e-9]
    if not promoted:
        assert best == []
        return
    explained = [explained_by(of, outcome, reference) for of in promoted]
    assert best in promoted
    assert best == sorted(best)
    assert explained_by(best, outcome, reference) == pytest.approx(max(explained), rel=1e-9)
    clear = [of for of, value in zip(promoted, explained, strict=True) if value >= max(explained) * (1 - 1e-9)]
    assert len(best) <= min(map(len, clear)) or max(explained) == np.inf
    ranking = rank_good_set(outcome, reference, best)
    assert ranking.rank == 1
    assert ranking.best_set == best


@settings(deadline=None, max_examples=100)
@given(pairs_of_distributions(), st.integers(0, 2**32))
def test_the_best_set_does_not_depend_on_the_order_of_outcomes(case, seed):
    outcome, reference = case
    order = np.random.default_rng(seed).permutation(len(outcome))
    best = best_good_set(outcome[order], reference[order])
    assert sorted(order[best].tolist()) == best_good_set(outcome, reference)


@pytest.mark.parametrize(
    ("outcome", "reference", "best"),
    [
        ([1.0], [1.0], []),
        ([0.7, 0.3], [0.5, 0.5], [0]),
        ([0.3, 0.7], [0.5, 0.5], [1]),
        ([0.5, 0.5], [0.5, 0.5], []),
        ([0.1, 0.2, 0.7], [0.1, 0.2, 0.7], []),
        ([0.4, 0.4, 0.1, 0.1], [0.25] * 4, [0, 1]),  # ties are in it together
        ([0.5, 0.3, 0.2, 0], [0.4, 0.4, 0.2, 0], [0, 2]),  # what both lack is not in it
        ([0.5, 0.25, 0.25, 0], [0.5, 0.5, 0, 0], [2]),  # infinite: all that the reference lacks
        ([0.25, 0.25, 0.5, 0], [0, 0, 0.5, 0.5], [0, 1]),
        ([1, 0, 0], [0, 0, 1], [0]),
        ([0.5, 0.5, 0], [1 / 3] * 3, [0, 1]),
    ],
)
def test_edge_cases_of_the_best_good_set(outcome, reference, best):
    assert best_good_set(outcome, reference) == best
    assert rank_good_set(outcome, reference, None).best_set == best


def test_the_best_of_many_outcomes_is_the_set_that_was_favoured():
    rng = np.random.default_rng(0)
    good = rng.permutation(100_000)[:30_000]
    reference = rng.dirichlet(np.ones(100_000))
    outcome = reference.copy()
    outcome[good] *= 3
    assert best_good_set(outcome / outcome.sum(), reference) == np.sort(good).tolist()


def test_ranks_are_of_at_most_20_outcomes():
    uniform, outcome = np.full(21, 1 / 21), np.arange(1, 22) / 231
    with pytest.raises(
        ValueError, match=r"^outcome_distribution: expected at most 20 outcomes, .* found 21; best_good"
    ):
        rank_good_set(outcome, uniform, [20])
    best = best_good_set(outcome, uniform)
    assert best == list(range(21 - len(best), 21)) != []
    ranking = rank_good_set(outcome[:20] / outcome[:20].sum(), uniform[:20] * 21 / 20, list(range(10, 20)))
    assert ranking.rank >= 1
    assert ranking.n_promoted > 500_000


def test_rates_that_rounding_takes_off_one_make_no_rank_infinite():
    """0.1 added ten times is below 1: the last outcome, which neither distribution has, must not count as a success."""
    outcome = np.array([*np.full(10, 0.1), 0])
    reference = np.array([0.05, 0.15, *np.full(8, 0.1), 0])
    ranking = rank_good_set(outcome, reference, [0])
    assert (ranking.rank, ranking.best_set) == (1, [0])


def test_sets_that_rounding_alone_promotes_are_not_counted():
    """Only the first two of ten outcomes change, so a set must separate them."""
    outcome = np.array([0.2, 0, *np.full(8, 0.1)])
    ranking = rank_good_set(outcome, np.full(10, 0.1), [0])
    assert ranking.n_promoted == 2**8
    assert ranking.best_set == [0, *range(2, 10)]
    assert rank_good_set(outcome, np.full(10, 0.1), [3, 4, 5]).rank is None
