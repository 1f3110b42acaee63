"""The report of a sweep: what it says, that nothing in it can break it, and how it behaves in a real browser."""

import base64
import json
import math
import re
import shutil
import subprocess
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from scipy import stats
from selenium import webdriver
from selenium.webdriver.common.action_chains import ActionChains
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from snakemake.utils import update_config

from conftest import ROOT, TIMEOUT, wait_until
from splithistory.task import Task, good_mask
from sweep.errors import TableError, UserError
from sweep.figures import figure_names
from sweep.figures.drawing import required_tables
from sweep.figures.marks import FigureStyle, policy_anchor
from sweep.figures.svg_metadata import title_and_caption
from sweep.formatting import counted, duration, number
from sweep.report import Sweep, illustrations, page, results
from sweep.report.charts import Charts
from sweep.report.identified import headline, margins
from sweep.report.illustrations import ABSTRACT, KEY_FIGURES, figure_groups, key_figures
from sweep.report.results import policy_names, rewarded, too_small
from sweep.report.run_details import commit, reinforced, run_details, when
from sweep.study_results import STUDY_URL

TASKS, SIZES = ["good2", "good4"], ["tiny", "tiny2"]
KEYS = ["task", "size", "seed"]
NO_JOBS = pd.DataFrame(columns=["rule", "seconds", "memory", "end"])
VOID = {"br", "hr", "img", "input", "link", "meta"}


class Document(HTMLParser):
    """A page's elements, each with its attributes, the elements around it and its text; tags must be in order."""

    def __init__(self, html):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        assert len(dict(attributes)) == len(attributes)
        element = {"tag": tag, **dict(attributes), "within": list(self.open), "text": ""}
        self.elements.append(element)
        if tag not in VOID:
            self.open.append(element)

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, *tags, within=None):
        """Elements with one of these tags, anywhere or within the one that has an id."""
        return [
            element
            for element in self.elements
            if element["tag"] in tags
            and (within is None or any(outer.get("id") == within for outer in element["within"]))
        ]

    def rows(self, table):
        """Texts of the cells of each row of a table's bodies."""
        found = []
        for row in self.all("tr", within=table):
            if row["within"][-1]["tag"] == "tbody":
                cells = [cell for cell in self.all("td", "th", within=table) if row in cell["within"]]
                found.append([cell["text"].strip() for cell in cells])
        return found


def summary(results, name):
    return pd.read_parquet(results / "summary" / f"{name}.parquet")


def configured(**changed):
    """The configuration of the tiny sweep, with some of its sections changed."""
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    update_config(config, yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text()))
    update_config(config, changed)
    return config


def rebuilt(folder, configuration=None, **changed):
    """The page of a sweep's folder, with other summaries in place of some."""
    names = ("claims", "cross_objective", "goal_directedness", "policies")
    summaries = {name: summary(folder, name) for name in names} | changed
    configuration = configuration or configured()
    tables = [str(folder / "summary" / "policies.parquet")]
    sweep = Sweep(folder, configuration, summaries=summaries, jobs=NO_JOBS, tables=tables)
    return Document(page(sweep, {"code": "0123456789abcdef"}))


def headings_of(document, table):
    return [heading["text"].strip() for heading in document.all("th", within=table) if heading["scope"] == "col"]


def anchors(rows):
    return [policy_anchor(*keys) for keys in rows[KEYS].itertuples(index=False, name=None)]


@pytest.fixture(scope="module")
def html(finished):
    return (finished.results / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def document(html):
    return Document(html)


# What it says


def test_it_says_which_sweep_it_is_when_it_was_made_and_by_what(document, finished):
    header = document.all("header")[0]["text"]
    assert "tiny, 4 policies: 2 tasks, 2 sizes, 1 seed" in header
    reinforced_ = "every success: in each window, every answer that would have succeeded; in "
    assert f"{reinforced_}windows of untouched chains (successes: every, windows: natural)" in header
    assert re.search(r"Made\s*\d+ \w+ 20\d\d, \d\d:\d\d to .*\d\d:\d\d UTC", header)
    assert f"NumPy {np.__version__}" in header
    assert f"PyTorch {torch.__version__}" in header
    hashes = [code["text"] for code in document.all("code") if document.all("header")[0] in code["within"]]
    assert all(re.fullmatch("[0-9a-f]{16}", text) for text in hashes[-2:])
    assert document.rows("tasks-table") == [
        ["good2", "outcomes 0, 4, its good set", "0.25", "2"],
        ["good4", "outcomes 0, 2, 4, 6, its good set", "0.5", "2"],
    ]
    assert "tiny" in document.all("title")[0]["text"]


def test_every_figure_is_in_once_with_its_title_caption_and_drawing(document, finished):
    articles = {article["id"]: article for article in document.all("article") if "id" in article}
    figures = {name: finished.results / "figures" / f"{name}.svg" for name in figure_names(TASKS)}
    figures["schedule"] = finished.results / "schedule.svg"
    assert sorted(articles) == sorted(f"figure-{name}" for name in figures)
    for name, svg in figures.items():
        title, caption = title_and_caption(svg)
        article = articles[f"figure-{name}"]
        assert article["text"].count(title) == 1
        assert caption in article["text"]
        (chart,) = document.all("svg", within=f"figure-{name}")
        assert title in chart["aria-label"]
        assert len(chart["aria-label"]) > len(title) + 20
        # As many marks and letters as in the file, but for those that are defined elsewhere or make up the title.
        drawn = len(document.all("path", "use", within=f"figure-{name}"))
        assert 20 < drawn < len(re.findall("<(?:path|use) ", svg.read_text()))


def test_the_key_figures_come_first(document):
    figures = [article["id"].removeprefix("figure-") for article in document.all("article") if "id" in article]
    assert tuple(figures[:6]) == (ABSTRACT, *KEY_FIGURES)
    sections = [heading["text"] for heading in document.all("h2")]
    assert sections == [
        *("How a reward is read off", "Can the reward be read off?", "Key figures", "The study’s claims"),
        *("All policies", "Other figures", "How it was made"),
    ]


def test_how_a_reward_is_read_off_is_said_before_its_words_are_used(document):
    (steps,) = document.all("ol")
    said = " ".join(steps["text"].split())
    for formula in (
        "Op = mean over x″ of H(F′|x″) − H(F)",
        "Imp = mean over x″ of KL(F ‖ F′|x″)",
        "Op_pred is s ln(s/p) + (1 − s) ln((1 − s)/(1 − p)), with s the success rate and p the share of good outcomes.",
        "Imp_min is s ln(s/q) + (1 − s) ln((1 − s)/(1 − q)), with s the success rate and q that under the split",
        "s > p for Op, or with s > q for Imp",
        "|Op − Op_pred|",
    ):
        assert formula in said
    terms = [term["text"] for term in document.all("dt", within="glossary")]
    assert terms == ["window", "outcome", "F", "F′|x″", "good set", "s, q", "chance", "promoted"]
    # Where the word first occurs it is explained.
    assert re.search(r"\w+ \w+ \w+ promot\w+.{7}", document.all("body")[0]["text"])[0] == "A task is promoted if the"


def test_the_study_and_the_method_are_named(document):
    (link,) = [link for link in document.all("a") if link["href"].startswith("https:")]
    assert link["text"] == "Measuring Learned Optimization in Small Transformer Models"
    assert link["href"] in (ROOT / "docs" / "method.md").read_text()
    named = [code["text"] for code in document.all("code") if document.all("header")[0] in code["within"]]
    assert {"docs/method.md", "docs/glossary.md"} <= set(named)
    assert all((ROOT / name).is_file() for name in named if name.startswith("docs/"))


def test_every_point_is_a_policy_with_a_row(document, finished):
    expected = anchors(summary(finished.results, "policies"))
    assert sorted(row["id"] for row in document.all("tr") if "id" in row) == sorted(expected)
    for name in ("op_vs_success", "imp_vs_parameters", "self_op_vs_measured", "cross_op_vs_success_good4"):
        points = document.all("a", within=f"figure-{name}")
        points = [point for point in points if point["within"][-1]["tag"] != "p"]
        assert sorted(point["href"] for point in points) == sorted(f"#{anchor}" for anchor in expected)
        names = {
            anchor: ", ".join((*part[:2], f"seed {part[2]}"))
            for anchor, part in zip(
                expected, summary(finished.results, "policies")[KEYS].itertuples(index=False, name=None), strict=True
            )
        }
        assert all(point["aria-label"] == names[point["href"][1:]] for point in points)


def test_every_figure_links_to_its_files_and_tables(document):
    for name in figure_names(TASKS):
        links = {link["href"] for link in document.all("a", within=f"figure-{name}")}
        links = {link for link in links if not link.startswith("#")}
        tables = {f"summary/{table}.{kind}" for table in required_tables(name, TASKS) for kind in ("parquet", "csv")}
        assert links == tables | {f"figures/{name}.svg", f"figures/{name}.png"}
        (article,) = [article for article in document.all("article") if article.get("id") == f"figure-{name}"]
        assert ("computed, with no table behind it" in article["text"]) == (not tables)
        assert ("drawn from" in article["text"]) == bool(tables)


def test_tables_are_there_as_parquet_and_as_csv(document):
    links = {}
    for link in document.all("a"):
        if any(outer["tag"] == "caption" for outer in link["within"]):
            links.setdefault(link["href"].partition(".")[0], []).append(link["text"].partition(" ")[0])
    assert links == {
        "summary/goal_directedness": ["Parquet", "CSV"] * 3,
        "summary/claims": ["Parquet", "CSV"],
        "summary/policies": ["Parquet", "CSV"],
    }


def test_every_policy_has_a_row(document, finished):
    policies = summary(finished.results, "policies")
    rows = document.rows("policies-table")
    assert len(rows) == len(policies) == 4
    headings = headings_of(document, "policies-table")
    for row, policy in zip(rows, policies.to_dict("records"), strict=True):
        cells = dict(zip(headings, row, strict=True))
        assert (cells["task"], cells["size"], cells["seed"]) == (policy["task"], policy["size"], str(policy["seed"]))
        assert cells["policy"] == f"{policy['task']}, {policy['size']}, seed {policy['seed']}"
        assert cells["by Op"].split()[0] == (
            "none" if pd.isna(policy["identified_task"]) else policy["identified_task"]
        )
        assert np.isclose(float(cells["Op"].replace("−", "-")), policy["op"], atol=1e-4)
        assert np.isclose(float(cells["success"]), policy["success_rate"], atol=1e-3)


def test_misidentified_policies_are_marked(document, finished):
    identification = summary(finished.results, "identification")
    wrong = identification[~identification["correct"]]
    marked = {row["id"] for row in document.all("tr") if row.get("class") == "misidentified"}
    assert marked == set(anchors(wrong))
    assert len(marked) > 0
    headings = headings_of(document, "policies-table")
    for row, anchor in zip(
        document.rows("policies-table"), anchors(summary(finished.results, "policies")), strict=True
    ):
        for measure, label in (("op", "by Op"), ("imp", "by Imp")):
            of_measure = wrong[wrong["measure"] == measure]
            assert ("✗" in dict(zip(headings, row, strict=True))[label]) == (anchor in anchors(of_measure))


def test_a_small_sweep_says_so_and_shows_no_verdict(document, finished):
    (banner,) = [part for part in document.all("p") if part.get("id") == "too-small"]
    assert "2 pretrained models, fewer than 8; 1 seed, fewer than 2" in banner["text"]
    text = document.all("body")[0]["text"]
    assert not re.search(r"\d+ (is|are) (not )?replicated|inconclusive|by guessing", text)
    assert "verdict" not in {part.get("class", "").split(" ")[0] for part in document.elements}
    assert headings_of(document, "claims-table") == ["statistic", "value", "interval", "criterion", "n"]
    # What was measured is folded away.
    (folded,) = [part for part in document.all("details") if part.get("id") == "numbers"]
    assert "open" not in folded
    (table,) = document.all("table", within="numbers")
    assert table["id"] == "claims-table"
    statistics_shown = [row for row in document.rows("claims-table") if len(row) > 1]
    assert len(statistics_shown) == summary(finished.results, "claims")["replaced_by"].isna().sum()


@pytest.mark.parametrize(
    ("models", "reason"),
    [
        ([(size, seed) for size in "ab" for seed in range(4)], None),
        ([(size, seed) for size in "ab" for seed in range(3)], "6 pretrained models, fewer than 8"),
        ([("a", seed) for seed in range(9)], "1 size, fewer than 2"),
        ([(size, 0) for size in "abcdefgh"], "1 seed, fewer than 2"),
    ],
)
def test_a_sweep_is_small_by_its_models_sizes_or_seeds(models, reason):
    policies = pd.DataFrame([(task, *model) for task in ("t", "u") for model in models], columns=KEYS)
    assert too_small(policies) == reason


@pytest.fixture
def judged(finished, monkeypatch):
    """The report of the same sweep as if it was large enough."""
    for name in ("FEWEST_MODELS", "FEWEST_SIZES", "FEWEST_SEEDS"):
        monkeypatch.setattr(results, name, 1)
    return rebuilt(finished.results)


def test_every_statistic_of_every_claim_is_judged(judged, finished):
    claims = summary(finished.results, "claims")
    claims = claims[claims["replaced_by"].isna()]  # the others have no say
    rows = judged.rows("claims-table")
    statistics_shown = [row for row in rows if len(row) > 1]
    assert [row[:2] for row in statistics_shown] == claims[["statistic", "verdict"]].to_numpy().tolist()
    assert [row[-1] for row in statistics_shown] == claims["n"].astype(str).to_list()
    firsts = claims.groupby("claim")[["statement", "verdict_claim"]].first()
    assert [" ".join(row.split()) for (row,) in (row for row in rows if len(row) == 1)] == [
        f"{claim}. {statement} {verdict}" for claim, statement, verdict in firsts.itertuples(name=None)
    ]
    for shown, row in zip(statistics_shown, claims.to_dict("records"), strict=True):
        about = f"{row['centre']:g} " if row["centre"] else ""
        assert shown[4] in (f"{sign}{row['threshold']:g}" for sign in ("> ", "< ", f"within {about}± "))
        assert (shown[3] == "no interval") == math.isnan(row["low"])
    text = " ".join(judged.all("main")[0]["text"].split())
    replicated = (firsts["verdict_claim"] == "replicated").sum()
    assert f"Of {len(firsts)} claims, {replicated} {'is' if replicated == 1 else 'are'} replicated" in text
    assert not [part for part in judged.all("p") if part.get("id") == "too-small"]


def test_the_headline_counts_the_identified_policies(document, finished):
    identification = summary(finished.results, "goal_directedness")
    cards = [article for article in document.all("article") if article.get("class") == "card"]
    assert len(cards) == 3
    for card, measure in zip(cards, ["op", "imp", "success_rate"], strict=True):
        assert "no interval" in card["text"]  # of two models
        rows = identification[identification["measure"] == measure]
        assert f"{rows['correct'].sum()} of {len(rows)} policies" in card["text"]
        assert f"{rows['correct'].mean():.0%}".replace("%", "\u00a0%") in card["text"]


def test_it_says_how_it_was_made(document, finished):
    shown = yaml.safe_load(document.all("pre")[0]["text"])
    tiny = yaml.safe_load((ROOT / "config" / "tiny.yaml").read_text())
    assert shown["sweep"] == tiny["sweep"]
    assert shown["sizes"] == tiny["sizes"]
    assert shown["pretrain"]["n_steps"] == tiny["pretrain"]["n_steps"]
    versions = dict(document.rows("versions-table"))
    assert {"numpy", "pandas", "pyarrow", "python", "scipy", "torch"} <= set(versions)
    assert versions["numpy"] == np.__version__
    assert versions["instruction set"] == torch.backends.cpu.get_cpu_capability()
    assert versions["processor"]
    jobs = {rule: n_jobs for rule, n_jobs, *_ in document.rows("benchmarks-table")}
    assert {"finetune": "4 jobs", "pretrain": "2 jobs", "figures": "1 job"}.items() <= jobs.items()


def test_it_names_no_folder_of_the_machine(html, finished):
    text = re.sub(r'src="data:[^"]*"', "", html)
    assert str(finished.folder) not in text
    assert str(ROOT) not in text


# That it is one sound file


def test_it_refers_to_nothing_outside_the_sweeps_folder(document, html, finished):
    for element in document.elements:
        for attribute in ("src", "href", "srcset", "action", "data", "poster"):
            reference = element.get(attribute, "")
            if reference.startswith("#"):
                assert reference[1:] in {other.get("id") for other in document.elements}
            elif reference and not reference.startswith("data:"):
                assert element["tag"] == "a"
                if reference == STUDY_URL:
                    continue
                assert "/" not in reference[0]
                assert ".." not in reference
                assert (finished.results / unquote(reference)).is_file(), reference
    within = re.sub(r'src="data:[^"]*"', "", html).replace("// ", "").replace(f'<a href="{STUDY_URL}">', "")
    assert not re.search(r"https?:|//[a-z]|url\((?!#)|@import", within)
    assert len(html.encode()) < 6e6 / 4  # of two tasks, two sizes and one seed


def test_its_structure_can_be_heard(document):
    assert [element["lang"] for element in document.all("html")] == ["en"]
    assert [len(document.all(tag)) for tag in ("main", "header", "footer", "nav", "h1")] == [1] * 5
    levels = [int(heading["tag"][1]) for heading in document.all("h1", "h2", "h3", "h4")]
    assert all(after <= before + 1 for before, after in pairwise(levels))
    ids = [element["id"] for element in document.elements if "id" in element]
    assert len(set(ids)) == len(ids)
    for table in document.all("table"):
        assert [caption for caption in document.all("caption") if table in caption["within"]]
    assert all("scope" in heading for heading in document.all("th"))


HOSTILE = "\"><img src=x onerror=alert(1)><b>&amp;'{{ 7 * 7 }}"


def test_hostile_names_and_captions_stay_text(finished, tmp_path):
    folder = tmp_path / "sweep"
    shutil.copytree(finished.results / "summary", folder / "summary")
    (folder / "figures").mkdir()
    tasks, texts = [HOSTILE, "good4"], (HOSTILE, f"</figcaption><script>alert(1)</script> {HOSTILE}")
    for name, original in zip(figure_names(tasks), figure_names(TASKS), strict=True):
        svg = (finished.results / "figures" / f"{original}.svg").read_text()
        for tag, text in zip(("title", "description"), texts, strict=True):
            svg = re.sub(f"(<dc:{tag}>).*?(</dc:{tag}>)", lambda match, text=text: escaped(match, text), svg, count=1)
        svg = svg.replace("#task=good2", f"#{policy_anchor(HOSTILE, '', 0).partition('/size')[0]}")
        (folder / "figures" / f"{name}.svg").write_text(svg)
        shutil.copy(finished.results / "figures" / f"{original}.png", folder / "figures" / f"{name}.png")
    for suffix in ("svg", "png"):
        shutil.copy(folder / "figures" / f"{figure_names(tasks)[0]}.{suffix}", folder / f"schedule.{suffix}")
    renamed = {
        name: summary(folder, name).replace(
            {key: {"good2": HOSTILE} for key in ("task", "identified_task", "evaluated_task")}
        )
        for name in ("cross_objective", "goal_directedness", "policies")
    }
    configuration = configured(sweep={"tasks": tasks}, tasks={HOSTILE: {"good": [0, 4]}}, note=HOSTILE)
    hostile = rebuilt(folder, configuration, claims=summary(folder, "claims").assign(statement=HOSTILE), **renamed)
    assert not hostile.all("img", "b")
    assert len(hostile.all("script")) == 1
    assert not any(name.startswith("on") for element in hostile.elements for name in element)
    texts_shown = {element["text"].strip() for element in hostile.all("th", "option", "h4", "span")}
    assert {HOSTILE, f"1. {HOSTILE}"} <= texts_shown
    assert len([row for row in hostile.rows("policies-table") if row[1] == HOSTILE]) == 2
    assert yaml.safe_load(hostile.all("pre")[0]["text"])["note"] == HOSTILE
    rows = {row["id"] for row in hostile.all("tr") if "id" in row}
    points = [link for link in hostile.all("a", within="figure-op_vs_success") if link["href"].startswith("#")]
    assert {point["href"][1:] for point in points} == rows
    assert sum(point["aria-label"].startswith(HOSTILE) for point in points) == 2


def escaped(match, text):
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return match[1] + text + match[2]


# Its parts


def identified(*pairs):
    """What each measure finds of policies, each of a model of its own."""
    rows = [
        {
            **{"task": task, "size": "a", "seed": seed, "measure": measure},
            **{"identified_task": found, "correct": task == found},
        }
        for measure in ("op", "imp", "success_rate")
        for seed, (task, found) in enumerate(pairs)
    ]
    return pd.DataFrame(rows).astype({"task": "string", "identified_task": "string"})


JUDGES = {name: Task(name, tuple(good_mask(good, 8))) for name, good in {"a": [0, 4], "b": [0, 2, 4, 6]}.items()}
NO_MARGINS = dict.fromkeys(("op", "imp", "success_rate"), pd.Series(dtype=float))


@pytest.mark.parametrize(
    ("n_right", "n_wrong", "answer"), [(40, 0, "Yes"), (0, 40, "No"), (20, 20, "Inconclusive"), (3, 0, "Inconclusive")]
)
def test_the_headlines_answer_needs_the_whole_interval(n_right, n_wrong, answer):
    table = identified(*[("a", "a")] * n_right, *[("a", "b")] * n_wrong)
    measures = headline(table, NO_MARGINS, JUDGES)["measures"]
    assert [measure["name"] for measure in measures] == ["Op", "Imp", "success above chance"]
    for measure in measures:
        assert measure["answer"].startswith(answer)


def test_the_headlines_interval_is_over_models_which_policies_share():
    """Eight policies of four models, which all agree, are as good as four policies."""
    of_models = identified(*[("a", "a")] * 3, ("a", "b"))
    policies = pd.concat([of_models, of_models.assign(task="b", identified_task=of_models["identified_task"] + "")])
    once, twice = (headline(table, NO_MARGINS, JUDGES)["measures"][0] for table in (of_models, policies))
    assert (once["of"], twice["of"]) == ("4 policies", "8 policies")
    expected = stats.binomtest(3, 4).proportion_ci(method="wilson")
    assert once["interval"] == twice["interval"] == f"{expected.low:.0%} to {expected.high:.0%}".replace("%", "\u00a0%")
    few = headline(identified(("a", "a"), ("b", "b")), NO_MARGINS, JUDGES)["measures"][0]
    assert (few["interval"], few["answer"]) == ("no interval", "Inconclusive: guessing may do as well")


def test_the_margin_is_by_how_much_the_own_task_is_ahead_of_the_next_promoted_one():
    def row(seed, task, judge, **columns):
        return (
            {"task": task, "size": "a", "seed": seed, "evaluated_task": judge, "is_training_task": task == judge}
            | {"success_rate_counterfactual": 0.3 if judge == "a" else 0.5}
            | columns
        )

    crossed = pd.DataFrame(
        [
            row(0, "a", "a", success_rate=0.6, op_excess=-0.01, imp_excess=0.02),
            row(0, "a", "b", success_rate=0.8, op_excess=0.05, imp_excess=0.10),
            # of another task nearer, and more successful
            row(1, "b", "a", success_rate=0.5, op_excess=0.01, imp_excess=0.04),
            row(1, "b", "b", success_rate=0.7, op_excess=0.03, imp_excess=0.04),
            # its own task alone is promoted by Op; by Imp its own is not
            row(2, "a", "a", success_rate=0.27, op_excess=0.0, imp_excess=0.0),
            row(2, "a", "b", success_rate=0.4, op_excess=0.2, imp_excess=0.2),
        ]
    )
    found = {name: margin.round(9).to_list() for name, margin in margins(crossed, JUDGES).items()}
    assert found == {"op": [0.04, -0.02], "imp": [0.08, 0.0], "success_rate": [0.05, -0.05]}
    shown = headline(identified(("a", "a"), ("b", "a")), margins(crossed, JUDGES), JUDGES)["measures"]
    assert shown[0]["margin"].endswith("the next promoted one: −0.020 to 0.040 nats (median 0.010, 2 policies)")
    assert shown[2]["margin"] == (
        "Margin, by which the success rate exceeds chance by more on the own task than on the next one: −0.050 to "
        "0.050 (median 0, 2 policies)"
    )
    assert headline(identified(("a", "a")), NO_MARGINS, JUDGES)["measures"][0]["margin"] is None


def test_it_says_how_successes_are_reinforced_and_whose():
    (every,) = reinforced(configured())
    assert (every["whose"], every["settings"]) == ("", "successes: every, windows: natural")
    (own,) = reinforced(configured(finetune={"successes": "sampled", "windows": "rollouts", "failure_weight": 0.1}))
    assert own["how"] == (
        "one sampled answer per window, if it succeeds, as in the study; in rollouts of 40 answers, where a policy's "
        "earlier answers are its history; sampled failures are pushed back with weight 0.1"
    )
    expected = {"finetune": {"successes": "expected"}}
    of_task = reinforced(configured(tasks={"good4": expected}))
    assert [(way["whose"], way["settings"].split(",")[0]) for way in of_task] == [
        ("good2", "successes: every"),
        ("good4", "successes: expected"),
    ]
    assert [way["whose"] for way in reinforced(configured(sizes={"tiny": expected}))] == ["tiny", "tiny2"]
    both = configured(sizes={"tiny": expected}, tasks={"good4": {"finetune": {"successes": "every"}}})
    assert [way["whose"] for way in reinforced(both)] == ["good2 of tiny", "good2 of tiny2; good4 of tiny, tiny2"]


def test_the_confusion_matrix_counts_each_policy_once():
    table = identified(("a", "a"), ("a", "a"), ("a", "b"), ("b", None), ("b", "b"))
    tasks = {**JUDGES, "c": Task("c", tuple(good_mask([1], 8)))}
    op, *_ = headline(table, NO_MARGINS, tasks)["measures"]
    assert op["confusion"] == [
        {"task": "a", "counts": [2, 1, 0, 0]},
        {"task": "b", "counts": [0, 1, 0, 1]},
        {"task": "c", "counts": [0, 0, 0, 0]},
    ]
    assert (op["n_correct"], op["of"]) == (3, "5 policies")


def test_a_large_svg_is_shown_as_its_png_if_that_is_smaller(copied, monkeypatch):
    charts = Charts(policy_names(summary(copied.results, "policies")))

    def kinds():
        groups = [
            {"figures": key_figures(copied.results, TASKS, charts)},
            *figure_groups(copied.results, TASKS, charts),
        ]
        return {(figure["chart"] is None, figure["png"] is None) for group in groups for figure in group["figures"]}

    monkeypatch.setattr(illustrations, "LARGEST_SVG", math.inf)
    assert kinds() == {(False, True)}
    for png in copied.results.rglob("*.png"):
        png.write_bytes(png.read_bytes()[:1000])
    monkeypatch.setattr(illustrations, "LARGEST_SVG", 0)
    assert kinds() == {(True, False)}
    images = rebuilt(copied.results).all("img")
    assert len(images) == len(figure_names(TASKS)) + 1
    for image in images:
        inlined = base64.b64decode(image["src"].partition(";base64,")[2])
        assert inlined in [png.read_bytes() for png in copied.results.rglob("*.png")]
        assert len(image["alt"]) > 40


def test_a_figure_that_is_spoilt_or_missing_is_named(copied):
    name = next(name for name in figure_names(TASKS) if name not in (ABSTRACT, *KEY_FIGURES))
    svg = copied.results / "figures" / f"{name}.svg"
    for spoilt in ("<svg", "<svg/>"):
        svg.write_text(spoilt)
        with pytest.raises(UserError, match=re.escape(f"{svg}: not a figure")):
            figure_groups(copied.results, TASKS, Charts({}))
    svg.unlink()
    with pytest.raises(UserError, match="no such file"):
        figure_groups(copied.results, TASKS, Charts({}))


def test_what_is_rewarded_is_said_of_good_sets_and_graded_tasks():
    utilities = {"good": [0, 0, 1, 1, 0, 0, 0, 0], "graded": [0, 0.25, 0.5, 1, 0, 0, 0, 0.05]}
    policies = pd.DataFrame({"task": ["graded", "good", "good"], "chance": [0.225, 0.3, 0.3]})
    policies["utility"] = policies["task"].map(utilities)
    rows = rewarded(policies, FigureStyle(("good", "graded"), {}))
    assert [(row["task"], row["rewards"], row["chance"], row["policies"]) for row in rows] == [
        ("graded", "outcomes 0, 1, … by 0, 0.25, 0.5, 1, 0, 0, 0, 0.05", "0.225", "1"),
        ("good", "outcomes 2, 3, its good set", "0.3", "2"),
    ]
    assert len({row["color"] for row in rows}) == 2


def test_when_it_was_made_spans_all_jobs():
    noon = 1_764_244_800  # 27 November 2025, 12:00 UTC
    jobs = pd.DataFrame({"seconds": [60.0, 600.0, math.nan], "end": [noon, noon + 7200.0, math.nan]})
    assert when(jobs) == "27 November 2025, 11:59 to 14:00 UTC"
    jobs.loc[1, "end"] += 86_400
    assert when(jobs) == "27 November 2025, 11:59 to 28 November 2025, 14:00 UTC"
    assert when(NO_JOBS) == "at a time that is not on record"


def test_the_commit_is_that_of_the_repository_that_tracks_the_code(tmp_path):
    def git(*arguments):
        identity = ["-c", "user.name=A", "-c", "user.email=a@b.c", "-c", "init.defaultBranch=main"]
        subprocess.run(["git", "-C", tmp_path, *identity, *arguments], check=True, capture_output=True)

    folder = tmp_path / "code"
    folder.mkdir()
    (folder / "module.py").touch()
    git("init")
    assert commit(folder) is None
    git("commit", "--allow-empty", "-m", "another project's")
    assert commit(folder) is None
    git("add", "code")
    git("commit", "-m", "code")
    assert re.fullmatch("[0-9a-f]{7,}", commit(folder))
    (folder / "module.py").write_text("changed")
    assert commit(folder).endswith("-dirty")


def test_a_spoilt_table_is_named(tmp_path):
    path = tmp_path / "part-0.parquet"
    path.write_bytes(b"PAR1 and no more")
    with pytest.raises(TableError, match=re.escape(str(path))):
        run_details(NO_JOBS, [str(path)], {"sweep": {}})


def test_time_and_memory_of_each_rule_are_summed_up():
    assert run_details(NO_JOBS, [], {"sweep": {}})["benchmarks"] == []
    jobs = pd.DataFrame(
        [("figures", 3.14, math.nan), ("finetune", 100, 50), ("finetune", 7200, math.nan)],
        columns=["rule", "seconds", "memory"],
    )
    assert run_details(jobs, [], {"sweep": {}})["benchmarks"] == [
        {"rule": "figures", "jobs": "1 job", "total": "3.1 s", "longest": "3.1 s", "memory": "–"},
        {
            "rule": "finetune",
            "jobs": "2 jobs",
            "total": "2 h 1 min 40 s",
            "longest": "2 h 0 min 0 s",
            "memory": "50 MB",
        },
    ]


def test_numbers_are_worded_alike_everywhere():
    assert number(-1234.5, ",.1f") == "−1,234.5"
    assert number(math.nan, ".3f") == number(None, ".3f") == "–"
    assert counted(1, "policy", "policies") == "1 policy"
    assert counted(1200, "seed") == "1,200 seeds"
    assert duration(119.94) == "119.9 s"
    assert duration(303.6) == "5 min 4 s"
    assert duration(7_199.7) == "2 h 0 min 0 s"
    assert duration(90_061) == "25 h 1 min 1 s"


# Snakemake's own report


def test_snakemakes_own_report_shows_every_figure(copied):
    run = copied.snakemake("--report", "jobs.html")
    assert run.status == 0, run.output
    report = (copied.folder / "jobs.html").read_text(encoding="utf-8")
    for name in figure_names(TASKS):
        assert f"{name}.svg" in report
        assert f"{name}.png" in report
        title, _ = title_and_caption(copied.results / "figures" / f"{name}.svg")
        assert json.dumps(title)[1:-1] in report
    assert "drawn from its summary tables alone" in report


# In a browser

WIDTHS = [400, 700, 1280]


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    """Headless Chromium that logs its console and its requests."""
    binary = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if binary is None or driver is None:
        pytest.skip("needs Chromium and its driver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = binary
    for option in (
        *("headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-sync"),
        *("disable-background-networking", "disable-component-update", "disable-dev-shm-usage"),
        f"user-data-dir={tmp_path_factory.mktemp('browser')}",
    ):
        options.add_argument(f"--{option}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    started = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver))
    started.set_script_timeout(TIMEOUT)
    yield started
    started.quit()


@pytest.fixture(params=WIDTHS, ids=lambda width: f"{width} px")
def opened(browser, finished, request):
    """The report opened from disk in a window of that width."""
    size = {"width": request.param, "height": 900, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    browser.get("about:blank")
    for log in ("browser", "performance"):
        browser.get_log(log)  # what came before, such as the browser's own first page
    browser.get((finished.results / "report.html").as_uri())
    return browser


def test_it_opens_without_errors_or_requests(opened):
    assert opened.get_log("browser") == []
    events = [json.loads(entry["message"])["message"] for entry in opened.get_log("performance")]
    urls = [event["params"]["request"]["url"] for event in events if event["method"] == "Network.requestWillBeSent"]
    assert {url.split(":")[0] for url in urls} <= {"file", "data"}
    assert len([url for url in urls if url.startswith("file:")]) == 1


def test_every_figure_is_shown_large_enough_to_read(opened):
    charts = opened.find_elements(By.CSS_SELECTOR, "article .chart")
    assert len(charts) == len(figure_names(TASKS)) + 1  # and the schedule
    for chart in charts:
        points, shown = opened.execute_script(
            "return [arguments[0].viewBox.baseVal.width, arguments[0].getBoundingClientRect().width]", chart
        )
        assert 7 * shown / points > 9  # the small print has 7 points


def test_nothing_is_cut_off(opened):
    scroll, client = opened.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert scroll == client
    # What is wider scrolls in its own container, which can be reached by keyboard, and says so.
    outside = opened.execute_script(
        "return [...document.querySelectorAll('body *')].filter(element => element.getBoundingClientRect().right >"
        " innerWidth + 1 && !element.closest('.scroll, .unseen, .skip, .shared, [hidden]')).map(cut => cut.outerHTML)"
    )
    assert outside == []
    for container in opened.find_elements(By.CLASS_NAME, "scroll"):
        assert container.get_attribute("tabindex") == "0"
        wider = opened.execute_script("return arguments[0].scrollWidth > arguments[0].clientWidth + 2", container)
        assert ("more" in container.get_attribute("class").split()) == wider


def test_the_first_column_stays_when_a_table_is_scrolled(opened):
    places = opened.execute_script(
        "const box = document.querySelector('.tall'); box.scrollIntoView(); box.scrollLeft = 10000;"
        "const row = box.querySelector('tbody tr'); const left = cell => cell.getBoundingClientRect().left;"
        "const right = cell => cell.getBoundingClientRect().right;"
        "return [box.scrollLeft, left(row.cells[0]) - left(box), right([...row.cells].at(-1)) - right(box)]"
    )
    scrolled, first, last = places
    assert scrolled > 100
    assert abs(first) < 1
    assert last < 1  # and the last one can be seen whole


def test_the_contents_stay_in_view_and_say_where_one_is(opened):
    for target in ("policies", "how-it-was-made"):
        opened.find_element(By.CSS_SELECTOR, f"nav a[href='#{target}']").click()
        top, bottom, heading = opened.execute_script(
            "const nav = document.querySelector('nav').getBoundingClientRect();"
            "return [nav.top, nav.bottom, document.getElementById(arguments[0]).getBoundingClientRect().top]",
            target,
        )
        assert top == 0
        assert 0 < bottom <= 900
        assert heading > (0 if opened.execute_script("return innerWidth") > 1200 else bottom)
        wait_until(lambda: opened.find_elements(By.CSS_SELECTOR, f"nav a[href='#{target}'][aria-current]"))  # noqa: B023
        assert len(opened.find_elements(By.CSS_SELECTOR, "nav [aria-current]")) == 1


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_axe_finds_nothing_amiss(opened, scheme):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    opened.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": features})
    opened.execute_script((files("axe_core_python") / "axe.min.js").read_text(encoding="utf-8"))
    # Images are cut out of what comes back; whole, they take longer to send than to check.
    passed, violated = opened.execute_async_script(
        "axe.run({resultTypes: ['violations']}).then(results => arguments[arguments.length - 1]([results.passes.map("
        "rule => rule.id), results.violations.map(rule => [rule.id, rule.nodes.map(node => node.target.join())])]))"
    )
    assert {"color-contrast", "label", "link-name", "select-name", "svg-img-alt"} <= set(passed)
    assert violated == []


def shown_rows(browser):
    """Texts of the cells of the visible rows of the table of policies."""
    return browser.execute_script(
        "return [...document.querySelectorAll('#policies-table tbody tr')].filter(row => row.offsetParent)"
        ".map(row => [...row.cells].map(cell => cell.textContent))"
    )


@pytest.mark.parametrize("press", ["click", "key"])
def test_a_heading_sorts_by_its_column(opened, press):
    headings = opened.find_elements(By.CSS_SELECTOR, "#policies-table thead button")
    names = [heading.text.split("\n")[0].strip() for heading in headings]
    column = next(index for index, name in enumerate(names) if name == "Op")
    before = shown_rows(opened)
    values = [float(row[column].replace("−", "-")) for row in before]
    assert values != sorted(values)
    for order, reverse in [("ascending", False), ("descending", True), ("ascending", False)]:
        if press == "click":
            opened.execute_script("arguments[0].scrollIntoView({block: 'center', inline: 'center'})", headings[column])
            headings[column].click()
        else:
            headings[column].send_keys(Keys.ENTER)
        after = [float(row[column].replace("−", "-")) for row in shown_rows(opened)]
        assert after == sorted(values, reverse=reverse)
        stated = [heading.get_attribute("aria-sort") for heading in opened.find_elements(By.CSS_SELECTOR, "thead th")]
        assert [order_stated for order_stated in stated if order_stated] == [order]
    assert sorted(shown_rows(opened)) == sorted(before)


def test_sizes_are_sorted_by_their_parameters_and_missing_values_come_last(opened):
    opened.execute_script(
        "for (const [index, key] of ['900', '', '10000', '90'].entries())"
        " document.querySelectorAll('#policies-table tbody tr')[index].cells[2].dataset.key = key"
    )
    number_of = "return [...document.querySelectorAll('#policies-table tbody tr')].map(row => row.cells[2].dataset.key)"
    button = opened.find_elements(By.CSS_SELECTOR, "#policies-table thead button")[2]
    button.send_keys(Keys.ENTER)
    assert opened.execute_script(number_of) == ["90", "900", "10000", ""]
    button.send_keys(Keys.ENTER)
    assert opened.execute_script(number_of) == ["10000", "900", "90", ""]


def test_filters_hide_the_other_rows(opened):
    task, size = (Select(opened.find_element(By.ID, f"filter-{name}")) for name in ("task", "size"))
    words, status = (opened.find_element(By.ID, name) for name in ("filter-words", "shown"))
    everything = shown_rows(opened)
    assert status.text == "4 of 4 shown"
    task.select_by_visible_text("good2")
    assert shown_rows(opened) == [row for row in everything if row[1] == "good2"]
    size.select_by_visible_text("tiny2")
    assert shown_rows(opened) == [row for row in everything if row[1:3] == ["good2", "tiny2"]]
    assert status.text == "1 of 4 shown"
    task.select_by_visible_text("all")
    size.select_by_visible_text("all")
    words.send_keys("TINY2 good4" + Keys.ENTER)
    assert shown_rows(opened) == [row for row in everything if row[1:3] == ["good4", "tiny2"]]
    words.clear()
    opened.find_element(By.ID, "filter-misidentified").send_keys(Keys.SPACE)
    assert shown_rows(opened) == [row for row in everything if "✗" in "".join(row)]
    opened.find_element(By.ID, "filter-misidentified").send_keys(Keys.SPACE)
    words.send_keys("no such words")
    assert shown_rows(opened) == []
    assert status.text == "0 of 4 shown"


def points_of(browser, name):
    return browser.find_elements(By.CSS_SELECTOR, f"#figure-{name} .chart a")


def anchor_of(point):
    return point.get_dom_attribute("href").removeprefix("#")


def row_of(browser, point):
    return browser.find_element(By.ID, anchor_of(point))


def hint_of(browser):
    return browser.find_element(By.ID, "hint")


def test_a_point_that_is_hovered_over_says_which_policy_it_is(opened):
    point = points_of(opened, "op_vs_success")[-1]  # drawn last, so that no other covers it
    assert not hint_of(opened).is_displayed()
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", point)
    ActionChains(opened).move_to_element(point).perform()
    wait_until(hint_of(opened).is_displayed)
    lines = hint_of(opened).text.split("\n")
    cells = [cell.text for cell in row_of(opened, point).find_elements(By.CSS_SELECTOR, "th, td")]
    headings = [
        heading.get_attribute("textContent").strip()
        for heading in opened.find_elements(By.CSS_SELECTOR, "#policies-table thead th")
    ]
    of_policy = dict(zip(headings, cells, strict=True))
    assert lines[0] == point.get_attribute("aria-label") == of_policy["policy"]
    told = [line.split(": ") for line in lines[1:]]
    assert [label for label, _ in told] == ["by Op", "by Imp", "success", "Op", "Op_pred", "Imp", "Imp_min"]
    for label, value in told:
        assert value.split()[0] == of_policy[label].split()[0]
    place = hint_of(opened).rect
    assert place["x"] >= 0
    assert place["x"] + place["width"] <= opened.execute_script("return innerWidth")
    opened.find_element(By.TAG_NAME, "body").send_keys(Keys.ESCAPE)
    assert not hint_of(opened).is_displayed()


@pytest.mark.parametrize("press", ["click", "key"])
def test_a_point_that_is_clicked_leads_to_its_row(opened, press):
    point = points_of(opened, "op_vs_success")[-1]
    row = row_of(opened, point)
    opened.find_element(By.ID, "filter-words").send_keys("nothing of the kind")
    assert not row.is_displayed()
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'})", point)
    if press == "click":
        ActionChains(opened).move_to_element(point).click().perform()
    else:
        opened.execute_script("arguments[0].focus()", point)
        ActionChains(opened).send_keys(Keys.ENTER).perform()
    wait_until(row.is_displayed)
    assert opened.current_url.endswith(f"#{row.get_attribute('id')}")
    wait_until(lambda: 0 <= opened.execute_script("return arguments[0].getBoundingClientRect().top", row) < 900)
    assert row.find_element(By.TAG_NAME, "button").get_attribute("aria-pressed") == "true"


def test_arrow_keys_go_from_point_to_point(opened):
    points = points_of(opened, "op_vs_success")
    stops = [point for point in points if point.get_attribute("tabindex") == "0"]
    assert len(stops) == 1  # for the tab key
    opened.execute_script("arguments[0].scrollIntoView({block: 'center'}); arguments[0].focus()", stops[0])
    ActionChains(opened).send_keys(Keys.HOME).perform()
    passed = []
    for _ in points:
        focused = opened.switch_to.active_element
        assert hint_of(opened).is_displayed()
        assert hint_of(opened).text.startswith(focused.get_attribute("aria-label"))
        assert focused.get_attribute("tabindex") == "0"
        passed.append(focused)
        ActionChains(opened).send_keys(Keys.ARROW_RIGHT).perform()
    places = [point.rect["x"] for point in passed]
    assert places == sorted(places)
    assert sorted(map(anchor_of, passed)) == sorted(map(anchor_of, points))
    assert opened.switch_to.active_element == passed[-1]  # the end stays the end


def test_a_row_that_is_clicked_shows_where_its_policy_lies(opened):
    row = opened.find_elements(By.CSS_SELECTOR, "#policies-table tbody tr")[1]
    anchor, name = row.get_attribute("id"), row.find_element(By.TAG_NAME, "button").text
    panel = opened.find_element(By.ID, "marked")
    assert not panel.is_displayed()
    row.find_element(By.TAG_NAME, "button").send_keys(Keys.ENTER)
    assert panel.is_displayed()
    marked = opened.find_elements(By.CSS_SELECTOR, "article .chart a.marked")
    assert set(map(anchor_of, marked)) == {anchor}
    all_of_it = opened.find_elements(By.CSS_SELECTOR, f"article .chart a[href='#{anchor}']")
    assert len(marked) == len(all_of_it) > 20
    figures = {
        article.get_attribute("id") for article in opened.find_elements(By.CSS_SELECTOR, "article:has(a.marked)")
    }
    assert f"{name} is marked in {len(figures)} figures." in panel.text
    # Small copies show it in the key figures, without a stop of the tab key among them.
    copies = opened.find_elements(By.CSS_SELECTOR, "#marked-figures .chart")
    assert len(copies) == len(KEY_FIGURES)
    assert all(copy.find_elements(By.CSS_SELECTOR, "a.marked") for copy in copies)
    assert not opened.find_elements(By.CSS_SELECTOR, "#marked-figures :is([href^='#task'], [tabindex])")
    visited = set()
    for _ in figures:
        opened.find_element(By.ID, "marked-next").send_keys(Keys.ENTER)
        focused = opened.switch_to.active_element
        assert anchor_of(focused) == anchor
        visited.add(focused.find_element(By.XPATH, "./ancestor::article").get_attribute("id"))
    assert visited == figures
    opened.find_element(By.ID, "marked-clear").send_keys(Keys.ENTER)
    assert not panel.is_displayed()
    assert not opened.find_elements(By.CSS_SELECTOR, "a.marked")
    assert opened.switch_to.active_element.text == name


LIGHTNESS = """
const channels = color => {
    const canvas = document.createElement('canvas').getContext('2d');
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data.slice(0, 3)].reduce((sum, channel) => sum + channel, 0) / 765;
};
const [background, ...axes] = document.querySelectorAll('#figure-op_vs_success .chart path');
return [getComputedStyle(document.body).backgroundColor, getComputedStyle(background).fill,
    getComputedStyle(document.querySelector('#figure-op_vs_success .chart use')).fill].map(channels);
"""


@pytest.mark.parametrize(("scheme", "dark"), [("light", False), ("dark", True)])
def test_figures_follow_dark_mode(opened, scheme, dark):
    opened.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    )
    page_, background, letters = opened.execute_script(LIGHTNESS)
    assert background == pytest.approx(page_, abs=0.01)
    assert (page_ < 0.2 and letters > 0.8) if dark else (page_ > 0.9 and letters < 0.1)
    # The file itself stays as it is, on white.
    file = opened.find_element(By.CSS_SELECTOR, "#figure-op_vs_success .source a").get_attribute("href")
    assert "fill: #ffffff" in unquote_file(file)


def unquote_file(url):
    return Path(unquote(url.removeprefix("file://"))).read_text(encoding="utf-8")


def test_it_prints_every_column_on_few_pages(browser, finished):
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia", {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
    )
    browser.get((finished.results / "report.html").as_uri())
    printed = browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})
    pdf = base64.b64decode(printed["data"])
    assert 5 < len(re.findall(rb"/Type\s*/Page\b(?!s)", pdf)) <= 20
    # Laid out as on paper: A4 with its margins, on its side for the policies.
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for table, millimetres in (("policies", 277), ("claims", 186), ("versions", 186), ("benchmarks", 186)):
            width = round(millimetres / 25.4 * 96)
            size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
            browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
            cut_off = browser.execute_script(
                "return [...document.querySelectorAll(`#${arguments[0]}-table :is(th, td)`)].filter(cell => {"
                " const place = cell.getBoundingClientRect();"
                " return !place.width || place.left < -1 || place.right > innerWidth + 1}).map(cell => cell.outerHTML)",
                table,
            )
            assert cut_off == []
        colors = browser.execute_script("return getComputedStyle(document.body).getPropertyValue('--000000')")
        assert colors == "#000000"
        for shown in ("nav", ".filters"):
            assert not browser.find_element(By.CSS_SELECTOR, shown).is_displayed()
    finally:
        browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_what_has_the_focus_is_outlined(opened):
    opened.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    focused = opened.switch_to.active_element
    assert focused.text == "Skip to the results"
    assert focused.value_of_css_property("outline-style") == "solid"
    assert focused.location["x"] >= 0
