"""Op and Imp with standard errors: over repeats on fresh windows, and by a bootstrap over all of them (section 4)."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splithistory.arguments import as_number, as_whole_number, described
from splithistory.batches import Batch, Batches, n_axes
from splithistory.bootstrap import Bootstrap
from splithistory.information import Floats
from splithistory.split_history import Futures, counted, futures_of, html_table, rounded, warn_of_missing_outcomes


@dataclass(frozen=True)
class Measurements:
    """Summaries of R measurements, of repeats or of bootstrap resamples.

    Attributes:
        op: (R,) Op, nats.
        imp: (R,) Imp, nats.
        outcome_distribution: (R, K) F, with the pseudocount if there is one.
        counterfactual_distribution: (R, K) mean of F'|x'', with the pseudocount if there is one.
    """

    op: Floats
    imp: Floats
    outcome_distribution: Floats
    counterfactual_distribution: Floats

    @classmethod
    def of(cls, futures: Iterable[Futures]) -> "Measurements":
        """Keep what identification needs, since every F'|x'' of every resample would take too much memory."""
        rows = [
            (each.op, each.imp, each.smooth(each.outcome_distribution), each.smooth(each.counterfactual_distribution))
            for each in futures
        ]
        return cls(*map(np.array, zip(*rows, strict=True)))


@dataclass(frozen=True, repr=False)
class RepeatedMeasurement:
    """Repeated measurements of a policy, from `measure_repeatedly` or made of futures that were measured one by one.

    Attributes:
        futures: futures of each repeat, at least two.
        draws: measurements on bootstrap resamples, each of as many windows as all repeats have, drawn from them with
            replacement; None without a bootstrap.
    """

    futures: tuple[Futures, ...]
    draws: Measurements | None = None

    @property
    def op(self) -> float:
        """Mean Op of the repeats, nats."""
        return float(self._repeats("op").mean())

    @property
    def imp(self) -> float:
        """Mean Imp of the repeats, nats; infinite if that of a repeat is."""
        return float(self._repeats("imp").mean())

    @property
    def op_stderr(self) -> float:
        """Standard error of ``op`` from the scatter of the repeats, nats."""
        return _deviation(self._repeats("op")) / len(self.futures) ** 0.5

    @property
    def imp_stderr(self) -> float:
        """Standard error of ``imp`` from the scatter of the repeats, nats; NaN if Imp is infinite."""
        return _deviation(self._repeats("imp")) / len(self.futures) ** 0.5

    @property
    def op_stderr_bootstrap(self) -> float:
        """Standard error of the Op of all windows by the bootstrap, nats; NaN without one."""
        return np.nan if self.draws is None else _deviation(self.draws.op)

    @property
    def imp_stderr_bootstrap(self) -> float:
        """Standard error of the Imp of all windows by the bootstrap, nats; NaN without one, or if Imp is infinite."""
        return np.nan if self.draws is None else _deviation(self.draws.imp)

    def _repeats(self, measure: str) -> Floats:
        return np.array([getattr(futures, measure) for futures in self.futures])

    def __repr__(self) -> str:
        return (
            f"RepeatedMeasurement(Op {rounded(self.op)} ± {rounded(self.op_stderr)}, "
            f"Imp {rounded(self.imp)} ± {rounded(self.imp_stderr)} nats; {self._size})"
        )

    def _repr_html_(self) -> str:
        """Return an HTML table, for notebooks."""
        rows = [
            [name, *(rounded(getattr(self, name.lower() + part)) for part in ("", "_stderr", "_stderr_bootstrap"))]
            for name in ("Op", "Imp")
        ]
        head = ["nats", "mean", "standard error", "by bootstrap"]
        return html_table(head, rows, caption=f"Measurement of {self._size}")

    @property
    def _size(self) -> str:
        n_windows = sum(futures.n_windows for futures in self.futures)
        return (
            f"{len(self.futures)} repeats of {counted(round(n_windows / len(self.futures)), 'window')}, "
            f"{counted(len(self.futures[0].outcome_distribution), 'outcome')}"
        )


def measure_repeatedly(
    policy: Callable[[Any], ArrayLike] | ArrayLike,
    environment: Callable[[Any], ArrayLike] | ArrayLike,
    windows: Any,
    n_repeats: int = 10,
    *,
    pseudocount: float = 0.0,
    n_bootstrap: int = 200,
) -> RepeatedMeasurement:
    """Measure a policy like `measure`, with standard errors.

    The windows are divided at random into ``n_repeats`` parts of equal size, up to one window, and each part is
    measured separately, so the order of windows does not matter. The policy and the environment see every window once.
    The bootstrap resamples all windows, and takes memory and time for ``n_bootstrap``·A·K numbers. Both always use the
    same seed.

    The standard errors assume that windows are independent draws. If they are not, but come in independent parts such
    as episodes, measure each part and make a `RepeatedMeasurement` of the futures.

    The standard errors do not include the bias of Imp, which falls as 1/n with the n windows of a repeat (method,
    section 4): few large repeats are less biased than many small ones.

    Args:
        policy: as for `measure`.
        environment: as for `measure`.
        windows: n situations, at least ``n_repeats``, in anything that has a length and can be sliced and indexed by
            numbers: a list, an array, a data frame, a tensor.
        n_repeats: number of repeats, at least 2.
        pseudocount: as for `measure`.
        n_bootstrap: number of bootstrap resamples, at least 2, or 0 for none.

    Returns:
        Means over the repeats with standard errors, the futures of each repeat, and the bootstrap resamples.

    Raises:
        ValueError: as for `measure`, and if there are too few windows or they cannot be divided.

    Warns:
        InfiniteImpactWarning: as for `measure`, once for all repeats.
    """
    pseudocount = as_number("pseudocount", pseudocount, 0)
    n_repeats = as_whole_number("n_repeats", n_repeats, 2)
    n_bootstrap = as_whole_number("n_bootstrap", n_bootstrap, 0)
    if n_bootstrap == 1:
        raise ValueError("n_bootstrap: expected at least 2 draws, or 0 for none, got 1")
    batches = Batches(policy, environment, windows)
    if batches.n_windows is None:
        raise ValueError(
            f"windows: expected what has a length and can be sliced, to divide it into {n_repeats} repeats, found "
            f"{described(windows)}"
        )
    if batches.n_windows < n_repeats:
        raise ValueError(f"windows: expected at least {n_repeats}, one for each repeat, found {batches.n_windows}")
    rng = np.random.default_rng(0)
    repeat = rng.permutation(np.arange(batches.n_windows) % n_repeats)  # of each window
    batches = _Reordered(policy, environment, windows, order=repeat.argsort(kind="stable"))
    bootstrap = Bootstrap(len(repeat), n_bootstrap, rng) if n_bootstrap else None
    bounds = [0, *np.bincount(repeat).cumsum().tolist()]
    futures = tuple(
        futures_of(_added(batches.between(start, stop), bootstrap), pseudocount) for start, stop in pairwise(bounds)
    )
    warn_of_missing_outcomes(futures, stacklevel=3)
    return RepeatedMeasurement(futures, Measurements.of(bootstrap.measurements(pseudocount)) if bootstrap else None)


class _Reordered(Batches):
    """Batches of windows in another order; no batch may hold all windows.

    Args:
        policy: as for `Batches`.
        environment: as for `Batches`.
        windows: as for `Batches`, with a length.
        order: (n,) indices of the windows, in the order in which batches take them.
    """

    def __init__(self, policy: Any, environment: Any, windows: Any, order: NDArray[np.intp]) -> None:
        super().__init__(policy, environment, windows)
        self._order = order

    def _ask(self, source: Any, part: slice) -> Any:
        numbers = self._order[part]
        answer = source(_picked(self._windows, numbers)) if callable(source) else source
        if source is self._environment and n_axes(answer) == 2:
            return answer
        # Answers that are given, or returned, for all windows at once need picking.
        is_ready = n_axes(answer) > 0 and len(answer) == self.n_windows
        return _picked(answer, numbers) if is_ready else answer


def _picked(windows: Any, numbers: NDArray[np.intp]) -> Any:
    """Pick windows by index, in the form that they have, or as a list."""
    if hasattr(windows, "shape"):
        return getattr(windows, "iloc", windows)[numbers]
    return [windows[number] for number in numbers]


def _added(batches: Iterator[Batch], bootstrap: Bootstrap | None) -> Iterator[Batch]:
    """Iterate over batches, adding each to the bootstrap."""
    for batch in batches:
        if bootstrap is not None:
            bootstrap.add(batch)
        yield batch


def _deviation(values: Floats) -> float:
    """Return the standard deviation of a sample; NaN if a value is infinite."""
    return float(values.std(ddof=1)) if np.isfinite(values).all() else np.nan
