"""What the pages for people with a policy of their own say, beyond what their examples print."""

import inspect
import re
from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import splithistory
from conftest import ROOT
from splithistory.split_history import compare_futures
from test_docs import printed
from test_gymnasium import shapes

PAGE = (ROOT / "docs" / "your-own-policy.md").read_text(encoding="utf-8")
LIBRARY = (ROOT / "docs" / "library.md").read_text(encoding="utf-8")
TEMPERATURES = np.arange(8)
COMFORTABLE = np.isin(TEMPERATURES, [2, 3, 4, 5])
ANSWERS = 1 + (TEMPERATURES < 3) - (TEMPERATURES > 4).astype(int)


def room(x):
    """The page's environment as loops."""
    outcome = np.zeros((len(x), 3, 8))
    for i, temperature in enumerate(x):
        for a, change in enumerate((-2, 0, 2)):
            for drift, probability in {-1: 0.25, 0: 0.5, 1: 0.25}.items():
                outcome[i, a, np.clip(temperature + change + drift, 0, 7)] += probability
    return outcome


ROOM = room(TEMPERATURES)


def thermostat(x):
    return ANSWERS[x]


def test_the_page_prints_what_it_says_and_draws_what_it_shows(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    outputs, said, names = printed(PAGE, capsys)
    assert [output for output in outputs if output] == said
    assert len(said) == 13
    np.testing.assert_array_equal(names["table"], ROOM)
    drawn, shown = tmp_path / "thermostat.svg", ROOT / "docs" / "your-own-policy" / "thermostat.svg"
    assert shapes(drawn) == pytest.approx(shapes(shown), abs=0.1)
    least = min(row.excess for row in names["found"].rows if row.measure == "imp")
    assert f"`{names['found'].imp}` explains all but {least:.3f} of its nats" in " ".join(PAGE.split())


def test_arrays_of_answers_give_what_functions_do():
    asked = splithistory.measure(thermostat, room, TEMPERATURES)
    given_as_they_are = splithistory.measure(ANSWERS, ROOM, TEMPERATURES)
    assert (given_as_they_are.op, given_as_they_are.imp) == pytest.approx((asked.op, asked.imp))


def test_repeated_windows_weigh_more():
    times = np.array([1, 1, 2, 4, 4, 2, 1, 1])
    futures = splithistory.measure(thermostat, room, np.repeat(TEMPERATURES, times))
    weighted = times / times.sum()
    np.testing.assert_allclose(futures.outcome_distribution, weighted @ ROOM[TEMPERATURES, ANSWERS])
    np.testing.assert_allclose(
        futures.counterfactual_distribution, weighted @ np.einsum("x,xaf->af", weighted, ROOM)[ANSWERS]
    )


def test_booleans_are_a_good_set_wherever_one_is_asked_for():
    futures = splithistory.measure(thermostat, room, TEMPERATURES)
    outcomes = np.flatnonzero(COMFORTABLE)
    found = splithistory.identify(futures, {"numbers": outcomes, "booleans": COMFORTABLE}, {"utility": COMFORTABLE})
    assert len({row.distance for row in found.rows if row.measure == "op"}) == 1
    assert all(row.distance == abs(row.excess) == abs(row.measured - row.predicted) for row in found.rows)
    uniform = np.full(8, 1 / 8)
    ranks = [splithistory.rank_good_set(futures.outcome_distribution, uniform, of) for of in (outcomes, COMFORTABLE)]
    assert ranks[0] == ranks[1]
    success_rate = futures.outcome_distribution @ COMFORTABLE
    predicted = [splithistory.predicted_optimization(success_rate, of) for of in (COMFORTABLE, COMFORTABLE / 1)]
    assert predicted[0] == predicted[1]
    meg = [splithistory.goal_directedness(thermostat, room, TEMPERATURES, of) for of in (COMFORTABLE, COMFORTABLE / 1)]
    assert meg[0].value == meg[1].value
    with pytest.raises(ValueError, match="utility: expected 8 numbers"):
        splithistory.goal_directedness(thermostat, room, TEMPERATURES, outcomes)


@settings(deadline=None, max_examples=20)
@given(st.integers(0, 2**32))
def test_nothing_but_nonuniformity_makes_the_excess_op_negative(seed):
    rng = np.random.default_rng(seed)
    futures = compare_futures(rng.dirichlet(np.ones(3), size=6), rng.dirichlet(np.full(5, 0.5), size=(6, 3)))
    nonuniformity = np.log(5) - futures.entropy_counterfactual
    found = splithistory.identify(futures, {"good": [0, 1]}, {"graded": rng.random(5)})
    assert min(row.excess for row in found.rows if row.measure == "op") >= -nonuniformity - 1e-12


def test_many_utilities_reach_the_limit_of_a_policy_without_randomness():
    def directedness(utility):
        return splithistory.goal_directedness(thermostat, room, TEMPERATURES, utility).value

    by_name = [
        directedness(utility) for utility in (COMFORTABLE, [0, 0, 0, 1, 1, 0, 0, 0], [0, 0.3, 0.7, 1, 1, 0.7, 0.3, 0])
    ]
    assert by_name == pytest.approx([np.log(3)] * 3)
    assert directedness(None) == pytest.approx(np.log(3), abs=1e-8)


# The bias of Imp at 200 windows

N = 200


def sampled(probabilities, rng):
    """One-hot rows."""
    below = rng.random((*probabilities.shape[:-1], 1)) > probabilities.cumsum(axis=-1)
    return np.eye(probabilities.shape[-1])[below.sum(axis=-1).clip(max=probabilities.shape[-1] - 1)]


def bias(answer, outcome, *, imp, pseudocount=0.0):
    """Mean of what Imp reads too high over draws of the windows, and its standard error.

    Args:
        answer: takes windows and a generator.
        outcome: likewise.
        imp: the true Imp.
        pseudocount: of the measurement.
    """
    rng = np.random.default_rng(0)
    draws = (rng.integers(0, 8, N) for _ in range(400))
    read = [compare_futures(answer(x, rng), outcome(x, rng), pseudocount).imp - imp for x in draws]
    return np.mean(read), np.std(read, ddof=1) / len(read) ** 0.5


def test_the_bias_of_imp_is_as_the_page_says():
    imp = compare_futures(ANSWERS, ROOM).imp
    reacts = lambda x, rng: ANSWERS[x]  # noqa: E731
    as_it_is, error = bias(reacts, lambda x, rng: ROOM[x], imp=imp)
    assert abs(as_it_is - 0.001) < 3 * error < 0.0015
    smoothed, error = bias(reacts, lambda x, rng: sampled(ROOM[x], rng), imp=imp, pseudocount=0.5)
    assert abs(smoothed + 0.02) < 0.005
    even = np.full((8, 3), 1 / 3)
    assert bias(lambda x, rng: even[x], lambda x, rng: np.full((N, 3, 8), 1 / 8), imp=0)[0] == pytest.approx(0)


FLAT = np.full((N, 16, 8), 1 / 8)
DETERMINED = np.eye(8)[(np.arange(8)[:, None] + np.arange(16)) % 8]  # (8, 16, 8): each action leads evenly everywhere


@pytest.mark.parametrize(
    ("outcome", "share"),
    # Where outcomes are sampled, one window in 16 is in both distributions with the same outcome.
    [(lambda x, rng: sampled(FLAT, rng), 15 / 16), (lambda x, rng: DETERMINED[x], 1)],
    ids=["sampled", "determined"],
)
def test_no_impact_reads_seven_over_n_where_each_window_contributes_one_outcome(outcome, share):
    read, error = bias(lambda x, rng: rng.integers(0, 16, N), outcome, imp=0, pseudocount=0.5)
    assert abs(read - share * 7 / N) < 0.1 * 7 / N + 3 * error


# The library's page


# What else plots has is for the workflow's figures.
DRAWING = {"plots.futures", "plots.excess", "plots.measured_against_predicted"}


def rows(heading):
    """The cells of a table below a heading."""
    section = LIBRARY.partition(f"\n## {heading}\n")[2].partition("\n## ")[0]
    return [re.split(r"(?<!\\) *\| *", row)[1:-1] for row in re.findall(r"^\|.+\|$", section, re.MULTILINE)[2:]]


def test_the_table_of_functions_is_what_there_is():
    shown = dict(re.fullmatch(r"`([\w.]+)\((.*)\)`", name).groups() for name, _ in rows("Functions"))
    for name, parameters in shown.items():
        function = reduce(getattr, name.split("."), splithistory)
        described = inspect.signature(function)
        plain = [parameter.replace(annotation=inspect.Parameter.empty) for parameter in described.parameters.values()]
        assert f"({parameters})" == str(inspect.Signature(plain)), name
    functions = {name for name in splithistory.__all__ if inspect.isfunction(getattr(splithistory, name))}
    assert functions | DRAWING < shown.keys()
    assert {name.partition(".")[0] for name in shown if "." in name} == {"plots", "gymnasium"}
    classes = {name for name in splithistory.__all__ if inspect.isclass(getattr(splithistory, name))}
    named = set(re.findall(r"`(\w+)`", LIBRARY))
    assert classes <= named


def test_the_table_of_results_is_what_they_hold():
    shown, current = {}, ""
    for name, attributes, _ in rows("Results"):
        current = name.strip("`") or current
        shown.setdefault(current, []).extend(re.findall(r"`(\w+)`", attributes))
    for name, attributes in shown.items():
        of = getattr(splithistory, name)
        held = {attribute for attribute in {*of.__annotations__, *vars(of)} if not attribute.startswith("_")}
        assert sorted(attributes) == sorted(held), name
    classes = {name for name in splithistory.__all__ if inspect.isclass(getattr(splithistory, name))}
    assert classes - shown.keys() == {"InfiniteImpactWarning"}


def test_the_page_names_every_drawing_function():
    assert set(re.findall(r"plots\.\w+", PAGE)) >= DRAWING
