"""The policy: an encoder-only transformer that predicts the next token (method, section 2).

Attention is unmasked over the context. Three facts save more than half of the arithmetic, and change no result beyond
rounding. Only the last position's prediction is ever used, so the last block computes that position alone. Its one
query meets every key, so both are compared in the residual stream and no key or value is computed. And the first block
sees nothing but a token and a position, so its projections are looked up in a table of both.
"""

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
        by_head = projections.unflatten(2, (3, self.n_heads, -1))  # (B, T, 3, heads, d / heads)
        q, k, v = by_head.permute(2, 0, 3, 1, 4)  # each (B, heads, T, d / heads)
        weights = self._weights(q @ k.transpose(-2, -1))  # (B, heads, T, T)
        return self._attended((weights @ v).transpose(1, 2).flatten(2))

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
        weights = self._weights(q_in_stream @ normed.transpose(1, 2))  # (B, heads, T)
        v = torch.einsum("bhd,hcd->bhc", weights @ normed, weight_v.view(of_heads))
        return self._attended(v.flatten(1) + bias_v)

    def mlp(self, x: Tensor) -> Tensor:
        """(..., d) residual stream after attention -> (..., d), what the MLP adds to it."""
        hidden = self.mlp_dropout(F.relu(self.mlp_in(self.mlp_norm(x)), inplace=True))  # (..., d_ff)
        return self.mlp_out(hidden)

    def _weights(self, scores: Tensor) -> Tensor:
        """(..., T) products of queries and keys -> (..., T) attention weights, which sum to 1."""
        return torch.softmax(scores * (self.qkv.in_features / self.n_heads) ** -0.5, dim=-1)

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
        *earlier, last = self.blocks
        table = self.token_table()
        row = contexts + N_TOKENS * torch.arange(contexts.shape[1], device=contexts.device)  # (B, T)
        x = F.embedding(row, table)  # (B, T, d)
        for index, block in enumerate(earlier):
            x = block(x, F.embedding(row, block.project(table)) if index == 0 else None)
        return self.head(self.final_norm(last.last_position(x)))

    def token_table(self) -> Tensor:
        """(T * 16, d) what enters the first block: token k at position t in row 16 t + k."""
        return (self.position_embedding[:, None] + self.token_embedding.weight).flatten(0, 1)


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
    was_training = policy.training
    policy.eval()
    logits = torch.cat([policy(batch) for batch in as_tensor(contexts, policy).split(batch_size)])
    policy.train(was_training)
    return logits


def as_tensor(tokens: Tokens, policy: Policy) -> Tensor:
    """Tokens, any shape, as an int64 tensor on the policy's device."""
    return torch.from_numpy(tokens).to(policy.position_embedding.device, torch.int64)
