"""The sweep on a real Slurm cluster, of one node on this machine, with the profile that users use."""

import shutil
from collections import Counter

import pytest

from conftest import ROOT, forget, in_background, wait_until
from loopback_slurm import PLUGINS, PROGRAMS, LoopbackSlurm
from sweep.layout import pretrained_table
from test_workflow import RESULTS, SIZES, TASKS, assert_equal_tables

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


def asked_for(job):
    """MB and minutes of a submission."""
    hours, minutes, _ = map(int, job["TimeLimit"].split(":"))
    return int(job["MinMemoryNode"].removesuffix("M")), 60 * hours + minutes


# What the executor calls each submission of the tiny sweep: by its rule and wildcards, or its group and rules.
PRETRAIN = [f"rule_pretrain_wildcards_{size}_0" for size in SIZES]
FINETUNE = [f"rule_finetune_wildcards_{task}_{size}_0" for task in TASKS for size in SIZES]
MEASURE = "rule_measure_measure"
MEASURE_PRETRAINED = "rule_measure_pretrained_measure_pretrained"
SEQUENCES = "rule_sequences_sequences"
GENERATOR = "rule_measure_generator"
OF_AGGREGATION = {  # and what they ask for
    "rule_summarize": (2000, 30),
    "rule_figures": (1500, 30),
    "rule_report": (1000, 30),
    "rule_manifest": (1000, 30),
}
AGGREGATION = list(OF_AGGREGATION)


def hang(slurm, workspace, name, number=1, restarts=0):
    """Wait until the nth submission of a name runs, and suspend it."""
    found = []

    def is_running():
        found[:] = [job for job in slurm.jobs(workspace.folder) if job["Comment"] == name]
        return len(found) == number and (found[-1]["JobState"], found[-1]["Restarts"]) == ("RUNNING", str(restarts))

    wait_until(is_running)
    slurm.hang(found[-1])
    return found[-1]


def ends(jobs):
    """Count submissions by name, final state and number of restarts."""
    return Counter((job["Comment"], job["JobState"], int(job["Restarts"])) for job in jobs)


def test_policies_made_on_slurm_are_those_of_one_machine(slurm, copied, finished):
    """A job that somebody cancels is submitted again, with twice the memory and time."""
    forget(copied, SIZES[0])
    finetune = [f"rule_finetune_wildcards_{task}_{SIZES[0]}_0" for task in TASKS]
    with in_background(copied, *PROFILE) as result:
        slurm.command("scancel", hang(slurm, copied, finetune[0])["JobId"])
        run = result()
    assert run.status == 0, run.output
    assert_equal_tables(copied, finished)

    jobs = slurm.jobs(copied.folder)
    assert {(job["NumCPUs"], job["Partition"]) for job in jobs} == {("1", "main")}
    made = [*finetune, MEASURE, *AGGREGATION]
    assert ends(jobs) == {**{(name, "COMPLETED", 0): 1 for name in made}, (finetune[0], "CANCELLED", 0): 1}
    assert {job["Comment"]: asked_for(job) for job in jobs if job["JobState"] == "COMPLETED"} == {
        finetune[0]: (2 * 1500, 2 * 10),
        finetune[1]: (1500, 10),
        MEASURE: (1501, 2 * 5),  # both policies, one after the other
        **OF_AGGREGATION,
    }


@pytest.mark.slow
def test_a_sweep_on_slurm_is_that_of_one_machine_whatever_happens_there(slurm, workspace, finished):
    """A cancelled job, a lost node, jobs over their time and memory, and a preempted one; equal tables in the end."""
    good2, good4 = (f"rule_finetune_wildcards_{task}_{SIZES[0]}_0" for task in TASKS)
    # Measuring takes 700 MB, so that its first attempt has too little.
    with in_background(workspace, *PROFILE, "--set-resources", "measure:mem_mb=attempt * 500") as result:
        cancelled = hang(slurm, workspace, good2)
        hang(slurm, workspace, good4)
        slurm.command("scancel", cancelled["JobId"])
        hang(slurm, workspace, good2, number=2)
        slurm.lose_node()
        slurm.start_node()
        slurm.run_out_of_time(hang(slurm, workspace, good4, restarts=1))
        hang(slurm, workspace, "rule_summarize")
        slurm.command("sbatch", "--partition=urgent", "--cpus-per-task=2", "--mem=100", "-o/dev/null", "--wrap=true")
        run = result()
    assert run.status == 0, run.output
    assert_equal_tables(workspace, finished)
    assert workspace.files() == finished.files()

    jobs = slurm.jobs(workspace.folder)
    assert {(job["NumCPUs"], job["Partition"]) for job in jobs} == {("1", "main")}
    restarted = {good2, "rule_summarize"}
    assert ends(jobs) == {
        **{
            (name, "COMPLETED", int(name in restarted)): 1
            for name in [SEQUENCES, *PRETRAIN, *FINETUNE, MEASURE, MEASURE_PRETRAINED, GENERATOR, *AGGREGATION]
        },
        (good2, "CANCELLED", 0): 1,
        (good4, "TIMEOUT", 1): 1,
        (MEASURE, "FAILED", 0): 1,
    }
    assert {job["Comment"]: asked_for(job) for job in jobs if job["JobState"] == "COMPLETED"} == {
        **{name: (1500, 10) for name in [*PRETRAIN, *FINETUNE]},
        **dict.fromkeys([good2, good4], (2 * 1500, 2 * 10)),  # second attempts
        # All four policies, and both pretrained models, one after the other.
        MEASURE: (2 * 500, 2 * 4 * 5),
        MEASURE_PRETRAINED: (1502, 2 * 5),
        SEQUENCES: (1000, 3 * 10),
        GENERATOR: (1000, 10),
        **OF_AGGREGATION,
    }


@pytest.mark.parametrize(
    ("options", "asked"),
    [
        ([], ("TresPerJob", "gres:gpu:1")),
        (["--set-resources", "pretrain:gpu=0", "pretrain:gres=shard:1"], ("TresPerNode", "gres:shard:1")),
    ],
    ids=["whole", "share"],
)
def test_a_gpu_is_asked_for_where_the_configuration_has_one(slurm, copied, options, asked):
    """Or what docs/devices.md says to request instead. There is no GPU, so the job would not succeed."""
    (copied.folder / pretrained_table(RESULTS, "checkpoint", SIZES[0], 0)).unlink()
    with in_background(copied, *PROFILE, "--until", "pretrain", *options, override={"device": "cuda"}):
        wait_until(lambda: slurm.jobs(copied.folder))
        (job,) = slurm.jobs(copied.folder)
    slurm.command("scancel", job["JobId"])
    assert job["Comment"] == PRETRAIN[0]
    assert {key: job[key] for key in ("TresPerJob", "TresPerNode") if key in job} == dict([asked])
