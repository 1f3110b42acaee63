"""Figures of more policies, more sizes and longer names than a page has room for."""

import warnings

import numpy as np
import pytest

import test_figures
from sweep.figures.drawing import draw
from sweep.figures.marks import LONGEST_NAME, MARKERS, MOST_POINTS, FigureStyle, drawn, with_short_names
from sweep.figures.theme import save
from test_figures import PARAMETERS, TASKS, drawn_points, make_tables, rounded


@pytest.fixture(scope="module")
def many():
    """Tables and style of more policies than are drawn: 3 tasks, 4 sizes, 40 seeds."""
    tables = make_tables(n_seeds=40)
    return tables, FigureStyle.from_policies(TASKS, tables["policies"])


@pytest.mark.parametrize(
    ("name", "columns"),
    [("op_vs_success", ["success_rate", "op"]), ("imp_vs_minimum", ["imp_minimum", "imp"])],
)
def test_of_many_policies_an_even_share_is_drawn_and_the_caption_says_so(name, columns, many):
    tables, style = many
    captioned = draw(name, tables, style)
    assert len(tables["policies"]) == 480 > MOST_POINTS
    assert rounded(drawn_points(captioned.figure)) == rounded(tables["policies"][columns].iloc[::2])
    assert (
        "n = 480 policies (3 tasks × 4 sizes × 40 seeds; one in 2 is drawn as a point, and all statistics"
        in captioned.caption
    )


def test_titles_and_means_are_of_all_policies_however_many_are_drawn(many):
    tables, style = many
    captioned = draw("op_vs_parameters", tables, style)
    (axes,) = captioned.figure.axes
    means = tables["policies"].groupby(["task", "size"], sort=False)["op"].mean()
    dashes = [line.get_ydata() for line in axes.lines if line.get_marker() == "_"]
    np.testing.assert_allclose(np.concatenate(dashes).astype(float), means)
    assert len(drawn_points(axes)) == 240
    assert "of 480 policies lie above" in draw("op_vs_success", tables, style).title


def test_every_policy_is_drawn_as_long_as_they_are_few(many):
    policies = many[0]["policies"]
    few = policies.head(MOST_POINTS)
    assert drawn(few) is not few
    assert len(drawn(few)) == MOST_POINTS
    assert len(drawn(policies.head(MOST_POINTS + 1))) == MOST_POINTS // 2 + 1
    # Several rows of a policy are drawn together, and pretrained models, which are few, always.
    rows = many[0]["differential"]
    some = drawn(rows)
    assert some["task"].isna().sum() == rows["task"].isna().sum()
    assert set(some.groupby(["task", "size", "seed"]).size()) == set(rows.groupby(["task", "size", "seed"]).size())


def test_markers_do_not_run_out():
    style = FigureStyle(("task",), {f"size{number}": number for number in range(1, 800)})
    markers = [style.marker(size) for size in style.sizes]
    assert len(set(markers)) == len(markers)
    assert tuple(markers[: len(MARKERS)]) == MARKERS
    assert markers[len(MARKERS) : len(MARKERS) + 2] == ["$AA$", "$AB$"]


def test_dozens_of_sizes_leave_the_panels_their_room(monkeypatch, tmp_path):
    sizes = {f"size{number}": int(18_000 * 1.3**number) for number in range(37)}
    monkeypatch.setattr(test_figures, "PARAMETERS", sizes)
    tables = make_tables(["good2"], tuple(sizes), n_seeds=1)
    style = FigureStyle.from_policies(["good2"], tables["policies"])
    for name in ("op_vs_success", "op_vs_parameters", "counterfactuals"):
        captioned = draw(name, tables, style)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            save(captioned, tmp_path / "figure.svg", tmp_path / "figure.png", dpi=60, made_by={})
        height = captioned.figure.get_figheight()
        assert all(axes.get_position().height * height > 0.8 for axes in captioned.figure.axes)


def test_long_names_are_shortened_told_apart_and_explained():
    tables = make_tables(n_seeds=1)
    names = {task: f"{task}_{'between_' * 6}{task}" for task in TASKS}
    names["good4"] = names["good2"][:20] + "x" + names["good2"][21:]  # another middle
    sizes = {size: f"{size}_{'and_so_on_' * 5}{size}" for size in PARAMETERS}
    columns = ["task", "evaluated_task", "identified_task", "group", "size"]
    long = {
        name: table.assign(**{column: table[column].replace(names | sizes) for column in columns if column in table})
        for name, table in tables.items()
    }
    style = FigureStyle(list(names.values()), {sizes[size]: count for size, count in PARAMETERS.items()})
    for name in (
        "op_vs_success",
        "identification",
        f"imp_ratio_{names['good6']}",
        f"training_summary_{names['good2']}",
    ):
        captioned = draw(name, long, style)
        test_figures.assert_texts_are_apart(captioned.figure)
        assert "Names are shortened: " in captioned.caption
    _, short_style, short = with_short_names(long, style)
    assert len(set(short.values())) == len(short) == 7
    assert all(len(name) <= LONGEST_NAME for name in (*short_style.tasks, *short_style.sizes))
    assert f"good2_b…n_good2 is {names['good2']}" in draw("op_vs_success", long, style).caption
