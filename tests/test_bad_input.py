"""Wrong arguments of every public function: a ValueError that names the argument, what was expected and what was found.

A row of the table is a call, the argument that its message must begin with, and what was expected and found in words
that it must hold. `CALLS` has a call of every public function that works, of which a row changes one or two arguments.
"""

import math
from inspect import isfunction
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch

import splithistory
from splithistory import compare_futures, measure_repeatedly

POLICY = np.full((12, 2), 0.5)
ENVIRONMENT = np.random.default_rng(0).dirichlet(np.ones(3), size=(12, 2))
WINDOWS = np.arange(12)
FUTURES = compare_futures(POLICY, ENVIRONMENT)
OTHERS = compare_futures(POLICY, np.full((12, 2, 4), 0.25))
F, UNIFORM = [0.5, 0.3, 0.2], [1 / 3, 1 / 3, 1 / 3]
MANY = np.full(21, 1 / 21)


def by_window(answers):
    return lambda windows: answers[windows]


MEASURED = {"policy": by_window(POLICY), "environment": by_window(ENVIRONMENT), "windows": WINDOWS}
CALLS = {
    "measure": MEASURED,
    "measure_repeatedly": {**MEASURED, "n_repeats": 3, "n_bootstrap": 5},
    "compare_futures": {"policy": POLICY, "outcome_probabilities": ENVIRONMENT},
    "goal_directedness": {**MEASURED, "utility": [0, 0.5, 1]},  # more of it in test_goal_directedness.py
    "identify": {"futures": FUTURES, "good_sets": {"a": [0]}, "utilities": {"b": [0, 0.5, 1]}},
    "best_good_set": {"distribution": F, "reference": UNIFORM},
    "rank_good_set": {"outcome_distribution": F, "reference": UNIFORM, "good": [0]},
    "rate_function": {"mean_utility": 0.5, "utility": [0, 0.5, 1], "reference": UNIFORM},
    "predicted_optimization": {"mean_utility": 0.5, "utility": [0, 0.5, 1]},
    "minimum_impact": {"mean_utility": 0.5, "utility": [0, 0.5, 1], "counterfactual": UNIFORM},
}


def changed(array, at, value):
    array = np.array(array, dtype=np.result_type(array, type(value)))
    array[at] = value
    return array


POLICY_NAME, ACTIONS_NAME = "policy (action probabilities)", "policy (actions)"
ENVIRONMENT_NAME = "outcome_probabilities (environment)"

# What any array of probabilities can be wrong in.
NO_NUMBERS = [
    ("text", "found str 'half'", "half"),
    ("None", "found NoneType None", None),
    ("objects", "found list [0.5, None] of Python objects", [0.5, None]),
    ("ragged", "inhomogeneous", [[0.5, 0.5], [1.0]]),
    ("complex", "of complex numbers", np.full((12, 2), 0.5 + 0j)),
    ("masked", "with masked entries", np.ma.masked_less(changed(POLICY, 0, 0.25), 0.3)),
    ("dictionary", "found dict", {"a": 1}),
    ("data frame of text", "found DataFrame of shape (2, 1)", pd.DataFrame({"a": ["x", "y"]})),
    ("sparse tensor", "found Tensor of shape (2, 2)", torch.eye(2).to_sparse()),
]

TABLE = [
    *(("compare_futures", {"policy": value}, "policy", ["expected action", found]) for _, found, value in NO_NUMBERS),
    *(
        ("compare_futures", {"outcome_probabilities": value}, ENVIRONMENT_NAME, ["expected probabilities", found])
        for _, found, value in NO_NUMBERS
    ),
    *(("measure", {"policy": lambda _, v=value: v}, "policy", ["expected", found]) for _, found, value in NO_NUMBERS),
    # The policy
    ("measure", {"policy": by_window(changed(POLICY, 3, 0.7))}, POLICY_NAME, ["sum to 1", "got 1.4"]),
    ("measure", {"policy": by_window(changed(POLICY, (3, 0), -0.5))}, POLICY_NAME, ["at least 0", "got -0.5"]),
    ("measure", {"policy": by_window(changed(POLICY, (3, 0), math.nan))}, POLICY_NAME, ["finite", "got nan"]),
    ("measure", {"policy": by_window(changed(POLICY, (3, 0), math.inf))}, POLICY_NAME, ["finite", "got inf"]),
    ("measure", {"policy": by_window(np.full((12, 3), 1 / 3))}, POLICY_NAME, ["(8, 2)", "got (8, 3)"]),
    ("measure", {"policy": lambda _: POLICY[:5]}, POLICY_NAME, ["(8, 2)", "got (5, 2)"]),
    ("measure", {"policy": by_window(POLICY[:, :, None])}, POLICY_NAME, ["(n, A)", "got (8, 2, 1)"]),
    ("measure", {"policy": lambda _: 0.5}, POLICY_NAME, ["(n, A)", "got ()"]),
    ("measure", {"policy": by_window(WINDOWS)}, ACTIONS_NAME, ["whole numbers from 0 to 1", "from 0 to 7"]),
    ("measure", {"policy": by_window(-WINDOWS)}, ACTIONS_NAME, ["whole numbers from 0 to 1", "from -7 to 0"]),
    ("measure", {"policy": by_window(WINDOWS % 2 / 1)}, ACTIONS_NAME, ["whole numbers", "float64"]),
    ("measure", {"policy": by_window(WINDOWS % 2 == 0)}, ACTIONS_NAME, ["whole numbers", "bool"]),
    ("measure", {"policy": lambda _: []}, ACTIONS_NAME, ["(8,)", "got (0,)"]),
    ("measure", {"policy": torch.full((12, 2), 0.75)}, POLICY_NAME, ["sum to 1", "got 1.5"]),
    ("measure", {"policy": torch.full((12, 2), 0.51, dtype=torch.float16)}, POLICY_NAME, ["sum to 1", "got 1.0"]),
    ("measure", {"policy": "greedy"}, "policy", ["expected action probabilities", "found str 'greedy'"]),
    # The environment
    ("measure", {"environment": by_window(2 * ENVIRONMENT)}, ENVIRONMENT_NAME, ["sum to 1", "got 2"]),
    ("measure", {"environment": by_window(-ENVIRONMENT)}, ENVIRONMENT_NAME, ["at least 0", "got -0."]),
    ("measure", {"environment": by_window(math.nan * ENVIRONMENT)}, ENVIRONMENT_NAME, ["finite", "got nan"]),
    ("measure", {"environment": by_window(ENVIRONMENT[:, 0, 0])}, ENVIRONMENT_NAME, ["(n, A, K)", "got (8,)"]),
    ("measure", {"environment": by_window(ENVIRONMENT[..., None])}, ENVIRONMENT_NAME, ["(n, A, K)", "(8, 2, 3, 1)"]),
    ("measure", {"environment": by_window(ENVIRONMENT[..., :0])}, ENVIRONMENT_NAME, ["at least one", "(8, 2, 0)"]),
    ("measure", {"environment": lambda _: ENVIRONMENT[:5]}, ENVIRONMENT_NAME, ["n = 8", "got (5, 2, 3)"]),
    ("measure", {"environment": np.full((3, 4), 0.25)}, POLICY_NAME, ["(8, 3)", "environment", "got (8, 2)"]),
    ("measure", {"environment": np.full((2, 4), 0.5)}, ENVIRONMENT_NAME, ["(A, K)", "sum to 1", "got 2"]),
    ("measure", {"environment": None}, ENVIRONMENT_NAME, ["expected probabilities", "NoneType"]),
    # The windows
    ("measure", {"windows": []}, "windows", ["at least one", "none"]),
    ("measure", {"windows": WINDOWS[:0]}, "windows", ["at least one", "none"]),
    ("measure", {"windows": pd.DataFrame({"x": []})}, "windows", ["at least one", "DataFrame of shape (0, 1)"]),
    ("measure_repeatedly", {"windows": []}, "windows", ["at least", "none"]),
    ("measure_repeatedly", {"windows": [0, 1]}, "windows", ["at least 3", "found 2"]),
    ("measure_repeatedly", {"windows": None}, "windows", ["sliced", "NoneType"]),
    ("measure_repeatedly", {"windows": 100}, "windows", ["sliced", "int 100"]),
    ("measure_repeatedly", {"windows": {"x": WINDOWS}}, "windows", ["sliced", "dict"]),
    ("goal_directedness", {"windows": []}, "windows", ["at least one", "none"]),
    # Another policy
    ("measure", {"alternative": by_window(2 * POLICY)}, "alternative (action probabilities)", ["sum to 1", "got 2"]),
    ("measure", {"alternative": lambda _: np.zeros(5, int)}, "alternative (actions)", ["(8,)", "got (5,)"]),
    ("compare_futures", {"alternative": WINDOWS}, "alternative (actions)", ["0 to 1", "from 0 to 11"]),
    ("compare_futures", {"alternative": "idle"}, "alternative", ["expected action", "str 'idle'"]),
    # Numbers
    *(
        (function, {"pseudocount": value}, "pseudocount", ["a finite number of at least 0", f"got {value!r}"])
        for function in ("measure", "measure_repeatedly", "compare_futures")
        for value in (-0.5, math.nan, math.inf, None, "half", True)
    ),
    *(
        ("measure_repeatedly", {"n_repeats": value}, "n_repeats", ["whole number of at least 2", f"got {value!r}"])
        for value in (1, 0, -3, 2.5, "ten", None, True)
    ),
    *(
        ("measure_repeatedly", {"n_bootstrap": value}, "n_bootstrap", ["at least", f"got {value!r}"])
        for value in (-1, 1, 0.5, "many", None)
    ),
    # Whatever measure_repeatedly asks for
    ("measure_repeatedly", {"policy": by_window(2 * POLICY)}, POLICY_NAME, ["sum to 1", "got 2"]),
    ("measure_repeatedly", {"environment": by_window(ENVIRONMENT[:, 0])}, POLICY_NAME, ["(4, 4)", "got (4, 2)"]),
    ("measure_repeatedly", {"policy": lambda _: np.array(0.5)}, POLICY_NAME, ["(n, A)", "got ()"]),
    ("measure_repeatedly", {"policy": POLICY[:5]}, POLICY_NAME, ["(4, 2)", "got (5, 2)"]),
    ("measure_repeatedly", {"environment": "world"}, ENVIRONMENT_NAME, ["expected", "str 'world'"]),
    # Candidates
    ("identify", {"futures": None}, "futures", ["measure_repeatedly", "NoneType"]),
    ("identify", {"futures": F}, "futures", ["measure_repeatedly", "list"]),
    ("identify", {"futures": []}, "futures", ["measure_repeatedly", "list []"]),
    ("identify", {"futures": [FUTURES, OTHERS]}, "futures", ["same number of outcomes", "[3, 4]"]),
    ("identify", {"good_sets": None, "utilities": None}, "good_sets, utilities", ["at least one", "none"]),
    ("identify", {"good_sets": {}, "utilities": {}}, "good_sets, utilities", ["at least one", "none"]),
    ("identify", {"good_sets": [[0]]}, "good_sets", ["dictionary", "list [[0]]"]),
    ("identify", {"utilities": "rising"}, "utilities", ["dictionary", "str 'rising'"]),
    ("identify", {"good_sets": {0: [0]}}, "good_sets", ["text", "int 0"]),
    ("identify", {"good_sets": {"b": [0]}}, "utilities", ["good_sets does not have", "'b' in both"]),
    *(
        ("identify", {"good_sets": {"a": good}}, "good_sets['a']", [expected, found])
        for good, expected, found in [
            ([], "at least one outcome that is good", "none of the 3"),
            ([0, 1, 2], "and one that is not", "all of the 3"),
            ([3], "outcomes from 0 to 2", "found [3]"),
            ([-1], "outcomes from 0 to 2", "found [-1]"),
            ([0, 0], "different outcomes", "found [0, 0]"),
            ([0.0, 1.0], "outcomes from 0 to 2", "float64"),
            ([True, False], "3 booleans", "bool"),
            ([[0]], "outcomes from 0 to 2", "(1, 1)"),
            (0, "outcomes from 0 to 2", "int 0"),
            ("0", "outcomes from 0 to 2", "str '0'"),
            (None, "outcomes from 0 to 2", "NoneType"),
            ({0, None}, "outcomes from 0 to 2", "Python objects"),
        ]
    ),
    *(
        ("identify", {"utilities": {"b": utility}}, "utilities['b']", ["3 numbers from 0 to 1", found])
        for utility, found in [
            ([0, 1], "shape (2,)"),
            ([[0, 0.5, 1]], "shape (1, 3)"),
            ([0, 0.5, 2], "found 2.0"),
            ([0, -0.5, 1], "found -0.5"),
            ([0, math.nan, 1], "found nan"),
            ([0.5, 0.5, 0.5], "0.5 for all"),
            (["a", "b", "c"], "of text"),
            (None, "NoneType"),
            (0.5, "shape ()"),
        ]
    ),
    # Good sets
    *(
        (function, {name: value}, name, [expected, found])
        for function, name in [
            ("best_good_set", "distribution"),
            ("best_good_set", "reference"),
            ("rank_good_set", "outcome_distribution"),
            ("rank_good_set", "reference"),
        ]
        for value, expected, found in [
            ([0.5, 0.3, 0.3], "sum to 1", "got 1.1"),
            ([0.5, 0.7, -0.2], "at least 0", "got -0.2"),
            ([0.5, 0.5, math.nan], "finite", "got nan"),
            ([F], "(K,)", "got (1, 3)"),
            ([], "(K,)", "got (0,)"),
            (None, "(K,)", "NoneType"),
        ]
    ),
    ("best_good_set", {"reference": [0.5, 0.5]}, "reference", ["(3,)", "got (2,)"]),
    *(
        (function, {name: FUTURES}, name, ["of shape (", "found Futures(Op", "pass futures.outcome_distribution"])
        for function, name in [
            ("best_good_set", "distribution"),
            ("rank_good_set", "outcome_distribution"),
            ("minimum_impact", "counterfactual"),
            ("rate_function", "reference"),
        ]
    ),
    ("goal_directedness", {"utility": [0, 1]}, "utility", ["3 numbers", "(2,)", "np.isin(np.arange(3), [0, 1])"]),
    ("identify", {"utilities": {"b": [1]}}, "utilities['b']", ["np.isin(np.arange(3), [1])"]),
    ("rank_good_set", {"reference": [0.5, 0.5]}, "reference", ["(3,)", "got (2,)"]),
    ("rank_good_set", {"good": [3]}, "good", ["0 to 2", "[3]"]),
    ("rank_good_set", {"good": [0, 1, 2]}, "good", ["one that is not", "all of the 3"]),
    (
        "rank_good_set",
        {"outcome_distribution": MANY, "reference": MANY},
        "outcome_distribution",
        ["at most 20 outcomes", "found 21"],
    ),
    # Theory
    *(
        (function, {"utility": value}, "utility", [expected, found])
        for function in ("rate_function", "predicted_optimization", "minimum_impact")
        for value, expected, found in [
            ([0, math.inf, 1], "finite numbers", "inf"),
            ([[0, 0.5, 1]], "(K,)", "(1, 3)"),
            ([], "(K,)", "[]"),
            ("rising", "finite numbers", "str 'rising'"),
            (0.5, "(K,)", "()"),
        ]
    ),
    ("rate_function", {"utility": [0, 1]}, "utility", ["3 numbers", "found 2"]),
    ("rate_function", {"reference": [0.5, 0.5, 0.5]}, "reference", ["sum to 1", "got 1.5"]),
    ("rate_function", {"reference": [1.5, -0.5, 0]}, "reference", ["at least 0", "got -0.5"]),
    ("rate_function", {"reference": 1.0}, "reference", ["(..., K)", "got ()"]),
    ("rate_function", {"mean_utility": "half"}, "mean_utility", ["numbers", "str 'half'"]),
    ("rate_function", {"mean_utility": None}, "mean_utility", ["numbers", "NoneType"]),
    (
        "rate_function",
        {"mean_utility": [0.5] * 4, "reference": [UNIFORM] * 3},
        "mean_utility",
        ["broadcasts with (3,)", "found (4,)"],
    ),
    ("minimum_impact", {"counterfactual": [0.5, 0.5, 0.5]}, "counterfactual", ["sum to 1", "got 1.5"]),
    ("minimum_impact", {"counterfactual": [0.5, 0.5]}, "utility", ["2 numbers", "found 3"]),
]


def call(function, arguments):
    return getattr(splithistory, function)(**{**CALLS[function], **arguments})


@pytest.mark.parametrize("function", CALLS)
def test_the_calls_work(function):
    call(function, {})


def test_every_public_function_is_in_the_table():
    functions = {name for name in splithistory.__all__ if isfunction(getattr(splithistory, name))}
    assert functions == CALLS.keys() == {function for function, *_ in TABLE}


def test_the_table_has_at_least_60_rows():
    assert len(TABLE) >= 60


@pytest.mark.parametrize(
    "row",
    [pytest.param(SimpleNamespace(call=row), id=f"{at}-{row[0]}-{'-'.join(row[1])}") for at, row in enumerate(TABLE)],
)
def test_a_wrong_argument_is_named_with_what_was_expected_and_found(row):
    function, arguments, argument, words = row.call
    with pytest.raises(ValueError, match="expected") as caught:
        call(function, arguments)
    message = str(caught.value)
    assert message.startswith(f"{argument}: "), message
    assert all(word in message for word in words), message


def test_what_a_callable_raises_itself_is_its_own_affair():
    def broken(windows):
        raise KeyError("mine")

    for function in ("measure", "measure_repeatedly"):
        with pytest.raises(KeyError, match="mine"):
            call(function, {"policy": broken})


def test_a_list_of_futures_is_no_mistake():
    assert call("identify", {"futures": [FUTURES, FUTURES]}).rows
    assert call("identify", {"futures": measure_repeatedly(**MEASURED)}).rows
