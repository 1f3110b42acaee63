"""Tasks of reinforcement: a set of good outcomes or, more generally, a utility of every outcome (method, section 12).

This module imports no measures, since planning a sweep needs tasks and has to do without the measures' libraries.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splithistory.environment import Environment


@dataclass(frozen=True)
class Task:
    """The utility of each outcome.

    A good set is the case of utilities 0 and 1; tasks with other utilities are called graded.

    Attributes:
        name: name of the task.
        utility: (K,) utility of each outcome, from 0 to 1, not all equal.
        chance: mean utility of random answers; by default that of equally likely outcomes, ``mean``.

    Raises:
        ValueError: if a utility is out of range, or all are equal.
    """

    name: str
    utility: tuple[float, ...]
    chance: float = math.nan

    def __post_init__(self) -> None:
        """Check the utilities, and store them as plain floats."""
        utility = tuple(map(float, self.utility))
        if not all(0 <= value <= 1 for value in utility) or len(set(utility)) < 2:
            raise ValueError(
                f"utility of task {self.name!r}: expected numbers from 0 to 1, not all equal, got {utility}"
            )
        object.__setattr__(self, "utility", utility)
        if math.isnan(self.chance):
            object.__setattr__(self, "chance", self.mean)

    @classmethod
    def from_settings(cls, name: str, entry: Mapping[str, Any], environment: Environment) -> "Task":
        """Create a task from its entry in the configuration.

        Args:
            name: name of the task.
            entry: has either ``good``, a list of outcomes, or ``utility``.
            environment: determines chance.

        Raises:
            ValueError: as for the class.
        """
        mask = good_mask(entry["good"], environment.n_outcomes) if "good" in entry else None
        utility = tuple(entry["utility"] if mask is None else mask)
        return cls(name, utility, environment.chance(utility))

    @property
    def mean(self) -> float:
        """Mean utility of equally likely outcomes; for a good set, its share of the outcomes."""
        return float(np.mean(self.utility))

    @property
    def is_good_set(self) -> bool:
        """Whether every outcome is either good or bad."""
        return set(self.utility) == {0.0, 1.0}

    @property
    def good(self) -> NDArray[np.bool_] | None:
        """(K,) booleans that mark the good outcomes; None if the task is graded."""
        return np.array(self.utility) == 1 if self.is_good_set else None


def good_mask(good_set: ArrayLike, n_outcomes: int) -> NDArray[np.bool_]:
    """Return (n_outcomes,) booleans that mark the outcomes in a good set."""
    return np.isin(np.arange(n_outcomes), good_set)
