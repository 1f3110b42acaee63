"""Print the reference page of the configuration, made from its schema."""

import argparse
import json
from collections.abc import Iterator
from typing import Any

from sweep.configuration import Key, dotted, expected, schema_of

HEAD = """# Every key of the configuration

Made from `config/config.schema.yaml` by `make reference`. What a sweep of your own does not set is as in `config.yaml`.
`NAME` is the name of a size or task. Unknown keys, wrong types and values out of range are refused, all at once, before
anything is run.

| key | what it is | what it may be | as shipped |
|---|---|---|---|
"""


def run(arguments: argparse.Namespace) -> int:
    """Print the page; returns the exit status."""
    print(reference(), end="")
    return 0


def reference() -> str:
    """The page, in Markdown."""
    return HEAD + "".join(f"| {' | '.join(map(_cell, row))} |\n" for row in _rows(()))


def _rows(section: Key) -> Iterator[tuple[str, str, str, str]]:
    schema = schema_of(section)
    names = list(schema.get("properties", {})) + (["NAME"] if schema.get("additionalProperties") else [])
    for name in names:
        key = (*section, name)
        entry = schema_of(key)
        if name != "NAME":
            yield f"`{dotted(key)}`", entry["description"], expected(key), _value(entry)
        if "NAME" not in section or name == "NAME":  # what a size or task overrides is listed where it is general
            yield from _rows(key)


def _value(entry: dict[str, Any]) -> str:
    return f"`{json.dumps(entry['default']).replace(chr(34), '')}`" if "default" in entry else ""


def _cell(text: str) -> str:
    return text.replace("|", "\\|").strip()
