"""Plots of one's own policies: what is drawn is what was measured."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure

import splithistory
from conftest import ROOT
from splithistory import plots

OUTCOME = np.random.default_rng(0).dirichlet(np.ones(4), size=(30, 3))
POLICY = np.eye(3)[OUTCOME[..., 1].argmax(axis=1)]
FUTURES = splithistory.measure(POLICY, OUTCOME, None)
CANDIDATES = {"one": [1], "two": [2], "one or two": [1, 2], "all but one": [0, 2, 3]}
IDENTIFIED = splithistory.identify(FUTURES, good_sets=CANDIDATES)


@pytest.fixture
def axes():
    with plots.style_context():
        return Figure(figsize=(3.5, 2.6)).subplots()


def labels(handles):
    return [handle.get_label() for handle in handles]


def test_futures_are_bars_ticks_and_crosses(axes):
    handles = plots.futures(axes, FUTURES, utility=[0, 1, 0.5, 0], names=["a", "b", "c", "d"], color="#0072B2")
    np.testing.assert_allclose([bar.get_height() for bar in axes.patches], FUTURES.outcome_distribution)
    ticks, crosses = (collection.get_offsets() for collection in axes.collections)
    np.testing.assert_allclose(ticks[:, 1].reshape(FUTURES.counterfactuals.shape), FUTURES.counterfactuals)
    np.testing.assert_allclose(crosses[:, 1], FUTURES.counterfactual_distribution)
    assert [text.get_text() for text in axes.get_xticklabels()] == ["a", "b", "c", "d"]
    worst, best, middle, _ = (bar.get_facecolor() for bar in axes.patches)
    assert best == to_rgba("#0072B2")
    assert worst == to_rgba(plots.LIGHT)
    np.testing.assert_allclose(middle, (np.array(best) + worst) / 2)
    assert labels(handles) == ["F", "F'|x'', one per answer", "mean of all F'|x''", "equal probabilities"]
    (line,) = axes.lines
    assert set(line.get_ydata()) == {0.25}
    axes.figure.draw_without_rendering()


def test_all_bars_have_the_colour_where_no_utility_is_given(axes):
    plots.futures(axes, FUTURES)
    assert {bar.get_facecolor() for bar in axes.patches} == {to_rgba(plots.COLORS[0])}
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("outcome", "probability")


def test_many_outcomes_have_few_ticks(axes):
    many = splithistory.measure([0, 1], np.full((2, 2, 300), 1 / 300), None)
    plots.futures(axes, many)
    assert len(axes.get_xticks()) < 20


def test_what_was_measured_is_drawn_against_the_line_of_theory(axes):
    handles = plots.measured_against_predicted(axes, [0.1, 0.5, 0.2], [0.15, 0.45, 0.3], names=["a", "b", "c"])
    *points, line = axes.lines
    np.testing.assert_allclose([point.get_xydata()[0] for point in points], [[0.1, 0.15], [0.5, 0.45], [0.2, 0.3]])
    assert len({point.get_color() for point in points}) == 3
    assert line.get_slope() == 1
    assert axes.get_xlim() == axes.get_ylim()
    assert labels(handles) == ["a", "b", "c", "y = x"]


def test_points_without_names_look_alike(axes):
    assert labels(plots.measured_against_predicted(axes, [0.1, 0.5], [0.2, 0.4], label="Imp")) == ["y = x"]
    assert len({line.get_color() for line in axes.lines[:-1]}) == 1
    assert axes.get_ylabel() == "Imp measured (nats)"


@pytest.mark.parametrize("measure", ["op", "imp"])
def test_candidates_are_bars_as_long_as_their_excess(axes, measure):
    handles = plots.excess(axes, IDENTIFIED, measure)
    rows = [row for row in IDENTIFIED.rows if row.measure == measure]
    lengths = [row.excess if row.promoted else 0 for row in rows]
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], lengths)
    assert [text.get_text() for text in axes.get_yticklabels()] == list(CANDIDATES)
    nearest = [bar.get_facecolor() == to_rgba(plots.COLORS[0]) for bar in axes.patches]
    assert [row.name for row, shown in zip(rows, nearest, strict=True) if shown] == [getattr(IDENTIFIED, measure)]
    assert axes.texts[-1].get_text() == "not promoted"
    assert labels(handles) == ["nearest candidate", "other candidate"]


def test_a_policy_that_promotes_nothing_has_no_nearest_candidate(axes):
    idle = splithistory.identify(splithistory.measure(np.zeros(30, int), np.full((3, 4), 0.25), None), CANDIDATES)
    assert labels(plots.excess(axes, idle)) == ["other candidate"]
    assert {text.get_text() for text in axes.texts} == {"not promoted"}


BAD = [
    (plots.futures, [None], {}, ["measured", "NoneType"]),
    (plots.futures, [[0.5, 0.5]], {}, ["measured", "splithistory.measure", "list"]),
    (plots.futures, [FUTURES], {"utility": [0, 1]}, ["utility", "4 numbers", "(2,)"]),
    (plots.futures, [FUTURES], {"utility": [0, 1, 2, 0]}, ["utility", "from 0 to 1", "2"]),
    (plots.futures, [FUTURES], {"names": ["a"]}, ["names", "4 outcomes", "a"]),
    (plots.futures, [FUTURES], {"names": "abcd"}, ["names", "4 outcomes", "abcd"]),
    (plots.measured_against_predicted, [[1, 2], [1]], {}, ["measured", "(2,)", "(1,)"]),
    (plots.measured_against_predicted, [[1, np.inf], [1, 2]], {}, ["predicted", "finite", "inf"]),
    (plots.measured_against_predicted, [[1, 2], [1, np.nan]], {}, ["measured", "finite", "nan"]),
    (plots.measured_against_predicted, [1, 2], {}, ["predicted", "(n,)"]),
    (plots.measured_against_predicted, [["a"], [1]], {}, ["predicted", "text"]),
    (plots.measured_against_predicted, [[1, 2], [1, 2]], {"names": ["a"]}, ["names", "2 points", "a"]),
    (plots.excess, [FUTURES], {}, ["identification", "splithistory.identify", "Futures"]),
    (plots.excess, [{"a": 1}], {}, ["identification", "dict"]),
    (plots.excess, [IDENTIFIED, "meg"], {}, ["measure", "'op' or 'imp'", "meg"]),
]


@pytest.mark.parametrize(("function", "arguments", "options", "said"), BAD)
def test_bad_input_is_named(axes, function, arguments, options, said):
    with pytest.raises(ValueError, match=rf"^{said[0]}: expected") as raised:
        function(axes, *arguments, **options)
    assert all(part in str(raised.value) for part in said), str(raised.value)


def test_the_library_is_imported_without_matplotlib_or_gymnasium():
    code = "import sys, splithistory; splithistory.goal_directedness, splithistory.gymnasium.environment; "
    code += "sys.exit(any(name in sys.modules for name in ('matplotlib', 'gymnasium', 'torch', 'sweep')))"
    folder = ROOT / "workflow_scripts"
    subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, check=True)
