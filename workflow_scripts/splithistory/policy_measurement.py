"""Op and Imp of policies by both estimators, against every counterfactual future (method, sections 4 to 6)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from splithistory.batches import Batch
from splithistory.bootstrap import Bootstrap
from splithistory.environment import Environment, SequenceEnvironment
from splithistory.information import Floats
from splithistory.maximum_entropy import Menus, directedness
from splithistory.seeding import Stream, stream_rng
from splithistory.sequence import Tokens
from splithistory.split_history import Futures, compare_futures

Answers = Tokens | Floats  # (n,) actions of a deterministic policy, or (n, A) probabilities
Estimator = Literal["exact", "monte_carlo"]
Origin = Literal["natural", "rollouts"]  # of windows
Counterfactual = Literal["split_history", "do_nothing", "random_token", "untrained", "pretrained"]
# Added to every count of sampled outcomes for Imp and success rates, since outcomes without samples make Imp infinite.
PSEUDOCOUNT = 0.5


@dataclass(frozen=True)
class MeasureSettings:
    """Settings of measuring; `config.yaml` explains each.

    Attributes:
        seed: seed of the windows, the sampled outcomes and the bootstrap.
        n_repeats: number of measurements, each on fresh windows.
        n_contexts_exact: windows per repeat of the exact estimator.
        n_contexts_monte_carlo: windows per repeat of the Monte Carlo estimator.
        n_contexts_rollouts: windows per repeat from the policy's own rollouts.
        rollout_length: answers before such a window.
        n_contexts_self_estimate: windows per repeat of self-estimates.
        n_contexts_differential: windows of the differential measures, which are not repeated.
        n_bootstrap: number of bootstrap resamples.
        do_nothing_token: answer that stands for doing nothing.
    """

    seed: int
    n_repeats: int
    n_contexts_exact: int
    n_contexts_monte_carlo: int
    n_contexts_rollouts: int
    rollout_length: int
    n_contexts_self_estimate: int
    n_contexts_differential: int
    n_bootstrap: int
    do_nothing_token: int

    @property
    def n_contexts_per_repeat(self) -> int:
        """Fresh windows per repeat; all estimates take theirs from the first of them."""
        estimates = (self.n_contexts_exact, self.n_contexts_monte_carlo, self.n_contexts_self_estimate)
        return max(*estimates, self.n_contexts_rollouts)

    @property
    def n_contexts(self) -> int:
        """Number of windows in all repeats."""
        return self.n_repeats * self.n_contexts_per_repeat

    @property
    def of_rollouts(self) -> "MeasureSettings":
        """The settings for measuring on the windows that rollouts from `starts_of_rollouts` lead to."""
        n = self.n_contexts_rollouts
        return replace(
            self,
            n_contexts_exact=n,
            n_contexts_monte_carlo=min(n, self.n_contexts_monte_carlo),
            n_contexts_self_estimate=min(n, self.n_contexts_self_estimate),
        )

    def starts_of_rollouts(self, contexts: Tokens) -> Tokens:
        """Select the windows that rollouts start from, the first of every repeat: (n, T) -> (repeats * rollouts, T)."""
        return np.concatenate([contexts[fresh][: self.n_contexts_rollouts] for _, fresh in self.windows_of_repeats()])

    def windows_of_repeats(self) -> Iterator[tuple[int, slice]]:
        """Yield each repeat's index and its slice of the windows, of which an estimate takes as many as it needs."""
        for repeat in range(self.n_repeats):
            yield repeat, slice(repeat * self.n_contexts_per_repeat, (repeat + 1) * self.n_contexts_per_repeat)


@dataclass(frozen=True)
class Measurement:
    """One repeat by one estimator, against one counterfactual future.

    Attributes:
        windows: kind of windows.
        repeat: index of the repeat, from 0.
        estimator: how outcomes were obtained.
        counterfactual: the future that F is compared with.
        futures: the futures, with Op and Imp.
        meg_any: maximum-entropy goal-directedness towards the utility that predicts the actions best, in nats, in
            [0, ln A]; it does not depend on the counterfactual (method, section 13).
    """

    windows: Origin
    repeat: int
    estimator: Estimator
    counterfactual: Counterfactual
    futures: Futures
    meg_any: float


def repeats(
    policy: Answers,
    contexts: Tokens,
    environment: Environment,
    settings: MeasureSettings,
    alternatives: Mapping[Counterfactual, Answers] = MappingProxyType({}),
    origin: Origin = "natural",
) -> Iterator[Measurement]:
    """Measure a policy in an environment, by both estimators, repeat by repeat.

    A repeat's Monte Carlo windows are the first of its exact ones, so that the two can be compared in pairs.

    Args:
        policy: (n,) actions of the policy in each context, or (n, A) probabilities π(a|x).
        contexts: (n, context_length) windows that end just before an odd position; n at least ``settings.n_contexts``.
        environment: the environment, which decides the outcomes.
        settings: number of repeats, and of windows.
        alternatives: answers of further policies to compare with, besides the split history.
        origin: kind of windows that the contexts are.

    Yields:
        A measurement for each repeat, estimator and counterfactual future.

    Raises:
        ValueError: if there are too few contexts.
    """
    if len(contexts) < settings.n_contexts:
        raise ValueError(f"contexts: expected at least {settings.n_contexts}, got {len(contexts)}")
    rng = stream_rng(settings.seed, Stream.MEASURED_OUTCOMES)
    compared: dict[Counterfactual, Answers | None] = {"split_history": None, **alternatives}
    for repeat, fresh in settings.windows_of_repeats():
        windows = contexts[fresh]
        sampled = environment.sample(windows[: settings.n_contexts_monte_carlo], rng)  # (n, A)
        exact = environment.outcome_probabilities(windows[: settings.n_contexts_exact])  # (n, A, K)
        outcomes: dict[Estimator, tuple[Floats, float]] = {  # with the pseudocount
            "exact": (exact, 0.0),
            "monte_carlo": (np.eye(environment.n_outcomes)[sampled], PSEUDOCOUNT),
        }
        for estimator, (outcome, pseudocount) in outcomes.items():
            first = slice(fresh.start, fresh.start + len(outcome))
            futures = {
                counterfactual: compare_futures(
                    policy[first],
                    outcome,
                    pseudocount=pseudocount,
                    alternative=None if alternative is None else alternative[first],
                )
                for counterfactual, alternative in compared.items()
            }
            meg_any = directedness(futures["split_history"].outcome_distribution, Menus.of(outcome)).value
            for counterfactual, compared_futures in futures.items():
                yield Measurement(
                    origin, repeat, estimator, counterfactual=counterfactual, futures=compared_futures, meg_any=meg_any
                )


def bootstrap(
    actions: Tokens, contexts: Tokens, environment: Environment, settings: MeasureSettings
) -> Iterator[Futures]:
    """Measure a policy at temperature 0, by the exact estimator, on bootstrap resamples of all of its windows.

    Args:
        actions: (n,) the policy's answers.
        contexts: (n, context_length) windows that end just before an odd position.
        environment: the environment.
        settings: seed and number of resamples.

    Returns:
        ``settings.n_bootstrap`` measurements under the split history, each on n windows.
    """
    rng = stream_rng(settings.seed, Stream.BOOTSTRAP)
    draws = Bootstrap(len(contexts), settings.n_bootstrap, rng)
    draws.add(Batch.checked(actions, environment.outcome_probabilities(contexts)))
    return draws.measurements()


def simple_alternatives(
    n_windows: int, allowed: NDArray[np.bool_], do_nothing_token: int
) -> dict[Counterfactual, Answers]:
    """Return the policies to compare with that need no model: doing nothing, and random answers (method, section 6).

    Args:
        n_windows: number of windows n.
        allowed: (A,) booleans that mark the tokens a policy may answer with.
        do_nothing_token: the constant answer of the first policy, which need not be allowed.

    Returns:
        (n,) actions of the first, (n, A) probabilities of the second.
    """
    return {
        "do_nothing": np.full(n_windows, do_nothing_token),
        "random_token": np.broadcast_to(allowed / allowed.sum(), (n_windows, len(allowed))),
    }


def generator_policy(contexts: Tokens, environment: SequenceEnvironment) -> Floats:
    """Return the sequence's own generator as a policy, with its noise (method, section 4).

    Args:
        contexts: (n, context_length) windows that end just before an odd position.
        environment: the generator.

    Returns:
        (n, 16) probabilities, which are 0 for even tokens: odd positions carry v + 8.
    """
    probabilities = np.zeros((len(contexts), environment.n_actions))
    probabilities[:, environment.n_outcomes :] = environment.next_probabilities(contexts)
    return probabilities
