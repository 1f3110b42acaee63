"""Chains in which a policy writes the odd positions and the environment the even ones (method, section 3)."""

from collections.abc import Callable

import numpy as np

from splithistory.actions import ActionTokens, best_actions
from splithistory.environment import Environment
from splithistory.extras import needs_extra
from splithistory.model import Policy
from splithistory.sequence import Tokens, shifted

with needs_extra("torch"):
    import torch


class Rollouts:
    """The windows before a policy's next answers, in chains that go on with its answers and what follows them.

    Each chain begins with a natural window and gives way to another after ``length`` answers. The first ones are given
    some of their answers already, so that chains of all ages stand side by side. With a length of 1 every window is a
    natural one.

    Args:
        draw: takes a number, gives so many natural windows, (n, context_length), each before an odd position.
        n_chains: chains side by side.
        length: answers per chain.
        rng: draws the ages of the first chains.

    Attributes:
        contexts: (n_chains, context_length) the windows.
        ages: (n_chains,) answers that each chain has had.
    """

    def __init__(self, draw: Callable[[int], Tokens], n_chains: int, length: int, rng: np.random.Generator) -> None:
        self._draw, self._length = draw, length
        self.contexts = draw(n_chains)
        self.ages = rng.integers(length, size=n_chains)

    def answered(self, actions: Tokens, outcomes: Tokens) -> None:
        """Go on with an answer and an outcome per chain, both (n_chains,); chains that are long enough begin anew."""
        self.contexts = continued(self.contexts, actions, outcomes)
        self.ages = self.ages + 1
        over = self.ages >= self._length
        self.contexts[over] = self._draw(np.count_nonzero(over))
        self.ages[over] = 0

    def state_dict(self) -> dict[str, torch.Tensor]:
        """The windows and ages."""
        return {"contexts": torch.from_numpy(self.contexts), "ages": torch.from_numpy(self.ages)}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Go on from windows and ages."""
        self.contexts, self.ages = state["contexts"].numpy(), state["ages"].numpy()


def continued(contexts: Tokens, actions: Tokens, outcomes: Tokens) -> Tokens:
    """The windows two positions later, which end with the actions and what followed: (n, T), (n,), (n,) -> (n, T)."""
    return shifted(shifted(contexts, actions), outcomes)


def rolled_out(
    policy: Policy,
    contexts: Tokens,
    environment: Environment,
    action_tokens: ActionTokens,
    n_answers: int,
    rng: np.random.Generator,
) -> Tokens:
    """The windows that a policy comes to at temperature 0, some answers of its own later.

    Args:
        policy: answers.
        contexts: (n, context_length) windows before odd positions.
        environment: what follows its answers, noise included.
        action_tokens: which tokens it may answer with.
        n_answers: answers per window; from half of ``context_length`` on, nothing is left of the window given.
        rng: source of the environment's noise.

    Returns:
        (n, context_length) windows before odd positions.
    """
    for _ in range(n_answers):
        actions = best_actions(policy, contexts, action_tokens)
        contexts = continued(contexts, actions, environment.sample(contexts, rng, actions))
    return contexts
