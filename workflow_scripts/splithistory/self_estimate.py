"""A policy's own estimate of its Op and Imp, with itself as the model of the world (method, section 7).

The recurrence's p(f | x, a) gives way to the policy's prediction, at temperature 1, of what follows the window shifted
by a. The literal algorithm answers every window with every other window's action, n² predictions per repeat; the
predictions depend on the other window only through its action, so that m distinct actions need n·m; and the m windows
of one x differ in their last token alone, so that they share most of the first block's attention.
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
    """Let a policy estimate its own Op and Imp, repeat by repeat, on the first windows that each is measured on.

    Args:
        policy: the policy, on any device.
        actions: (n,) its answers at temperature 0.
        contexts: (n, context_length) windows before odd positions; n is at least ``settings.n_contexts``.
        settings: how often, and on how many windows.

    Yields:
        The futures that it expects, one per repeat; all 16 tokens count as outcomes.
    """
    for _, fresh in settings.windows_of_repeats():
        first = slice(fresh.start, fresh.start + settings.n_contexts_self_estimate)
        yield self_estimate(policy, actions[first], contexts[first])


def self_estimate(policy: FastPolicy, actions: Tokens, contexts: Tokens) -> Futures:
    """The futures that a policy expects of itself and of its split history.

    Args:
        policy: the policy, on any device.
        actions: (n,) its answers at temperature 0.
        contexts: (n, context_length) windows before odd positions.

    Returns:
        The futures, with 16 outcomes and as many actions as occur among ``actions``, in their order.
    """
    distinct, which = np.unique(actions, return_inverse=True)  # (m,), (n,)
    return compare_futures(which, expected_outcomes(policy, contexts, distinct))


def expected_outcomes(policy: FastPolicy, contexts: Tokens, answers: Tokens) -> Floats:
    """What a policy expects to follow if every window is answered with each of some actions.

    Args:
        policy: the policy, on any device.
        contexts: (n, context_length) windows.
        answers: (m,) actions.

    Returns:
        (n, m, 16) probabilities, the softmax at temperature 1.
    """
    return predict_after_each(policy, contexts[:, 1:], answers).double().softmax(dim=2).cpu().numpy()
