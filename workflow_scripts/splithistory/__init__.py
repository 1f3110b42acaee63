"""Op and Imp of trained policies by the split-history method.

Names are loaded on first use, so that importing the model does not depend on the measures.
Docstrings cite sections of docs/method.md as "method, section N".
"""

from importlib import import_module
from typing import Any

_HOMES = {"measure": "split_history", "Futures": "split_history"}

__all__ = ["Futures", "measure"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(f"splithistory.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'splithistory' has no attribute {name!r}")
