"""Measure the Op (optimization) and Imp (impact) of policies with the split-history method.

Public names are imported on first use, so that code that needs only the model does not load the measures.
Docstrings cite sections of docs/method.md as "method, section N".

Example:
    In each of four situations only the action of the same number leads to outcome 0, and the policy always takes it:

    >>> import numpy as np
    >>> import splithistory
    >>> policy = lambda x: np.eye(4)[x]  # (n, actions)
    >>> environment = lambda x: np.eye(4)[(np.arange(4) - x[:, None]) % 4]  # (n, actions, outcomes)
    >>> futures = splithistory.measure(policy, environment, np.arange(4))
    >>> f"Op {futures.op:.3f}, Imp {futures.imp:.3f}"  # nats
    'Op 1.386, Imp 1.386'
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Candidate": "candidates",
    "Futures": "split_history",
    "GoalDirectedness": "maximum_entropy",
    "Identification": "candidates",
    "InfiniteImpactWarning": "split_history",
    "RepeatedMeasurement": "repeated_measurement",
    "best_good_set": "identification",
    "compare_futures": "split_history",
    "goal_directedness": "maximum_entropy",
    "identify": "candidates",
    "measure": "split_history",
    "measure_repeatedly": "repeated_measurement",
    "minimum_impact": "theory",
    "predicted_optimization": "theory",
    "rank_good_set": "identification",
    "rate_function": "theory",
}
_MODULES = ("gymnasium", "plots")

__all__ = [*_HOMES, *_MODULES]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"splithistory.{_HOMES[name]}"), name)
    if name in _MODULES:
        return import_module(f"splithistory.{name}")
    if name == "__version__":  # the installed package's; a clone on the path has none
        from importlib import metadata  # here, since the import takes 0.1 s and no job needs it

        try:
            return metadata.version("splithistory")
        except metadata.PackageNotFoundError:
            pass
    raise AttributeError(f"module 'splithistory' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
