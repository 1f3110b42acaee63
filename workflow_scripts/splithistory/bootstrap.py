"""Bootstrap: measurements on windows that are resampled, with replacement, from those that were measured.

A mean over resampled windows is a mean weighted by how often each was drawn, so that the policy's answer in each window
is looked up once for all resamples.
"""

from collections.abc import Iterator

import numpy as np

from splithistory.batches import Answers, Batch
from splithistory.split_history import Futures

_DRAWS_AT_ONCE = 50  # 8 MB at 20,000 windows


class Bootstrap:
    """Sums over the windows of each resample, under the split history; they take memory for draws·A·K numbers.

    Args:
        n_windows: number of windows n, which is also that of each resample.
        n_draws: number of resamples.
        rng: source of randomness.
    """

    def __init__(self, n_windows: int, n_draws: int, rng: np.random.Generator) -> None:
        draws = (np.bincount(rng.integers(n_windows, size=n_windows), minlength=n_windows) for _ in range(n_draws))
        self._times_drawn = np.fromiter(draws, dtype=(np.uint32, n_windows), count=n_draws)  # (draws, n)
        self._answers: Answers | None = None
        self._n_added = 0

    def add(self, batch: Batch) -> None:
        """Add the next windows."""
        n_draws, n_outcomes = len(self._times_drawn), batch.outcome.shape[-1]
        is_shared = batch.outcome.ndim == 2
        if self._answers is None:
            self._answers = Answers(len(batch.outcome) if is_shared else batch.outcome.shape[1])
            self._futures = np.zeros((n_draws, n_outcomes))
            self._outcomes = batch.outcome if is_shared else np.zeros((n_draws, *batch.outcome.shape[1:]))
        self._answers.add(batch.policy)
        part = slice(self._n_added, self._n_added + batch.n_windows)
        self._n_added = part.stop
        of_windows = batch.futures()  # (n, K)
        if not is_shared:
            of_windows = np.concatenate([of_windows, batch.outcome.reshape(batch.n_windows, -1)], axis=1)
        for start in range(0, n_draws, _DRAWS_AT_ONCE):
            draws = slice(start, start + _DRAWS_AT_ONCE)
            # As floats, so that all draws are one matrix product.
            sums = self._times_drawn[draws, part].astype(float) @ of_windows
            self._futures[draws] += sums[:, :n_outcomes]
            if not is_shared:
                self._outcomes[draws] += sums[:, n_outcomes:].reshape(len(sums), *batch.outcome.shape[1:])

    def measurements(self, pseudocount: float = 0.0) -> Iterator[Futures]:
        """Measure each resample, once all windows are added.

        Args:
            pseudocount: see `Futures`.

        Yields:
            The futures of each resample, on n windows each. Answers that a resample lacks have weight 0.
        """
        answers, which = self._answers.distinct()
        n_windows = len(which)
        shared = answers @ self._outcomes if self._outcomes.ndim == 2 else None  # (m, K)
        for draw, times_drawn in enumerate(self._times_drawn):
            yield Futures(
                outcome_distribution=self._futures[draw] / n_windows,
                answers=answers,
                weights=np.bincount(which, times_drawn, minlength=len(answers)) / n_windows,
                counterfactuals=answers @ (self._outcomes[draw] / n_windows) if shared is None else shared,
                n_windows=n_windows,
                pseudocount=pseudocount,
            )
