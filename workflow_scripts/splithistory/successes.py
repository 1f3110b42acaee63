"""The losses of reinforcement: several ways to reinforce successes, and one loss for failures (method, section 3).

A way is a loss on one batch of windows x. With π(a|x) the policy and r(x, a) the expected utility of answering a, which
for a good set is the probability that a succeeds, the ways are::

    sampled     -u(f) ln π(a|x)                            one action a, sampled from π, and its outcome f
    expected    -Σ_a π(a|x) r(x, a) ln π(a|x)              the mean of `sampled` over actions and outcomes
    every       -Σ_a w(a|x) ln π(a|x)                      w(a|x) = π(a|x) r(x, a) / Σ_b π(b|x) r(x, b)

averaged over the windows, with the weights before each logarithm held fixed. None has a term for failures: an action
whose outcome has utility 0 has weight 0.
"""

from collections.abc import Callable
from typing import NamedTuple

from splithistory.extras import needs_extra

with needs_extra("torch"):
    from torch import Tensor


class Answers(NamedTuple):
    """The answers to a batch of B windows, and their utility.

    Attributes:
        log_probabilities: (B, A) ln π(a|x), with gradients; minus infinity for actions that are not allowed.
        expected_utility: (B, A) r(x, a) = Σ_f p(f|x, a) u(f), in [0, 1].
        sampled_action: (B,) int64, one action per window, sampled from π.
        sampled_utility: (B,) u(f) of one outcome of that action, in [0, 1].
    """

    log_probabilities: Tensor
    expected_utility: Tensor
    sampled_action: Tensor
    sampled_utility: Tensor


Way = Callable[[Answers], Tensor]
WAYS: dict[str, Way] = {}  # by name, as in `finetune.successes`


def way(function: Way) -> Way:
    """Register a way to reinforce successes under its function's name, which config.schema.yaml must list too."""
    WAYS[function.__name__] = function
    return function


@way
def sampled(answers: Answers) -> Tensor:
    """Reinforce the sampled action by the utility of its outcome, as the study did: REINFORCE without failures.

    Returns:
        The mean over windows of -u(f) ln π(a|x), nats, at least 0.
    """
    return -(answers.sampled_utility * _of_sampled(answers)).mean()


@way
def expected(answers: Answers) -> Tensor:
    """Reinforce every action by its expected utility: `sampled` without the sampling noise.

    This is the expected, or all-action, policy gradient (Ciosek & Whiteson 2018).

    Returns:
        The mean over windows of -Σ_a π(a|x) r(x, a) ln π(a|x), nats, at least 0.
    """
    return _cross_entropy(_successes(answers), answers.log_probabilities)


@way
def every(answers: Answers) -> Tensor:
    """Reinforce every success, equally in every window: the cross-entropy towards the policy given that it succeeds.

    This is the M step of expectation maximization for the probability of success (Dayan & Hinton 1997; reward-weighted
    regression, Peters & Schaal 2007), and the limit of drawing actions in each window until one succeeds. Its gradient
    is that of -ln Σ_a π(a|x) r(x, a). Windows in which the policy seldom succeeds teach the most. All successful
    answers share the target, so the policy does not become deterministic before it is right.

    Returns:
        The mean over windows of -Σ_a w(a|x) ln π(a|x), nats, at least 0; a window in which nothing succeeds adds 0.
    """
    successes = _successes(answers)  # (B, A)
    rate = successes.sum(dim=1, keepdim=True)  # (B, 1) success rate
    # NaN passes `rate != 0` and stays NaN, so that divergence shows in the loss.
    return _cross_entropy((successes / rate).where(rate != 0, 0), answers.log_probabilities)


def failures(answers: Answers) -> Tensor:
    """Compute the cross-entropy of the sampled failures, which `finetune.failure_weight` subtracts from the loss.

    Returns:
        The mean over windows of -(1 - u(f)) ln π(a|x), nats, at least 0.
    """
    return -((1 - answers.sampled_utility) * _of_sampled(answers)).mean()


def _of_sampled(answers: Answers) -> Tensor:
    """Return (B,) ln π(a|x) of the sampled actions."""
    return answers.log_probabilities.gather(1, answers.sampled_action[:, None])[:, 0]


def _successes(answers: Answers) -> Tensor:
    """Return (B, A) π(a|x) r(x, a), held fixed: the probability that the answer is a and succeeds."""
    return answers.log_probabilities.detach().exp() * answers.expected_utility


def _cross_entropy(weights: Tensor, log_probabilities: Tensor) -> Tensor:
    """Average -Σ_a weight ln π over the windows, with 0 ln 0 = 0; both arguments are (B, A)."""
    return -(weights * log_probabilities.where(weights > 0, 0)).sum(dim=1).mean()
