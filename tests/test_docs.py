"""What the README and the pages in docs/ show is what there is."""

import re
import subprocess
import sys

import numpy as np
import pytest
import yaml
from snakemake.utils import update_config

from conftest import ROOT
from sweep.configuration import validate

README = (ROOT / "README.md").read_text()


def blocks(language, page=README):
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


def edges(graph):
    """Pairs of rules; Snakemake numbers and orders them anew each time."""
    rules = dict(re.findall(r"(id\d+)\[(\w+)\]", graph))
    pairs = {(rules[start], rules[end]) for start, end in re.findall(r"(id\d+) --> (id\d+)", graph)}
    assert pairs
    return pairs


def test_the_rule_graph_is_the_workflows_own():
    assert "snakemake --rulegraph mermaid-js figures" in README
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js", "--configfile", "config/tiny.yaml"]
    command += ["--", "figures"]
    graph = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (shown,) = blocks("mermaid")
    assert edges(shown) == edges(graph)


def test_the_example_of_a_task_of_ones_own_is_valid():
    (example,) = blocks("yaml")
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


def test_the_page_on_a_policy_of_ones_own_prints_what_it_says(capsys):
    page = (ROOT / "docs" / "your-own-policy.md").read_text()
    examples, outputs = blocks("python", page), blocks("text", page)
    assert len(examples) == len(outputs) == 3
    names = {}
    for example, output in zip(examples, outputs, strict=True):
        exec(example, names)
        assert capsys.readouterr().out == output


@pytest.mark.parametrize("page", [ROOT / "README.md", *(ROOT / "docs").glob("*.md")], ids=lambda page: page.name)
def test_every_file_that_a_page_names_exists(page):
    links = re.findall(r"\]\(([^)#:]+)\)", page.read_text())
    assert links or page.name != "README.md"
    assert [link for link in links if not (page.parent / link).exists()] == []
