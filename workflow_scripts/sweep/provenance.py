"""What a table says about its own making: JSON in its Parquet metadata, under the key ``splithistory``."""

import json
import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from sweep.configuration import configuration_hash
from sweep.errors import TableError

METADATA_KEY = b"splithistory"


def provenance(settings: Mapping[str, Any], packages: Sequence[str] = (), **more: Any) -> dict[str, Any]:
    """What a table made now says about its making.

    Args:
        settings: the part of the configuration that it depends on.
        packages: libraries whose versions matter besides NumPy and pyarrow.
        more: further entries, such as the seconds it took.
    """
    return {
        "settings": settings,
        "configuration_hash": configuration_hash(settings),
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("numpy", "pyarrow", *packages)},
    } | more


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
            f"{path}: carries no '{METADATA_KEY.decode()}' metadata, so this workflow did not write it. "
            "Delete the file and rerun snakemake to make it again"
        )
    return metadata


def recorded_hash(path: Path | str) -> str | None:
    """Hash of the configuration that made a table; None where there is no such table."""
    try:
        return metadata_of(pq.read_schema(path), path).get("configuration_hash")
    except (OSError, pa.ArrowException, TableError):
        return None
