"""Speed of the hot paths, as ratios to plain references measured in the same run (`make bench`).

Prints one table: the median seconds of ours and of the reference, the median of their ratios pair by pair, and the
ratios' range.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
import yaml
from torch import nn
from torch.nn import functional as F

from splithistory.information import entropy, kl_divergence
from splithistory.model import Architecture, Policy, initial_policy
from splithistory.self_estimate import self_estimate
from splithistory.sequence import MEMORY, MODULUS, N_OUTCOMES, N_TOKENS, Tokens, generate_chains
from sweep.stages import architecture_settings

CONFIG = yaml.safe_load((Path(__file__).parents[1] / "config.yaml").read_text())
N_PAIRS = 5


class StockPolicy(nn.Module):
    """The same architecture from torch's own encoder layers, every position computed in every block."""

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


def training_steps(policy: nn.Module, n_steps: int = 10) -> Callable[[], None]:
    """Steps of 256 windows: forward, backward and AdamW."""
    optimizer = torch.optim.AdamW(policy.parameters(), fused=True)
    contexts, targets = torch.randint(0, N_TOKENS, (256, 20)), torch.randint(0, N_TOKENS, (256,))

    def run() -> None:
        for _ in range(n_steps):
            optimizer.zero_grad()
            F.cross_entropy(policy(contexts), targets).backward()
            optimizer.step()

    return run


def chains_one_token_at_a_time(n_chains: int, length: int) -> None:
    """The recurrence as it is written down, in plain Python."""
    rng = np.random.default_rng(0)
    for _ in range(n_chains):
        tokens = [int(rng.integers(N_OUTCOMES)) + N_OUTCOMES * (t % 2) for t in range(MEMORY)]
        for t in range(MEMORY, 64 + length):
            product = 1
            for token in tokens[-MEMORY:]:
                product = product * (token + 1) % MODULUS
            value = rng.integers(N_OUTCOMES) if rng.random() < 0.02 else product % N_OUTCOMES
            tokens.append(int(value) + N_OUTCOMES * (t % 2))


def literal_self_estimate(policy: Policy, actions: Tokens, contexts: Tokens) -> tuple[float, float]:
    """Op and Imp as section 7 of the method words them: every window answered with every window's action."""
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


def compare_self_estimates(name: str, architecture: Architecture) -> str:
    """200 windows answered with all 16 tokens, 40,000 predictions against 3,200; equal values are checked."""
    policy = initial_policy(architecture, seed=0).eval()
    contexts = generate_chains(200, 21, 0.02, np.random.default_rng(0))[:, 1:]
    actions = np.arange(200, dtype=np.uint8) % N_TOKENS
    estimate = self_estimate(policy, actions, contexts)
    np.testing.assert_allclose((estimate.op, estimate.imp), literal_self_estimate(policy, actions, contexts), atol=1e-6)
    return compare(
        name,
        lambda: self_estimate(policy, actions, contexts),
        lambda: literal_self_estimate(policy, actions, contexts),
    )


def compare(name: str, ours: Callable[[], object], reference: Callable[[], object], scale: float = 1.0) -> str:
    """Time the two in turn; ``scale`` is how much more work ours does than the reference."""
    ours(), reference()
    pairs = [(seconds(ours), seconds(reference) * scale) for _ in range(N_PAIRS)]
    ratios = [theirs / mine for mine, theirs in pairs]
    mine, theirs = (statistics.median(column) for column in zip(*pairs, strict=True))
    return (
        f"{name:<34}{mine:>10.3f}{theirs:>12.3f}{statistics.median(ratios):>8.2f}   {min(ratios):.2f}-{max(ratios):.2f}"
    )


def seconds(run: Callable[[], object]) -> float:
    started = time.perf_counter()
    run()
    return time.perf_counter() - started


def main() -> None:
    torch.set_num_threads(1)
    print(f"{'one core':<34}{'ours (s)':>10}{'plain (s)':>12}{'ratio':>8}   spread")
    print(
        compare(
            "sequence, 10.1 million tokens",
            lambda: generate_chains(100_000, 101, 0.02, np.random.default_rng(0)),
            lambda: chains_one_token_at_a_time(50, 101),
            scale=100_000 / 50,
        )
    )
    for name in CONFIG["sizes"]:
        architecture = Architecture(**architecture_settings(CONFIG, name))
        ours, stock = (training_steps(kind(architecture, 0.1)) for kind in (Policy, StockPolicy))
        print(compare(f"10 training steps of 256, {name}", ours, stock))
    for name in CONFIG["sizes"]:
        architecture = Architecture(**architecture_settings(CONFIG, name))
        print(compare_self_estimates(f"self-estimate of 200 windows, {name}", architecture))


if __name__ == "__main__":
    main()
