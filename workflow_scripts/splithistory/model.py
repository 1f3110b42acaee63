"""The policy: an encoder-only transformer that predicts the next token (method, section 2).

Attention is unmasked over the context. Three facts save more than half of the arithmetic, and change no result beyond
rounding. Only the last position's prediction is ever used, so the last block computes that position alone. Its one
query meets every key, so both are compared in the residual stream and no key or value is computed. And the first block
sees nothing but a token and a position, so its projections are looked up in a table of both.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from splithistory.sequence import N_TOKENS, Tokens


@dataclass(frozen=True)
class Architecture:
    """The shape of a policy.

    Attributes:
        d_model: width of the residual stream.
        n_layers: number of blocks.
        n_heads: attention heads a block; divides ``d_model``.
        d_ff: hidden units of each MLP.
        context_length: tokens a window.
    """

    d_model: int
    n_layers: int
    n_heads: int
    d_ff: int
    context_length: int

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if value < 1:
                raise ValueError(f"{name} must be at least 1, got {value}")
        if self.d_model % self.n_heads:
            raise ValueError(f"d_model ({self.d_model}) is not divisible by n_heads ({self.n_heads})")

    @property
    def n_parameters(self) -> int:
        """Number of trainable parameters."""
        d, ff = self.d_model, self.d_ff
        block = 2 * (2 * d) + (3 * d * d + 3 * d) + (d * d + d) + (ff * d + ff) + (d * ff + d)
        return (N_TOKENS + self.context_length) * d + self.n_layers * block + 2 * d + (d * N_TOKENS + N_TOKENS)


class Dropout(nn.Module):
    """Inverted dropout with 16 random bits a unit: a third of the cost of `torch.nn.Dropout` on a CPU.

    The rate is rounded to the nearest multiple of 2⁻¹⁶, and the scale matches the rounded rate.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of a tensor of any shape, while training; the identity otherwise."""
        if not self.training or self.rate == 0.0:
            return x
        n_dropped = round(self.rate * 2**16)  # of the 2**16 values of an int16
        bits = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device).random_(-(2**63), None)
        units = bits.view(torch.int16)[: x.numel()].view(x.shape)
        kept = torch.ge(units, n_dropped - 2**15, out=torch.empty_like(x))  # 0 or 1, without booleans in between
        return x * kept.mul_(2**16 / (2**16 - n_dropped))


class Block(nn.Module):
    """A pre-norm transformer block: attention, then MLP, each added to the residual stream."""

    def __init__(self, architecture: Architecture, dropout: float) -> None:
        super().__init__()
        d = architecture.d_model
        self.n_heads = architecture.n_heads
        self.attention_norm = nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d)
        self.attention_out = nn.Linear(d, d)
        self.mlp_norm = nn.LayerNorm(d)
        self.mlp_in = nn.Linear(d, architecture.d_ff)
        self.mlp_out = nn.Linear(architecture.d_ff, d)
        self.attention_dropout = Dropout(dropout)
        self.mlp_dropout = Dropout(dropout)

    def forward(self, x: Tensor, projections: Tensor | None = None) -> Tensor:
        """The block's output at every position.

        Args:
            x: (B, T, d) residual stream.
            projections: (B, T, 3 d) of it, if known already.

        Returns:
            (B, T, d) residual stream after the block.
        """
        x = x + self.attention(self.project(x) if projections is None else projections)
        return x + self.mlp(x)

    def last_position(self, x: Tensor) -> Tensor:
        """(B, T, d) -> (B, d), the block's output at the last position alone."""
        x = x[:, -1] + self.last_attention(x)
        return x + self.mlp(x)

    def project(self, x: Tensor) -> Tensor:
        """(..., d) residual stream -> (..., 3 d) queries, keys and values of all heads."""
        return self.qkv(self.attention_norm(x))

    def attention(self, projections: Tensor) -> Tensor:
        """(B, T, 3 d) queries, keys and values -> (B, T, d), what attention adds to the residual stream."""
        q, k, v = self._by_head(projections)
        weights = torch.softmax(self._scaled(q @ k.transpose(-2, -1)), dim=-1)  # (B, heads, T, T)
        return self._attended((weights @ v).transpose(1, 2).flatten(2))

    def attention_of_each(self, shared: Tensor, ends: Tensor) -> Tensor:
        """What attention adds to windows that have all but their last position in common.

        Over the shared positions and one more, the softmax is a mean of two: of what attention to the shared ones alone
        gives, computed once, and of the last value, with the weight sigmoid(its score - logsumexp of the shared).

        Args:
            shared: (n, T - 1, 3 d) projections of the positions in common.
            ends: (m, 3 d) projections of each last position.

        Returns:
            (n, m, T, d), for each of the n windows and each last position.
        """
        n_shared = shared.shape[1]
        shared = torch.cat([shared, ends.expand(len(shared), -1, -1)], dim=1)  # (n, T - 1 + m, 3 d)
        q, k, v = self._by_head(shared)  # each (n, heads, T - 1 + m, d / heads)
        scores = self._scaled(q @ k.transpose(-2, -1))  # (n, heads, T - 1 + m, T - 1 + m)
        of_shared, of_ends = scores.split([n_shared, len(ends)], dim=3)
        attended = torch.softmax(of_shared, dim=-1) @ v[:, :, :n_shared]  # (n, heads, T - 1 + m, d / heads)
        weight = torch.sigmoid(of_ends - of_shared.logsumexp(dim=-1, keepdim=True))  # (n, heads, T - 1 + m, m)
        attended = attended.transpose(1, 2)  # (n, T - 1 + m, heads, d / heads)
        weight = weight.permute(0, 3, 2, 1)[..., None]  # (n, m, T - 1 + m, heads, 1)
        last_v = v[0, :, n_shared:].transpose(0, 1)  # (m, heads, d / heads)
        before = torch.lerp(attended[:, None, :n_shared], last_v[:, None], weight[:, :, :n_shared])
        each = torch.arange(len(ends), device=ends.device)  # a last position attends to itself, no other one
        own = torch.lerp(attended[:, n_shared:], last_v, weight[:, each, n_shared + each])  # (n, m, heads, d / heads)
        return self._attended(torch.cat([before, own[:, :, None]], dim=2).flatten(3))

    def last_attention(self, x: Tensor) -> Tensor:
        """(B, T, d) residual stream -> (B, d), what attention adds to it at the last position.

        With y the normed stream, q·(W_k y + b_k) = (W_kᵀ q)·y + constant, which the softmax ignores; and since the
        weights w sum to 1, Σ w (W_v y + b_v) = W_v (Σ w y) + b_v.
        """
        d = x.shape[-1]
        normed = self.attention_norm(x)
        weight_q, weight_k, weight_v = self.qkv.weight.split(d)
        bias_q, _, bias_v = self.qkv.bias.split(d)
        of_heads = (self.n_heads, d // self.n_heads, d)
        q = F.linear(normed[:, -1], weight_q, bias_q).unflatten(1, of_heads[:2])  # (B, heads, d / heads)
        q_in_stream = torch.einsum("bhc,hcd->bhd", q, weight_k.view(of_heads))
        weights = torch.softmax(self._scaled(q_in_stream @ normed.transpose(1, 2)), dim=-1)  # (B, heads, T)
        v = torch.einsum("bhd,hcd->bhc", weights @ normed, weight_v.view(of_heads))
        return self._attended(v.flatten(1) + bias_v)

    def mlp(self, x: Tensor) -> Tensor:
        """(..., d) residual stream after attention -> (..., d), what the MLP adds to it."""
        hidden = self.mlp_dropout(F.relu(self.mlp_in(self.mlp_norm(x)), inplace=True))  # (..., d_ff)
        return self.mlp_out(hidden)

    def _by_head(self, projections: Tensor) -> Tensor:
        """(B, T, 3 d) -> (3, B, heads, T, d / heads) queries, keys and values."""
        return projections.unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)

    def _scaled(self, products: Tensor) -> Tensor:
        """Products of queries and keys -> the scores that a softmax turns into attention weights."""
        return products * (self.qkv.in_features / self.n_heads) ** -0.5

    def _attended(self, values: Tensor) -> Tensor:
        """(..., d) weighted values of all heads -> (..., d), what attention adds to the residual stream."""
        return self.attention_dropout(self.attention_out(values))


class Policy(nn.Module):
    """Next-token logits from a window of tokens.

    Args:
        architecture: the shape.
        dropout: rate on attention outputs and on hidden units of the MLPs, while training.
    """

    def __init__(self, architecture: Architecture, dropout: float = 0.0) -> None:
        super().__init__()
        d = architecture.d_model
        self.architecture = architecture
        self.token_embedding = nn.Embedding(N_TOKENS, d)
        self.position_embedding = nn.Parameter(torch.randn(architecture.context_length, d))
        self.blocks = nn.ModuleList(Block(architecture, dropout) for _ in range(architecture.n_layers))
        self.final_norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, N_TOKENS)

    def forward(self, contexts: Tensor) -> Tensor:
        """Next-token logits.

        Args:
            contexts: (B, context_length) integer tokens in 0..15.

        Returns:
            (B, 16) logits of the token after each context.
        """
        if len(self.blocks) == 1:
            return self._logits(F.embedding(self._rows(contexts), self._token_table()), self.blocks)
        table = self._token_table()
        rows = self._rows(contexts)
        first, *later = self.blocks
        return self._logits(first(F.embedding(rows, table), F.embedding(rows, first.project(table))), later)

    def after_each(self, contexts: Tensor, tokens: Tensor) -> Tensor:
        """Next-token logits after each of some tokens, equal to `forward` of every window with every token appended.

        The windows of a context differ in their last token alone, so most of the first block's attention is shared.

        Args:
            contexts: (n, context_length - 1) integer tokens.
            tokens: (m,) integer tokens, each of which follows every context.

        Returns:
            (n, m, 16) logits.
        """
        n, m = len(contexts), len(tokens)
        table = self._token_table()
        shared, ends = self._rows(contexts), N_TOKENS * contexts.shape[1] + tokens
        x = torch.cat(
            [
                F.embedding(shared, table)[:, None].expand(n, m, -1, -1),
                F.embedding(ends, table)[None, :, None].expand(n, m, -1, -1),
            ],
            dim=2,
        )  # (n, m, T, d)
        first, *later = self.blocks
        if later:
            projections = first.project(table)
            x = x + first.attention_of_each(F.embedding(shared, projections), F.embedding(ends, projections))
            x = x + first.mlp(x)
        return self._logits(x.flatten(0, 1), later or self.blocks).unflatten(0, (n, m))

    def _rows(self, tokens: Tensor) -> Tensor:
        """(B, t) tokens of the first t positions -> (B, t) rows of the token table."""
        return tokens + N_TOKENS * torch.arange(tokens.shape[1], device=tokens.device)

    def _token_table(self) -> Tensor:
        """(T * 16, d) what enters the first block: token k at position t in row 16 t + k."""
        return (self.position_embedding[:, None] + self.token_embedding.weight).flatten(0, 1)

    def _logits(self, x: Tensor, blocks: Sequence[Block]) -> Tensor:
        """(B, T, d) residual stream before the last blocks -> (B, 16) logits."""
        *earlier, last = blocks
        for block in earlier:
            x = block(x)
        return self.head(self.final_norm(last.last_position(x)))


def initial_policy(architecture: Architecture, seed: int, dropout: float = 0.0) -> Policy:
    """The untrained policy of a seed: step 0 of its pretraining, and a counterfactual of its own (method, section 6).

    Leaves torch's global random state as it was.

    Args:
        architecture: the shape.
        seed: the pretraining seed.
        dropout: rate while training; has no influence on the parameters.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # not a GPU's, whose state would be lost
        return Policy(architecture, dropout)


@torch.no_grad()
def predict(policy: Policy, contexts: Tokens, batch_size: int = 256) -> Tensor:
    """Next-token logits with dropout off, batch by batch.

    Args:
        policy: any policy; its training mode is restored.
        contexts: (n, context_length) tokens.
        batch_size: windows a forward pass; 256 keeps the activations in the processor's cache.

    Returns:
        (n, 16) logits, on the policy's device.
    """
    with evaluating(policy):
        return torch.cat([policy(batch) for batch in as_tensor(contexts, policy).split(batch_size)])


@torch.no_grad()
def predict_after_each(policy: Policy, contexts: Tokens, tokens: Tokens, batch_size: int = 256) -> Tensor:
    """Next-token logits with dropout off, for every context with every one of some tokens appended.

    Args:
        policy: any policy; its training mode is restored.
        contexts: (n, context_length - 1) tokens.
        tokens: (m,) tokens.
        batch_size: windows a forward pass, up to a whole number of contexts.

    Returns:
        (n, m, 16) logits, on the policy's device.
    """
    with evaluating(policy):
        ends = as_tensor(tokens, policy)
        batches = as_tensor(contexts, policy).split(max(1, batch_size // len(tokens)))
        return torch.cat([policy.after_each(batch, ends) for batch in batches])


@contextmanager
def evaluating(policy: Policy) -> Iterator[None]:
    """Dropout off inside; the training mode is restored."""
    was_training = policy.training
    policy.eval()
    try:
        yield
    finally:
        policy.train(was_training)


def as_tensor(tokens: Tokens, policy: Policy) -> Tensor:
    """Tokens, any shape, as an int64 tensor on the policy's device."""
    return torch.from_numpy(tokens).to(policy.position_embedding.device, torch.int64)
