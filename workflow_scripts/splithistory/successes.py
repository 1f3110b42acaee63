"""Ways to reinforce successes and nothing else, and failures apart from them (method, section 3).

A way is a function of what one batch of windows x was answered and what the answers bring. With π(a|x) the policy and
r(x, a) the expected utility of answering a, which for a good set is the chance that a succeeds, they are::

    sampled     -u(f) ln π(a|x)                            one action a, sampled from π, and its outcome f
    expected    -Σ_a π(a|x) r(x, a) ln π(a|x)              the mean of `sampled` over actions and outcomes
    every       -Σ_a w(a|x) ln π(a|x)                      w(a|x) = π(a|x) r(x, a) / Σ_b π(b|x) r(x, b)

averaged over the windows, with the weights before each logarithm held fixed. None has a term for failures: an action
that brings nothing has weight 0.
"""

from collections.abc import Callable
from typing import NamedTuple

from splithistory.extras import needs_extra

with needs_extra("torch"):
    from torch import Tensor


class Answers(NamedTuple):
    """How B windows are answered, and what that brings.

    Attributes:
        log_probabilities: (B, A) ln π(a|x), through which the policy is trained; minus infinity on forbidden actions.
        expected_utility: (B, A) r(x, a) = Σ_f p(f|x, a) u(f), in [0, 1].
        sampled_action: (B,) int64, one action per window, sampled from π.
        sampled_utility: (B,) u(f) of one outcome of that action, in [0, 1].
    """

    log_probabilities: Tensor
    expected_utility: Tensor
    sampled_action: Tensor
    sampled_utility: Tensor


Way = Callable[[Answers], Tensor]
WAYS: dict[str, Way] = {}  # by the name that `finetune.successes` has in the configuration


def way(function: Way) -> Way:
    """Register a way to reinforce successes under its function's name, which config.schema.yaml lists as well."""
    WAYS[function.__name__] = function
    return function


@way
def sampled(answers: Answers) -> Tensor:
    """Reinforce the sampled action by what it brought, as the study did: REINFORCE without a term for failures.

    Returns:
        The mean over windows of -u(f) ln π(a|x), nats, at least 0.
    """
    return -(answers.sampled_utility * _of_sampled(answers)).mean()


@way
def expected(answers: Answers) -> Tensor:
    """Reinforce all actions at once by what each brings on average: `sampled` without the sampling noise.

    The expected, or all-action, policy gradient (Ciosek & Whiteson 2018).

    Returns:
        The mean over windows of -Σ_a π(a|x) r(x, a) ln π(a|x), nats, at least 0.
    """
    return _cross_entropy(_successes(answers), answers.log_probabilities)


@way
def every(answers: Answers) -> Tensor:
    """Reinforce every success, each window alike: the cross-entropy towards the policy given that it succeeds.

    The M step of expectation maximization for the probability of success (Dayan & Hinton 1997; reward-weighted
    regression, Peters & Schaal 2007), and the limit of drawing actions in each window until one succeeds. Its
    gradient is that of -ln Σ_a π(a|x) r(x, a). Windows in which the policy seldom succeeds teach the most, and all
    answers that succeed share the target, so that answers do not become deterministic before they are right.

    Returns:
        The mean over windows of -Σ_a w(a|x) ln π(a|x), nats, at least 0; a window in which nothing succeeds adds 0.
    """
    successes = _successes(answers)  # (B, A)
    rate = successes.sum(dim=1, keepdim=True)  # (B, 1) of success
    # NaN stays NaN, so that a training that diverges shows it.
    return _cross_entropy((successes / rate).where(rate != 0, 0), answers.log_probabilities)


def failures(answers: Answers) -> Tensor:
    """The cross-entropy of sampled failures, to be ascended where failures are to teach as well.

    Returns:
        The mean over windows of -(1 - u(f)) ln π(a|x), nats, at least 0.
    """
    return -((1 - answers.sampled_utility) * _of_sampled(answers)).mean()


def _of_sampled(answers: Answers) -> Tensor:
    """(B,) ln π of the sampled actions."""
    return answers.log_probabilities.gather(1, answers.sampled_action[:, None])[:, 0]


def _successes(answers: Answers) -> Tensor:
    """(B, A) π(a|x) r(x, a), held fixed: the chance that a is the answer and succeeds."""
    return answers.log_probabilities.detach().exp() * answers.expected_utility


def _cross_entropy(weights: Tensor, log_probabilities: Tensor) -> Tensor:
    """Mean over windows of -Σ_a weight ln π, with 0 ln 0 = 0; both (B, A)."""
    return -(weights * log_probabilities.where(weights > 0, 0)).sum(dim=1).mean()
