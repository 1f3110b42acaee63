"""A policy's own estimate of its Op and Imp, with itself as the model of the world (method, section 7).

In place of the recurrence's p(f | x, a) stands the policy's prediction, at temperature 1, of what follows the window
shifted by a. The literal algorithm answers every window with every window's action, which takes n² predictions per
repeat. Predictions depend on the other window only through its action, so m distinct actions take n·m. The m windows of
one x differ only in their last token, so they share most of the first block's attention.
"""

from collections.abc import Iterator

import numpy as np

from splithistory.fast_model import FastPolicy, predict_after_each
from splithistory.information import Floats
from splithistory.policy_measurement import MeasureSettings
from splithistory.sequence import Tokens
from splithistory.split_history import Futures, compare_futures


def self_estimates(
    policy: FastPolicy, actions: Tokens, contexts: Tokens, settings: MeasureSettings
) -> Iterator[Futures]:
    """Let a policy estimate its own Op and Imp, repeat by repeat, on the first of the windows of each repeat.

    Args:
        policy: the policy, on any device.
        actions: (n,) its answers at temperature 0.
        contexts: (n, context_length) windows that end just before an odd position; n at least ``settings.n_contexts``.
        settings: number of repeats, and of windows.

    Yields:
        The futures that the policy expects, one per repeat, with all 16 tokens as outcomes.
    """
    for _, fresh in settings.windows_of_repeats():
        first = slice(fresh.start, fresh.start + settings.n_contexts_self_estimate)
        yield self_estimate(policy, actions[first], contexts[first])


def self_estimate(policy: FastPolicy, actions: Tokens, contexts: Tokens) -> Futures:
    """Compute the futures that a policy expects under itself and under its split history.

    Args:
        policy: the policy, on any device.
        actions: (n,) its answers at temperature 0.
        contexts: (n, context_length) windows that end just before an odd position.

    Returns:
        The futures, with 16 outcomes, and with the distinct values of ``actions``, in ascending order, as actions.
    """
    distinct, which = np.unique(actions, return_inverse=True)  # (m,), (n,)
    return compare_futures(which, expected_outcomes(policy, contexts, distinct))


def expected_outcomes(policy: FastPolicy, contexts: Tokens, answers: Tokens) -> Floats:
    """Compute what a policy expects to follow if every window is answered with each of some actions.

    Args:
        policy: the policy, on any device.
        contexts: (n, context_length) windows.
        answers: (m,) actions.

    Returns:
        (n, m, 16) probabilities, the softmax at temperature 1.
    """
    return predict_after_each(policy, contexts[:, 1:], answers).double().softmax(dim=2).cpu().numpy()
