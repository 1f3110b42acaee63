"""The policy that jobs train and measure: that of `model`, computed with less than half of the arithmetic.

Parameters and their names are the plain model's, and so are predictions, up to rounding. The shortcuts:

- Only the prediction at the last position is ever used, so the last block computes that position alone.
- The last block therefore has one query per head, whose scores need only the residual stream, not keys and values.
- The first block's input depends on nothing but token and position, so its projections come from a table of all pairs.
- Windows that differ only in their last token share most of the first block's attention (`FastPolicy.after_each`).
- Dropout draws 16 random bits per unit.
"""

from collections.abc import Sequence

from splithistory.extras import needs_extra
from splithistory.model import Architecture, Block, Policy, as_tensor, evaluating
from splithistory.sequence import N_TOKENS, Tokens

with needs_extra("torch"):
    import torch
    from torch import Tensor, nn
    from torch.nn import functional as F


class FastDropout(nn.Module):
    """Inverted dropout with 16 random bits per unit, at a third of the cost of `torch.nn.Dropout` on a CPU.

    The rate is rounded to the nearest multiple of 2⁻¹⁶, and units are scaled by the rounded rate.
    """

    def __init__(self, rate: float) -> None:
        super().__init__()
        self.rate = rate

    def forward(self, x: Tensor) -> Tensor:
        """Drop units of a tensor of any shape in training; otherwise return it unchanged."""
        if not self.training or self.rate == 0.0:
            return x
        n_dropped = round(self.rate * 2**16)  # of the 2**16 values of an int16
        bits = torch.empty((x.numel() + 3) // 4, dtype=torch.int64, device=x.device).random_(-(2**63), None)
        units = bits.view(torch.int16)[: x.numel()].view(x.shape)
        kept = torch.ge(
            units, n_dropped - 2**15, out=torch.empty_like(x)
        )  # 0 or 1, without a tensor of booleans in between
        return x * kept.mul_(2**16 / (2**16 - n_dropped))


class FastBlock(Block):
    """A block that can compute its last position alone, or reuse known projections of its input."""

    def __init__(self, architecture: Architecture, dropout: float) -> None:
        super().__init__(architecture, dropout)
        self.attention_dropout = FastDropout(dropout)
        self.mlp_dropout = FastDropout(dropout)

    def forward(self, x: Tensor, projections: Tensor | None = None, last_only: bool = False) -> Tensor:
        """Run the block.

        Args:
            x: (B, T, d) residual stream before the block.
            projections: (B, T, 3 d) what `project` makes of ``x``, if known already; not used with ``last_only``.
            last_only: whether to compute the last position alone.

        Returns:
            (B, T, d) residual stream after the block; with ``last_only`` (B, d), at the last position.
        """
        if last_only:
            x = x[:, -1] + self.last_attention(x)
        else:
            x = x + self.attention(self.project(x) if projections is None else projections)
        x = self.between(x)
        return x + self.mlp(self.mlp_norm(x))

    def project(self, x: Tensor) -> Tensor:
        """Compute queries, keys and values of all heads: (..., d) residual stream -> (..., 3 d)."""
        return self.qkv(self.attention_norm(x))

    def last_attention(self, x: Tensor) -> Tensor:
        """Compute what attention adds to the stream at the last position: (B, T, d) residual stream -> (B, d).

        With y the normalized stream, q·(W_k y + b_k) = (W_kᵀ q)·y + a constant that the softmax ignores; and since the
        weights w sum to 1, Σ w (W_v y + b_v) = W_v (Σ w y) + b_v.
        """
        d = x.shape[-1]
        normed = self.attention_norm(x)
        weight_q, weight_k, weight_v = self.qkv.weight.split(d)
        bias_q, _, bias_v = self.qkv.bias.split(d)
        of_heads = (self.n_heads, d // self.n_heads, d)
        q = F.linear(normed[:, -1], weight_q, bias_q).unflatten(1, of_heads[:2])  # (B, heads, d / heads)
        q_in_stream = torch.einsum("bhc,hcd->bhd", q, weight_k.view(of_heads))
        weights = torch.softmax(q_in_stream @ normed.transpose(1, 2) * self.scale, dim=-1)  # (B, heads, T)
        v = torch.einsum("bhd,hcd->bhc", weights @ normed, weight_v.view(of_heads))
        return self.attention_dropout(self.attention_out(v.flatten(1) + bias_v))

    def attention_of_each(self, shared: Tensor, ends: Tensor) -> Tensor:
        """Compute what attention adds to windows that have all but their last position in common.

        Attention to the shared positions and one more is a weighted mean of two terms: attention to the shared
        positions alone, computed once, and the value of the last position, which has the weight
        sigmoid(its score - logsumexp of the shared scores).

        Args:
            shared: (n, T - 1, 3 d) projections of the shared positions.
            ends: (m, 3 d) projections of each last position.

        Returns:
            (n, m, T, d), for each of the n windows with each of the m last positions.
        """
        n_shared = shared.shape[1]
        shared = torch.cat([shared, ends.expand(len(shared), -1, -1)], dim=1)  # (n, T - 1 + m, 3 d)
        q, k, v = self.by_head(shared)  # each (n, heads, T - 1 + m, d / heads)
        scores = q @ k.transpose(-2, -1) * self.scale  # (n, heads, T - 1 + m, T - 1 + m)
        of_shared, of_ends = scores.split([n_shared, len(ends)], dim=3)
        attended = torch.softmax(of_shared, dim=-1) @ v[:, :, :n_shared]  # (n, heads, T - 1 + m, d / heads)
        weight = torch.sigmoid(of_ends - of_shared.logsumexp(dim=-1, keepdim=True))  # (n, heads, T - 1 + m, m)
        attended = attended.transpose(1, 2)  # (n, T - 1 + m, heads, d / heads)
        weight = weight.permute(0, 3, 2, 1)[..., None]  # (n, m, T - 1 + m, heads, 1)
        last_v = v[0, :, n_shared:].transpose(0, 1)  # (m, heads, d / heads)
        before = torch.lerp(attended[:, None, :n_shared], last_v[:, None], weight[:, :, :n_shared])
        each = torch.arange(
            len(ends), device=ends.device
        )  # each last position attends to itself and to none of the others
        own = torch.lerp(attended[:, n_shared:], last_v, weight[:, each, n_shared + each])  # (n, m, heads, d / heads)
        values = torch.cat([before, own[:, :, None]], dim=2).flatten(3)  # (n, m, T, d)
        return self.attention_dropout(self.attention_out(values))


class FastPolicy(Policy):
    """The plain `Policy`, computed faster: the same arguments, parameters and predictions."""

    block_type = FastBlock

    def forward(self, contexts: Tensor) -> Tensor:
        """Compute logits of the token after each context: (B, T) integer tokens in 0..15 -> (B, 16)."""
        table, rows = self._token_table(), self._rows(contexts)
        x = F.embedding(rows, table)  # (B, T, d)
        first, *later = self.blocks
        if later:
            x = first(x, F.embedding(rows, first.project(table)))
        return self.logits(x, later or self.blocks)

    def after_each(self, contexts: Tensor, tokens: Tensor) -> Tensor:
        """Append every token to every context, and compute the next-token logits, as `forward` would.

        The windows of a context differ only in their last token, so most of the first block's attention is shared.

        Args:
            contexts: (n, context_length - 1) integer tokens.
            tokens: (m,) integer tokens to append.

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
            x = x + first.mlp(first.mlp_norm(x))
        return self.logits(x.flatten(0, 1), later or self.blocks).unflatten(0, (n, m))

    def logits(self, x: Tensor, blocks: Sequence[FastBlock]) -> Tensor:
        """Run one or more blocks and the head: (B, T, d) residual stream before the blocks -> (B, 16) logits."""
        *earlier, last = blocks
        for block in earlier:
            x = block(x)
        return self.head(self.final_norm(last(x, last_only=True)))

    def _rows(self, tokens: Tensor) -> Tensor:
        """Find the rows of the token table: (B, t) tokens at the first t positions -> (B, t)."""
        return tokens + N_TOKENS * torch.arange(tokens.shape[1], device=tokens.device)

    def _token_table(self) -> Tensor:
        """Compute every input of the first block: (T * 16, d), with token k at position t in row 16 t + k."""
        return (self.position_embedding[:, None] + self.token_embedding.weight).flatten(0, 1)


def initial_policy(architecture: Architecture, seed: int, dropout: float = 0.0) -> FastPolicy:
    """Create the untrained policy of a seed: step 0 of pretraining, and a counterfactual policy (method, section 6).

    Torch's global random state stays as it was.

    Args:
        architecture: the policy's shape.
        seed: the pretraining seed.
        dropout: dropout rate in training; it does not affect the parameters.
    """
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # torch.manual_seed would overwrite the states of GPUs as well
        return FastPolicy(architecture, dropout)


@torch.no_grad()
def predict_after_each(policy: FastPolicy, contexts: Tokens, tokens: Tokens, batch_size: int = 256) -> Tensor:
    """Append every token to every context, and compute next-token logits with dropout off, batch by batch.

    Args:
        policy: any policy; its training mode is restored.
        contexts: (n, context_length - 1) tokens.
        tokens: (m,) tokens.
        batch_size: windows per forward pass, rounded down to a whole number of contexts, at least one.

    Returns:
        (n, m, 16) logits, on the policy's device.
    """
    with evaluating(policy):
        ends = as_tensor(tokens, policy)
        batches = as_tensor(contexts, policy).split(max(1, batch_size // len(tokens)))
        return torch.cat([policy.after_each(batch, ends) for batch in batches])
