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
    """Parallel chains that grow by a policy's answers and their outcomes.

    Each chain starts from a natural window, and restarts from another after ``length`` answers. The first chains count
    as having had some of their answers already, so that chains of all ages run in parallel. With a length of 1 every
    window is a natural one.

    Args:
        draw: draws a given number n of natural windows, (n, context_length), each ending just before an odd position.
        n_chains: number of parallel chains.
        length: answers per chain, at least 1.
        rng: source of the ages of the first chains.

    Attributes:
        contexts: (n_chains, context_length) the window before each chain's next answer.
        ages: (n_chains,) answers in each chain so far.
    """

    def __init__(self, draw: Callable[[int], Tokens], n_chains: int, length: int, rng: np.random.Generator) -> None:
        self._draw, self._length = draw, length
        self.contexts = draw(n_chains)
        self.ages = rng.integers(length, size=n_chains)

    def answered(self, actions: Tokens, outcomes: Tokens) -> None:
        """Append an answer and an outcome to each chain, both (n_chains,), and restart chains that are long enough."""
        self.contexts = continued(self.contexts, actions, outcomes)
        self.ages = self.ages + 1
        over = self.ages >= self._length
        self.contexts[over] = self._draw(np.count_nonzero(over))
        self.ages[over] = 0

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the windows and ages."""
        return {"contexts": torch.from_numpy(self.contexts), "ages": torch.from_numpy(self.ages)}

    def load_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Continue from a `state_dict`."""
        self.contexts, self.ages = state["contexts"].numpy(), state["ages"].numpy()


def continued(contexts: Tokens, actions: Tokens, outcomes: Tokens) -> Tokens:
    """Append actions and outcomes to windows and drop the first two tokens: (n, T), (n,), (n,) -> (n, T)."""
    return shifted(shifted(contexts, actions), outcomes)


def rolled_out(
    policy: Policy,
    contexts: Tokens,
    environment: Environment,
    action_tokens: ActionTokens,
    n_answers: int,
    rng: np.random.Generator,
) -> Tokens:
    """Return the windows that a policy reaches after some answers of its own, at temperature 0.

    Args:
        policy: the policy that answers.
        contexts: (n, context_length) windows that end just before an odd position.
        environment: generates the outcomes, noise included.
        action_tokens: tokens that the policy may answer with.
        n_answers: answers per window; from half of ``context_length`` on, nothing of the given window is left.
        rng: source of the environment's noise.

    Returns:
        (n, context_length) windows that end just before an odd position.
    """
    for _ in range(n_answers):
        actions = best_actions(policy, contexts, action_tokens)
        contexts = continued(contexts, actions, environment.sample(contexts, rng, actions))
    return contexts
