"""What a policy is reinforced for: a set of good outcomes or, more generally, a utility of every outcome (section 12).

Nothing here measures anything, so that training does not depend on the measures.
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
    """How good each outcome is.

    A good set is the case of utilities 0 and 1; tasks of other utilities are called graded.

    Attributes:
        name: of the task.
        utility: (K,) of each outcome, numbers from 0 to 1 that are not all equal.
        chance: mean utility of answering at random; where left out, that of equally likely outcomes, ``mean``.

    Raises:
        ValueError: if the utilities are not such numbers.
    """

    name: str
    utility: tuple[float, ...]
    chance: float = math.nan

    def __post_init__(self) -> None:
        """Check the utilities, and keep them as plain numbers."""
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
        """The task of a configuration's entry in an environment.

        Args:
            name: of the task.
            entry: has either ``good``, a list of outcomes, or ``utility``.
            environment: decides what chance is.
        """
        mask = good_mask(entry["good"], environment.n_outcomes) if "good" in entry else None
        utility = tuple(entry["utility"] if mask is None else mask)
        return cls(name, utility, environment.chance(utility))

    @property
    def mean(self) -> float:
        """Mean utility where all outcomes are equally likely; for a good set its share of the outcomes."""
        return float(np.mean(self.utility))

    @property
    def is_good_set(self) -> bool:
        """Whether outcomes are only good or bad."""
        return set(self.utility) == {0.0, 1.0}

    @property
    def good(self) -> NDArray[np.bool_] | None:
        """(K,) booleans, the good outcomes; None if the task is graded."""
        return np.array(self.utility) == 1 if self.is_good_set else None


def good_mask(good_set: ArrayLike, n_outcomes: int) -> NDArray[np.bool_]:
    """(n_outcomes,) booleans that mark the outcomes of a good set."""
    return np.isin(np.arange(n_outcomes), good_set)
