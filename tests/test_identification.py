"""Reading the objective off a future, against an exhaustive search written out."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from splithistory.identification import good_set_pairs, nearest_objective, rank_good_set, ranks_of_good_set
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
