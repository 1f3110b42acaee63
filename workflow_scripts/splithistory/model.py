"""The policy: an encoder-only transformer that predicts the next token (method, section 2).

This implementation is written to be read. Jobs run `fast_model.FastPolicy`, which has the same parameters and makes
the same predictions.
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

    Raises:
        ValueError: if a number is below 1, or ``d_model`` is not a multiple of ``n_heads``.
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

    Hooks on the block see the stream before and after it; hooks on ``between`` see it between attention and MLP.
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
        """Run the block: (B, T, d) residual stream before it -> (B, T, d) residual stream after it."""
        x = self.between(x + self.attention(self.qkv(self.attention_norm(x))))
        return x + self.mlp(self.mlp_norm(x))

    def attention(self, projections: Tensor) -> Tensor:
        """Compute what attention adds to the stream: (B, T, 3 d) queries, keys and values -> (B, T, d)."""
        q, k, v = self.by_head(projections)  # each (B, heads, T, d / heads)
        weights = torch.softmax(q @ k.transpose(-2, -1) * self.scale, dim=-1)  # (B, heads, T, T), none masked
        attended = (weights @ v).transpose(1, 2).flatten(2)  # (B, T, d)
        return self.attention_dropout(self.attention_out(attended))

    def by_head(self, projections: Tensor) -> Tensor:
        """Split queries, keys and values by head: (B, T, 3 d) -> (3, B, heads, T, d / heads)."""
        return projections.unflatten(2, (3, self.n_heads, -1)).permute(2, 0, 3, 1, 4)

    def mlp(self, x: Tensor) -> Tensor:
        """Compute what the MLP adds to the stream: (..., d) normalized stream -> (..., d)."""
        hidden = self.mlp_in(x).relu_()  # (..., d_ff)
        return self.mlp_out(self.mlp_dropout(hidden))


class Policy(nn.Module):
    """A transformer that maps a window of tokens to logits of the next one.

    Args:
        architecture: its shape.
        dropout: dropout rate of attention outputs and of the MLPs' hidden units in training, in [0, 1).
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
        """Compute logits of the token after each context: (B, T) integer tokens in 0..15 -> (B, 16)."""
        x = self.embed(contexts)
        for block in self.blocks:
            x = block(x)
        return self.head(self.final_norm(x[:, -1]))

    def embed(self, contexts: Tensor) -> Tensor:
        """Compute the residual stream before the first block: (B, T) integer tokens -> (B, T, d)."""
        return self.token_embedding(contexts) + self.position_embedding


@torch.no_grad()
def predict(policy: Policy, contexts: Tokens, batch_size: int = 256) -> Tensor:
    """Compute next-token logits with dropout off, batch by batch.

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
    """Turn dropout off inside the block, and then restore the policy's training mode."""
    was_training = policy.training
    policy.eval()
    try:
        yield
    finally:
        policy.train(was_training)


def as_tensor(tokens: Tokens, policy: Policy) -> Tensor:
    """Convert tokens of any shape to an int64 tensor on the policy's device."""
    return torch.from_numpy(tokens).to(policy.position_embedding.device, torch.int64)
