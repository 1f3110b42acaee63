"""Tables on disk: checked against their schema, written whole or not at all.

A table is a Parquet file; `provenance` says what its metadata holds, and `sweep.schemas` which columns it has.
"""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from sweep.errors import REMEDY, TableError
from sweep.files import replacing
from sweep.provenance import require_unchanged, with_metadata, without_categories
from sweep.schemas.columns import Column, Schema


def validated(frame: pd.DataFrame, schema: Schema, path: Path | str) -> pd.DataFrame:
    """Check a frame against the schema of its table.

    Args:
        frame: the rows, with the types that `_dtype` names.
        schema: schema of the table.
        path: the file to name in messages.

    Returns:
        The frame.

    Raises:
        TableError: if it does not fit; the message names every column that fails, what was expected and what was found.
    """
    from pandera.errors import SchemaErrors

    try:
        return _frame_schema(schema).validate(frame, lazy=True)
    except SchemaErrors as error:
        cases = error.failure_cases.drop_duplicates(["column", "check"])
        problems = [
            f"{case.column or case.failure_case}: {case.check}, got {case.failure_case}" for case in cases.itertuples()
        ]
        raise TableError(f"{path}: not a valid '{schema.name}' table", problems) from error


@cache
def _frame_schema(schema: Schema) -> Any:
    """Create the pandera schema of a table's rows."""
    import pandera.pandas as pandera  # here, since the import takes 0.25 s and reading tables does not need it

    def check(column: Column) -> pandera.Check | None:
        if column.allowed:
            return pandera.Check.isin(column.allowed)
        if column.length is not None:
            return pandera.Check(lambda values: len(values) == column.length, element_wise=True)
        if pa.types.is_integer(column.type) or pa.types.is_floating(column.type):
            return pandera.Check.in_range(column.low, column.high)
        return None

    columns = {
        name: pandera.Column(_dtype(column), check(column), nullable=column.nullable)
        for name, column in schema.columns.items()
    }
    return pandera.DataFrameSchema(columns, strict=True, ordered=True)


def _dtype(column: Column) -> Any:
    """Return the type that a column has in pandas."""
    if pa.types.is_integer(column.type):
        return "Int64" if column.nullable else "int64"
    return {pa.float64(): "float64", pa.string(): "string", pa.bool_(): "bool"}.get(column.type, object)


def as_in_schema(table: pa.Table, schema: Schema) -> pd.DataFrame:
    """Convert a table from `read_table` to a frame, with the types that its schema has in pandas."""
    frame = table.to_pandas(types_mapper=lambda arrow: pd.StringDtype() if arrow == "string" else None)
    return frame.astype({name: "Int64" for name, column in schema.columns.items() if _dtype(column) == "Int64"})


def validate_table(table: pa.Table, schema: Schema, path: Path | str) -> None:
    """Check a table that was read against every rule of its schema.

    Args:
        table: table from `read_table`.
        schema: schema of the table.
        path: the file to name in messages.

    Raises:
        TableError: as for `validated`.
    """
    validated(as_in_schema(table, schema), schema, path)


def frame_of(rows: pd.DataFrame | Iterable[Mapping[str, Any]], schema: Schema, path: Path | str) -> pd.DataFrame:
    """Convert rows to a frame that fits their schema; see `write_table`."""
    if not isinstance(rows, pd.DataFrame):
        rows = list(rows)
    frame = pd.DataFrame(rows) if len(rows) else pd.DataFrame(columns=schema.arrow.names)
    return validated(_cast(frame, schema, path), schema, path)


def table_of(rows: pd.DataFrame | Iterable[Mapping[str, Any]], schema: Schema, path: Path | str) -> pa.Table:
    """Convert rows to a table that fits their schema; see `write_table`."""
    return pa.Table.from_pandas(frame_of(rows, schema, path), schema=schema.arrow, preserve_index=False)


def write_table(
    rows: pd.DataFrame | Iterable[Mapping[str, Any]], schema: Schema, path: Path | str, provenance: Mapping[str, Any]
) -> None:
    """Check rows against their schema and write them whole or not at all.

    Args:
        rows: a frame, or one mapping per row.
        schema: schema of the table.
        path: the Parquet file; its folder is created if necessary.
        provenance: see `provenance.provenance`.

    Raises:
        TableError: if the rows do not fit the schema.
    """
    save(table_of(rows, schema, path), path, provenance)


def save(table: pa.Table, path: Path | str, provenance: Mapping[str, Any]) -> None:
    """Write a table from `table_of` whole or not at all; see `write_table`."""
    with replacing(path) as temporary:
        pq.write_table(with_metadata(table, provenance), temporary, write_page_checksum=True)


def read_table(path: Path | str, schema: Schema) -> pa.Table:
    """Read a table and check that it has the columns of its schema and the values that it was written with.

    Categories are read as the texts that they stand for.

    Args:
        path: the Parquet file.
        schema: schema of the table.

    Raises:
        TableError: if the file is missing, truncated, not Parquet, another table, or edited since it was written.
    """
    name = schema.name
    try:
        # Small files are read faster without extra threads.
        with pa.OSFile(str(path)) as file:  # faster than reading by path
            content = pq.ParquetFile(file, page_checksum_verification=True, pre_buffer=False).read(use_threads=False)
            table = without_categories(content)
    except FileNotFoundError:
        raise TableError(f"{path}: no such file; expected a '{name}' table. Rerun snakemake to make it") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise TableError(
            f"{path}: not a readable Parquet file ({str(error).splitlines()[0]}); expected a '{name}' table. {REMEDY}"
        ) from error
    if not table.schema.equals(schema.arrow):
        raise TableError(
            f"{path}: not a '{name}' table: expected the columns {_described(schema.arrow)}; "
            f"got {_described(table.schema)}. {REMEDY}"
        )
    holes = [key for key, column in schema.columns.items() if not column.nullable and _n_nulls(table[key])]
    if holes:
        raise TableError(
            f"{path}: not a '{name}' table: values are missing in {', '.join(holes)}, where none may be. {REMEDY}"
        )
    require_unchanged(table, path)
    return table


def _n_nulls(column: pa.ChunkedArray) -> int:
    """Count the missing values of a column, including those inside lists."""
    return column.null_count + (pc.list_flatten(column).null_count if pa.types.is_list(column.type) else 0)


def _cast(frame: pd.DataFrame, schema: Schema, path: Path | str) -> pd.DataFrame:
    """Put the columns of a frame into their schema's order and types.

    Raises:
        TableError: if columns are missing or unknown, or a value would change.
    """
    problems = [f"{name}: missing" for name in schema.columns if name not in frame]
    problems += [f"{name}: not a column of this table" for name in frame if name not in schema.columns]
    cast = {}
    for name in schema.columns.keys() & set(frame):
        dtype = _dtype(schema.columns[name])
        try:
            cast[name] = frame[name].astype(dtype)
            if dtype == "int64" and (cast[name] != frame[name]).any():
                raise ValueError(f"{frame[name][cast[name] != frame[name]].iloc[0]} is not a whole number")
        except (TypeError, ValueError) as error:
            problems.append(f"{name}: expected {dtype}, but {error}")
    if problems:
        raise TableError(f"{path}: not a valid '{schema.name}' table", problems)
    return pd.DataFrame({name: cast[name] for name in schema.columns})


def _described(schema: pa.Schema) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)
