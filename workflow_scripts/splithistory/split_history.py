"""Op and Imp of any policy in any finite environment, by the split-history method (method, sections 4 to 6).

With π(a|x) the policy and p(f|x, a) the environment, over n windows x::

    F            P(f)       = mean over x of Σ_a π(a|x) p(f|x,a)               the policy answers x
    F' | x''     P(f | x'') = Σ_a π(a|x'') · mean over x of p(f|x,a)           the policy answers x'' instead
    Op  = mean over x'' of H(F'|x'') - H(F)
    Imp = mean over x'' of KL(F ‖ F'|x'')

F'|x'' depends on x'' only through the policy's answer, so it is computed once for each distinct answer. Sums over
windows are taken batch by batch (`splithistory.batches`), so that memory does not grow with n·A·K.

Instead of the split history, any other policy can provide the counterfactual future (section 6). F' is then a single
distribution: Op = H(F') - H(F) and Imp = KL(F ‖ F').
"""

import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from splithistory.arguments import as_number
from splithistory.batches import Answers, Batch, Batches, sum_of_answers
from splithistory.information import Floats, entropy, kl_divergence

_MOST_NAMED = 20  # most outcomes named in a warning


class InfiniteImpactWarning(UserWarning):
    """Imp is infinite, or would be without the pseudocount, because F has outcomes that F' lacks."""


@dataclass(frozen=True, repr=False)
class Futures:
    """The future under a policy, and the counterfactual futures that it is compared with.

    Attributes:
        outcome_distribution: (K,) F.
        answers: (m, A) the distribution over actions behind each counterfactual future. Under the split history
            these are the distinct rows of π; for another policy, the single row is its mean over the windows (m = 1).
        weights: (m,) share of the windows x'' with each answer; sums to 1.
        counterfactuals: (m, K) F'|x'' for each answer.
        n_windows: number of windows that the futures were computed from.
        pseudocount: added to every count of every distribution for Imp and success rates, to smooth sampled outcomes;
            0 if outcome probabilities are exact.
    """

    outcome_distribution: Floats
    answers: Floats
    weights: Floats
    counterfactuals: Floats
    n_windows: int
    pseudocount: float = 0.0

    @cached_property
    def entropy(self) -> float:
        """H(F) in nats, in [0, ln K]; never smoothed."""
        return float(entropy(self.outcome_distribution))

    @cached_property
    def entropy_counterfactual(self) -> float:
        """Mean over x'' of H(F'|x'') in nats, in [0, ln K]; never smoothed."""
        return float(self.weights @ entropy(self.counterfactuals))

    @property
    def op(self) -> float:
        """Op in nats, in [-ln K, ln K]."""
        return self.entropy_counterfactual - self.entropy

    @cached_property
    def imp(self) -> float:
        """Imp in nats, in [0, ∞]."""
        divergences = kl_divergence(self.smooth(self.outcome_distribution), self.smooth(self.counterfactuals))
        return float(self.weights @ np.where(self.weights > 0, divergences, 0.0))

    @property
    def missing_outcomes(self) -> list[int]:
        """Outcomes of F that some F'|x'' lacks; if there are any, only a pseudocount keeps Imp finite."""
        reached = (self.counterfactuals > 0)[self.weights > 0].all(axis=0)
        return np.flatnonzero((self.outcome_distribution > 0) & ~reached).tolist()

    @property
    def n_distinct_actions(self) -> int:
        """Number of distinct actions behind the counterfactual futures."""
        return int(np.count_nonzero(self.answers.any(axis=0)))

    @property
    def counterfactual_distribution(self) -> Floats:
        """(K,) the mean of F'|x'' over x''."""
        return self.weights @ self.counterfactuals

    def smooth(self, distribution: ArrayLike) -> Floats:
        """Add the pseudocount to every count of distributions, (..., K), of ``n_windows`` outcomes each."""
        return smooth(distribution, self.n_windows, self.pseudocount)

    def __repr__(self) -> str:
        return (
            f"Futures(Op {rounded(self.op)}, Imp {rounded(self.imp)} nats; {counted(self.n_windows, 'window')}, "
            f"{counted(len(self.outcome_distribution), 'outcome')})"
        )

    def _repr_html_(self) -> str:
        """Return an HTML table, for notebooks."""
        return html_table(
            ["", "nats"],
            [
                ["Op", rounded(self.op)],
                ["Imp", rounded(self.imp)],
                ["H(F)", rounded(self.entropy)],
                ["mean H(F′|x″)", rounded(self.entropy_counterfactual)],
            ],
            caption=f"Futures of {counted(self.n_windows, 'window')}, "
            f"{counted(len(self.outcome_distribution), 'outcome')}",
        )


def smooth(distribution: ArrayLike, n_counts: int, pseudocount: float) -> Floats:
    """Add a pseudocount to every count of empirical distributions.

    Args:
        distribution: (..., K) relative frequencies.
        n_counts: number of observations behind each distribution.
        pseudocount: at least 0; ½ where the method smooths.

    Returns:
        (..., K) probabilities.
    """
    distribution = np.asarray(distribution, dtype=float)
    return (n_counts * distribution + pseudocount) / (n_counts + pseudocount * distribution.shape[-1])


def measure(
    policy: Callable[[Any], ArrayLike] | ArrayLike,
    environment: Callable[[Any], ArrayLike] | ArrayLike,
    windows: Any,
    pseudocount: float = 0.0,
    alternative: Callable[[Any], ArrayLike] | ArrayLike | None = None,
) -> Futures:
    """Measure the Op and Imp of any policy in any environment with finitely many actions and outcomes.

    Callables are called batch by batch, so that only time limits the number of windows: memory holds the policy's
    distinct answers, their futures and some batches of 32 MB. Answers may be NumPy arrays, data frames, nested lists,
    or torch tensors on any device, of any precision, with or without gradients.

    Args:
        policy: function of windows that returns (n, A) probabilities π(a|x) or, if it is deterministic, (n,) actions as
            whole numbers; or these answers themselves.
        environment: function of windows that returns (n, A, K) probabilities p(f|x, a), or (A, K) if they are the same
            in every window, and is then called once; or these probabilities themselves. For a Monte Carlo estimate,
            rows are one-hot: one sampled outcome for each window and action.
        windows: n situations x, in any form that the callables take. Anything with a length that can be sliced (a list,
            an array, a data frame, a tensor) is passed in slices, anything else as a whole.
        pseudocount: see `Futures`; ½ for a Monte Carlo estimate, else 0.
        alternative: another policy, in the same form, whose future is the counterfactual; by default the split history.

    Returns:
        The futures, with ``op`` and ``imp`` in nats.

    Raises:
        ValueError: if there are no windows, shapes do not fit each other, probabilities are negative or not finite or
            do not sum to 1, or the environment lacks some of the actions; the message names the argument.

    Warns:
        InfiniteImpactWarning: if Imp is infinite, or would be without the pseudocount; it names the outcomes.
    """
    pseudocount = as_number("pseudocount", pseudocount, 0)
    futures = futures_of(Batches(policy, environment, windows, alternative=alternative).all(), pseudocount)
    warn_of_missing_outcomes([futures], stacklevel=3)
    return futures


def compare_futures(
    policy: ArrayLike,
    outcome_probabilities: ArrayLike,
    pseudocount: float = 0.0,
    alternative: ArrayLike | None = None,
) -> Futures:
    """Measure like `measure`, given all answers and probabilities, and without its warnings.

    Args:
        policy: (n, A) π(a|x), or (n,) actions of a deterministic policy.
        outcome_probabilities: (n, A, K) p(f|x, a), or (A, K) if they are the same in every window.
        pseudocount: see `Futures`.
        alternative: answers of another policy to compare with; by default the policy's split history.

    Returns:
        The future under the policy, and under its split history or the other policy.

    Raises:
        ValueError: as for `measure`.
    """
    pseudocount = as_number("pseudocount", pseudocount, 0)
    return futures_of([Batch.checked(policy, outcome_probabilities, alternative)], pseudocount)


def futures_of(batches: Iterable[Batch], pseudocount: float) -> Futures:
    """Compute the futures of windows that come batch by batch.

    Args:
        batches: the batches, at least one.
        pseudocount: see `Futures`.
    """
    n_windows, answers = 0, None
    future = outcomes = alternative_future = alternative_answer = 0.0  # sums over the windows
    for batch in batches:
        n_actions = batch.outcome.shape[-2]
        n_windows += batch.n_windows
        future = future + batch.sum_of_futures(batch.policy)
        if batch.alternative is None:
            outcomes = outcomes + batch.sum_of_outcomes()  # (A, K)
            answers = answers or Answers(n_actions)
            answers.add(batch.policy)
        else:
            alternative_future = alternative_future + batch.sum_of_futures(batch.alternative)
            alternative_answer = alternative_answer + sum_of_answers(batch.alternative, n_actions)
    if answers is None:
        distinct, counts = alternative_answer[None] / n_windows, np.array([n_windows])
        counterfactuals = alternative_future[None] / n_windows  # (1, K)
    else:
        distinct, which = answers.distinct()  # (m, A), (n,)
        counts = np.bincount(which, minlength=len(distinct))
        counterfactuals = distinct @ (outcomes / n_windows)  # (m, K)
    return Futures(
        outcome_distribution=future / n_windows,
        answers=distinct,
        weights=counts / n_windows,
        counterfactuals=counterfactuals,
        n_windows=n_windows,
        pseudocount=pseudocount,
    )


def warn_of_missing_outcomes(measured: Sequence[Futures], stacklevel: int) -> None:
    """Warn if Imp is infinite, or would be without a pseudocount.

    Args:
        measured: measurements of one policy, at least one.
        stacklevel: as for `warnings.warn`: that of the caller of the public function.
    """
    missing = [futures.missing_outcomes for futures in measured]
    outcomes = sorted(set().union(*missing))
    if not outcomes:
        return
    named = ", ".join(map(str, outcomes[:_MOST_NAMED]))
    if len(outcomes) > _MOST_NAMED:
        named += f" and {len(outcomes) - _MOST_NAMED} more"
    where = f" in {sum(map(bool, missing))} of {len(missing)} repeats" if len(missing) > 1 else ""
    lacks = f"the policy's future has outcomes that its counterfactual future lacks{where}: {named}"
    pseudocount = measured[0].pseudocount
    message = (
        f"Imp is infinite, as {lacks}. If outcomes are sampled, pass pseudocount=0.5 and more windows; else compare "
        "with another policy (alternative) that reaches them, or merge outcomes."
        if pseudocount == 0
        else f"Imp would be infinite without the pseudocount of {pseudocount:g}, as {lacks}. If the counterfactual "
        "future can reach them, take more windows; if not, Imp is infinite, and what it reads here depends on the "
        "number of windows."
    )
    warnings.warn(message, InfiniteImpactWarning, stacklevel=stacklevel)


def counted(n: int, noun: str) -> str:
    """Format a count with its noun, such as "1 window" or "2,000 windows"."""
    return f"{n:,} {noun}{'' if n == 1 else 's'}"


def rounded(number: float) -> str:
    """Format a number with three decimals, and zero without a sign."""
    return f"{round(number, 3) + 0.0:.3f}"


def html_table(head: Sequence[str], rows: Iterable[Sequence[str]], caption: str) -> str:
    """Create a small HTML table with the first column left-aligned; texts are escaped."""

    def row(cells: Sequence[str], tag: str) -> str:
        styles = ["left", *["right"] * (len(cells) - 1)]
        return "".join(
            f'<{tag} style="text-align: {style}">{escape(cell)}</{tag}>'
            for cell, style in zip(cells, styles, strict=True)
        )

    body = "".join(f"<tr>{row(cells, 'td')}</tr>" for cells in rows)
    return f"<table><caption>{escape(caption)}</caption><tr>{row(head, 'th')}</tr>{body}</table>"
