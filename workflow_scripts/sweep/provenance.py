"""What a table says about its own making: JSON in its Parquet metadata, under the key ``splithistory``."""

import hashlib
import json
import platform
from collections.abc import Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweep.canonical_json import canonical_json, configuration_hash
from sweep.errors import REMEDY, TableError

METADATA_KEY = b"splithistory"


def provenance(
    settings: Mapping[str, Any],
    code: str,
    inputs: Mapping[str, Path | str] | None = None,
    packages: Sequence[str] = (),
    **more: Any,
) -> dict[str, Any]:
    """What a table made now says about its making.

    Args:
        settings: the part of the configuration that it depends on.
        code: version of the code that makes it.
        inputs: the tables it is made from, by their part in it.
        packages: libraries whose versions matter besides NumPy and pyarrow.
        more: further entries, such as the seconds it took.
    """
    return {
        "settings": settings,
        "configuration_hash": configuration_hash(settings),
        "code": code,
        "inputs": {name: checksum(pq.ParquetFile(path).read()) for name, path in (inputs or {}).items()},
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("numpy", "pyarrow", *packages)},
    } | more


def checksum(table: pa.Table) -> str:
    """Hexadecimal sha256 of a table's schema and values; its metadata, times and hosts among it, has no part."""
    bare = table.replace_schema_metadata(None).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, bare.schema) as stream:
        stream.write_table(bare)
    return hashlib.sha256(sink.getvalue()).hexdigest()


def require_made_with(settings: Mapping[Path, Mapping[str, Any]]) -> None:
    """Refuse tables that another configuration made.

    Args:
        settings: what must have made each table, by its file. An unreadable one is left to its reader.

    Raises:
        TableError: with each such table and what differs.
    """
    problems = []
    for path, expected in settings.items():
        with suppress(TableError):
            problems += made_otherwise(read_metadata(path), expected, path)
    refuse(problems)


def refuse(problems: Sequence[str]) -> None:
    """Raise one error for all that `made_otherwise` found.

    Raises:
        TableError: if there is anything.
    """
    if problems:
        raise TableError(f"Another configuration made what is read here. {REMEDY}:", problems)


def made_otherwise(metadata: Mapping[str, Any], expected: Mapping[str, Any], path: Path | str) -> list[str]:
    """A line that names the table and what differs, if other settings than the expected made it."""
    if metadata.get("configuration_hash") == configuration_hash(expected):
        return []
    return [f"{path}: {'; '.join(differences(metadata.get('settings'), expected)[:3])}"]


def differences(found: Any, expected: Any, key: str = "") -> list[str]:
    """Where settings differ from those expected, a line a key."""
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        return [
            line
            for name in sorted(found.keys() | expected.keys())
            for line in differences(found.get(name), expected.get(name), f"{key}.{name}".removeprefix("."))
        ]
    if canonical_json(found) == canonical_json(expected):
        return []
    return [f"{key or 'settings'} is {canonical_json(found)}, expected {canonical_json(expected)}"]


def with_metadata(table: pa.Table, metadata: Mapping[str, Any]) -> pa.Table:
    """The table with the metadata in place of any that it had."""
    return table.replace_schema_metadata({METADATA_KEY: json.dumps(metadata, sort_keys=True)})


def metadata_of(schema: pa.Schema, path: Path | str) -> dict[str, Any]:
    """The metadata that a table carries.

    Args:
        schema: the table's Arrow schema.
        path: the file that the message names.

    Raises:
        TableError: if there is none.
    """
    try:
        metadata = json.loads((schema.metadata or {})[METADATA_KEY])
    except (KeyError, ValueError):
        metadata = None
    if not isinstance(metadata, dict):
        raise TableError(
            f"{path}: carries no '{METADATA_KEY.decode()}' metadata, so this workflow did not write it. {REMEDY}"
        )
    return metadata


def read_metadata(path: Path | str) -> dict[str, Any]:
    """The metadata of a table on disk; its values are not read.

    Raises:
        TableError: if it is unreadable or carries none.
    """
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise TableError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}). {REMEDY}") from error
    return metadata_of(schema, path)


def recorded_hash(path: Path | str) -> str | None:
    """Hash of the configuration that made a table; None where there is no such table."""
    try:
        return read_metadata(path).get("configuration_hash")
    except TableError:
        return None
