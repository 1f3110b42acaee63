"""The policy: an encoder-only transformer that predicts the next token (method, section 2).

This is the model as one reads it. What runs is `fast_model.FastPolicy`, with the same parameters and predictions.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from splithistory.extras import needs_extra
from splithistory.sequence import N_TOKENS, Tokens

with needs_extra("torch"):
    import torch
    from torch import Tensor, nn


@dataclass(frozen=True)
class Architecture:
    """The shape of a policy.

    Attributes:
        d_model: width of the residual stream.
        n_layers: number of blocks.
        n_heads: attention heads per block; divides ``d_model``.
        d_ff: hidden units of each MLP.
        context_length: tokens per window.
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


class Block(nn.Module):
    """A pre-norm transformer block: attention, then MLP, each added to the residual stream.

    A hook sees the stream before and after the block at the block itself, and the stream in the middle at ``between``.
    """

    def __init__(self, architecture: Architecture, dropout: float) -> None:
        super().__init__()
        d = architecture.d_model
        self.n_heads = architecture.n_heads
        self.scale = (d / architecture.n_heads) ** -0.5  # of the scores
        self.attention_norm = nn.LayerNorm(d)
        self.qkv = nn.Linear(d, 3 * d)
        self.attention_out = nn.Linear(d, d)
        self.between = nn.Identity()
        self.mlp_norm = nn.LayerNorm(d)
        self.mlp_in = nn.Linear(d, architecture.d_ff)
        self.mlp_out = nn.Linear(architecture.d_ff, d)
        self.attention_dropout = nn.Dropout(dropout)
        self.mlp_dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, d) residual stream -> (B, T, d), the stream after the block."""
        x = self.between(x + self.attention(self.qkv(self.attention_norm(x))))
        return x + self.mlp(self.mlp_norm(x))

    def attention(self, projections: Tensor) -> Tensor:
        """(B, T, 3 d) queries, keys and values -> (B, T, d), what attention adds to the stream."""
        q, k, v = self.by_head(projections)  # each (B, heads, T, d / heads)
        weights = torch.softmax(q @ k.transpose(-2, -1) * self.scale, dim=-1)  # (B, heads, T, T), none masked
        attended = (weights @ v).transpose(1, 2).flatten(2)  # (B, T, d)
        return self.attention_dropout(self.attention_out(attended))

    def by_head(self, projections: Tensor) -> Tensor:
        """(B, T, 3 d) -> (3, B, heads, T, d / heads) queries, keys and values."""
        return projections.unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)

    def mlp(self, x: Tensor) -> Tensor:
        """(..., d) normed stream -> (..., d), what the MLP adds to the stream."""
        hidden = self.mlp_in(x).relu_()  # (..., d_ff)
        return self.mlp_out(self.mlp_dropout(hidden))


class Policy(nn.Module):
    """Next-token logits from a window of tokens.

    Args:
        architecture: the shape.
        dropout: rate on attention outputs and on hidden units of the MLPs, while training.
    """

    block_type = Block

    def __init__(self, architecture: Architecture, dropout: float = 0.0) -> None:
        super().__init__()
        d = architecture.d_model
        self.architecture = architecture
        self.token_embedding = nn.Embedding(N_TOKENS, d)
        self.position_embedding = nn.Parameter(torch.randn(architecture.context_length, d))
        self.blocks = nn.ModuleList(self.block_type(architecture, dropout) for _ in range(architecture.n_layers))
        self.final_norm = nn.LayerNorm(d)
        self.head = nn.Linear(d, N_TOKENS)

    def forward(self, contexts: Tensor) -> Tensor:
        """(B, T) integer tokens in 0..15 -> (B, 16) logits of the token after each context."""
        x = self.embed(contexts)
        for block in self.blocks:
            x = block(x)
        return self.head(self.final_norm(x[:, -1]))

    def embed(self, contexts: Tensor) -> Tensor:
        """(B, T) integer tokens -> (B, T, d), the residual stream before the first block."""
        return self.token_embedding(contexts) + self.position_embedding


@torch.no_grad()
def predict(policy: Policy, contexts: Tokens, batch_size: int = 256) -> Tensor:
    """Next-token logits with dropout off, batch by batch.

    Args:
        policy: any policy; its training mode is restored.
        contexts: (n, context_length) tokens.
        batch_size: windows per forward pass; 256 keeps the activations in the processor's cache.

    Returns:
        (n, 16) logits, on the policy's device.
    """
    with evaluating(policy):
        return torch.cat([policy(batch) for batch in as_tensor(contexts, policy).split(batch_size)])


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
