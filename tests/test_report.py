"""The report of a sweep: what it says, that nothing in it can break it, and how it behaves in a real browser."""

import base64
import json
import math
import re
import shutil
from html.parser import HTMLParser
from importlib.resources import files
from itertools import pairwise
from urllib.parse import unquote

import numpy as np
import pandas as pd
import pytest
import torch
import yaml
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select

from conftest import ROOT, TIMEOUT
from sweep.errors import TableError, UserError
from sweep.figures import figure_names
from sweep.figures.drawing import required_tables
from sweep.figures.svg_metadata import title_and_caption
from sweep.formatting import counted, duration, number
from sweep.report import illustrations, page
from sweep.report.illustrations import figure_groups, illustration
from sweep.report.results import headline, policies_overview, scorecard, sweep_size
from sweep.report.run_details import run_details

TASKS, SIZES = ["good2", "good4"], ["tiny", "tiny2"]
NO_JOBS = pd.DataFrame(columns=["rule", "seconds", "memory"])
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


@pytest.fixture(scope="module")
def html(finished):
    return (finished.results / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def document(html):
    return Document(html)


# What it says


def test_every_figure_is_in_with_its_title_caption_and_image(document, finished):
    articles = {article["id"]: article["text"] for article in document.all("article") if "id" in article}
    figures = {name: finished.results / "figures" / f"{name}.svg" for name in figure_names(TASKS)}
    figures["schedule"] = finished.results / "schedule.svg"
    assert sorted(articles) == sorted(f"figure-{name}" for name in figures)
    images = {
        around["id"]: image for image in document.all("img") for around in image["within"] if around["tag"] == "article"
    }
    for name, svg in figures.items():
        title, caption = title_and_caption(svg)
        assert title in articles[f"figure-{name}"]
        assert caption in articles[f"figure-{name}"]
        image = images[f"figure-{name}"]
        inlined = base64.b64decode(image["src"].partition(";base64,")[2])
        assert inlined in (svg.read_bytes(), svg.with_suffix(".png").read_bytes())
        assert title in image["alt"]
        assert len(image["alt"]) > len(title) + 20


def test_every_figure_links_to_its_files_and_tables(document):
    for name in figure_names(TASKS):
        links = {link["href"] for link in document.all("a", within=f"figure-{name}")}
        tables = {f"summary/{table}.parquet" for table in required_tables(name, TASKS)}
        assert links == tables | {f"figures/{name}.svg", f"figures/{name}.png"}
        (article,) = [article for article in document.all("article") if article.get("id") == f"figure-{name}"]
        assert ("computed, from no table" in article["text"]) == (not tables)
        assert ("drawn from" in article["text"]) == bool(tables)


def test_every_policy_has_a_row(document, finished):
    policies = summary(finished.results, "policies")
    rows = document.rows("policies-table")
    assert len(rows) == len(policies) == 4
    headings = [heading["text"].strip() for heading in document.all("button", within="policies-table")]
    for row, policy in zip(rows, policies.to_dict("records"), strict=True):
        cells = dict(zip(headings, row, strict=True))
        assert (cells["task"], cells["size"], cells["seed"]) == (policy["task"], policy["size"], str(policy["seed"]))
        assert cells["identified"] == ("none" if pd.isna(policy["identified_task"]) else policy["identified_task"])
        assert np.isclose(float(cells["Op"].replace("−", "-")), policy["op"], atol=1e-4)
        assert np.isclose(float(cells["success"]), policy["success_rate"], atol=1e-3)


def test_every_statistic_of_every_claim_is_judged(document, finished):
    claims = summary(finished.results, "claims")
    claims = claims[claims["replaced_by"].isna()]  # the others have no say
    rows = document.rows("claims-table")
    statistics_shown = [row for row in rows if len(row) > 1]
    assert [row[:2] for row in statistics_shown] == claims[["statistic", "verdict"]].to_numpy().tolist()
    assert [row[-1] for row in statistics_shown] == claims["n"].astype(str).to_list()
    assert [row for (row,) in (row for row in rows if len(row) == 1)] == [
        f"{claim}. {statement}" for claim, statement in claims.groupby("claim")["statement"].first().items()
    ]
    for shown, row in zip(statistics_shown, claims.to_dict("records"), strict=True):
        assert re.fullmatch(r"(> |< |within ± )" + re.escape(f"{row['threshold']:g}"), shown[4])
        assert (shown[3] == "no interval") == math.isnan(row["low"])


def test_the_headline_counts_the_identified_policies(document, finished):
    identification = summary(finished.results, "identification")
    cards = [article for article in document.all("article") if article.get("class") == "card"]
    assert len(cards) == 2
    for card, measure in zip(cards, ["op", "imp"], strict=True):
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
                assert "/" not in reference[0]
                assert ".." not in reference
                assert (finished.results / unquote(reference)).is_file(), reference
    assert not re.search(r"https?:|//[a-z]|url\(|@import", re.sub(r'src="data:[^"]*"', "", html).replace("// ", ""))
    assert len(html.encode()) < 15e6


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
        (folder / "figures" / f"{name}.svg").write_text(svg)
        shutil.copy(finished.results / "figures" / f"{original}.png", folder / "figures" / f"{name}.png")
    claims = summary(folder, "claims").assign(statement=HOSTILE)
    identification, policies = (
        summary(folder, name).replace({"task": {"good2": HOSTILE}, "identified_task": {"good2": HOSTILE}})
        for name in ("identification", "policies")
    )
    configuration = {"sweep": {"tasks": tasks, "sizes": SIZES, "seeds": [0]}, "note": HOSTILE}
    contents = {
        "sweep": sweep_size(policies),
        "headline": headline(identification, tasks),
        "scorecard": scorecard(claims),
        "groups": figure_groups(folder, tasks),
        "policies": policies_overview(policies, tasks, SIZES),
        "made_by": "{}",
        "schedule": illustration(folder / "figures" / f"{figure_names(tasks)[0]}.svg"),
        "run": run_details(NO_JOBS, [str(folder / "summary" / "policies.parquet")], configuration),
    }
    hostile = Document(page(contents))
    assert len(hostile.all("img")) == len(figure_names(tasks)) + 1
    assert len(hostile.all("script")) == 1
    assert not hostile.all("b")
    assert not any(name.startswith("on") for element in hostile.elements for name in element)
    texts_shown = {element["text"].strip() for element in hostile.all("th", "option", "h4", "span")}
    assert {HOSTILE, f"1. {HOSTILE}"} <= texts_shown
    assert len([row for row in hostile.rows("policies-table") if row[0] == HOSTILE]) == 2
    assert yaml.safe_load(hostile.all("pre")[0]["text"])["note"] == HOSTILE


def escaped(match, text):
    text = text.replace("&", "&amp;").replace("<", "&lt;")
    return match[1] + text + match[2]


# Its parts


def identified(*pairs):
    rows = [
        {"task": task, "measure": "op", "identified_task": found, "correct": task == found} for task, found in pairs
    ]
    return pd.DataFrame(rows).astype({"task": "string", "identified_task": "string"})


@pytest.mark.parametrize(
    ("n_right", "n_wrong", "answer"), [(40, 0, "Yes"), (0, 40, "No"), (20, 20, "Not shown"), (3, 0, "Not shown")]
)
def test_the_headlines_answer_needs_the_whole_interval(n_right, n_wrong, answer):
    table = identified(*[("a", "a")] * n_right, *[("a", "b")] * n_wrong)
    table = pd.concat([table, table.assign(measure="imp")])
    for measure in headline(table, ["a", "b"])["measures"]:
        assert measure["answer"].startswith(answer)


def test_the_confusion_matrix_counts_each_policy_once():
    table = identified(("a", "a"), ("a", "a"), ("a", "b"), ("b", None), ("b", "b"))
    op, _ = headline(pd.concat([table, table.assign(measure="imp")]), ["a", "b", "c"])["measures"]
    assert op["confusion"] == [
        {"task": "a", "counts": [2, 1, 0, 0]},
        {"task": "b", "counts": [0, 1, 0, 1]},
        {"task": "c", "counts": [0, 0, 0, 0]},
    ]
    assert (op["n_correct"], op["of"]) == (3, "5 policies")


def test_a_large_svg_is_shown_as_its_png_if_that_is_smaller(copied, monkeypatch):
    def kinds():
        groups = figure_groups(copied.results, TASKS)
        return {figure["image"].split(";")[0] for group in groups for figure in group["figures"]}

    monkeypatch.setattr(illustrations, "LARGEST_SVG", math.inf)
    assert kinds() == {"data:image/svg+xml"}
    for png in (copied.results / "figures").glob("*.png"):
        png.write_bytes(png.read_bytes()[:1000])
    monkeypatch.setattr(illustrations, "LARGEST_SVG", 0)
    assert kinds() == {"data:image/png"}


def test_a_figure_that_is_spoilt_or_missing_is_named(copied):
    svg = copied.results / "figures" / f"{figure_names(TASKS)[0]}.svg"
    for spoilt in ("<svg", "<svg/>"):
        svg.write_text(spoilt)
        with pytest.raises(UserError, match=re.escape(f"{svg}: not a figure")):
            figure_groups(copied.results, TASKS)
    svg.unlink()
    with pytest.raises(UserError, match="no such file"):
        figure_groups(copied.results, TASKS)


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
        {"rule": "finetune", "jobs": "2 jobs", "total": "2:01:40 h", "longest": "2:00:00 h", "memory": "50 MB"},
    ]


def test_numbers_are_worded_alike_everywhere():
    assert number(-1234.5, ",.1f") == "−1,234.5"
    assert number(math.nan, ".3f") == number(None, ".3f") == "–"
    assert counted(1, "policy", "policies") == "1 policy"
    assert counted(1200, "seed") == "1,200 seeds"
    assert duration(119.94) == "119.9 s"


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

WIDTHS = [400, 1400]


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
    assert len(urls) > len(figure_names(TASKS))
    assert {url.split(":")[0] for url in urls} == {"file", "data"}
    assert len([url for url in urls if url.startswith("file:")]) == 1


def test_every_image_is_shown_large_enough_to_read(opened):
    images = opened.find_elements(By.TAG_NAME, "img")
    assert len(images) == len(figure_names(TASKS)) + 1  # and the schedule
    for image in images:
        natural, shown = opened.execute_script(
            "return [arguments[0].naturalWidth, arguments[0].getBoundingClientRect().width]", image
        )
        assert natural > 0
        points = int(image.get_attribute("width")) / 2  # of the figure, whose small print has 7
        assert 7 * shown / points > 9


def test_the_page_does_not_scroll_sideways(opened):
    scroll, client = opened.execute_script(
        "return [document.documentElement.scrollWidth, document.documentElement.clientWidth]"
    )
    assert scroll == client
    # Every wide table scrolls in its own container, and can be reached by keyboard.
    for container in opened.find_elements(By.CLASS_NAME, "scroll"):
        assert container.get_attribute("tabindex") == "0"


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
    assert {"color-contrast", "image-alt", "label", "select-name"} <= set(passed)
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
        " document.querySelectorAll('#policies-table tbody tr')[index].cells[1].dataset.key = key"
    )
    number_of = "return [...document.querySelectorAll('#policies-table tbody tr')].map(row => row.cells[1].dataset.key)"
    button = opened.find_elements(By.CSS_SELECTOR, "#policies-table thead button")[1]
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
    assert shown_rows(opened) == [row for row in everything if row[0] == "good2"]
    size.select_by_visible_text("tiny2")
    assert shown_rows(opened) == [row for row in everything if row[:2] == ["good2", "tiny2"]]
    assert status.text == "1 of 4 shown"
    task.select_by_visible_text("all")
    size.select_by_visible_text("all")
    words.send_keys("TINY2 good4" + Keys.ENTER)
    assert shown_rows(opened) == [row for row in everything if row[:2] == ["good4", "tiny2"]]
    words.send_keys("no such words")
    assert shown_rows(opened) == []
    assert status.text == "0 of 4 shown"


def test_what_has_the_focus_is_outlined(opened):
    opened.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    focused = opened.switch_to.active_element
    assert focused.text == "Skip to the results"
    assert focused.value_of_css_property("outline-style") == "solid"
    assert focused.location["x"] >= 0
