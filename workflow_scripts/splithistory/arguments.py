"""Arguments of the public functions: as arrays of float64, or a ValueError that names what is wrong with them."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from splithistory.information import Floats

# Largest deviation from 1 that a sum of probabilities may show (float32 softmaxes pass).
_SUM_TOLERANCE = 1e-5


def as_policy(name: str, policy: ArrayLike, *, n_windows: int, n_actions: int) -> NDArray[Any]:
    """(n, A) probabilities π(a|x) as float64, or (n,) actions of a deterministic policy.

    Args:
        name: of the argument, for messages.
        policy: what was given.
        n_windows: n, as the environment has it.
        n_actions: A, as the environment has it.

    Raises:
        ValueError: if it is neither, does not fit the environment, or is out of range.
    """
    array = np.asarray(policy)
    if array.ndim != 1:
        array = as_probabilities(f"{name} (action probabilities)", policy, "(n, A)")
        if array.shape != (n_windows, n_actions):
            raise ValueError(
                f"{name} (action probabilities): expected shape {(n_windows, n_actions)} to match the environment's "
                f"outcome_probabilities, got {array.shape}"
            )
        return array
    if array.shape != (n_windows,):
        raise ValueError(
            f"{name} (actions): expected shape {(n_windows,)} to match the environment's outcome_probabilities, got "
            f"{array.shape}"
        )
    if not np.issubdtype(array.dtype, np.integer) or array.min() < 0 or array.max() >= n_actions:
        raise ValueError(
            f"{name} (actions): expected whole numbers from 0 to {n_actions - 1}, got "
            f"{array.dtype} from {array.min()} to {array.max()}"
        )
    return array


def as_probabilities(name: str, probabilities: ArrayLike, shape: str) -> Floats:
    """Probabilities along the last axis, as float64.

    Args:
        name: of the argument, for messages.
        probabilities: what was given.
        shape: as it should be, such as "(n, A, K)".

    Raises:
        ValueError: if the number of axes differs, there is nothing, or the numbers are no probabilities.
    """
    array = np.asarray(probabilities, dtype=float)
    if array.ndim != shape.count(",") + 1:
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    if 0 in array.shape:
        raise ValueError(
            f"{name}: expected shape {shape} with at least one window, action and outcome, got {array.shape}"
        )
    if not np.isfinite(array).all():
        raise ValueError(f"{name}: expected finite probabilities of shape {shape}, got {array[~np.isfinite(array)][0]}")
    if (array < 0).any():
        raise ValueError(f"{name}: expected probabilities of shape {shape} of at least 0, got {array.min()}")
    sums = array.sum(axis=-1)
    worst = sums.flat[np.abs(sums - 1).argmax()]
    if abs(worst - 1) > _SUM_TOLERANCE:
        raise ValueError(
            f"{name}: expected probabilities of shape {shape} to sum to 1 along the last axis, got {worst}"
        )
    return array
