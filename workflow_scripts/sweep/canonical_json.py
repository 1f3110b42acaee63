"""Canonical JSON of settings, and its hash: equal settings have equal ones."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical_json(value: Any) -> str:
    """Write a value as canonical JSON: sorted keys, no spaces.

    Equal values give equal text: whole floats are written as integers (1.0 as 1, -0.0 as 0), tuples as lists, and the
    order of keys does not matter. true and 1 stay different.

    Args:
        value: mappings with text keys, lists, tuples, text, finite numbers, booleans and None, in any nesting.

    Returns:
        ASCII text without line breaks.

    Raises:
        ValueError: for NaN and infinity.
        TypeError: for anything else that JSON cannot represent, such as a key that is not text.
    """
    return json.dumps(_canonical(value), sort_keys=True, separators=(",", ":"), allow_nan=False)


def _canonical(value: Any) -> Any:
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        if not all(isinstance(key, str) for key in value):
            raise TypeError(f"keys must be text, got {list(value)!r}")
        return {key: _canonical(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_canonical(entry) for entry in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def configuration_hash(value: Any) -> str:
    """Return a short name for a value, the same on every machine.

    Args:
        value: what `canonical_json` takes.

    Returns:
        The first 16 hexadecimal digits of the SHA-256 of its canonical JSON.

    Raises:
        ValueError, TypeError: as `canonical_json` does.
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]
