"""The policy: an encoder-only transformer that predicts the next token (method, section 2).

Attention is unmasked over the context. Only the last position's prediction is ever used, so the last
block computes queries, attention output and MLP for that position alone.
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
        kept = bits.view(torch.int16)[: x.numel()].view(x.shape) >= n_dropped - 2**15
        return x * kept.to(x.dtype).mul_(2**16 / (2**16 - n_dropped))


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

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, d) -> (B, T, d), every position."""
        x = x + self.attention(x)
        return x + self.mlp(x)

    def last_position(self, x: Tensor) -> Tensor:
        """(B, T, d) -> (B, 1, d), the block's output at the last position alone."""
        x = x[:, -1:] + self.last_attention(x)
        return x + self.mlp(x)

    def attention(self, x: Tensor) -> Tensor:
        """(B, T, d) residual stream -> (B, T, d), what attention adds to it."""
        batch, length, d = x.shape
        qkv = self.qkv(self.attention_norm(x)).view(batch, length, 3, self.n_heads, d // self.n_heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (B, heads, T, d / heads)
        return self._attend(q, k, v)

    def last_attention(self, x: Tensor) -> Tensor:
        """(B, T, d) residual stream -> (B, 1, d), what attention adds to it at the last position."""
        batch, length, d = x.shape
        normed = self.attention_norm(x)
        head_shape = (self.n_heads, d // self.n_heads)
        weight_q, weight_kv = self.qkv.weight.split([d, 2 * d])
        bias_q, bias_kv = self.qkv.bias.split([d, 2 * d])
        last = normed[:, -1:]  # (B, 1, d)
        q = F.linear(last, weight_q, bias_q).view(batch, 1, *head_shape).transpose(1, 2)  # (B, heads, 1, d / heads)
        kv = F.linear(normed, weight_kv, bias_kv).view(batch, length, 2, *head_shape)
        k, v = kv.permute(2, 0, 3, 1, 4)  # each (B, heads, T, d / heads)
        return self._attend(q, k, v)

    def mlp(self, x: Tensor) -> Tensor:
        """(..., d) residual stream after attention -> (..., d), what the MLP adds to it."""
        hidden = self.mlp_dropout(F.relu(self.mlp_in(self.mlp_norm(x))))  # (..., d_ff)
        return self.mlp_out(hidden)

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """(B, heads, Q, d / heads) queries over (B, heads, T, d / heads) keys and values -> (B, Q, d)."""
        weights = torch.softmax(q @ k.transpose(-2, -1) * q.shape[-1] ** -0.5, dim=-1)  # (B, heads, Q, T)
        attended = (weights @ v).transpose(1, 2).flatten(2)  # (B, Q, d)
        return self.attention_dropout(self.attention_out(attended))


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
        x = self.token_embedding(contexts) + self.position_embedding  # (B, T, d)
        for block in self.blocks[:-1]:
            x = block(x)
        x = self.blocks[-1].last_position(x)  # (B, 1, d)
        return self.head(self.final_norm(x)).squeeze(1)


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
