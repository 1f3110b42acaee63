"""Op and Imp of trained policies by the split-history method.

Names are loaded on first use, so that importing the model does not depend on the measures.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Futures": "split_history",
    "GoalDirectedness": "maximum_entropy",
    "goal_directedness": "maximum_entropy",
    "measure": "split_history",
}
_MODULES = {"gymnasium", "plots"}

__all__ = ["Futures", "GoalDirectedness", "goal_directedness", "gymnasium", "measure", "plots"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"splithistory.{_HOMES[name]}"), name)
    if name in _MODULES:
        return import_module(f"splithistory.{name}")
    raise AttributeError(f"module 'splithistory' has no attribute {name!r}")
