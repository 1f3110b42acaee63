"""Points of figures and the policies that they lead to, from the drawing to the page."""

import io
import re
import xml.etree.ElementTree as ET

import numpy as np
import pandas as pd
import pytest

from splithistory.plots import style_context
from sweep.figures.drawing import draw
from sweep.figures.marks import FigureStyle, policy_anchor
from sweep.figures.theme import TITLE_ID, save
from sweep.report.charts import Charts
from test_figures import TASKS, make_tables

LINK = "{http://www.w3.org/1999/xlink}href"
SIZES = ["18k", "402k"]


def places_of_points(figure):
    """Where the SVG of a figure has each link: (link, x, y), y in the data of the one of its axes that holds it."""
    file = io.BytesIO()
    with style_context():
        figure.savefig(file, format="svg")
    root = ET.fromstring(file.getvalue())
    height = float(root.get("viewBox").split()[3])
    rows = []
    for link in root.iter("{http://www.w3.org/2000/svg}a"):
        mark = next(part for part in link.iter() if part.tag.endswith(("}use", "}path")))
        if mark.tag.endswith("use"):
            x, y = float(mark.get("x")), float(mark.get("y"))
        else:  # the middle of a marker that is drawn where it is
            numbers = np.array(re.findall(r"-?[\d.]+", mark.get("d")), dtype=float).reshape(-1, 2)
            x, y = (numbers.min(axis=0) + numbers.max(axis=0)) / 2
        display = np.array([x, height - y]) / 72 * figure.dpi
        (axes,) = [axes for axes in figure.axes if axes.bbox.padded(3).contains(*display)]
        rows.append((link.get(LINK), figure.axes.index(axes), *axes.transData.inverted().transform(display)))
    return pd.DataFrame(rows, columns=["link", "axes", "x", "y"])


def with_links(rows):
    keys = rows[["task", "size", "seed"]].itertuples(index=False, name=None)
    return rows.assign(link=[f"#{policy_anchor(*policy)}" for policy in keys])


@pytest.mark.parametrize("n_seeds", [1, 3])  # Matplotlib draws a group's only point in another way
@pytest.mark.parametrize(
    ("name", "column"),
    [
        ("op_vs_success", "op"),
        ("imp_vs_minimum", "imp"),
        ("self_op_vs_measured", "op_self"),
        ("success_vs_parameters", "success_rate"),
        ("imp_vs_parameters", "imp"),
    ],
)
def test_each_point_lies_where_the_policy_it_leads_to_does(name, column, n_seeds):
    tables = make_tables(sizes=SIZES, n_seeds=n_seeds)
    policies = tables["policies"].sample(frac=1, random_state=1).reset_index(drop=True)
    policies.loc[2, column] = np.nan  # not drawn, and no other point takes its place
    figure = draw(name, tables | {"policies": policies}, FigureStyle.from_policies(TASKS, policies)).figure
    found = places_of_points(figure).merge(with_links(policies), on="link", how="left")
    assert sorted(found["link"]) == sorted(with_links(policies.drop(index=2))["link"])
    np.testing.assert_allclose(found["y"], found[column], atol=2e-3)


def test_points_of_several_panels_lead_to_their_policies():
    tables = make_tables(sizes=SIZES, n_seeds=2)
    style = FigureStyle.from_policies(TASKS, tables["policies"])
    crosses = places_of_points(draw("counterfactuals", tables, style).figure)
    for axes, column in enumerate(("op", "imp")):
        measured = with_links(tables["counterfactuals"]).groupby("link")[column].apply(sorted)
        drawn = crosses[crosses["axes"] == axes].groupby("link")["y"].apply(sorted)
        assert list(drawn.index) == list(measured.index)
        np.testing.assert_allclose(np.stack(drawn), np.stack(measured), atol=5e-3)
    ranks = places_of_points(draw("identification", tables, style).figure)
    table = with_links(tables["identification"])
    for axes, measure in ((2, "op"), (3, "imp")):
        found = ranks[ranks["axes"] == axes].merge(table[table["measure"] == measure], on="link")
        assert len(found) == len(tables["policies"])
        np.testing.assert_allclose(found["y"], found["true_set_rank"].astype(float), rtol=0.03)


def test_pretrained_models_lead_nowhere():
    tables = make_tables(sizes=SIZES, n_seeds=2)
    style = FigureStyle.from_policies(TASKS, tables["policies"])
    losses = places_of_points(draw("loss_vs_parameters", tables, style).figure)
    assert set(losses["axes"]) == {1, 2}
    assert set(losses["link"]) == set(with_links(tables["policies"])["link"])


def test_points_of_shortened_names_lead_to_the_full_ones():
    long = "a_rather_long_name_of_a_task_that_no_figure_has_room_for"
    tables = make_tables(["good2"], SIZES, n_seeds=1)
    tables = {
        name: rows.assign(
            **{key: rows[key].replace("good2", long) for key in ("task", "evaluated_task") if key in rows}
        )
        for name, rows in tables.items()
    }
    figure = draw("op_vs_success", tables, FigureStyle.from_policies([long], tables["policies"])).figure
    assert set(places_of_points(figure)["link"]) == {f"#task={long}/size={size}/seed=0" for size in SIZES}


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """Two figures on disk and their policies' names by anchor."""
    tables = make_tables(sizes=SIZES, n_seeds=2)
    style = FigureStyle.from_policies(TASKS, tables["policies"])
    folder = tmp_path_factory.mktemp("figures")
    for name in ("op_vs_success", "loss_vs_parameters"):
        save(draw(name, tables, style), folder / f"{name}.svg", folder / f"{name}.png", dpi=50, made_by={})
    links = with_links(tables["policies"])["link"].str.removeprefix("#")
    return folder, {anchor: f"policy {number}" for number, anchor in enumerate(links)}


def test_a_chart_is_the_figure_without_its_title(drawn):
    folder, policies = drawn
    charts = Charts(policies)
    chart = charts.chart(folder / "op_vs_success.svg", "what is seen")
    file = ET.parse(folder / "op_vs_success.svg").getroot()
    (title,) = file.iterfind(f".//*[@id='{TITLE_ID}']")
    shown = ET.fromstring(chart.svg)
    for tag in ("use", "path"):
        letters = len(list(title.iter(f"{{http://www.w3.org/2000/svg}}{tag}")))
        defined = len(file.findall(f".//{{*}}defs//{{*}}{tag}")) - len(title.findall(f".//{{*}}defs//{{*}}{tag}"))
        total = len(list(file.iter(f"{{http://www.w3.org/2000/svg}}{tag}")))
        assert len(list(shown.iter(tag))) == total - letters - defined
    # It is cut off between the title and the axes.
    _, top, _, height = map(float, shown.get("viewBox").split())
    whole = float(file.get("viewBox").split()[3])
    assert 5 < top < 0.2 * whole
    assert height == pytest.approx(chart.height)
    assert height == pytest.approx(whole - top)
    assert (shown.get("role"), shown.get("aria-label")) == ("group", "what is seen")
    assert [link.get("aria-label") for link in shown.iter("a")] == [
        policies[link.get("href").removeprefix("#")] for link in shown.iter("a")
    ]
    assert len(list(shown.iter("a"))) == len(policies)


def test_charts_refer_to_what_the_page_defines_once(drawn):
    folder, policies = drawn
    charts = Charts(policies)
    svg = "".join(charts.chart(folder / f"{name}.svg", "").svg for name in ("op_vs_success", "loss_vs_parameters"))
    defined = re.findall(r' id="(.+?)"', charts.shared)
    assert len(set(defined)) == len(defined)
    used = set(re.findall(r'<use href="#(.+?)"', svg)) | set(re.findall(r"url\(#(.+?)\)", svg))
    assert used <= set(defined)
    assert len(used) > 40
    assert " id=" not in svg
    assert not re.search("#[0-9a-f]{6}[^0-9a-f]", svg + charts.shared)
    assert set(re.findall(r"var\(--(.+?)\)", svg + charts.shared)) <= charts.colors


def test_a_point_of_no_known_policy_leads_nowhere(drawn):
    folder, policies = drawn
    some = dict(list(policies.items())[:3])
    chart = Charts(some).chart(folder / "op_vs_success.svg", "")
    assert {link.get("href") for link in ET.fromstring(chart.svg).iter("a")} == {f"#{anchor}" for anchor in some}
    bare = Charts({}).chart(folder / "op_vs_success.svg", "")
    assert not bare.has_points
    assert 'role="img"' in bare.svg


def test_nothing_but_the_drawing_gets_into_the_page(tmp_path):
    (tmp_path / "figure.svg").write_text(
        '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9">'
        '<script>alert(1)</script><style>* {display: none}</style><g onclick="alert(1)"><a xlink:href="http://x.y/">'
        '<path d="M 0 0.12999 L 1 1"/></a><foreignObject><b>bold</b></foreignObject><text>word</text></g></svg>'
    )
    chart = Charts({}).chart(tmp_path / "figure.svg", '"><b>')
    assert chart.svg == (
        '<svg class="chart" viewBox="0 0 9 9" role="img" aria-label="&quot;&gt;&lt;b&gt;">'
        '<g><g><path d="M 0 0.12 L 1 1" /></g></g></svg>'
    )


def test_letters_of_two_fonts_with_one_name_are_both_kept(tmp_path):
    names = []
    charts = Charts({})
    for number, outline in enumerate(("M 0 0", "M 1 1", "M 0 0")):
        path = tmp_path / f"{number}.svg"
        path.write_text(
            f'<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"><g>'
            f'<defs><path id="a" d="{outline}"/></defs><use xlink:href="#a"/></g></svg>'
        )
        names += re.findall(r'use href="#(.+?)"', charts.chart(path, "").svg)
    assert names == ["a", "a_", "a"]
    assert charts.shared == '<path id="a" d="M 0 0" /><path id="a_" d="M 1 1" />'
