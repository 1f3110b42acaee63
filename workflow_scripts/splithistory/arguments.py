"""Arguments of the public functions: as NumPy arrays, or a ValueError that names what is wrong with them.

Every message names the argument, what was expected and what was found. Anything that holds numbers is taken: NumPy and
pandas, lists, integers, floats of any precision, and torch tensors on any device, with or without gradients.
"""

import numbers
import reprlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splithistory.information import Floats

# Largest deviation from 1 that a sum of probabilities may show (float32 softmaxes pass).
_SUM_TOLERANCE = 1e-5
# Of numbers of low precision: the spacing relative to a number, and the smallest number above 0.
_LOW_PRECISION = {"float16": (2.0**-10, 2.0**-24), "bfloat16": (2.0**-7, 2.0**-133)}


def as_array(name: str, value: Any, expected: str) -> NDArray[Any]:
    """Real numbers of any shape.

    Args:
        name: of the argument, for messages.
        value: what was given: an array, a data frame, nested lists, a tensor, a number.
        expected: what the argument should be, for messages, such as "probabilities of shape (n, A)".

    Returns:
        Floats as float64, integers and booleans as they are. NaN and infinities pass.

    Raises:
        ValueError: if it holds no real numbers, or rows of unequal lengths, or masked or missing entries.
    """
    plain = _without_tensors(name, value, expected)
    if np.ma.is_masked(plain):
        raise ValueError(f"{name}: expected {expected}, found {described(value)} with masked entries")
    try:
        array = np.asarray(plain)
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise ValueError(f"{name}: expected {expected}, found {described(value)} ({error})") from error
    if array.dtype.name in _LOW_PRECISION or array.dtype.kind == "f":
        return array.astype(np.float64, copy=False)
    if array.dtype.kind not in "biu":
        raise ValueError(f"{name}: expected {expected}, found {described(value)} of {_kind(array)}")
    return array


def as_probabilities(name: str, probabilities: Any, shape: str) -> Floats:
    """Convert probabilities along the last axis to float64.

    Their sums may differ from 1 by 1e-5, and stay as they are. Rows of float16 or bfloat16 sum to 1 only within the
    precision of these types: they may deviate by that much, and are normalized in float64.

    Args:
        name: of the argument, for messages.
        probabilities: what was given.
        shape: as it should be, such as "(n, A, K)", or "(..., K)" for any number of leading axes.

    Raises:
        ValueError: if the number of axes differs, there is nothing, or the numbers are no probabilities.
    """
    if hasattr(probabilities, "outcome_distribution"):
        raise ValueError(
            f"{name}: expected probabilities of shape {shape}, found {described(probabilities)}; "
            "pass futures.outcome_distribution, or futures.counterfactual_distribution"
        )
    array = as_array(name, probabilities, f"probabilities of shape {shape}")
    return _checked_probabilities(name, array, shape, precision=_precision(probabilities))


def _checked_probabilities(name: str, array: NDArray[Any], shape: str, *, precision: str) -> Floats:
    """Check an array for `as_probabilities`, given the type that its numbers had."""
    array = array.astype(np.float64, copy=False)
    axes = [axis.strip() for axis in shape.strip("()").split(",") if axis.strip()]
    any_number = axes[0] == "..."
    if array.ndim == 0 or not (any_number or array.ndim == len(axes)):
        raise ValueError(f"{name}: expected shape {shape}, got {array.shape}")
    if 0 in (array.shape[-1:] if any_number else array.shape):
        raise ValueError(
            f"{name}: expected shape {shape} with at least one window, action and outcome, got {array.shape}"
        )
    if array.size == 0:
        return array
    with np.errstate(invalid="ignore", over="ignore"):
        sums = array.sum(axis=-1)
    if not np.isfinite(sums).all():
        found = array[~np.isfinite(array)]
        raise ValueError(f"{name}: expected finite probabilities of shape {shape}, got {(*found, np.inf)[0]}")
    if array.min() < 0:
        raise ValueError(f"{name}: expected probabilities of shape {shape} of at least 0, got {array.min()}")
    spacing, smallest = _LOW_PRECISION.get(precision, (0.0, 0.0))
    tolerance = max(_SUM_TOLERANCE, spacing + array.shape[-1] * smallest)
    deviations = np.abs(sums - 1)
    if deviations.max() > tolerance:
        raise ValueError(
            f"{name}: expected probabilities of shape {shape} to sum to 1 along the last axis, "
            f"got {sums.flat[deviations.argmax()]}"
        )
    return array / sums[..., None] if spacing else array


def as_policy(name: str, policy: Any, *, n_windows: int | None, n_actions: int) -> NDArray[Any]:
    """Convert a policy's answers to (n, A) probabilities π(a|x) as float64, or to (n,) actions.

    Args:
        name: of the argument, for messages.
        policy: what was given.
        n_windows: n, as the environment has it; None where the environment is the same in every window.
        n_actions: A, as the environment has it.

    Raises:
        ValueError: if it is neither, does not fit the environment, or is out of range.
    """
    array = as_array(name, policy, "action probabilities of shape (n, A) or actions of shape (n,)")
    windows = len(array) if n_windows is None and array.ndim else n_windows
    if array.ndim != 1:
        array = _checked_probabilities(f"{name} (action probabilities)", array, "(n, A)", precision=_precision(policy))
        if array.shape != (windows, n_actions):
            raise ValueError(
                f"{name} (action probabilities): expected shape {(windows, n_actions)} to match the environment's "
                f"outcome_probabilities, (n, A, K) or (A, K), got {array.shape}"
            )
        return array
    if array.shape != (windows,):
        raise ValueError(
            f"{name} (actions): expected shape {(windows,)} to match the environment's outcome_probabilities, "
            f"(n, A, K) or (A, K), got {array.shape}"
        )
    if len(array) == 0:
        raise ValueError(f"{name} (actions): expected shape (n,) with at least one window, got {array.shape}")
    if array.dtype.kind not in "iu" or array.min() < 0 or array.max() >= n_actions:
        raise ValueError(
            f"{name} (actions): expected whole numbers from 0 to {n_actions - 1}, got "
            f"{array.dtype} from {array.min()} to {array.max()}"
        )
    return array


def as_utility(name: str, utility: Any, n_outcomes: int) -> Floats:
    """Convert the utilities of K outcomes to (K,) float64.

    Args:
        name: of the argument, for messages.
        utility: what was given.
        n_outcomes: K.

    Raises:
        ValueError: if they are no numbers from 0 to 1, one for each outcome, or are all equal although there are
            several outcomes.
    """
    expected = f"{n_outcomes} numbers from 0 to 1, one for each outcome"
    array = as_array(name, utility, expected)
    if array.shape != (n_outcomes,):
        message = f"{name}: expected {expected}, found shape {array.shape}"
        if array.ndim == 1 and array.size and array.dtype.kind in "iu":
            numbers = reprlib.repr(array.tolist())
            message += f"; if these are good outcomes, pass np.isin(np.arange({n_outcomes}), {numbers})"
        raise ValueError(message)
    array = array.astype(np.float64)
    if not ((array >= 0) & (array <= 1)).all():
        raise ValueError(f"{name}: expected {expected}, found {array[~((array >= 0) & (array <= 1))][0]}")
    if n_outcomes > 1 and (array == array[0]).all():
        raise ValueError(f"{name}: expected {expected}, not all equal, found {array[0]} for all of them")
    return array


def as_good_set(name: str, good_set: Any, n_outcomes: int) -> NDArray[np.bool_]:
    """Convert a good set to (K,) booleans that mark its outcomes.

    Args:
        name: of the argument, for messages.
        good_set: what was given: numbers of the good outcomes, or (K,) booleans.
        n_outcomes: K.

    Raises:
        ValueError: if it is neither, names an outcome twice or one that is not there, or holds no outcome or all of
            them although there are several.
    """
    expected = f"different outcomes from 0 to {n_outcomes - 1}, or {n_outcomes} booleans"
    array = as_array(name, list(good_set) if isinstance(good_set, set | frozenset) else good_set, expected)
    is_mask = array.dtype.kind == "b" and array.shape == (n_outcomes,)
    is_list = array.ndim == 1 and (array.dtype.kind in "iu" or array.size == 0)
    if not (is_mask or is_list):
        raise ValueError(f"{name}: expected {expected}, found {described(good_set)} of {_kind(array)}")
    if is_list and array.size and not (array.min() >= 0 and array.max() < n_outcomes and _all_differ(array)):
        raise ValueError(f"{name}: expected {expected}, found {reprlib.repr(array.tolist())}")
    good = array if is_mask else np.isin(np.arange(n_outcomes), array)
    if n_outcomes > 1 and good.all() == good.any():
        raise ValueError(
            f"{name}: expected at least one outcome that is good and one that is not, found "
            f"{'all' if good.all() else 'none'} of the {n_outcomes} good"
        )
    return good


def as_number(name: str, value: Any, least: float) -> float:
    """Convert a finite number to a float.

    Args:
        name: of the argument, for messages.
        value: what was given.
        least: the smallest that it may be.

    Raises:
        ValueError: if it is no such number.
    """
    if not isinstance(value, numbers.Real) or isinstance(value, bool) or not (np.isfinite(value) and value >= least):
        raise ValueError(f"{name}: expected a finite number of at least {least:g}, got {reprlib.repr(value)}")
    return float(value)


def as_whole_number(name: str, value: Any, least: int) -> int:
    """Convert a whole number to an int.

    Args:
        name: of the argument, for messages.
        value: what was given.
        least: the smallest that it may be.

    Raises:
        ValueError: if it is no such number.
    """
    if not isinstance(value, numbers.Integral) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name}: expected a whole number of at least {least}, got {reprlib.repr(value)}")
    return int(value)


def described(value: Any) -> str:
    """Describe an argument in a few words: its type, and its shape if it has one."""
    kind = type(value).__name__
    shape = getattr(value, "shape", None)
    if isinstance(shape, tuple) and shape:
        return f"{kind} of shape {tuple(shape)}"
    if shape is not None or callable(value):
        return kind
    text = reprlib.repr(value)
    return text if text.startswith(f"{kind}(") else f"{kind} {text}"


def _without_tensors(name: str, value: Any, expected: str) -> Any:
    """Tensors, also those in lists, as NumPy arrays; anything else as it is. Torch itself is not needed for it."""
    if isinstance(value, list | tuple):
        nested = any(isinstance(item, list | tuple) or hasattr(item, "detach") for item in value)
        return [_without_tensors(name, item, expected) for item in value] if nested else value
    if not hasattr(value, "detach"):
        return value
    try:
        tensor = value.detach().cpu()
        return (tensor.float() if _precision(tensor) == "bfloat16" else tensor).numpy()
    except (TypeError, RuntimeError) as error:
        raise ValueError(f"{name}: expected {expected}, found {described(value)} ({error})") from error


def _precision(value: Any) -> str:
    """Return the name of the type of numbers, such as float16, or nothing if they have none."""
    while isinstance(value, list | tuple) and value:
        value = value[0]
    dtypes = getattr(value, "dtypes", None)  # of the columns of a data frame
    dtype = getattr(value, "dtype", "") if dtypes is None else (*dtypes, "")[0] if np.ndim(dtypes) else dtypes
    return str(dtype).rpartition(".")[2]


def _kind(array: NDArray[Any]) -> str:
    names = {"O": "Python objects", "U": "text", "S": "bytes", "c": "complex numbers", "M": "dates", "m": "durations"}
    return names.get(array.dtype.kind, f"{array.dtype} of shape {array.shape}")


def _all_differ(array: NDArray[Any]) -> bool:
    return len(np.unique(array)) == len(array)
