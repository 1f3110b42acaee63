"""What the README and the pages in docs/ show is what there is."""

import doctest
import inspect
import re
import shutil
import subprocess
import sys
import tomllib
from importlib import import_module

import numpy as np
import pandas as pd
import pytest
import yaml
from matplotlib.collections import PathCollection
from snakemake.utils import update_config

import splithistory
from conftest import ROOT
from sweep.configuration import validate
from sweep.figures import figure_names
from sweep.figures.drawing import draw
from sweep.figures.marks import FigureStyle

README = (ROOT / "README.md").read_text()
WORKFLOW = (ROOT / "docs/workflow.md").read_text()


def blocks(language, page=README):
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def test_the_table_of_rules_is_the_workflows_own_graph():
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js", "--configfile", "config/tiny.yaml"]
    command += ["--", "figures"]
    graph = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    rules = dict(re.findall(r"(id\d+)\[(\w+)\]", graph))
    edges = {(rules[start], rules[end]) for start, end in re.findall(r"(id\d+) --> (id\d+)", graph)}
    shown = re.findall(r"^\| `(\w+)` \| (.*?)\| ", WORKFLOW, re.MULTILINE)
    assert {rule for rule, _ in shown} == set(rules.values())
    assert {(start, rule) for rule, sources in shown for start in re.findall(r"`(\w+)`", sources)} == edges


def test_the_example_of_a_task_of_ones_own_is_valid():
    (example,) = blocks("yaml", WORKFLOW)
    config = yaml.safe_load((ROOT / "config.yaml").read_text())
    for text in [(ROOT / "config/quick.yaml").read_text(), example]:
        update_config(config, yaml.safe_load(text))
    validate(config)
    assert config["sweep"]["tasks"][-1] == "odd"


def test_the_example_of_a_policy_of_ones_own_gives_what_it_says():
    (example,) = [block for block in blocks("python") if "splithistory.measure" in block]
    names = {}
    exec(example, names)
    assert np.isclose(names["futures"].op, np.log(4))
    assert np.isclose(names["futures"].imp, np.log(4))


def printed(page, capsys, change=lambda example: example):
    """What the examples of a page print, run one after the other, beside what it says; and the names they leave."""
    examples, said = blocks("python", page), blocks("text", page)
    names, outputs = {}, []
    for example in examples:
        exec(change(example), names)
        outputs.append(capsys.readouterr().out)
    return outputs, said, names


@pytest.mark.parametrize(("name", "n_examples"), [("tutorial", 10), ("experiments", 18)])
def test_a_page_prints_what_it_says(name, n_examples, capsys, monkeypatch):
    monkeypatch.chdir(ROOT)
    outputs, said, _ = printed((ROOT / "docs" / f"{name}.md").read_text(), capsys)
    assert outputs == said
    assert len(said) == n_examples


def test_the_worked_examples_print_what_they_say_and_draw_what_is_shown(capsys, monkeypatch, tmp_path):
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    monkeypatch.chdir(tmp_path)  # where the page leaves its figure
    page = (ROOT / "docs" / "worked-examples.md").read_text()
    outputs, said, _ = printed(page, capsys)
    assert [output for output in outputs if output] == said
    assert len(said) == 17
    drawn, shown = (
        re.findall(r"fill: (#\w{6})", (folder / "answers.svg").read_text())
        for folder in (tmp_path, ROOT / "docs" / "worked-examples")
    )
    assert drawn == shown
    assert len(set(drawn)) > 50
    reasons = re.findall(r'"((?:infinite|not\s+promoted): [^"{]+)"', page)
    folder = ROOT / "workflow_scripts" / "sweep"
    given = (folder / "summary.py").read_text() + (folder / "identification.py").read_text()
    assert [f'"{" ".join(reason.split())}"' in given for reason in reasons] == [True, True]


def test_what_the_fits_of_differential_costs_find_is_what_times_are_made_of(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    benchmark = import_module("differential_cost")
    shapes = [(width, 2) for width in benchmark.WIDTHS] + [(64, depth) for depth in benchmark.DEPTHS if depth != 2]
    made = pd.DataFrame(shapes, columns=["d_model", "n_layers"]).astype(float)
    for part in benchmark.PARTS:
        made[f"{part}_ms"] = (2.0 + made["d_model"] + 1e-4 * made["d_model"] ** 3) * made["n_layers"] ** 1.5
    for of in benchmark.shares(made, 100):
        assert of["power_3"] == pytest.approx(100 / 202, rel=1e-6)
        assert of["power_2"] == pytest.approx(0, abs=1e-6)
    deep = [of for of in benchmark.exponents(made) if of["of"] == "depth"]
    assert [(of["n"], of["exponent"]) for of in deep] == [(5, pytest.approx(1.5))] * 3


TUTORIAL = (ROOT / "docs" / "tutorial.md").read_text()


def test_the_figure_in_ten_lines_is_the_published_one(monkeypatch):
    monkeypatch.chdir(ROOT)
    *_, example = blocks("python", TUTORIAL)
    assert len([line for line in example.splitlines() if line and not line.startswith("import")]) == 10
    names = {"pd": pd}
    exec(example, names)
    policies = pd.read_parquet(ROOT / "docs/sweeps/paper/summary/policies.parquet")
    style = FigureStyle.from_policies(["good2", "good4", "good6"], policies)
    figure = draw("op_vs_predicted", {"policies": policies}, style)
    (explained,) = re.findall(r"R² about y = x is ([\d.]+)", figure.title)
    assert names["axes"].get_title() == f"R² about y = x: {explained}, n = {len(policies)}"
    published = figure.figure.axes[0]
    shown = np.concatenate([marks.get_offsets() for marks in names["axes"].collections])
    drawn = np.concatenate([part.get_offsets() for part in published.collections if isinstance(part, PathCollection)])
    np.testing.assert_allclose(np.sort(shown, axis=0), np.sort(drawn, axis=0))


def test_the_tutorial_answers_as_the_workflow_does_on_any_sweep(capsys, finished):
    def of_the_tiny_sweep(example):
        return example.replace("docs/sweeps/paper", finished.results.as_posix()).replace("51k", "tiny2")

    *_, names = printed(TUTORIAL, capsys, of_the_tiny_sweep)
    keys = ["task", "size", "seed"]
    nearest = names["nearest"].astype({"seed": int, "task": str, "size": str}).set_index(keys)["candidate"]
    found = pd.read_parquet(finished.results / "summary" / "identification.parquet")
    identified = found[found["measure"] == "op"].set_index(keys)["identified_task"].dropna()
    assert nearest.to_dict() == identified.to_dict()
    assert len(nearest) > 0


def shape(line):
    """A line of the screen without what differs between runs: numbers, the time left, and which policy is best."""
    line = re.sub(r"^(\d\d:\d\d +\d+/\d+) .* (start|done) ", r"\1 \2 ", line)
    line = re.sub(r"(policy: ).+(, success)", r"\1\2", line.replace(" min", " s"))
    return re.sub(r"[\d.,T−-]+| +", lambda found: " " if found[0].isspace() else "0", line)


def test_the_screen_in_the_tutorial_is_that_of_the_tiny_sweep(finished_run):
    _, run = finished_run
    (screen,) = blocks("console", TUTORIAL)
    shown = [line for line in screen.splitlines() if line != "..."]
    shapes = [shape(line) for line in run.stderr.splitlines()]
    assert [line for line in shown if shape(line) not in shapes] == []
    assert [shape(line) for line in shown[-5:]] == shapes[-5:]
    assert max(map(len, shown)) < 80


def test_the_gallery_shows_every_figure_with_two_sentences():
    gallery = (ROOT / "docs" / "gallery.md").read_text()
    entries = dict(re.findall(r"^### (\w+)\n(.*?)(?=^##|\Z)", gallery, re.DOTALL | re.MULTILINE))
    assert sorted(entries) == sorted(figure_names(["good2", "good4", "good6"]))
    for name, entry in entries.items():
        ((alternative, path),) = re.findall(r"!\[(.+)\]\((.+)\)", entry)
        assert path == f"sweeps/paper/figures/{name}.svg"
        assert len(alternative) > 10
        text = entry.partition(f"({path})")[2].strip()
        assert len(re.findall(r"[^.]\.(?=\s+[A-Z0-9]|$)", text)) >= 2, name


def test_the_page_on_reruns_reads_a_tables_metadata(finished, monkeypatch, capsys):
    monkeypatch.chdir(finished.folder)
    (example,) = blocks("python", (ROOT / "docs" / "reruns.md").read_text())
    exec(example, {})
    assert capsys.readouterr().out == "[1, 0, 0, 0, 1, 0, 0, 0]\n"


@pytest.mark.parametrize("page", [ROOT / "README.md", *(ROOT / "docs").rglob("*.md")], ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert links or page.name != "README.md"
    assert [link for link in links if not (page.parent / link).exists()] == []


DOCUMENTED = [
    ".".join(path.relative_to(ROOT / "workflow_scripts").with_suffix("").parts).removesuffix(".__init__")
    for path in (ROOT / "workflow_scripts" / "splithistory").rglob("*.py")
    if ">>>" in path.read_text()
]


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples_in_docstrings_print_what_they_say(name):
    outcome = doctest.testmod(import_module(name))
    assert (outcome.failed, outcome.attempted > 0) == (0, True)


def test_the_page_on_installing_lists_every_extra():
    page = (ROOT / "docs" / "your-own-policy.md").read_text()
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE) == list(extras)


def site(folder, **pages):
    """Build a site of a few pages as `make docs` does that of docs/."""
    (folder / "docs").mkdir()
    shutil.copy(ROOT / "docs" / "conf.py", folder / "docs")
    (folder / "workflow_scripts").symlink_to(ROOT / "workflow_scripts")
    for name, text in pages.items():
        (folder / "docs" / f"{name}.md").write_text(text)
    (options,) = re.findall(r"python (-m sphinx .+)", (ROOT / "Makefile").read_text())
    without_apidoc = ["--define", "extensions=sphinx.ext.autodoc,sphinx.ext.napoleon,myst_parser"]
    command = [sys.executable, *options.split(), *without_apidoc]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True)


CONTENTS = "# Contents\n\n## Tutorial\n\n- [The page](page.md), which says it.\n\n"
LIBRARY = "```{eval-rst}\n.. automodule:: splithistory\n   :members:\n```\n"


def test_the_site_has_its_contents_and_the_library_and_asks_no_other_host(tmp_path):
    built = site(
        tmp_path, index=CONTENTS, page=f"# Page\n\n[above](#page), [home](index.md), [code](conf.py)\n\n{LIBRARY}"
    )
    assert (built.returncode, built.stderr) == (0, "")
    index, page = ((tmp_path / "build" / "docs" / f"{name}.html").read_text() for name in ("index", "page"))
    assert re.search(r'<p class="caption".*>Tutorial</span></p>\s*<ul>\s*<li.*href="page.html">Page</a>', index)
    assert not re.search(r'<(?:script|link|img)\b[^>]*(?:src|href)="(?:https?:)?//', index + page)
    public = {name for name in splithistory.__all__ if not inspect.ismodule(getattr(splithistory, name))}
    assert {f"splithistory.{name}" for name in public} <= set(re.findall(r'id="([\w.]+)"', page))
    assert "F'|x''" in page


def test_what_is_wrong_fails_the_site(tmp_path):
    links = {
        "[a page](gone.md)": "cross-reference target not found: 'gone.md'",
        "[a heading](#gone)": "cross-reference target not found: 'gone'",
        "[one elsewhere](index.md#gone)": "local id not found in doc 'index': 'gone'",
        "[a file](../gone.yaml)": "cross-reference target not found: '../gone.yaml'",
        "![a figure](gone.svg)": "image file not readable: gone.svg",
    }
    built = site(tmp_path, index=CONTENTS, page="\n\n".join(["# Page", *links]), unlisted="# Unlisted")
    assert built.returncode != 0
    for said in [*links.values(), "document isn't included in any toctree"]:
        assert said in built.stderr
