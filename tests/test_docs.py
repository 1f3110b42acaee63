"""What the README shows is what there is."""

import re
import subprocess
import sys

import numpy as np
import yaml
from snakemake.utils import update_config

from conftest import ROOT
from sweep.configuration import validate

README = (ROOT / "README.md").read_text()


def blocks(language):
    return re.findall(rf"```{language}\n(.*?)```", README, re.DOTALL)


def edges(graph):
    """Pairs of rules; Snakemake numbers and orders them anew each time."""
    rules = dict(re.findall(r"(id\d+)\[(\w+)\]", graph))
    pairs = {(rules[start], rules[end]) for start, end in re.findall(r"(id\d+) --> (id\d+)", graph)}
    assert pairs
    return pairs


def test_the_rule_graph_is_the_workflows_own():
    command = [sys.executable, "-m", "snakemake", "--rulegraph", "mermaid-js", "--configfile", "config/tiny.yaml"]
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


def test_every_file_the_readme_names_exists():
    links = re.findall(r"\]\(([^)#:]+)\)", README)
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
