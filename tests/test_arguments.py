"""Anything that holds numbers is converted to the array that it stands for."""

import numpy as np
import pandas as pd
import pytest
import torch

from splithistory.arguments import as_array, as_good_set, as_policy, as_probabilities, as_utility

ROWS = [[0.25, 0.75], [1.0, 0.0], [0.5, 0.5]]


@pytest.mark.parametrize(
    "given",
    [
        ROWS,
        tuple(map(tuple, ROWS)),
        [np.array(row) for row in ROWS],
        np.array(ROWS),
        np.array(ROWS, dtype=np.float32),
        np.array(ROWS, dtype=np.float16),
        np.asfortranarray(ROWS),
        np.ma.masked_less(ROWS, 0),
        pd.DataFrame(ROWS),
        pd.DataFrame(ROWS, dtype="float32"),
        torch.tensor(ROWS),
        torch.tensor(ROWS, dtype=torch.float64),
        torch.tensor(ROWS, dtype=torch.float16),
        torch.tensor(ROWS, dtype=torch.bfloat16),
        torch.tensor(ROWS, requires_grad=True),
        torch.tensor(ROWS, dtype=torch.bfloat16, requires_grad=True) * 1,
        [torch.tensor(row, requires_grad=True) for row in ROWS],
        [torch.tensor(row, dtype=torch.bfloat16) for row in ROWS],
        [[torch.tensor(number) for number in row] for row in ROWS],
    ],
    ids=str,
)
def test_numbers_of_any_kind_become_float64(given):
    array = as_policy("policy", given, n_windows=3, n_actions=2)
    assert array.dtype == np.float64
    assert type(array) is np.ndarray
    np.testing.assert_array_equal(array, ROWS)


@pytest.mark.parametrize(
    "given",
    [
        [1, 0, 2],
        np.array([1, 0, 2], dtype=np.uint8),
        pd.Series([1, 0, 2]),
        pd.Series([1, 0, 2], dtype="Int64"),
        torch.tensor([1, 0, 2]),
        [torch.tensor(1), torch.tensor(0), torch.tensor(2)],
    ],
    ids=str,
)
def test_whole_numbers_are_actions(given):
    array = as_policy("policy", given, n_windows=3, n_actions=3)
    assert array.dtype.kind in "iu"
    assert array.tolist() == [1, 0, 2]


@pytest.mark.parametrize(
    "given", [[[1, 0], [0, 1]], np.eye(2, dtype=int), np.eye(2) == 1, torch.eye(2, dtype=torch.int)]
)
def test_whole_numbers_and_booleans_are_probabilities_of_0_and_1(given):
    np.testing.assert_array_equal(as_probabilities("policy", given, "(n, A)"), np.eye(2))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("n", [3, 16, 1000, 50_000])
def test_softmaxes_of_low_precision_are_normalised(dtype, n):
    logits = torch.randn(20, n, generator=torch.Generator().manual_seed(0))
    for scale in (0, 1, 4):
        given = (scale * logits).to(dtype).softmax(dim=1)
        array = as_probabilities("policy", given, "(n, A)")
        np.testing.assert_allclose(array.sum(axis=1), 1, atol=1e-12)
        np.testing.assert_allclose(array, given.double() / given.double().sum(dim=1, keepdim=True), atol=1e-15)


def test_numpys_softmaxes_of_half_precision_are_normalised():
    logits = np.random.default_rng(0).normal(size=(50, 16)).astype(np.float16)
    given = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert given.dtype == np.float16
    assert np.abs(given.astype(float).sum(axis=1) - 1).max() > 1e-5
    np.testing.assert_allclose(as_probabilities("policy", given, "(n, A)").sum(axis=1), 1, atol=1e-12)
    np.testing.assert_allclose(as_probabilities("policy", pd.DataFrame(given), "(n, A)").sum(axis=1), 1, atol=1e-12)


def test_precision_excuses_no_more_than_it_costs():
    rows = np.array([[0.5, 0.495], [0.5, 0.5]])
    assert as_probabilities("policy", torch.tensor(rows, dtype=torch.bfloat16), "(n, A)").shape == (2, 2)
    for given in (rows, rows.astype(np.float32), rows.astype(np.float16), torch.tensor(rows - 0.1).bfloat16()):
        with pytest.raises(ValueError, match=r"^policy: expected .* to sum to 1"):
            as_probabilities("policy", given, "(n, A)")


def test_float32_and_float64_stay_as_they_are():
    rows = np.array([[0.5, 0.500004], [0.5, 0.5]])
    np.testing.assert_array_equal(as_probabilities("policy", rows, "(n, A)"), rows)
    assert as_probabilities("policy", rows, "(n, A)") is rows


@pytest.mark.parametrize(
    "given", [[0, 2], {0, 2}, (2, 0), np.array([0, 2]), range(0, 4, 2), torch.tensor([0, 2])], ids=str
)
def test_a_good_set_is_a_list_of_outcomes(given):
    assert as_good_set("good", given, 4).tolist() == [True, False, True, False]


def test_a_good_set_is_a_mask():
    assert as_good_set("good", [True, False, False], 3).tolist() == [True, False, False]
    assert as_good_set("good", torch.tensor([True, False]), 2).tolist() == [True, False]


def test_a_utility_is_one_number_for_each_outcome():
    for given in ([0, 0.5, 1], torch.tensor([0, 0.5, 1], requires_grad=True), pd.Series([0, 0.5, 1])):
        np.testing.assert_array_equal(as_utility("utility", given, 3), [0, 0.5, 1])


def test_of_a_single_outcome_every_set_and_utility_is_constant():
    assert as_good_set("good", [0], 1).tolist() == [True]
    assert as_good_set("good", [], 1).tolist() == [False]
    assert as_utility("utility", [0.3], 1).tolist() == [0.3]


def test_as_array_keeps_whole_numbers_and_passes_nan():
    assert as_array("x", [1, 2], "numbers").dtype.kind == "i"
    assert np.isnan(as_array("x", [1.0, np.nan], "numbers")[1])


TABLE = [
    ([[0.5, 0.5], [1.0]], "inhomogeneous"),
    (["0.5", "0.5"], "text"),
    ("half", "str 'half'"),
    (None, "NoneType None"),
    ([0.5, None], "Python objects"),
    ([0.5 + 0j, 0.5], "complex numbers"),
    (torch.tensor([0.5 + 0j]), "complex numbers"),
    (np.ma.masked_equal([0.5, 0.25], 0.25), "masked entries"),
    (np.array([0.5, 0.5], dtype=object), "Python objects"),
    (np.array(["2024-01-01"], dtype="datetime64[D]"), "dates"),
    ({"a": 0.5}, "dict"),
    ((number for number in [0.5]), "generator"),
    (lambda x: x, "function"),
    (torch.eye(2).to_sparse(), "Tensor of shape (2, 2)"),
    (torch.empty(2, device="meta"), "Tensor of shape (2,)"),
    (pd.DataFrame({"a": [0.5], "b": ["x"]}), "DataFrame of shape (1, 2)"),
    ([torch.tensor([0.5]), torch.tensor([0.5, 0.5])], "inhomogeneous"),
]


@pytest.mark.parametrize(("given", "found"), TABLE, ids=[found for _, found in TABLE])
def test_what_holds_no_numbers_is_refused_by_name(given, found):
    with pytest.raises(ValueError, match=r"^policy: expected 2 numbers, found ") as caught:
        as_array("policy", given, "2 numbers")
    assert found in str(caught.value)
