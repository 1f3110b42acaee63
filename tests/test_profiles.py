"""The cluster profiles, as far as they can be tested without Slurm, and a sweep through a queue on this machine."""

import json
import os
import re
import subprocess
from collections import Counter

import pytest
import yaml

from conftest import ROOT, forget, in_background, wait_until
from loopback_slurm import PLUGINS
from test_workflow import SIZES, assert_equal_tables

GENERIC = ["--workflow-profile", ROOT / "profiles" / "generic"]
PLUGIN = "snakemake_executor_plugin_cluster_generic"


def profile(name):
    return yaml.safe_load((ROOT / "profiles" / name / "config.yaml").read_text())


@pytest.fixture
def queue(tmp_path_factory, monkeypatch):
    """The folder of a queue, which commands started in the test submit to with `qsub`."""
    if not (PLUGINS / PLUGIN).is_dir():
        pytest.skip(f"no plugins for clusters in {PLUGINS}; `make test` installs them")
    folder = tmp_path_factory.mktemp("queue")
    for name in ("bin", "plugins", "jobs"):
        (folder / name).mkdir()
    for name in ("qsub", "qstatus", "qdel"):
        (folder / "bin" / name).symlink_to(ROOT / "tests" / "queue_of_jobs.py")
    (folder / "plugins" / PLUGIN).symlink_to(PLUGINS / PLUGIN)  # alone, since that of Slurm asks for its controller
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", str(folder / "plugins"))
    monkeypatch.setenv("QUEUE", str(folder / "jobs"))
    yield folder / "jobs"
    subprocess.run(["qdel", *(path.name for path in (folder / "jobs").glob("*/"))], check=True)


def test_what_is_not_a_sites_own_is_alike_in_all_profiles():
    default, slurm, generic = map(profile, ("default", "slurm", "generic"))
    assert default.pop("cores") == "all"  # a submission has one
    assert default.items() <= slurm.items()
    assert default.items() <= generic.items()
    own = re.compile("executor|(slurm|cluster-generic)-.+|default-resources|seconds-between-status-checks")
    slurm, generic = ({key: value for key, value in of.items() if not own.fullmatch(key)} for of in (slurm, generic))
    assert slurm == generic
    assert len(slurm) > 8
    assert slurm["cores"] == 1


def test_a_paper_scale_sweep_makes_as_many_submissions_as_the_page_says(queue, workspace):
    sweep = yaml.safe_load((ROOT / "config.yaml").read_text())["sweep"]
    run = workspace.snakemake("--dry-run", *GENERIC, override={"sweep": sweep})
    assert run.status == 0, run.output
    groups = Counter(re.findall(r"Group job (\w+) ", run.output))
    n_models = len(sweep["sizes"]) * len(sweep["seeds"])
    n_policies = n_models * len(sweep["tasks"])
    assert groups == {"sequences": 1, "measure": -(-n_policies // 20), "measure_pretrained": -(-n_models // 20)}
    n_single = len(re.findall(r"^Job \d+:", run.output, re.MULTILINE))  # those in groups are indented
    n_jobs = n_single + 3 + n_policies + n_models
    assert re.search(rf"^total +{n_jobs + 1}$", run.output, re.MULTILINE)
    page = " ".join((ROOT / "docs" / "cluster.md").read_text().split())
    assert f"{n_jobs} jobs in {n_single + groups.total()} submissions" in page


def test_a_sweep_through_a_queue_is_that_of_one_machine(queue, copied, finished):
    """A job that somebody kills is submitted again, with twice the memory and time."""
    forget(copied, SIZES[0])
    options = ["--cluster-generic-status-cmd=qstatus", "--seconds-between-status-checks=1"]
    with in_background(copied, *GENERIC, *options) as result:
        wait_until((queue / "1" / "started").exists)
        subprocess.run(["qdel", "1"], check=True)
        run = result()
    assert run.status == 0, run.output
    assert_equal_tables(copied, finished)

    requests = [json.loads((queue / str(number) / "request").read_text()) for number in range(1, 9)]
    asked = [(request["mem_free"], request["h_rt"]) for request in requests]
    assert len(list(queue.glob("*/"))) == len(asked)
    assert asked[:2] == [("1500M", "0:10:0")] * 2  # reinforcing on good2 and good4
    assert asked[2] == ("3000M", "0:20:0")
    assert asked[3] == ("1501M", "0:10:0")  # measuring both
    assert asked[4:] == [(f"{memory}M", "0:30:0") for memory in (2000, 1500, 1000, 1000)]
