"""One text and one short name for equal settings."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any


def canonical_json(value: Any) -> str:
    """The one JSON text of a value: keys sorted, no spaces.

    Equal values give equal text: a float that is whole is written as an integer (1.0 as 1, -0.0 as 0), a tuple as a
    list, and the order of keys plays no part. true and 1 stay different.

    Args:
        value: mappings with text keys, lists, tuples, text, finite numbers, booleans and None, nested at will.

    Returns:
        ASCII text without line breaks.

    Raises:
        ValueError: for NaN and infinity.
        TypeError: for anything else that JSON has no form for, such as a key that is not text.
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
    """A short name for a value, the same on every machine.

    Args:
        value: what `canonical_json` takes.

    Returns:
        The first 16 hexadecimal digits of the SHA-256 of its canonical JSON.

    Raises:
        ValueError, TypeError: as `canonical_json` does.
    """
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()[:16]
