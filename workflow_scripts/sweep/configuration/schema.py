"""The schema of the configuration: type, range and meaning of every key, from `config/config.schema.yaml`."""

import math
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml

SCHEMA_PATH = Path(__file__).parents[3] / "config" / "config.schema.yaml"

Key = tuple[str | int, ...]  # the path to a value: names of keys and positions in lists


@cache
def _schema() -> dict[str, Any]:
    return yaml.safe_load(SCHEMA_PATH.read_text(encoding="utf-8"))


@cache
def validator() -> Any:
    """Create a validator that is stricter than JSON Schema: 2.0 is not an integer, NaN and infinity are not numbers."""
    from jsonschema import Draft202012Validator, validators  # here: it takes 0.1 s, and most scripts validate nothing

    def is_number(_: Any, value: Any) -> bool:
        return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)

    def is_integer(_: Any, value: Any) -> bool:
        return isinstance(value, int) and not isinstance(value, bool)

    types = Draft202012Validator.TYPE_CHECKER.redefine_many({"number": is_number, "integer": is_integer})
    # Some sweeps define thousands of tasks, and without references validation is twice as fast.
    return validators.extend(Draft202012Validator, type_checker=types)(_written_out(_schema()))


def schema_errors(config: Any) -> Iterator[Any]:
    """Iterate over jsonschema's errors in a configuration.

    Of identical tasks, of which there may be thousands, only one is validated; if anything is wrong, all are.
    """
    tasks = config.get("tasks") if isinstance(config, dict) else None
    if isinstance(tasks, dict):
        alike = {repr(entry): name for name, entry in tasks.items()}
        few = config | {"tasks": {name: tasks[name] for name in alike.values()}}
        names = validator().evolve(schema={"propertyNames": _written_out(schema_of(("tasks",))["propertyNames"])})
        if names.is_valid(tasks) and validator().is_valid(few):
            return iter(())
    return validator().iter_errors(config)


def _written_out(schema: Any) -> Any:
    """Replace every reference in a schema by its target."""
    if isinstance(schema, list):
        return [_written_out(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    own = {key: _written_out(part) for key, part in schema.items() if key not in ("$ref", "$defs")}
    if "$ref" not in schema:
        return own
    target = _written_out(_target(schema))
    return {**target, **own} if own.keys().isdisjoint(target) else {**own, "allOf": [*own.get("allOf", []), target]}


def schema_of(key: Key) -> dict[str, Any]:
    """Return what the schema says about a key, with references resolved; an empty mapping for an unknown key."""
    schema = _resolved({"$ref": "#/$defs/overrides"})
    for part in key:
        if isinstance(part, int):
            schema = schema.get("items", {})
        else:
            schema = schema.get("properties", {}).get(part) or schema.get("additionalProperties") or {}
        schema = _resolved(schema)
    return schema


def _resolved(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    return {**_resolved(_target(schema)), **{key: value for key, value in schema.items() if key != "$ref"}}


def _target(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the target of a schema's reference."""
    return _schema()["$defs"][schema["$ref"].removeprefix("#/$defs/")]


@cache
def known_keys(section: Key = ()) -> list[Key]:
    """List every key that the schema names, except those below the names of sizes and tasks."""
    own = [(*section, name) for name in schema_of(section).get("properties", {})]
    return own + [key for name in own for key in known_keys(name)]
