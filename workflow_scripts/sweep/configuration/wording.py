"""The wording of problems: what was found at a key, what was expected, and what to write instead."""

import difflib
import json
import re
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any, NamedTuple

from sweep.configuration.schema import Key, known_keys, schema_of

_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = 60
_SHORT.maxlevel = 3
_PLAIN_NAME = re.compile(r"[\w.-]{1,64}")


class Problem(NamedTuple):
    """A problem at a key. If the value itself is ``unsound``, its relations to other keys are not checked."""

    key: Key
    text: str
    unsound: bool = False


def schema_problems(error: Any) -> Iterator[Problem]:
    """Phrase an error of the validator for the user: as one problem, or as one per missing or unknown key."""
    key, value = tuple(error.absolute_path), error.instance
    if "propertyNames" in error.absolute_schema_path:
        yield Problem((*key, value), f"is not a name that can be used; expected {error.schema['title']}.")
        return
    match error.validator:
        case "required":
            for name in error.validator_value:
                if name not in value:
                    yield Problem((*key, name), f"is missing; expected {expected((*key, name))}.", unsound=True)
        case "additionalProperties":
            known = list(schema_of(key)["properties"])
            for name in value:
                if name not in known:
                    yield Problem((*key, name), f"is not a known key; {_meant(name, known, key)}")
        case "minItems" | "minProperties" if not value:
            yield Problem(key, f"is empty; expected {expected(key)}.")
        case "minItems" | "maxItems":
            entries = "one entry" if len(value) == 1 else f"{len(value)} entries"
            yield Problem(key, f"has {entries}; expected {expected(key)}.")
        case "uniqueItems":
            repeated = {shown(entry) for entry in value if value.count(entry) > 1}
            yield Problem(key, f"lists {', '.join(sorted(repeated))} more than once; expected every entry once.")
        case _:
            if error.validator == "enum" and not isinstance(value, str):
                return  # its type is a problem already
            found = "empty" if value is None else shown(value)
            text = f"is {found}; expected {expected(key)}.{_remedy(value, schema_of(key))}"
            yield Problem(key, text, unsound=True)


def expected(key: Key) -> str:
    """Say which values a key may have, with an example."""
    schema = schema_of(key)
    kind = schema.get("type")
    if "enum" in schema:
        *others, last = schema["enum"]
        return f"{', '.join(others)} or {last}" if others else last
    example = json.dumps(schema["examples"][0]).replace('"', "") if "examples" in schema else ""
    example = example and f", such as {example}"
    if "title" in schema:
        return f"{schema['title']}{example}"
    if kind in ("integer", "number"):
        return f"{'a whole number' if kind == 'integer' else 'a number'} {_range(schema)}{example}"
    if kind == "array":
        return f"a list of {_plural(schema_of((*key, 0)))}{example}"
    return f"a section of keys and values{example}"


def _plural(items: Mapping[str, Any]) -> str:
    return f"whole numbers {_range(items)}" if items["type"] == "integer" else "names"


def _range(schema: Mapping[str, Any]) -> str:
    if "minimum" in schema and "maximum" in schema:
        return f"from {schema['minimum']} to {schema['maximum']}"
    lower = f"of at least {schema['minimum']}" if "minimum" in schema else f"above {schema['exclusiveMinimum']}"
    if "maximum" in schema:
        return f"{lower} and at most {schema['maximum']}"
    return f"{lower} and below {schema['exclusiveMaximum']}" if "exclusiveMaximum" in schema else lower


def _remedy(value: Any, schema: Mapping[str, Any]) -> str:
    """Say what to write instead of a value, if that is clear; the text begins with a space, or is empty."""
    kind = schema["type"]
    if kind in ("integer", "number") and isinstance(value, str):
        return _remedy_for_text(value, kind)
    if kind == "integer" and isinstance(value, float) and value.is_integer():
        return f" Write {int(value)}, without a decimal point."
    if "enum" in schema and isinstance(value, str):
        return near(value, schema["enum"], " Did you mean {!r}?", cutoff=0.7)
    if kind == "string" and isinstance(value, int | float | date):
        return f" YAML reads it as {kind_of(value)}; {in_quotes(value)}."
    if kind == "object" and value is None:
        return " Fill the section, or delete its line."
    if kind == "array" and schema["minItems"] == 1 and isinstance(value, int | float | str) and value != "":
        return f" Write [{shown(value).strip(chr(39))}]."
    return ""


def _remedy_for_text(text: str, kind: str) -> str:
    try:
        number = Decimal(text.strip())
    except InvalidOperation:
        return ""
    if not number.is_finite() or abs(number.adjusted()) > 12 or (kind == "integer" and number % 1):
        return ""
    plain = f"{number.normalize():f}"
    mantissa, _, exponent = text.strip().lower().partition("e")
    if not exponent:
        return f" Write {plain}, without quotes." if plain == text.strip() else f" Write {plain}."
    if kind == "integer":
        return f" YAML reads it as text: write {plain}."
    mantissa = mantissa if "." in mantissa else f"{mantissa}.0"
    return f" YAML reads it as text: write {mantissa}e{int(exponent):+d} or {plain}."


def _meant(name: str, known: Sequence[str], section: Key) -> str:
    """Guess which key an unknown one was meant to be: one of the same name elsewhere, or one with a similar name."""
    if ":" in name and name.partition(":")[0] in known:
        return f"write a space after the colon: {name.replace(':', ': ', 1)}."
    for start in (section, ()):
        if homes := [dotted(key) for key in known_keys(start) if key[-1] == name]:
            return f"did you mean {' or '.join(map(repr, homes))}?"
    return near(name, known, "did you mean {!r}?") or f"known here: {', '.join(known)}."


def near(name: str, known: Sequence[str], template: str, cutoff: float = 0.6) -> str:
    """Fill a template with the known name that is most similar to a given one; return nothing if none is."""
    matches = difflib.get_close_matches(name, known, n=1, cutoff=cutoff) or [
        entry for entry in known if entry == name.lower()
    ]
    return template.format(matches[0]) if matches else ""


def dotted(key: Key) -> str:
    """Write a key as users do, for example ``sweep.seeds[0]``."""
    text = ""
    for part in key:
        if isinstance(part, int):
            text += f"[{part}]"
        else:
            text += f".{part}" if _PLAIN_NAME.fullmatch(part) else f".{_SHORT.repr(part)}"
    return text.removeprefix(".") or "The configuration"


def shown(value: Any) -> str:
    """Write a value as users do, shortened if it is long."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, date):
        return str(value)
    return "a section" if isinstance(value, Mapping) else _SHORT.repr(value)


def kind_of(value: Any) -> str:
    """Say what YAML takes a value for."""
    if isinstance(value, bool):
        return f"{shown(value)} (as it does yes, no, on and off)"
    if isinstance(value, int | float):
        return "a number"
    return "a date" if isinstance(value, date) else shown(value)


def in_quotes(value: Any) -> str:
    """Say to write a value in quotes, and show it if it is certain how the user wrote it."""
    exact = isinstance(value, int | date) and not isinstance(value, bool)  # not 1.5, which may have been 1.50
    return f'write it in quotes: "{shown(value)}"' if exact else "write it in quotes"
