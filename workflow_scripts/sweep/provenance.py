"""What a table says about its own making: JSON in its Parquet metadata, under the key ``splithistory``."""

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
        "inputs": {name: read_metadata(path).get("checksum") for name, path in (inputs or {}).items()},
        "versions": {"python": platform.python_version()}
        | {package: version(package) for package in ("numpy", "pyarrow", *packages)},
        "processor": _processor(torch_runs="torch" in packages, on_cuda=more.get("device") == "cuda"),
    } | more


def _processor(torch_runs: bool, on_cuda: bool) -> dict[str, str]:
    """What a job computes on: numbers made with other instructions differ in their last digits."""
    processor = {"processor": _model()}
    if torch_runs:
        import torch  # takes a second, which what reads metadata alone does without

        processor["instruction set"] = torch.backends.cpu.get_cpu_capability()
        if on_cuda:
            processor["GPU"] = torch.cuda.get_device_name()
    return processor


def _model() -> str:
    """The model of the processor, as well as the system tells it."""
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def made_with(metadata: Mapping[str, Any]) -> dict[str, str]:
    """What results may differ with that no configuration says: versions by library, and the processor."""
    return {**metadata.get("versions", {}), **metadata.get("processor", {})}


def checksum(table: pa.Table) -> str:
    """Hexadecimal SHA-256 of a table's values and of the names, types and order of its columns.

    How a file encodes them plays no part, nor does metadata, with its times and hosts. Values are compared bit by bit:
    NaN differs from a missing value, and -0 from 0.
    """
    digest = hashlib.sha256()
    table = without_categories(table)
    for name, column in zip(table.column_names, table.columns, strict=True):
        # The name that a list gives to its elements depends on who wrote it.
        kind = f"list<{column.type.value_type}>" if pa.types.is_list(column.type) else column.type
        digest.update(f"{name}: {kind}\n".encode())
        for part in _parts(column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()):
            digest.update(b"%d: " % len(part))
            digest.update(part)
    return digest.hexdigest()


def without_categories(table: pa.Table) -> pa.Table:
    """The table with plain texts in place of categories, which are a way to encode them."""
    for i, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            plain = field.with_type(field.type.value_type)
            table = table.set_column(i, plain, table.column(i).cast(plain.type))
    return table


def _parts(array: pa.Array) -> Iterator[bytes | np.ndarray]:
    """What makes up an array: which values are missing if any are, the lengths of texts and lists, the values."""
    yield array.is_null().to_numpy(zero_copy_only=False) if array.null_count else b""
    if array.null_count:
        array = array.drop_null()  # what lies below a missing value is undefined
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
        table: as read, with its metadata.
        path: the file that the message names.

    Raises:
        TableError: if it carries none, or its values or columns have been changed since.
    """
    written_with = metadata_of(table.schema, path).get("checksum")
    if written_with is None:
        raise TableError(f"{path}: carries no checksum, so an older version of this workflow made it. {REMEDY}")
    if written_with != checksum(table):
        raise TableError(f"{path}: its values are not those that it was written with, so they were edited. {REMEDY}")


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
    """The table with the metadata, and the checksum of its values among them, in place of any that it had."""
    sealed = {**metadata, "checksum": checksum(table)}
    return table.replace_schema_metadata({METADATA_KEY: json.dumps(sealed, sort_keys=True)})


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
