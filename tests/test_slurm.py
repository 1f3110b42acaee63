"""The sweep on a real Slurm, of one node on this machine, through the profile that users take."""

import shutil
from collections import Counter

import pytest

from conftest import ROOT, forget, in_background, wait_until
from loopback_slurm import PLUGINS, PROGRAMS, LoopbackSlurm
from sweep.layout import pretrained_table
from test_workflow import EVERYTHING, RESULTS, SIZES, TASKS, assert_equal_tables

missing = [program for program in PROGRAMS if shutil.which(program) is None]
pytestmark = [
    pytest.mark.xdist_group("slurm"),  # one cluster for all
    pytest.mark.skipif(bool(missing), reason=f"Slurm is not installed: no {', '.join(missing)}"),
    pytest.mark.skipif(not PLUGINS.is_dir(), reason=f"no plugins for clusters in {PLUGINS}; `make test` installs them"),
]

PROFILE = [
    "--workflow-profile",
    ROOT / "profiles" / "slurm",
    # This Slurm has no accounting database, and its jobs take seconds.
    "--slurm-no-account",
    "--slurm-status-command=squeue",
    "--slurm-init-seconds-before-status-checks=1",
]


@pytest.fixture(scope="module")
def daemons(tmp_path_factory):
    slurm = LoopbackSlurm(tmp_path_factory.mktemp("slurm"))
    try:
        slurm.start()
        yield slurm
    finally:
        slurm.stop()


@pytest.fixture
def slurm(daemons, monkeypatch):
    """The running Slurm, which commands started in the test see."""
    for name, value in daemons.environment.items():
        monkeypatch.setenv(name, value)
    return daemons


def rule_comment(rule, *wildcards):
    """What the executor calls a submission in Slurm."""
    return "_".join(["rule", rule, "wildcards", *map(str, wildcards)])


MEASURE = "rule_measure_measure"
BLOCKS = "rule_blocks_measure_differential_measure_differential_pretrained"


def asked_for(job):
    """Processors, MB and minutes of a submission, and its partition."""
    hours, minutes, _ = job["TimeLimit"].split(":")
    return int(job["NumCPUs"]), job["MinMemoryNode"], 60 * int(hours) + int(minutes), job["Partition"]


def test_a_sweep_on_slurm_is_that_of_one_machine(slurm, workspace, finished):
    """Equal tables, from the submissions that the profile's groups make, with the resources that the rules ask for."""
    run = workspace.snakemake(*PROFILE)
    assert run.status == 0, run.output
    assert_equal_tables(workspace, finished)
    assert workspace.files() == finished.files()

    jobs = slurm.jobs(workspace.folder)
    assert {job["JobState"] for job in jobs} == {"COMPLETED"}
    assert {job["Comment"]: asked_for(job) for job in jobs} == {
        "rule_sequences_sequences": (1, "1000M", 3 * 10, "main"),
        "rule_measure_generator": (1, "1000M", 10, "main"),
        **{rule_comment("pretrain", size, 0): (1, "1500M", 10, "main") for size in SIZES},
        **{rule_comment("finetune", task, size, 0): (1, "1500M", 10, "main") for task in TASKS for size in SIZES},
        MEASURE: (1, "1500M", 4 * 5, "main"),
        BLOCKS: (1, "1502M", 6 * 5, "main"),
        "rule_summarize": (1, "2000M", 30, "main"),
        "rule_figures": (1, "1500M", 30, "main"),
        "rule_report": (1, "1000M", 30, "main"),
        "rule_manifest": (1, "1000M", 30, "main"),
    }
    assert len(jobs) == 14 < len(EVERYTHING) == 24


def test_a_sweep_survives_what_happens_on_a_cluster(slurm, copied, finished):
    """A cancelled job, a lost node, jobs over their time and memory, a preempted one: the same tables in the end."""
    size = SIZES[0]
    forget(copied, size)
    good2, good4 = (rule_comment("finetune", task, size, 0) for task in TASKS)

    def hang(name, number=1, restarts=0, seconds=0):
        """The so-manieth submission of a name, once it has run for a while; from then on it hangs."""
        found = []

        def is_running():
            found[:] = [job for job in slurm.jobs(copied.folder) if job["Comment"].startswith(name)]
            return len(found) == number and (found[-1]["JobState"], restarts) == ("RUNNING", int(found[-1]["Restarts"]))

        wait_until(lambda: is_running() and found[-1]["RunTime"] >= f"00:00:{seconds:02}")
        slurm.hang(found[-1])
        return found[-1]

    # Measuring takes 700 MB, so that its first attempt has too little.
    with in_background(copied, *PROFILE, "--set-resources", "measure:mem_mb=attempt * 500") as result:
        cancelled = hang(good2)
        hang(good4)
        slurm.command("scancel", cancelled["JobId"])
        # Younger jobs may still be starting, for all that Slurm knows, and are not missed at once.
        hang(good2, number=2, seconds=8)
        slurm.lose_node()
        slurm.start_node()
        slurm.run_out_of_time(hang(good4, restarts=1))
        hang("rule_summarize")
        slurm.command("sbatch", "--partition=urgent", "--cpus-per-task=2", "--mem=100", "-o/dev/null", "--wrap=true")
        run = result()
    assert run.status == 0, run.output
    assert_equal_tables(copied, finished)

    jobs = slurm.jobs(copied.folder)
    ends = Counter((job["Comment"].removeprefix("rule_"), job["JobState"], int(job["Restarts"])) for job in jobs)
    assert ends == {
        (good2.removeprefix("rule_"), "CANCELLED", 0): 1,
        (good2.removeprefix("rule_"), "COMPLETED", 1): 1,
        (good4.removeprefix("rule_"), "TIMEOUT", 1): 1,
        (good4.removeprefix("rule_"), "COMPLETED", 0): 1,
        ("measure_measure", "FAILED", 0): 1,
        ("measure_measure", "COMPLETED", 0): 1,
        ("blocks_measure_differential", "COMPLETED", 0): 1,
        ("summarize", "COMPLETED", 1): 1,
        ("figures", "COMPLETED", 0): 1,
        ("report", "COMPLETED", 0): 1,
        ("manifest", "COMPLETED", 0): 1,
    }
    first, second = (asked_for(job) for job in jobs if job["Comment"] == good2)
    assert (first, second) == ((1, "1500M", 10, "main"), (1, "3000M", 20, "main"))


def test_a_gpu_is_asked_for_where_the_configuration_has_one(slurm, copied):
    (copied.folder / pretrained_table(RESULTS, "checkpoint", SIZES[0], 0)).unlink()
    copied.snakemake(*PROFILE, "--until", "pretrain", "--retries=0", override={"device": "cuda"})
    (job,) = slurm.jobs(copied.folder)  # which ends well only where there is one
    assert job["Comment"] == rule_comment("pretrain", SIZES[0], 0)
    assert job["TresPerJob"] == "gres:gpu:1"
