"""Measure the speed of the hot paths, as ratios to plain references timed in the same run (`make bench`).

Prints one table, and writes it to results/bench.parquet: the median seconds of this project's code and of the
reference, and the median and range of their ratios, taken pair by pair. A reference reaches the same result the
textbook's way. Some rows differ:

- Training steps have two references: torch's own encoder, and `splithistory.model`, which lacks only the shortcuts.
- "of the matrix-product rate": the reference is the time of the same operations as large matrix products, so that the
  ratio is a share of the machine's rate.
- "of own passes": the passes through the policy are compared with the whole step, so that the ratio is the overhead.
- "start of a job": Python with everything that a job imports is compared with Python that imports torch alone.
"""

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import yaml
from torch import nn
from torch.nn import functional as F

from splithistory.environment import MEMORY, MODULUS, Recurrence
from splithistory.fast_model import FastPolicy, initial_policy
from splithistory.information import entropy, kl_divergence
from splithistory.model import Architecture, Policy
from splithistory.reinforcement import FinetuneSettings, Reward, finetune
from splithistory.self_estimate import self_estimate
from splithistory.sequence import N_OUTCOMES, N_TOKENS, Chains, Tokens
from splithistory.split_history import compare_futures
from sweep.stages import architecture_settings, finetune_settings

ROOT = Path(__file__).parents[1]
CONFIG = yaml.safe_load((ROOT / "config.yaml").read_text())
NOISE = CONFIG["sequence"]["noise"]
RECURRENCE = Recurrence(NOISE)
N_PAIRS = 7
N_STEPS = 10
BATCH = 256


class Comparison(NamedTuple):
    """A row of the table: seconds are medians, and ``ratio`` is the median of the ratios of pairs."""

    name: str
    ours_seconds: float
    reference_seconds: float
    ratio: float
    lowest: float
    highest: float
    n_pairs: int


class StockPolicy(nn.Module):
    """The same architecture made of torch's own encoder layers, which compute every position in every block."""

    def __init__(self, architecture: Architecture, dropout: float) -> None:
        super().__init__()
        d = architecture.d_model
        layer = nn.TransformerEncoderLayer(
            d, architecture.n_heads, architecture.d_ff, dropout, batch_first=True, norm_first=True
        )
        self.token_embedding = nn.Embedding(N_TOKENS, d)
        self.position_embedding = nn.Parameter(torch.randn(architecture.context_length, d))
        self.encoder = nn.TransformerEncoder(layer, architecture.n_layers, nn.LayerNorm(d), enable_nested_tensor=False)
        self.head = nn.Linear(d, N_TOKENS)

    def forward(self, contexts: torch.Tensor) -> torch.Tensor:
        return self.head(self.encoder(self.token_embedding(contexts) + self.position_embedding)[:, -1])


def training_steps(policy: nn.Module) -> Callable[[], None]:
    """Return a function that takes steps of 256 windows: forward pass, backward pass and AdamW."""
    optimizer = torch.optim.AdamW(policy.parameters(), fused=True)
    contexts, targets = random_windows(BATCH, policy)

    def run() -> None:
        for _ in range(N_STEPS):
            optimizer.zero_grad()
            F.cross_entropy(policy(contexts), targets).backward()
            optimizer.step()

    return run


def random_windows(n: int, policy: nn.Module) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw random contexts and targets, since their values do not affect the time."""
    return torch.randint(0, N_TOKENS, (n, len(policy.position_embedding))), torch.randint(0, N_TOKENS, (n,))


def n_operations(architecture: Architecture) -> int:
    """Count the floating-point operations of the matrix products in a training step that predicts one position.

    The last block needs keys and values at every position, and everything else at the last one. A backward pass takes
    twice as many operations as a forward pass. `FastPolicy` skips some of these products, which counts in its favour.
    """
    d, ff, length = architecture.d_model, architecture.d_ff, architecture.context_length
    attending, outside = 2 * length * d, 4 * d * d + 2 * d * ff  # multiplications per position
    earlier = (architecture.n_layers - 1) * length * (outside + attending)
    last = length * 2 * d * d + 2 * d * d + 2 * d * ff + attending
    return 3 * 2 * BATCH * (earlier + last + d * N_TOKENS)


def matrix_products(n_operations: float) -> Callable[[], None]:
    """Return a function that takes that many operations, rounded to products of 1024 x 1024 float32 matrices."""
    a, b, out = torch.rand(1024, 1024), torch.rand(1024, 1024), torch.empty(1024, 1024)

    def run() -> None:
        for _ in range(round(n_operations / (2 * 1024**3))):
            torch.mm(a, b, out=out)

    return run


def compare_with_products(name: str, policy: FastPolicy) -> Comparison:
    """Compare training steps with matrix products of as many operations, for the share of the machine's rate."""
    products = 20 * 2 * 1024**3
    return compare(
        name, training_steps(policy), matrix_products(products), N_STEPS * n_operations(policy.architecture) / products
    )


def compare_reinforcement(name: str, architecture: Architecture, size: str) -> Comparison:
    """Compare whole steps (windows, sampling, outcomes, two updates) with their two passes through the policy."""
    short = {"n_steps": N_STEPS, "evaluation_interval": N_STEPS}
    settings = FinetuneSettings.from_mapping(finetune_settings(CONFIG, size, "good4") | short)
    train = RECURRENCE.generate_chains(2000, 101, np.random.default_rng(0))
    chains = Chains(train, train[:2])
    policy = initial_policy(architecture, 0, settings.dropout)
    batches = [random_windows(n, policy) for n in (settings.batch_size, settings.maintenance.batch_size)]

    def passes() -> None:
        policy.train()
        for _ in range(N_STEPS):
            for contexts, targets in batches:
                F.cross_entropy(policy(contexts), targets).backward()

    reward = Reward(RECURRENCE, np.arange(N_OUTCOMES) % 2 == 0)
    return compare(name, passes, lambda: finetune(policy, settings, reward, chains=chains, seed=0))


def next_value(tokens: list[int]) -> int:
    """Compute the recurrence as it is defined, in plain Python."""
    product = 1
    for token in tokens[-MEMORY:]:
        product = product * (token + 1) % MODULUS
    return product % N_OUTCOMES


def chains_one_token_at_a_time(n_chains: int, length: int) -> None:
    rng = np.random.default_rng(0)
    for _ in range(n_chains):
        tokens = [int(rng.integers(N_OUTCOMES)) + N_OUTCOMES * (t % 2) for t in range(MEMORY)]
        for t in range(MEMORY, 64 + length):
            value = rng.integers(N_OUTCOMES) if rng.random() < NOISE else next_value(tokens)
            tokens.append(int(value) + N_OUTCOMES * (t % 2))


def literal_split_history(actions: Tokens, contexts: Tokens) -> tuple[float, float]:
    """Compute exact Op and Imp literally (method, section 5): every window answered with every window's action."""
    n = len(contexts)
    windows, answers = contexts.tolist(), actions.tolist()
    split_history = np.full((n, N_OUTCOMES), NOISE / N_OUTCOMES)
    future = np.full(N_OUTCOMES, NOISE / N_OUTCOMES)
    for other in range(n):
        for x in range(n):
            split_history[other, next_value([*windows[x], answers[other]])] += (1 - NOISE) / n
        future[next_value([*windows[other], answers[other]])] += (1 - NOISE) / n
    return (
        float(entropy(split_history).mean() - entropy(future)),
        float(kl_divergence(future, split_history).mean()),
    )


def split_history(actions: Tokens, contexts: Tokens) -> tuple[float, float]:
    futures = compare_futures(actions, RECURRENCE.outcome_probabilities(contexts))
    return futures.op, futures.imp


def literal_self_estimate(policy: Policy, actions: Tokens, contexts: Tokens) -> tuple[float, float]:
    """Compute self-estimates literally (method, section 7): every window answered with every window's action."""
    n = len(contexts)
    windows = np.tile(contexts[:, 1:], (n, 1))  # (n² of x, T - 1), x'' by x''
    answered = torch.from_numpy(np.column_stack([windows, np.repeat(actions, n)])).long()  # (n², T)
    with torch.no_grad():
        predictions = [policy(batch).double().softmax(dim=1) for batch in answered.split(256)]
    expected = torch.cat(predictions).view(n, n, N_TOKENS).numpy()  # (x'', x, f)
    future = expected[np.arange(n), np.arange(n)].mean(axis=0)
    split_history = expected.mean(axis=1)
    return (
        float(entropy(split_history).mean() - entropy(future)),
        float(kl_divergence(future, split_history).mean()),
    )


def compare_split_histories(n_repeats: int, n: int) -> Comparison:
    """Compare repeats on ``n`` windows each, answered with all 16 tokens, and check that values are equal."""
    actions = np.arange(n, dtype=np.uint8) % N_TOKENS
    repeats = RECURRENCE.generate_chains(n_repeats * n, 21, np.random.default_rng(0))[:, 1:].reshape(n_repeats, n, -1)
    for contexts in repeats:
        measured = split_history(actions, contexts)
        np.testing.assert_allclose(measured, literal_split_history(actions, contexts), atol=1e-12)
    return compare(
        f"split history, {n_repeats} x {n} windows",
        lambda: [split_history(actions, contexts) for contexts in repeats],
        lambda: [literal_split_history(actions, contexts) for contexts in repeats],
    )


def compare_self_estimates(name: str, architecture: Architecture) -> Comparison:
    """Compare self-estimates on 200 windows answered with all 16 tokens, and check that values are equal.

    The literal algorithm makes 40,000 predictions, the fast one 3,200.
    """
    policy = initial_policy(architecture, seed=0).eval()
    contexts = RECURRENCE.generate_chains(200, 21, np.random.default_rng(0))[:, 1:]
    actions = np.arange(200, dtype=np.uint8) % N_TOKENS
    estimate = self_estimate(policy, actions, contexts)
    np.testing.assert_allclose((estimate.op, estimate.imp), literal_self_estimate(policy, actions, contexts), atol=1e-6)
    return compare(
        name,
        lambda: self_estimate(policy, actions, contexts),
        lambda: literal_self_estimate(policy, actions, contexts),
    )


def start(*command: str) -> Callable[[], None]:
    """Return a function that runs a command in a new Python process."""
    return lambda: subprocess.run([sys.executable, *command], check=True, stdout=subprocess.DEVNULL)


def compare(name: str, ours: Callable[[], object], reference: Callable[[], object], scale: float = 1.0) -> Comparison:
    """Time two functions in turn; ``scale`` is how many times the reference's work ours does."""
    ours(), reference()
    pairs = [(seconds(ours), seconds(reference) * scale) for _ in range(N_PAIRS)]
    ratios = [theirs / mine for mine, theirs in pairs]
    medians = (statistics.median(column) for column in (*zip(*pairs, strict=True), ratios))
    return Comparison(name, *medians, min(ratios), max(ratios), N_PAIRS)


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def comparisons() -> Iterator[Comparison]:
    yield compare(
        "sequence, 10.1 million tokens",
        lambda: RECURRENCE.generate_chains(100_000, 101, np.random.default_rng(0)),
        lambda: chains_one_token_at_a_time(50, 101),
        scale=100_000 / 50,
    )
    sizes = {name: Architecture(**architecture_settings(CONFIG, name)) for name in CONFIG["sizes"]}
    for reference, label in ((StockPolicy, "training steps"), (Policy, "of the plain model's steps")):
        for name, architecture in sizes.items():
            ours, theirs = (training_steps(kind(architecture, 0.1)) for kind in (FastPolicy, reference))
            yield compare(f"{N_STEPS} {label}, {name}", ours, theirs)
    for name, architecture in sizes.items():
        yield compare_with_products(f"of the matrix-product rate, {name}", FastPolicy(architecture, 0.1))
    for name, architecture in sizes.items():
        yield compare_reinforcement(f"reinforcement of own passes, {name}", architecture, name)
    yield compare_split_histories(CONFIG["measure"]["n_repeats"], CONFIG["measure"]["n_contexts_monte_carlo"])
    yield compare_split_histories(1, 1000)
    for name, architecture in sizes.items():
        yield compare_self_estimates(f"self-estimate of 200 windows, {name}", architecture)
    yield compare(
        "start of a job, of torch's import",
        start(str(ROOT / "workflow_scripts" / "measure.py"), "--help"),
        start("-c", "import torch"),
    )


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'one core':<36}{'ours (s)':>10}{'reference':>12}{'ratio':>9}   spread")
    rows = []
    for row in comparisons():
        rows.append(row)
        print(
            f"{row.name:<36}{row.ours_seconds:>10.4f}{row.reference_seconds:>12.4f}{row.ratio:>9.2f}   "
            f"{row.lowest:.2f}-{row.highest:.2f}",
            flush=True,
        )
    table = ROOT / "results" / "bench.parquet"
    table.parent.mkdir(exist_ok=True)
    pd.DataFrame(rows).to_parquet(table)


if __name__ == "__main__":
    main()
