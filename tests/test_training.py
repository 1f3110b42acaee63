"""Pretraining and reinforcement on a policy small enough to train in a second."""

import io
import math
import os
import subprocess
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.stats import chisquare
from torch import nn
from torch.nn import functional as F

from splithistory import reinforcement
from splithistory.actions import allowed_tokens, best_actions, mask_logits
from splithistory.environment import Recurrence
from splithistory.fast_model import initial_policy
from splithistory.model import Architecture
from splithistory.optimizer import Schedule, ScheduledAdamW, share_of_peak
from splithistory.pretraining import evaluate, pretrain
from splithistory.reinforcement import Evaluation, FinetuneSettings, Reward, finetune, sample_actions
from splithistory.sequence import Chains, Windows, one_window_per_chain
from splithistory.training_state import UNOBSERVED
from sweep.schemas.finetune import REINFORCEMENT
from sweep.snapshots import FileSnapshots

TINY = Architecture(d_model=8, n_layers=2, n_heads=2, d_ff=8, context_length=20)
NOISE = 0.02
RECURRENCE = Recurrence(NOISE)
CHAINS = Chains(*(RECURRENCE.generate_chains(n, 41, np.random.default_rng(n)) for n in (1000, 500)))
TRAIN, VALIDATION = CHAINS
GOOD4 = np.array([1.0, 0, 1, 0, 1, 0, 1, 0])  # utility of each outcome
GRADED = np.arange(8) / 7
REWARD = Reward(RECURRENCE, GOOD4)
PRETRAIN = Schedule(
    batch_size=64,
    n_steps=60,
    learning_rate=0.02,
    warmup_fraction=0.2,
    anneal_fraction=0.8,
    weight_decay=0.01,
    dropout=0.1,
    gradient_clip=1.0,
    evaluation_interval=25,
)
FINETUNE = FinetuneSettings.from_mapping(
    {
        "batch_size": 32,
        "n_steps": 5,
        "learning_rate": 0.003,
        "warmup_fraction": 0.3,
        "anneal_fraction": 0.7,
        "weight_decay": 0.01,
        "dropout": 0.1,
        "gradient_clip": 1.0,
        "evaluation_interval": 2,
        "windows": "natural",
        "rollout_length": 3,
        "successes": "sampled",
        "failure_weight": 0.0,
        "action_tokens": "all",
        "maintenance": {"learning_rate": 0.001, "batch_size": 16, "natural_fraction": 0.25, "random_fraction": 0.0},
    }
)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


def pretrained(seed=0, observer=UNOBSERVED, **changes):
    return pretrain(TINY, replace(PRETRAIN, **changes), CHAINS, seed=seed, observer=observer)


def finetuned(seed=0, utility=GOOD4, environment=RECURRENCE, observer=UNOBSERVED, **changes):
    settings = replace(FINETUNE, **changes)
    policy = initial_policy(TINY, seed=0, dropout=settings.dropout)
    return finetune(policy, settings, Reward(environment, utility), chains=CHAINS, seed=seed, observer=observer)


def equal(first, second):
    return all(torch.equal(tensor, second.state_dict()[name]) for name, tensor in first.state_dict().items())


# Pretraining


def test_pretraining_learns_the_parity():
    _, rows = pretrained()
    assert math.log(8) - 0.3 < rows[-1]["validation_loss"] < math.log(8) + 0.1
    assert rows[-1]["validation_loss"] < rows[0]["validation_loss"]


def test_pretraining_reports_at_every_interval_and_at_the_last_step():
    policy, rows = pretrained()
    assert [row["step"] for row in rows] == [25, 50, 60]
    columns = {"step", "train_loss", "validation_loss", "validation_accuracy", "learning_rate"}
    assert all(row.keys() == columns for row in rows)
    assert all(np.isfinite(list(row.values())).all() for row in rows)
    assert not policy.training


def test_a_seed_makes_one_pretrained_policy():
    (first, rows), (again, same_rows), (other, _) = (pretrained(seed, n_steps=30) for seed in (0, 0, 1))
    assert equal(first, again)
    assert rows == same_rows
    assert not equal(first, other)


def test_the_train_loss_is_the_mean_since_the_last_evaluation():
    often = [row["train_loss"] for row in pretrained(n_steps=6, evaluation_interval=1)[1]]
    seldom = [row["train_loss"] for row in pretrained(n_steps=6, evaluation_interval=4)[1]]
    np.testing.assert_allclose(seldom, [np.mean(often[:4]), np.mean(often[4:])], rtol=1e-5)


def test_pretraining_starts_from_the_initial_policy_of_its_seed():
    policy, _ = pretrained(seed=3, n_steps=2, learning_rate=1e-12, evaluation_interval=2)
    for name, tensor in initial_policy(TINY, seed=3).state_dict().items():
        torch.testing.assert_close(policy.state_dict()[name], tensor, rtol=0, atol=1e-10)


def test_evaluation_is_the_mean_log_loss_and_the_share_of_hits():
    policy = initial_policy(TINY, seed=0).eval()
    contexts, targets = VALIDATION[:50, :20], VALIDATION[:50, 20]
    with torch.no_grad():
        probabilities = policy(torch.from_numpy(contexts).long()).softmax(dim=1).numpy()
    loss, accuracy = evaluate(policy, Windows(contexts, targets))
    hits = [row.argmax() == target for row, target in zip(probabilities, targets, strict=True)]
    logs = [-math.log(row[target]) for row, target in zip(probabilities, targets, strict=True)]
    assert loss == pytest.approx(np.mean(logs), rel=1e-5)
    assert accuracy == pytest.approx(np.mean(hits))


@pytest.mark.parametrize(("n_held", "anneal_fraction"), [(0, 0.8), (50, 0.3)])
def test_the_learning_rate_rises_to_its_peak_holds_it_and_anneals_along_a_cosine(n_held, anneal_fraction):
    parameter = nn.Parameter(torch.ones(3))
    schedule = replace(PRETRAIN, learning_rate=0.1, n_steps=100, anneal_fraction=anneal_fraction)
    optimizer = ScheduledAdamW([parameter], schedule)
    rates = []
    for _ in range(100):
        rates.append(optimizer.learning_rate)
        optimizer.step((parameter**2).sum())
    n_falling = 80 - n_held
    rise = [0.1 * (step + 1) / 20 for step in range(20)]
    fall = [0.1 * math.cos(math.pi / 2 * step / n_falling) ** 2 for step in range(n_falling)]
    np.testing.assert_allclose(rates, rise + [0.1] * n_held + fall, atol=1e-12)
    assert optimizer.learning_rate == pytest.approx(0, abs=1e-12)


def test_steps_are_torchs_adamws_along_clipped_gradients_also_when_taken_up_again():
    ours, again, reference = (initial_policy(TINY, seed=0) for _ in range(3))
    schedule = replace(PRETRAIN, learning_rate=0.1, n_steps=10, weight_decay=0.3, gradient_clip=0.01)
    optimizer, resumed = (ScheduledAdamW(policy.parameters(), schedule) for policy in (ours, again))
    adamw = torch.optim.AdamW(reference.parameters(), lr=0.1, weight_decay=0.3, fused=True)
    rate = torch.optim.lr_scheduler.LambdaLR(adamw, lambda step: share_of_peak(step, schedule))
    contexts, targets = torch.from_numpy(VALIDATION[:, :20]).long(), torch.from_numpy(VALIDATION[:, 20]).long()
    for step in range(10):
        if step == 5:
            again.load_state_dict(ours.state_dict())
            resumed.load_state_dict(optimizer.state_dict())
        optimizer.step(F.cross_entropy(ours(contexts), targets))
        if step >= 5:
            resumed.step(F.cross_entropy(again(contexts), targets))
        adamw.zero_grad()
        F.cross_entropy(reference(contexts), targets).backward()
        assert nn.utils.clip_grad_norm_(reference.parameters(), 0.01) > 0.01
        adamw.step()
        rate.step()
    for parameter, resumed_parameter, expected in zip(
        ours.parameters(), again.parameters(), reference.parameters(), strict=True
    ):
        assert torch.equal(parameter, expected)
        assert torch.equal(resumed_parameter, expected)


def test_training_does_not_import_the_compiler():
    """The import takes longer than many steps."""
    code = (
        "import sys, torch\n"
        "from splithistory.optimizer import Schedule, ScheduledAdamW\n"
        "parameter = torch.nn.Parameter(torch.ones(1))\n"
        "ScheduledAdamW([parameter], Schedule(1, 1, 0.1, 0.5, 0.5, 0, 0, 1, 1)).step(parameter.sum())\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(reinforcement.__file__).parents[1])}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == 0


# Reinforcement, one step under the microscope


class Recorder:
    """Replaces the optimizer: keeps each loss and its gradient, and changes nothing."""

    made: list

    def __init__(self, parameters, schedule):
        self.parameters, self.learning_rate, self.steps = list(parameters), schedule.learning_rate, []
        Recorder.made.append(self)

    def step(self, loss):
        gradients = torch.autograd.grad(loss, self.parameters, allow_unused=True)
        self.steps.append((loss.item(), gradients))

    def state_dict(self):
        return {}


@pytest.fixture
def one_step(monkeypatch):
    """Run one step of reinforcement without dropout or updates; return everything drawn, and both optimizers."""

    def run(utility=GOOD4, **changes):
        drawn = {"draw_windows": [], "sample_actions": [], "sample": []}

        def spied(name, function):
            def spy(*arguments, **named):
                found = function(*arguments, **named)
                drawn[name].append((arguments, found))
                return found

            return spy

        environment = Recurrence(NOISE)
        environment.__dict__["sample"] = spied("sample", environment.sample)
        with monkeypatch.context() as patched:
            for name in ("draw_windows", "sample_actions"):
                patched.setattr(reinforcement, name, spied(name, getattr(reinforcement, name)))
            patched.setattr(reinforcement, "ScheduledAdamW", Recorder)
            Recorder.made = []
            changes |= {"utility": utility, "environment": environment}
            policy, rows = finetuned(dropout=0.0, n_steps=1, evaluation_interval=1, **changes)
        return {
            "policy": policy.train(),
            "row": rows[0],
            "contexts": drawn["draw_windows"][0][1].contexts,
            "before_chance": drawn["draw_windows"][1],
            "natural": drawn["draw_windows"][2],
            "actions": drawn["sample_actions"][0][1],
            "outcomes": drawn["sample"][0][1],
            "by_chance": drawn["sample"][1],
            "optimizers": Recorder.made,
        }

    return run


def log_probability(policy, context, token, action_tokens="all"):
    logits = policy(torch.from_numpy(context[None]).long())[0]
    allowed = range(8, 16) if action_tokens == "odd" else range(16)
    return logits[int(token)] - torch.stack([logits[a] for a in allowed]).logsumexp(dim=0)


@pytest.mark.parametrize("action_tokens", ["all", "odd"])
@pytest.mark.parametrize("utility", [GOOD4, GRADED], ids=["good set", "graded"])
def test_the_gradient_of_sampled_successes_is_the_sum_over_them(one_step, action_tokens, utility):
    step = one_step(action_tokens=action_tokens, utility=utility)
    policy, n = step["policy"], len(step["actions"])
    loss = torch.zeros(())
    for context, action, outcome in zip(step["contexts"], step["actions"], step["outcomes"], strict=True):
        if utility[outcome]:
            loss = loss - utility[outcome] * log_probability(policy, context, action, action_tokens) / n
    assert_reinforced_by(step, loss)
    assert 0 < step["row"]["sampled_success_rate"] < 1
    assert step["row"]["sampled_success_rate"] == pytest.approx(utility[step["outcomes"]].mean())


@pytest.mark.parametrize("action_tokens", ["all", "odd"])
@pytest.mark.parametrize("utility", [GOOD4, GRADED], ids=["good set", "graded"])
@pytest.mark.parametrize("successes", ["expected", "every"])
def test_the_gradient_of_all_successes_is_the_weighted_sum_over_answers(one_step, successes, action_tokens, utility):
    step = one_step(successes=successes, action_tokens=action_tokens, utility=utility)
    policy, n = step["policy"], len(step["actions"])
    answers = range(8, 16) if action_tokens == "odd" else range(16)
    loss = torch.zeros(())
    for context in step["contexts"]:
        log_probabilities = [log_probability(policy, context, answer, action_tokens) for answer in answers]
        brought = []
        for answer, log in zip(answers, log_probabilities, strict=True):
            value = math.prod([answer + 1, *(int(token) + 1 for token in context[-15:])]) % 17 % 8
            brought.append(log.exp().item() * (0.98 * utility[value] + 0.02 * utility.mean()))
        scale = n * (sum(brought) if successes == "every" else 1)
        loss = loss - sum(weight / scale * log for weight, log in zip(brought, log_probabilities, strict=True))
    assert_reinforced_by(step, loss)


def assert_reinforced_by(step, loss):
    [(recorded, gradients)] = step["optimizers"][0].steps
    assert recorded == pytest.approx(loss.item(), rel=1e-5)
    expected = torch.autograd.grad(loss, list(step["policy"].parameters()))
    for found, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)
    assert step["row"]["reinforcement_loss"] == pytest.approx(loss.item(), rel=1e-5)


@pytest.mark.parametrize("successes", ["sampled", "every"])
def test_failures_are_descended_with_their_weight(one_step, successes):
    steps = {weight: one_step(successes=successes, failure_weight=weight) for weight in (0.0, 0.5)}
    step = steps[0.5]
    policy, failed = step["policy"], torch.zeros(())
    for context, action, outcome in zip(step["contexts"], step["actions"], step["outcomes"], strict=True):
        failed = failed - (1 - GOOD4[outcome]) * log_probability(policy, context, action) / len(step["actions"])
    assert failed.item() > 0
    (without, gradients_without), (loss, gradients) = (steps[weight]["optimizers"][0].steps[0] for weight in steps)
    assert loss == pytest.approx(without - 0.5 * failed.item(), rel=1e-4)
    of_failures = torch.autograd.grad(failed, list(policy.parameters()))
    for found, before, part in zip(gradients, gradients_without, of_failures, strict=True):
        torch.testing.assert_close(found, before - 0.5 * part, rtol=1e-4, atol=1e-6)


def test_without_maintenance_only_successes_are_reinforced(monkeypatch):
    changes = {"maintenance": replace(FINETUNE.maintenance, batch_size=0), "n_steps": 3}
    monkeypatch.setattr(reinforcement, "ScheduledAdamW", Recorder)
    Recorder.made = []
    finetuned(**changes)
    assert [len(optimizer.steps) for optimizer in Recorder.made] == [3, 0]


@pytest.mark.parametrize("successes", ["sampled", "expected", "every"])
def test_without_a_success_nothing_is_reinforced(one_step, successes):
    step = one_step(utility=np.zeros(8), successes=successes)
    [(loss, gradients)] = step["optimizers"][0].steps
    assert loss == 0
    assert not any(gradient.any() for gradient in gradients)
    assert step["row"]["sampled_success_rate"] == 0


def test_what_an_action_brings_is_the_mean_over_its_sampled_outcomes():
    contexts = VALIDATION[:3, :20]
    found = Reward(RECURRENCE, GRADED).expected(contexts)
    rng = np.random.default_rng(0)
    for action in range(16):
        many = np.repeat(contexts, 20_000, axis=0)
        outcomes = RECURRENCE.sample(many, rng, np.full(len(many), action, dtype=np.uint8))
        np.testing.assert_allclose(found[:, action], GRADED[outcomes].reshape(3, -1).mean(axis=1), atol=0.005)


def test_windows_of_reinforcement_end_before_an_odd_position(one_step):
    assert (one_step()["contexts"][:, -1] < 8).all()


def test_natural_windows_are_rollouts_of_one_answer():
    policy, rows = finetuned(windows="natural")
    rolled, rolled_rows = finetuned(windows="rollouts", rollout_length=1)
    assert equal(policy, rolled)
    assert rows == rolled_rows


def test_windows_of_rollouts_end_with_the_last_answer_and_what_followed(monkeypatch):
    answered, seen = [], []
    sample = reinforcement.sample_actions
    monkeypatch.setattr(reinforcement, "sample_actions", lambda logits: answered.append(sample(logits)) or answered[-1])
    expected = Reward.expected
    monkeypatch.setattr(Reward, "expected", lambda self, contexts: seen.append(contexts) or expected(self, contexts))
    finetuned(windows="rollouts", rollout_length=100, n_steps=4, evaluation_interval=4)
    for actions, before, after in zip(answered[:3], seen[:3], seen[1:4], strict=True):
        goes_on = (after[:, -2] == actions) & (after[:, :-2] == before[:, 2:]).all(axis=1)
        assert goes_on.mean() > 0.8  # few of 100 answers' chains begin anew in a step
        values = RECURRENCE.outcome_of_each_action(before)[np.arange(len(before)), actions]
        assert np.mean(values[goes_on] == after[goes_on, -1]) > 0.8


def test_sampled_outcomes_are_the_recurrences(one_step):
    step = one_step(batch_size=2000)
    values = RECURRENCE.outcome_of_each_action(step["contexts"])[np.arange(2000), step["actions"]]
    assert np.mean(values != step["outcomes"]) == pytest.approx(NOISE * 7 / 8, abs=0.01)


@pytest.mark.parametrize(
    ("natural_fraction", "random_fraction", "n_own", "n_random", "n_natural"),
    [(0.0, 0.0, 16, 0, 0), (0.25, 0.0, 12, 0, 4), (0.25, 0.5, 6, 6, 4), (0.5, 1.0, 0, 8, 8), (1.0, 0.5, 0, 0, 16)],
)
def test_maintenance_is_on_own_and_random_rollouts_and_untouched_windows(
    one_step, natural_fraction, random_fraction, n_own, n_random, n_natural
):
    shares = {"natural_fraction": natural_fraction, "random_fraction": random_fraction}
    step = one_step(maintenance=replace(FINETUNE.maintenance, **shares))
    policy = step["policy"]
    own = zip(step["contexts"], step["actions"], step["outcomes"], strict=True)
    (contexts, _, answers), outcomes = step["by_chance"]
    np.testing.assert_array_equal(contexts, step["before_chance"][1].contexts)
    rollouts = [*list(own)[:n_own], *zip(contexts, answers, outcomes, strict=True)]
    examples = [(np.append(context[1:], action), outcome) for context, action, outcome in rollouts]
    assert len(examples) == n_own + n_random
    (_, n_drawn, *_), natural = step["natural"]
    assert n_drawn == n_natural
    for context, target in zip(*natural, strict=True):
        assert target < 8
        examples.append((context, target))
    assert len(examples) == 16
    loss = -sum(log_probability(policy, context, token) for context, token in examples) / 16
    maintainer = step["optimizers"][1]
    assert maintainer.learning_rate == FINETUNE.maintenance.learning_rate
    [(recorded, gradients)] = maintainer.steps
    assert recorded == pytest.approx(loss.item(), rel=1e-5)
    for found, wanted in zip(gradients, torch.autograd.grad(loss, list(policy.parameters())), strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("action_tokens", "allowed"), [("all", range(16)), ("odd", range(8, 16))])
def test_random_answers_are_every_allowed_token_equally_often(one_step, action_tokens, allowed):
    practice = replace(FINETUNE.maintenance, random_fraction=1.0, batch_size=4000, natural_fraction=0.0)
    step = one_step(action_tokens=action_tokens, maintenance=practice)
    (contexts, _, answers), outcomes = step["by_chance"]
    assert (contexts[:, -1] < 8).all()
    found, counts = np.unique(answers, return_counts=True)
    assert list(found) == list(allowed)
    assert chisquare(counts).pvalue > 1e-4
    values = RECURRENCE.outcome_of_each_action(contexts)[np.arange(4000), answers]
    assert np.mean(values != outcomes) == pytest.approx(NOISE * 7 / 8, abs=0.01)


def test_maintenance_reads_even_tokens_that_the_policy_answered_with(one_step):
    step = one_step()
    assert (step["actions"] < 8).any()


def test_with_odd_tokens_no_even_one_is_sampled_or_answered(one_step):
    step = one_step(action_tokens="odd", batch_size=500)
    assert set(step["actions"]) == set(range(8, 16))
    assert (best_actions(step["policy"], step["contexts"], "odd") >= 8).all()
    assert (best_actions(step["policy"], step["contexts"], "all") < 8).any()


# Reinforcement as a whole


def test_reinforcement_reports_at_every_interval_and_at_the_last_step():
    policy, rows = finetuned()
    assert [row["step"] for row in rows] == [2, 4, 5]
    assert all(row.keys() == REINFORCEMENT.columns.keys() for row in rows)
    assert all(np.isfinite(value).all() for row in rows for value in row.values())
    assert not policy.training


def test_reinforcement_reports_what_the_policy_does_in_one_window_per_validation_chain():
    policy, rows = finetuned()
    windows = one_window_per_chain(VALIDATION, TINY.context_length, np.random.default_rng(0), target_parity=1).contexts
    outcomes = RECURRENCE.outcome_probabilities(windows)  # (n, 16, 8)
    answers = best_actions(policy, windows, "all")
    future = np.mean([outcome[answer] for outcome, answer in zip(outcomes, answers, strict=True)], axis=0)
    last = rows[-1]
    assert last["outcome_distribution"] == pytest.approx(future)
    assert last["action_weights"] == pytest.approx([np.mean(answers == action) for action in range(16)])
    assert last["success_rate"] == pytest.approx(future @ REWARD.utility)


def test_a_seed_makes_one_reinforced_policy():
    (first, rows), (again, same_rows), (other, _) = (finetuned(seed) for seed in (0, 0, 1))
    assert equal(first, again)
    assert rows == same_rows
    assert not equal(first, other)


def test_evaluating_more_often_does_not_change_the_training():
    (often, _), (seldom, _) = (finetuned(evaluation_interval=interval) for interval in (1, 5))
    assert equal(often, seldom)


@pytest.mark.parametrize("successes", ["sampled", "expected", "every"])
def test_reinforcement_learns_what_succeeds_in_a_few_windows(successes):
    settings = replace(
        FINETUNE, successes=successes, n_steps=100, learning_rate=0.03, dropout=0.0, evaluation_interval=50
    )
    few = TRAIN[:4, :22]  # one window each, to be known by heart
    _, rows = finetune(initial_policy(TINY, seed=0), settings, REWARD, chains=Chains(few, VALIDATION), seed=0)
    assert rows[-1]["sampled_success_rate"] > 0.8


# Answers and evaluation


def test_allowed_tokens_are_all_or_those_of_odd_positions():
    assert np.flatnonzero(allowed_tokens("all")).tolist() == list(range(16))
    assert np.flatnonzero(allowed_tokens("odd")).tolist() == list(range(8, 16))
    with pytest.raises(ValueError, match="action_tokens: expected 'all' or 'odd', got 'even'"):
        allowed_tokens("even")


def test_masked_logits_leave_the_odd_ones_as_they_are():
    logits = torch.randn(3, 16)
    masked = mask_logits(logits, "odd")
    assert torch.equal(masked[:, 8:], logits[:, 8:])
    assert (masked.softmax(dim=1)[:, :8] == 0).all()
    assert torch.equal(mask_logits(logits, "all"), logits)


def test_actions_are_sampled_from_the_softmax():
    torch.manual_seed(0)
    logits = torch.log(torch.tensor([0.7, 0.2, 0.1] + [1e-30] * 13)).repeat(20_000, 1)
    shares = np.bincount(sample_actions(logits), minlength=16) / 20_000
    np.testing.assert_allclose(shares[:3], [0.7, 0.2, 0.1], atol=0.015)
    assert shares[3:].sum() == 0


class Stub(nn.Module):
    """A policy that is a given function of the contexts: (n, T) tokens -> (n, 16) probabilities."""

    def __init__(self, answer):
        super().__init__()
        self.answer, self.architecture = answer, TINY
        self.position_embedding = nn.Parameter(torch.zeros(1))

    def forward(self, contexts):
        return torch.from_numpy(np.log(self.answer(contexts.numpy().astype(np.uint8)) + 1e-12)).float()


def perfect(contexts):
    return np.isin(RECURRENCE.outcome_of_each_action(contexts), [0, 2, 4, 6]).astype(float)


def generator(contexts):
    """The sequence's own continuation, at positions of either parity."""
    probabilities = np.zeros((len(contexts), 16))
    for row, context, p in zip(probabilities, contexts, RECURRENCE.next_probabilities(contexts), strict=True):
        row[8 * (context[-1] < 8) :][:8] = p
    return probabilities


HELD_OUT = RECURRENCE.generate_chains(10_000, 42, np.random.default_rng(0))
EVALUATION = Evaluation(REWARD, HELD_OUT, 20, action_tokens="all")


def test_a_perfect_policy_is_evaluated_at_the_ceiling():
    assert EVALUATION(Stub(perfect))["success_rate"] == pytest.approx(0.99)


def test_a_constant_policy_is_evaluated_as_the_transcription_has_it():
    always_3 = Stub(lambda contexts: np.eye(16)[np.full(len(contexts), 3)])
    products = [math.prod([4, *(int(token) + 1 for token in row[-15:])]) for row in EVALUATION.before_action.contexts]
    n_good = sum(product % 17 % 8 in (0, 2, 4, 6) for product in products)
    expected = 0.98 * n_good / len(products) + 0.01
    assert EVALUATION(always_3)["success_rate"] == pytest.approx(expected)


def test_the_generator_predicts_down_to_the_entropy_of_the_noise():
    found = EVALUATION(Stub(generator))
    assert found["natural_loss"] == pytest.approx(0.122, abs=0.015)
    assert found["maintenance_loss"] == pytest.approx(0.122, abs=0.015)


def test_evaluation_repeats_itself_and_leaves_the_random_state_alone():
    policy = initial_policy(TINY, seed=0, dropout=0.5).train()
    evaluation = Evaluation(REWARD, VALIDATION, 20, action_tokens="all")
    torch.manual_seed(9)
    before = torch.random.get_rng_state()
    assert evaluation(policy) == evaluation(policy)
    assert torch.equal(torch.random.get_rng_state(), before)
    assert policy.training


def test_evaluation_ends_its_windows_before_positions_of_the_right_parity():
    evaluation = Evaluation(REWARD, VALIDATION, 20, action_tokens="all")
    assert (evaluation.before_action.contexts[:, -1] < 8).all()
    assert (evaluation.before_outcome.contexts[:, -1] >= 8).all()
    assert (evaluation.before_outcome.targets < 8).all()


# Going on after a kill


class KilledError(Exception):
    pass


def killed_after(n_steps, path):
    """Keeps states at a path, and ends the training after a step."""

    def track(steps):
        for step in steps:
            yield step
            if step == n_steps:  # done, and the next one not begun
                raise KilledError

    return FileSnapshots(path, {}, track=track)


def steps_taken(steps, path):
    """Keeps states at a path, and records the steps."""

    def track(items):
        for step in items:
            steps.append(step)
            yield step

    return FileSnapshots(path, {}, track=track)


@pytest.mark.parametrize(
    ("train", "evaluated", "kills"),
    [
        (pretrained, [25, 50, 60], [3, 25, 26, 59]),
        (finetuned, [2, 4, 5], [1, 2, 3, 4]),
        (partial(finetuned, windows="rollouts"), [2, 4, 5], [1, 2, 3, 4]),
    ],
)
def test_a_training_killed_at_any_step_ends_as_if_undisturbed(tmp_path, train, evaluated, kills):
    """Parameters and rows are equal bit for bit, and no step before the latest evaluation is repeated."""
    policy, rows = train()
    for kill in kills:
        path = tmp_path / f"kill={kill}"
        with pytest.raises(KilledError):
            train(observer=killed_after(kill, path))
        torch.manual_seed(41)  # a process of its own starts with some other state
        steps = []
        observer = steps_taken(steps, path)
        resumed, resumed_rows = train(observer=observer)
        expected = max((step for step in evaluated if step <= kill), default=0)
        assert (observer.resumed_at, steps[0]) == (expected, expected + 1)
        assert equal(resumed, policy)
        assert resumed_rows == rows


def test_a_training_killed_twice_ends_as_if_undisturbed(tmp_path):
    for kill in (25, 55):
        with pytest.raises(KilledError):
            pretrained(observer=killed_after(kill, tmp_path / "state"))
    assert equal(pretrained(observer=FileSnapshots(tmp_path / "state", {}))[0], pretrained()[0])


def test_a_state_of_something_else_is_deleted_and_never_resumed(tmp_path):
    path = tmp_path / "state"
    pretrained(observer=FileSnapshots(path, {"code": "1"}))
    other = tmp_path / "state of another job"
    other.touch()
    half_written = tmp_path / ".state,half"
    half_written.touch()
    snapshots = FileSnapshots(path, {"code": "2"})
    assert half_written.exists()  # to make one deletes nothing yet
    assert snapshots.latest() is None
    assert list(tmp_path.iterdir()) == [other]


def test_a_spoilt_state_is_discarded(tmp_path):
    pretrained(observer=FileSnapshots(tmp_path / "state", {}))
    (path,) = tmp_path.iterdir()
    path.write_bytes(path.read_bytes()[:1000])
    snapshots = FileSnapshots(tmp_path / "state", {})
    assert equal(pretrained(observer=snapshots)[0], pretrained()[0])
    assert snapshots.resumed_at == 0


class Malicious:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_state_cannot_execute_code(tmp_path):
    snapshots = FileSnapshots(tmp_path / "state", {})
    snapshots.keep({"step": Malicious(tmp_path / "executed"), "rows": [{}]})
    (path,) = tmp_path.iterdir()
    content = path.read_bytes()
    assert snapshots.latest() is None
    assert list(tmp_path.iterdir()) == []
    torch.load(io.BytesIO(content), weights_only=False)  # as it would be, were it trusted
    assert (tmp_path / "executed").exists()


def test_nothing_is_left_of_a_training_that_is_done(tmp_path):
    snapshots = FileSnapshots(tmp_path / "state", {})
    pretrained(observer=snapshots)
    snapshots.remove()
    assert list(tmp_path.iterdir()) == []
