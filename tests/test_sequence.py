"""The sequence, compared with its recurrence token by token."""

import math
import random
from argparse import Namespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, chi2_contingency, chisquare

import generate_sequences
from splithistory.environment import Recurrence, environment_of
from splithistory.information import entropy
from splithistory.sequence import draw_windows, one_window_per_chain, shifted
from sweep.chains import read_chains

NOISELESS = Recurrence(0.0)
RNG = np.random.default_rng(0)
TOKENS = st.lists(st.integers(0, 15), min_size=16, max_size=24)


def value_after(tokens):
    """((s_{t-1}+1)(s_{t-2}+1)···(s_{t-16}+1) mod 17) mod 8."""
    product = 1
    for token in tokens[-16:]:
        product *= int(token) + 1
    return product % 17 % 8


def values_and_expected(chains):
    """The values of every token from position 16 on, and those that the recurrence gives for the 16 before it."""
    places = [(chain, t) for chain in chains for t in range(16, len(chain))]
    values = [int(chain[t]) - 8 * (t % 2) for chain, t in places]
    return np.array(values), np.array([value_after(chain[:t]) for chain, t in places])


def test_without_noise_every_token_follows_the_recurrence():
    values, expected = values_and_expected(Recurrence(0.0).generate_chains(30, 300, np.random.default_rng(0)))
    assert (values == expected).all()


def test_long_chains_do_not_overflow_the_running_sum():
    values, expected = values_and_expected(
        Recurrence(0.02).generate_chains(2, 5000, np.random.default_rng(1))[:, -500:]
    )
    assert np.mean(values != expected) < 0.05


@pytest.mark.parametrize("noise", [0.02, 0.5])
def test_noise_deviates_in_seven_of_eight_cases(noise):
    values, expected = values_and_expected(Recurrence(noise).generate_chains(300, 216, np.random.default_rng(100)))
    deviations = (values - expected)[values != expected] % 8
    assert binomtest(len(deviations), len(values), noise * 7 / 8).pvalue > 0.01
    assert chisquare(np.bincount(deviations, minlength=8)[1:]).pvalue > 0.01


def test_noise_alone_is_uniform():
    tokens = Recurrence(1.0).generate_chains(50, 200, np.random.default_rng(3))
    assert chisquare(np.bincount((tokens % 8).ravel())).pvalue > 0.01


def test_the_first_value_after_uniform_tokens_is_uniform():
    tokens = Recurrence(0.02).generate_chains(20_000, 1, np.random.default_rng(4), burn_in=16)
    assert chisquare(np.bincount(tokens[:, 0], minlength=8)).pvalue > 0.01


def transcribed_chain(length, noise, rng):
    """One chain, token by token, from 16 uniform tokens of the right parity."""
    tokens = [rng.randrange(8) + 8 * (t % 2) for t in range(16)]
    for t in range(16, length):
        value = rng.randrange(8) if rng.random() < noise else value_after(tokens)
        tokens.append(value + 8 * (t % 2))
    return tokens


def test_settled_values_are_as_uneven_as_those_of_the_transcription():
    rng = random.Random(0)
    transcribed = np.array([transcribed_chain(66, 0.02, rng)[64:] for _ in range(3000)])
    generated = Recurrence(0.02).generate_chains(50_000, 2, np.random.default_rng(4))
    for column in (0, 1):
        counts = [np.bincount(tokens[:, column] % 8, minlength=8) for tokens in (transcribed, generated)]
        assert chi2_contingency(counts).pvalue > 0.01
        for count in counts:  # the recurrence itself is uneven: 0.6 to 1.3 times 1/8
            assert chisquare(count).pvalue < 1e-6


def test_values_settle_within_the_burn_in():
    chains = Recurrence(0.02).generate_chains(20_000, 81, np.random.default_rng(4))
    # places 80 apart in a chain are all but independent
    counts = [np.bincount(chains[:, column], minlength=8) for column in (0, 80)]
    assert chi2_contingency(counts).pvalue > 0.01


def test_even_columns_hold_0_to_7_and_odd_columns_8_to_15():
    chains = Recurrence(0.02).generate_chains(200, 31, np.random.default_rng(5), burn_in=16)
    assert chains.shape == (200, 31)
    assert set(chains[:, ::2].ravel()) == set(range(8))
    assert set(chains[:, 1::2].ravel()) == set(range(8, 16))


@pytest.mark.parametrize("burn_in", [0, 14, 17, 65])
def test_a_burn_in_that_is_odd_or_short_is_refused(burn_in):
    with pytest.raises(ValueError, match=f"burn_in must be even and at least 16, got {burn_in}"):
        Recurrence(0.0).generate_chains(1, 20, np.random.default_rng(0), burn_in=burn_in)


def test_a_longer_burn_in_drops_a_longer_head():
    whole, tail = (Recurrence(0.02).generate_chains(5, n, np.random.default_rng(6), burn_in=84 - n) for n in (60, 40))
    np.testing.assert_array_equal(whole[:, 20:], tail)


def test_one_seed_gives_one_set_of_chains():
    first, again, other = (Recurrence(0.02).generate_chains(5, 40, np.random.default_rng(seed)) for seed in (7, 7, 8))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any(axis=1).all()


def numbered_chains(n_chains, length):
    """Chains whose tokens encode their place: the chain's number times ``length``, plus the position."""
    return np.arange(n_chains * length).reshape(n_chains, length)


@pytest.mark.parametrize("parity", [None, 0, 1])
def test_drawn_windows_lie_in_one_chain_and_targets_follow_them(parity):
    contexts, targets = draw_windows(numbered_chains(7, 30), 3000, 20, np.random.default_rng(8), parity)
    places = np.column_stack([contexts, targets])
    assert (np.diff(places, axis=1) == 1).all()
    assert (places[:, 0] // 30 == places[:, -1] // 30).all()
    ends = np.arange(20, 30) if parity is None else np.arange(20, 30)[parity::2]
    counts = np.bincount(targets, minlength=210).reshape(7, 30)
    assert counts[:, [t for t in range(30) if t not in ends]].sum() == 0
    assert chisquare(counts[:, ends].ravel()).pvalue > 0.01


@pytest.mark.parametrize("parity", [None, 0, 1])
def test_one_window_per_chain_takes_each_chain_once_in_order(parity):
    contexts, targets = one_window_per_chain(numbered_chains(500, 33), 20, np.random.default_rng(9), parity)
    places = np.column_stack([contexts, targets])
    assert (np.diff(places, axis=1) == 1).all()
    assert (places // 33 == np.arange(500)[:, None]).all()
    assert set(targets % 33) == {t for t in range(20, 33) if parity is None or t % 2 == parity}


def test_no_windows_are_an_empty_batch():
    contexts, targets = draw_windows(numbered_chains(2, 30), 0, 20, np.random.default_rng(0))
    assert contexts.shape == (0, 20)
    assert targets.shape == (0,)


@settings(deadline=None)
@given(TOKENS)
def test_the_next_value_is_the_recurrences(tokens):
    assert NOISELESS.next_value(np.array([tokens], dtype=np.uint8)) == [value_after(tokens)]


@settings(deadline=None)
@given(TOKENS)
def test_the_outcome_of_each_action_is_the_value_after_it(tokens):
    contexts = np.array([tokens], dtype=np.uint8)
    expected = [value_after([*tokens, action]) for action in range(16)]
    assert NOISELESS.outcome_of_each_action(contexts).tolist() == [expected]
    for action in range(16):
        assert NOISELESS.sample(contexts, RNG, np.array([action], dtype=np.uint8)) == [expected[action]]
    assert NOISELESS.sample(contexts, RNG).tolist() == [expected]


@settings(deadline=None)
@given(TOKENS)
def test_each_outcome_is_reached_by_two_actions(tokens):
    outcomes = NOISELESS.outcome_of_each_action(np.array([tokens], dtype=np.uint8))[0]
    assert np.bincount(outcomes).tolist() == [2] * 8


def test_token_0_leaves_the_product_as_it_is():
    contexts = np.random.default_rng(10).integers(0, 16, (100, 20), dtype=np.uint8)
    expected = [math.prod(int(s) + 1 for s in row[-15:]) % 17 % 8 for row in contexts]
    assert NOISELESS.outcome_of_each_action(contexts)[:, 0].tolist() == expected


@settings(deadline=None)
@given(st.floats(0, 1))
def test_outcome_probabilities_sum_to_one(noise):
    probabilities = Recurrence(noise).probabilities_of(np.arange(8, dtype=np.uint8))
    np.testing.assert_allclose(probabilities.sum(axis=-1), 1)
    np.testing.assert_allclose(np.diag(probabilities), 1 - noise * 7 / 8)


def test_outcome_probabilities_are_the_limit_of_sampled_noise():
    n, environment, rng = 40_000, Recurrence(0.3), np.random.default_rng(11)
    context = rng.integers(0, 16, (1, 20), dtype=np.uint8)
    sampled = environment.sample(np.repeat(context, n, axis=0), rng)  # (n, 16)
    for action, expected in enumerate(environment.outcome_probabilities(context)[0]):
        assert chisquare(np.bincount(sampled[:, action], minlength=8), n * expected).pvalue > 0.001


def test_sampled_outcomes_without_noise_are_the_recurrences():
    rng = np.random.default_rng(12)
    contexts, actions = rng.integers(0, 16, (50, 20), dtype=np.uint8), rng.integers(0, 16, 50, dtype=np.uint8)
    expected = [value_after([*context, action]) for context, action in zip(contexts, actions, strict=True)]
    assert NOISELESS.sample(contexts, rng, actions).tolist() == expected


def test_the_noise_has_an_entropy_of_0_122_nats():
    assert entropy(Recurrence(0.02).probabilities_of(np.uint8(3))) == pytest.approx(0.122, abs=5e-4)


UNEVEN = (0, 0, 0, 0, 0, 1, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7)  # method, section 15: m = (5, 3, 2, 2, 1, 1, 1, 1)


@settings(deadline=None)
@given(TOKENS, st.permutations(range(8)).map(lambda first: (*first, *reversed(first))) | st.just(UNEVEN))
def test_any_map_of_residues_to_outcomes_is_applied_to_the_product(tokens, outcome_of_residue):
    environment = Recurrence(0.0, tuple(outcome_of_residue))
    contexts = np.array([tokens], dtype=np.uint8)

    def outcome_after(sixteen):
        return outcome_of_residue[math.prod(int(token) + 1 for token in sixteen[-16:]) % 17 - 1]

    assert environment.next_value(contexts) == [outcome_after(tokens)]
    outcomes = environment.outcome_of_each_action(contexts)[0].tolist()
    assert outcomes == [outcome_after([*tokens, action]) for action in range(16)]
    assert sorted(outcomes) == sorted(outcome_of_residue)  # in every window an outcome has as many actions as residues


def test_chains_of_uneven_outcomes_follow_their_map():
    chains = Recurrence(0.0, UNEVEN).generate_chains(30, 100, np.random.default_rng(0))
    places = [(chain, t) for chain in chains for t in range(16, 100)]
    expected = [UNEVEN[math.prod(int(s) + 1 for s in chain[t - 16 : t]) % 17 - 1] for chain, t in places]
    assert [int(chain[t]) - 8 * (t % 2) for chain, t in places] == expected


@pytest.mark.parametrize("outcome_of_residue", [Recurrence(0).outcome_of_residue, UNEVEN])
def test_chance_is_what_random_answers_gain(outcome_of_residue):
    environment, rng = Recurrence(0.3, outcome_of_residue), np.random.default_rng(0)
    utility = rng.random(8)
    contexts = rng.integers(0, 16, (200_000, 20), dtype=np.uint8)
    gained = utility[environment.sample(contexts, rng, rng.integers(0, 16, len(contexts), dtype=np.uint8))]
    assert gained.mean() == pytest.approx(environment.chance(utility), abs=4 * gained.std() / len(gained) ** 0.5)
    everywhere = environment.outcome_probabilities(contexts[:1])[0].mean(axis=0)  # the same in every window
    assert environment.chance(utility) == pytest.approx(everywhere @ utility)


def test_the_settings_name_the_environment():
    assert environment_of({**SEQUENCE, "outcome_of_residue": list(UNEVEN)}) == Recurrence(0.02, UNEVEN)


SEQUENCE = {"environment": "recurrence", "noise": 0.02, "outcome_of_residue": [r % 8 for r in range(1, 17)]}


def generated(folder, **changes):
    sizes = {"train": 300, "validation": 200, "test": 200} | changes
    for split, n_chains in sizes.items():
        settings = {"split": split, "n_chains": n_chains, "seed": 0, "chain_length": 41, **SEQUENCE}
        generate_sequences.main(Namespace(settings=settings, code="", chains=folder / f"{split}.parquet"))
    return {split: read_chains(folder / f"{split}.parquet") for split in sizes}


def test_the_splits_are_independent(tmp_path):
    splits = generated(tmp_path)
    chains = np.concatenate(list(splits.values()))
    assert len(np.unique(chains, axis=0)) == 700
    assert len(np.unique(chains[:, :20], axis=0)) == 700
    for first, second in [("train", "validation"), ("train", "test"), ("validation", "test")]:
        agree = splits[first][:200] == splits[second][:200]
        assert binomtest(agree.sum(), agree.size, 1 / 8).pvalue > 0.01


def test_a_split_does_not_depend_on_the_size_of_another(tmp_path):
    small, large = generated(tmp_path), generated(tmp_path, train=500)
    np.testing.assert_array_equal(small["test"], large["test"])


def test_a_shifted_window_ends_with_the_action():
    assert shifted(np.array([[1, 2, 3], [4, 5, 6]]), np.array([7, 8])).tolist() == [[2, 3, 7], [5, 6, 8]]
