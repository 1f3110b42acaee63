"""The provenance of tables: JSON in their Parquet metadata, under the key ``splithistory``."""

import hashlib
import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
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
    """Describe how a table is being made.

    Args:
        settings: the part of the configuration that the table depends on.
        code: version of the code that makes it.
        inputs: the tables that it is made from, by name.
        packages: libraries whose versions matter, besides NumPy and pyarrow.
        more: further entries, such as the seconds that the job took.

    Raises:
        TableError: if an input is unreadable or carries no metadata.
    """
    return {
        "settings": settings,
        "configuration_hash": configuration_hash(settings),
        "code": code,
        "inputs": {name: read_metadata(path).get("checksum") for name, path in (inputs or {}).items()},
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("numpy", "pyarrow", *packages)},
        "processor": _processor(torch_runs="torch" in packages, on_cuda=more.get("device") == "cuda"),
    } | more


def _processor(torch_runs: bool, on_cuda: bool) -> dict[str, str]:
    """Describe what a job computes on, since other instructions change the last digits of its numbers."""
    processor = {"processor": _model()}
    if torch_runs:
        import torch  # here, since the import takes a second and reading metadata does not need it

        processor["instruction set"] = torch.backends.cpu.get_cpu_capability()
        if on_cuda:
            processor["GPU"] = torch.cuda.get_device_name()
    return processor


def _model() -> str:
    """Return the model of the processor, as precisely as the system tells it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def made_with(metadata: Mapping[str, Any]) -> dict[str, str]:
    """Return what results may depend on beyond the configuration: the versions of libraries, and the processor."""
    return {**metadata.get("versions", {}), **metadata.get("processor", {})}


def checksum(table: pa.Table) -> str:
    """Return the hexadecimal SHA-256 of a table's values and of the names, types and order of its columns.

    It depends neither on how a file encodes them nor on metadata, which holds times. Values count bit by bit: NaN
    differs from a missing value, and -0 from 0.
    """
    digest = hashlib.sha256()
    table = without_categories(table)
    for name, column in zip(table.column_names, table.columns, strict=True):
        # The type of a list includes a name for its elements, which depends on the library that wrote it.
        kind = f"list<{column.type.value_type}>" if pa.types.is_list(column.type) else column.type
        digest.update(f"{name}: {kind}\n".encode())
        for part in _parts(column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()):
            digest.update(b"%d: " % len(part))
            digest.update(part)
    return digest.hexdigest()


def without_categories(table: pa.Table) -> pa.Table:
    """Replace categories, which are only an encoding, by the texts that they stand for."""
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = field.with_type(field.type.value_type)
            table = table.set_column(i, plain, table.column(i).cast(plain.type))
    return table


def _parts(array: pa.Array) -> Iterator[bytes | np.ndarray]:
    """Yield what makes up an array: which values are missing, if any; the lengths of texts and lists; the values."""
    yield array.is_null().to_numpy(zero_copy_only=False) if array.null_count else b""
    if array.null_count:
        array = array.drop_null()  # the memory of a missing value is undefined
    if pa.types.is_list(array.type):
        yield array.value_lengths().to_numpy()
        yield from _parts(array.flatten())
    elif pa.types.is_string(array.type):
        yield pc.binary_length(array).to_numpy()
        yield "".join(array.to_pylist()).encode()
    else:
        yield array.to_numpy(zero_copy_only=False)


def require_unchanged(table: pa.Table, path: Path | str) -> None:
    """Check a table against the checksum that it was written with.

    Args:
        table: the table as read, with its metadata.
        path: the file to name in messages.

    Raises:
        TableError: if the table carries no checksum, or its values or columns have changed since.
    """
    written_with = metadata_of(table.schema, path).get("checksum")
    if written_with is None:
        raise TableError(f"{path}: carries no checksum, so an older version of this workflow made it. {REMEDY}")
    if written_with != checksum(table):
        raise TableError(f"{path}: its values are not those that it was written with, so they were edited. {REMEDY}")


def require_made_with(settings: Mapping[Path, Mapping[str, Any]]) -> None:
    """Refuse tables that were made with another configuration.

    Args:
        settings: the settings that each table must have been made with, by file. Files that are unreadable are not
            checked: whoever reads them says so.

    Raises:
        TableError: if there are any; the message names each one and what differs.
    """
    problems = []
    for path, expected in settings.items():
        with suppress(TableError):
            problems += made_otherwise(read_metadata(path), expected, path)
    refuse(problems)


def refuse(problems: Sequence[str]) -> None:
    """Raise one error for everything that `made_otherwise` found.

    Raises:
        TableError: if there are any problems.
    """
    if problems:
        raise TableError(f"Some inputs were made with another configuration. {REMEDY}:", problems)


def made_otherwise(metadata: Mapping[str, Any], expected: Mapping[str, Any], path: Path | str) -> list[str]:
    """Return one line that names a table and what differs, if it was made with other settings than expected."""
    if metadata.get("configuration_hash") == configuration_hash(expected):
        return []
    return [f"{path}: {'; '.join(differences(metadata.get('settings'), expected)[:3])}"]


def differences(found: Any, expected: Any, key: str = "") -> list[str]:
    """List where settings differ from those expected, one line per key."""
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
    """Replace the metadata of a table, and add the checksum of its values to it."""
    sealed = {**metadata, "checksum": checksum(table)}
    return table.replace_schema_metadata({METADATA_KEY: json.dumps(sealed, sort_keys=True)})


def metadata_of(schema: pa.Schema, path: Path | str) -> dict[str, Any]:
    """Return the metadata that a table carries.

    Args:
        schema: the table's Arrow schema.
        path: the file to name in messages.

    Raises:
        TableError: if it carries none.
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
    """Read the metadata of a table on disk, without its values.

    Raises:
        TableError: if the table is unreadable or carries none.
    """
    try:
        schema = pq.read_schema(path)
    except (OSError, pa.ArrowException) as error:
        raise TableError(f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}). {REMEDY}") from error
    return metadata_of(schema, path)


def recorded_hash(path: Path | str) -> str | None:
    """Return the hash of the configuration that made a table, or None if there is no such table."""
    try:
        return read_metadata(path).get("configuration_hash")
    except TableError:
        return None
