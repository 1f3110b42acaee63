"""The tokens that a policy may answer with, and its answers (method, section 3)."""

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from splithistory.extras import needs_extra
from splithistory.model import Policy, predict
from splithistory.sequence import N_OUTCOMES, N_TOKENS, Tokens

with needs_extra("torch"):
    import torch
    from torch import Tensor

ActionTokens = Literal["all", "odd"]


def allowed_tokens(action_tokens: ActionTokens) -> NDArray[np.bool_]:
    """Return (16,) booleans that mark the tokens a policy may answer with.

    Args:
        action_tokens: ``all`` for every token, ``odd`` for those of odd positions, 8..15.

    Raises:
        ValueError: for any other name.
    """
    if action_tokens not in ("all", "odd"):
        raise ValueError(f"action_tokens: expected 'all' or 'odd', got {action_tokens!r}")
    return (np.arange(N_TOKENS) >= N_OUTCOMES) | (action_tokens == "all")


def mask_logits(logits: Tensor, action_tokens: ActionTokens) -> Tensor:
    """Set the logits of tokens that are not allowed to minus infinity: (..., 16) -> (..., 16)."""
    forbidden = torch.from_numpy(~allowed_tokens(action_tokens)).to(logits.device)
    return logits.masked_fill(forbidden, -torch.inf)


def best_actions(policy: Policy, contexts: Tokens, action_tokens: ActionTokens) -> Tokens:
    """Return the policy's answers at temperature 0.

    Args:
        policy: any policy.
        contexts: (n, context_length) tokens, each ending just before an odd position.
        action_tokens: tokens that the policy may answer with.

    Returns:
        (n,) the likeliest allowed token after each context.
    """
    return likeliest(mask_logits(predict(policy, contexts), action_tokens))


def likeliest(logits: Tensor) -> Tokens:
    """Return the token of the largest logit in each row: (n, 16) -> (n,)."""
    return logits.argmax(dim=1).cpu().numpy().astype(np.uint8)
