"""The same code on a GPU: what docs/devices.md promises. Tests that need a GPU are skipped without one."""

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from sayings import benchmark, read
from splithistory.actions import best_actions
from splithistory.fast_model import initial_policy
from splithistory.model import predict
from splithistory.pretraining import pretrain
from splithistory.reinforcement import Evaluation, finetune
from splithistory.self_estimate import self_estimate
from splithistory.sequence import Chains
from splithistory.training_state import UNOBSERVED
from sweep.device import select_device
from test_training import (
    CHAINS,
    FINETUNE,
    PRETRAIN,
    REWARD,
    TINY,
    VALIDATION,
    KilledError,
    killed_after,
    steps_taken,
)

on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA device")
CONTEXTS = VALIDATION[:, 1 : TINY.context_length + 1]


def policy_on(device):
    return initial_policy(TINY, seed=0).to(device).eval()


def pretrained_on(device, observer=UNOBSERVED, **changes):
    return pretrain(TINY, replace(PRETRAIN, **changes), CHAINS, seed=0, device=device, observer=observer)


def test_auto_takes_a_gpu_where_there_is_one():
    assert select_device("auto").type == ("cuda" if torch.cuda.is_available() else "cpu")
    assert select_device("cpu").type == "cpu"


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=on_cuda)])
def test_initial_policies_and_evaluations_leave_the_random_states_alone(device):
    """Training draws from these generators before and after."""
    torch.manual_seed(3)
    expected = torch.rand(4, device=device)
    torch.manual_seed(3)
    policy = initial_policy(TINY, seed=0).to(device)
    Evaluation(REWARD, VALIDATION, TINY.context_length, action_tokens="all")(policy)
    assert torch.equal(torch.rand(4, device=device), expected)


@on_cuda
def test_a_forward_pass_is_equal_but_for_rounding():
    on_cpu, on_gpu = (predict(policy_on(device), CONTEXTS).cpu() for device in ("cpu", "cuda"))
    torch.testing.assert_close(on_gpu, on_cpu, rtol=1e-4, atol=1e-4)


@on_cuda
def test_measures_are_equal():
    """Actions are equal, unless the two best logits are within rounding; what follows from them is NumPy's."""
    actions = [best_actions(policy_on(device), CONTEXTS, "all") for device in ("cpu", "cuda")]
    assert np.mean(actions[0] != actions[1]) <= 0.01
    estimates = [self_estimate(policy_on(device), actions[0], CONTEXTS) for device in ("cpu", "cuda")]
    np.testing.assert_allclose(estimates[1].op, estimates[0].op, atol=1e-4)
    np.testing.assert_allclose(estimates[1].imp, estimates[0].imp, atol=1e-4)


@on_cuda
def test_without_random_numbers_of_its_own_a_training_is_equal_for_some_steps():
    """Windows are drawn by NumPy; dropout uses the GPU's generator."""
    (_, on_cpu), (_, on_gpu) = (
        pretrained_on(device, dropout=0.0, n_steps=10, evaluation_interval=5) for device in ("cpu", "cuda")
    )
    for column in ("train_loss", "validation_loss"):
        np.testing.assert_allclose([row[column] for row in on_gpu], [row[column] for row in on_cpu], rtol=1e-3)


@on_cuda
def test_a_gpu_trains_and_reinforces():
    policy, rows = pretrained_on("cuda")
    assert rows[-1]["validation_loss"] < rows[0]["validation_loss"]
    _, rows = finetune(policy, FINETUNE, REWARD, chains=CHAINS, seed=0)
    assert all(np.isfinite(list(row.values())).all() for row in rows)


@on_cuda
def test_a_killed_training_goes_on_on_a_gpu(tmp_path):
    """Within rounding, since a GPU adds up gradients in no fixed order."""
    with pytest.raises(KilledError):
        pretrained_on("cuda", killed_after(30, tmp_path / "state"))
    steps = []
    _, resumed = pretrained_on("cuda", steps_taken(steps, tmp_path / "state"))
    assert steps[0] == 26
    _, undisturbed = pretrained_on("cuda")
    np.testing.assert_allclose(
        [row["validation_loss"] for row in resumed], [row["validation_loss"] for row in undisturbed], rtol=1e-2
    )


def test_a_rule_runs_on_a_device_of_its_own_and_nothing_is_made_again(copied):
    chosen = ["--set-resources", "finetune:device=auto"]
    assert copied.snakemake(*chosen, "--dry-run").jobs == set()
    plan = copied.snakemake(*chosen, "--dry-run", "--printshellcmds", "--forceall").output
    devices = re.findall(r"workflow_scripts/(\w+)\.py .* --device (\w+)", plan)
    assert set(devices) == {("pretrain", "cpu"), ("finetune", "auto"), ("measure", "cpu")}


def test_what_a_training_step_asks_of_a_device_is_as_published(monkeypatch):
    """Of the smallest size; docs/devices.md has all."""
    of, size = benchmark("device"), "18k"
    monkeypatch.setattr(of, "N_STEPS", 6)
    published = read("performance/device.csv").set_index(["size", "step"])
    train = of.ENVIRONMENT.generate_chains(200, 101, np.random.default_rng(0))
    for name, training in of.trainings(size, Chains(train, train[:10])).items():
        took, row = of.probe(training), published.loc[(size, name)]
        assert (took.n_kernels, round(took.flop / 1e9, 2), took.megabytes) == tuple(row)
