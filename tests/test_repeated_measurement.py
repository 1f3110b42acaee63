"""Standard errors over repeats and by bootstrap, warnings, and how measurements show themselves."""

import warnings
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest
import torch

import splithistory
from splithistory import InfiniteImpactWarning, RepeatedMeasurement, measure, measure_repeatedly
from splithistory.batches import Batch
from splithistory.bootstrap import Bootstrap
from splithistory.split_history import compare_futures

EVERYWHERE = np.random.default_rng(0).dirichlet(np.ones(5), size=(50, 3))


def policy(x):
    return np.random.default_rng(1).dirichlet(np.ones(3), size=50)[x]


def environment(x):
    return EVERYWHERE[x]


def draw_windows(n, seed=0):
    return np.random.default_rng(seed).integers(0, 50, n)


def test_repeats_are_random_parts_of_the_windows_each_asked_for_once():
    asked = []

    def ask(x):
        asked.extend(x)
        return environment(x % 50)

    measured = measure_repeatedly(lambda x: policy(x % 50), ask, np.arange(103), n_repeats=5)
    assert sorted(asked) == list(range(103))
    sizes = [futures.n_windows for futures in measured.futures]
    assert sorted(sizes) == [20, 20, 21, 21, 21]
    parts = np.split(np.array(asked), np.cumsum(sizes)[:-1])
    neighbours = sum(np.isin(part + 1, part).sum() for part in parts)
    assert neighbours < 40  # about a fifth of them where parts are random, 98 where they are slices
    expected = [measure(policy, environment, part % 50) for part in parts]
    op, imp = (np.array([getattr(futures, name) for futures in expected]) for name in ("op", "imp"))
    assert [futures.op for futures in measured.futures] == pytest.approx(op, abs=1e-12)
    assert measured.op == pytest.approx(op.mean())
    assert measured.imp == pytest.approx(imp.mean())
    assert measured.op_stderr == pytest.approx(op.std(ddof=1) / 5**0.5)
    assert measured.imp_stderr == pytest.approx(imp.std(ddof=1) / 5**0.5)


def test_windows_may_come_in_any_order():
    windows = draw_windows(2000)
    drawn, in_order = (measure_repeatedly(policy, environment, x) for x in (windows, np.sort(windows)))
    for name in ("op", "imp"):
        error = getattr(drawn, f"{name}_stderr")
        assert getattr(in_order, name) == pytest.approx(getattr(drawn, name), abs=4 * error)
        assert error / 2 < getattr(in_order, f"{name}_stderr") < 2 * error


SORTED = np.sort(draw_windows(60))
FORMS = {
    "lists": (lambda x: policy(np.array(x)).tolist(), lambda x: environment(np.array(x)), SORTED.tolist()),
    "tensors": (lambda x: torch.tensor(policy(x.numpy())), lambda x: environment(x.numpy()), torch.tensor(SORTED)),
    "data frame": (lambda x: policy(x["x"]), lambda x: environment(x["x"]), pd.DataFrame({"x": SORTED})),
    "range": (lambda x: policy(SORTED[x]), lambda x: environment(SORTED[x]), range(60)),
    "answers themselves": (policy(SORTED), environment(SORTED), range(60)),
    "all answers, whatever is asked for": (lambda x: policy(SORTED), lambda x: environment(SORTED), range(60)),
    "some of each": (policy(SORTED).tolist(), environment, SORTED),
}


@pytest.mark.parametrize("form", FORMS)
def test_answers_belong_to_their_windows_in_whatever_form_they_come(form):
    expected, measured = measure_repeatedly(policy, environment, SORTED), measure_repeatedly(*FORMS[form])
    assert measured.op == pytest.approx(expected.op)
    assert measured.imp == pytest.approx(expected.imp)
    assert measured.imp_stderr_bootstrap == pytest.approx(expected.imp_stderr_bootstrap)


def test_an_environment_of_as_many_actions_as_windows_is_still_that_of_every_window():
    shared = EVERYWHERE[:20, 0]  # 20 actions, and 20 windows
    measured = measure_repeatedly(np.arange(20), shared, range(20), n_repeats=2)
    assert np.mean([futures.outcome_distribution for futures in measured.futures], axis=0) == pytest.approx(
        shared.mean(axis=0)
    )


def test_parts_of_ones_own_are_repeats_too():
    parts = np.split(draw_windows(400), 4)
    measured = RepeatedMeasurement(tuple(measure(policy, environment, part) for part in parts))
    op = [futures.op for futures in measured.futures]
    assert measured.op_stderr == pytest.approx(np.std(op, ddof=1) / 2)
    assert np.isnan(measured.op_stderr_bootstrap)
    assert splithistory.identify(measured, {"low": [0, 1]}).rows


@pytest.mark.parametrize("measure_name", ["op", "imp"])
def test_standard_errors_are_the_scatter_of_fresh_measurements(measure_name):
    fresh = [measure_repeatedly(policy, environment, draw_windows(400, seed), n_bootstrap=0) for seed in range(100)]
    values, of_repeats = (np.array([getattr(each, measure_name + part) for each in fresh]) for part in ("", "_stderr"))
    assert np.sqrt((of_repeats**2).mean()) == pytest.approx(values.std(ddof=1), rel=0.25)
    assert np.isnan(fresh[0].op_stderr_bootstrap)
    at_once = [getattr(measure(policy, environment, draw_windows(400, seed)), measure_name) for seed in range(100)]
    by_bootstrap = [
        getattr(measure_repeatedly(policy, environment, draw_windows(400, seed)), f"{measure_name}_stderr_bootstrap")
        for seed in range(5)
    ]
    assert np.mean(by_bootstrap) == pytest.approx(np.std(at_once, ddof=1), rel=0.25)


KINDS = {
    "stochastic": (policy(np.arange(50)), EVERYWHERE),
    "actions": (policy(np.arange(50)).argmax(axis=1), EVERYWHERE),
    "shared": (policy(np.arange(50)), EVERYWHERE[0]),
    "shared, actions": (policy(np.arange(50)).argmax(axis=1), EVERYWHERE[0]),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("batch_size", [50, 7])
def test_a_draw_of_the_bootstrap_measures_the_windows_it_drew(kind, batch_size):
    answers, outcomes = KINDS[kind]
    bootstrap = Bootstrap(50, 60, np.random.default_rng(0))
    for start in range(0, 50, batch_size):
        part = slice(start, start + batch_size)
        bootstrap.add(Batch.checked(answers[part], outcomes[part] if outcomes.ndim == 3 else outcomes))
    draws = list(bootstrap.measurements(0.5))
    rng = np.random.default_rng(0)
    assert len(draws) == 60
    for draw in draws:
        drawn = rng.integers(50, size=50)
        directly = compare_futures(answers[drawn], outcomes[drawn] if outcomes.ndim == 3 else outcomes, 0.5)
        np.testing.assert_allclose(draw.outcome_distribution, directly.outcome_distribution)
        np.testing.assert_allclose(draw.counterfactual_distribution, directly.counterfactual_distribution)
        assert draw.op == pytest.approx(directly.op, abs=1e-12)
        assert draw.imp == pytest.approx(directly.imp, abs=1e-12)


def test_a_measurement_can_be_had_again():
    first, again = (measure_repeatedly(policy, environment, draw_windows(60)) for _ in range(2))
    np.testing.assert_array_equal(first.draws.op, again.draws.op)
    assert first.op_stderr_bootstrap == again.op_stderr_bootstrap > 0


# Where F' lacks outcomes of F


def sees(x):
    """Answers with its window; of action 2, only window 2 makes outcome 3."""
    return np.eye(3)[x]


def odd_one_out(x):
    outcome = np.zeros((len(x), 3, 4))
    outcome[:, [0, 1, 2], [0, 1, 2]] = 1
    outcome[np.equal(x, 2), 2] = [0, 0, 0, 1]
    return outcome


def test_the_outcomes_that_make_imp_infinite_are_named():
    with pytest.warns(InfiniteImpactWarning, match=r"^Imp is infinite, .* lacks: 0, 1, 3\. ") as caught:
        futures = measure(sees, odd_one_out, [0, 1, 2, 2])
    assert caught[0].filename == __file__
    assert futures.missing_outcomes == [0, 1, 3]
    assert futures.imp == np.inf


def test_a_pseudocount_that_hides_infinite_imp_is_told_of():
    with pytest.warns(
        InfiniteImpactWarning, match=r"would be infinite without the pseudocount of 0\.5, .*: 0, 1, 3\. "
    ):
        futures = measure(sees, odd_one_out, [0, 1, 2, 2], pseudocount=0.5)
    assert np.isfinite(futures.imp)
    assert futures.missing_outcomes == [0, 1, 3]


def test_another_policys_future_may_lack_outcomes_too():
    with pytest.warns(InfiniteImpactWarning, match=r"lacks: 1, 2\. "):
        measure(sees, np.eye(3), [0, 1, 2], alternative=[0, 0, 0])


@pytest.mark.parametrize("pseudocount", [0, 0.5])
def test_repeats_warn_once(pseudocount):
    with pytest.warns(InfiniteImpactWarning, match=r"lacks in \d of 3 repeats: 0, 1, 3\. ") as caught:
        measured = measure_repeatedly(
            sees, odd_one_out, [0, 1, 2, 2, 2, 2, 1, 2, 2], n_repeats=3, pseudocount=pseudocount
        )
    assert len(caught) == 1
    assert f"in {sum(bool(futures.missing_outcomes) for futures in measured.futures)} of 3" in str(caught[0].message)
    assert caught[0].filename == __file__
    assert np.isfinite(measured.imp) == bool(pseudocount)
    assert np.isfinite(measured.imp_stderr) == bool(pseudocount)
    assert np.isfinite(measured.imp_stderr_bootstrap) == bool(pseudocount)
    assert np.isfinite(measured.op_stderr)


def test_many_outcomes_are_counted():
    with pytest.warns(InfiniteImpactWarning, match=r"18, 19 and 30 more\."):
        measure(lambda x: x, np.eye(50), range(50))


def test_finite_imp_brings_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        measure(policy, environment, draw_windows(30))
        measure(policy, environment, draw_windows(30), pseudocount=0.5)
        measured = measure_repeatedly(policy, environment, draw_windows(30))
        assert repr(measured)
    assert measured.futures[0].missing_outcomes == []


def test_the_inner_function_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert compare_futures(np.arange(3), odd_one_out([0, 1, 2])).imp == np.inf


# How they show themselves


def cells(html):
    """Texts of a table, row by row; fails on tags that don't match."""

    class Parser(HTMLParser):
        def __init__(self):
            super().__init__()
            self.open, self.rows = [], []

        def handle_starttag(self, tag, attrs):
            self.open.append(tag)
            if tag == "tr":
                self.rows.append([])

        def handle_endtag(self, tag):
            assert self.open.pop() == tag

        def handle_data(self, data):
            if self.open[-1] in ("td", "th"):
                self.rows[-1].append(data)

    parser = Parser()
    parser.feed(html)
    assert parser.open == []
    return parser.rows


def test_futures_print_themselves_in_a_line():
    futures = measure(policy, environment, draw_windows(2000))
    assert repr(futures) == f"Futures(Op {futures.op:.3f}, Imp {futures.imp:.3f} nats; 2,000 windows, 5 outcomes)"
    with pytest.warns(InfiniteImpactWarning):
        assert "Imp inf" in repr(measure(sees, odd_one_out, [0, 1, 2]))


def test_zero_has_no_sign():
    futures = compare_futures([0, 1, 1], [[[0.5001, 0.4999], [0.4999, 0.5001]]] * 3)
    assert futures.op < 0
    assert "Op 0.000, Imp 0.000" in repr(futures)


def test_futures_show_themselves_in_a_notebook():
    futures = measure(policy, environment, draw_windows(30))
    html = futures._repr_html_()
    assert ["Op", f"{futures.op:.3f}"] in cells(html)
    assert ["Imp", f"{futures.imp:.3f}"] in cells(html)
    assert "30 windows, 5 outcomes" in html


def test_repeated_measurements_show_themselves():
    measured = measure_repeatedly(policy, environment, draw_windows(40), n_repeats=4)
    assert repr(measured) == (
        f"RepeatedMeasurement(Op {measured.op:.3f} ± {measured.op_stderr:.3f}, Imp {measured.imp:.3f} ± "
        f"{measured.imp_stderr:.3f} nats; 4 repeats of 10 windows, 5 outcomes)"
    )
    figures = (measured.imp, measured.imp_stderr, measured.imp_stderr_bootstrap)
    assert ["Imp", *(f"{figure:.3f}" for figure in figures)] in cells(measured._repr_html_())


def test_identifications_show_themselves():
    measured = measure_repeatedly(policy, environment, draw_windows(40))
    found = splithistory.identify(measured, {"<low>": [0, 1]}, {"rising": np.linspace(0, 1, 5)})
    share = f"{found.op_probability:.0%} of resamples"
    assert repr(found).startswith(f"Identification(Op: {found.op} (nearest in {share}), Imp: ")
    (head, *rows) = cells(found._repr_html_())
    assert len(rows) == 4
    assert {row[0] for row in rows} == {"<low>", "rising"}
    assert all(len(row) == len(head) for row in rows)
    assert repr(splithistory.identify(measured.futures[0], {"low": [0]}))
