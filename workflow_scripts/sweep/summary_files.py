"""Summary tables on disk, which people open: as Parquet, with sizes in order of parameters, and as CSV."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from sweep.files import replacing
from sweep.layout import csv_beside
from sweep.schemas.columns import Schema
from sweep.tables import save, table_of


def write_summary(
    rows: pd.DataFrame | Iterable[Mapping[str, Any]],
    schema: Schema,
    path: Path | str,
    provenance: Mapping[str, Any],
    sizes: Sequence[str] = (),
) -> None:
    """Write a summary table as Parquet and, under the same name, as CSV.

    Args:
        rows: a frame, or one mapping per row.
        schema: schema of the table.
        path: the Parquet file; its folder is created if necessary.
        provenance: see `provenance.provenance`.
        sizes: names of all sizes, in the order of the categories that readers get; if there are none, sizes stay texts.

    Raises:
        TableError: if the rows do not fit the schema.
        KeyError: if a row's size is not among ``sizes``.
    """
    table = table_of(rows, schema, path)
    ordered = _in_order(table, "size", sizes) if sizes and "size" in schema.columns else table
    save(ordered, path, provenance)
    with replacing(csv_beside(str(path))) as temporary:
        temporary.write_bytes(as_csv(table))


def as_csv(table: pa.Table) -> bytes:
    """Write a table as CSV in UTF-8, with lists as JSON, missing values as empty fields and texts in quotes."""
    columns = [_as_json(column) if pa.types.is_list(column.type) else column for column in table.columns]
    text = pa.BufferOutputStream()
    pa.csv.write_csv(pa.table(columns, names=table.column_names), text)
    return text.getvalue().to_pybytes()


def _as_json(column: pa.ChunkedArray) -> pa.Array:
    """Convert lists of numbers to texts such as '[0.5, 0.25]'."""
    lists = column.combine_chunks()
    texts = pa.ListArray.from_arrays(lists.offsets, lists.values.cast(pa.string()))
    texts = pc.binary_join_element_wise("[", pc.binary_join(texts, ", "), "]", "")
    return pc.if_else(lists.is_valid(), texts, None)


def _in_order(table: pa.Table, name: str, values: Sequence[str]) -> pa.Table:
    """Convert a column of texts to an ordered category."""
    index, column, categories = table.schema.get_field_index(name), table[name].combine_chunks(), pa.array(values)
    if unknown := set(column.drop_null().unique().to_pylist()) - set(values):
        raise KeyError(f"{name}: {', '.join(sorted(unknown))} not among {', '.join(values)}")
    codes = pc.index_in(column, categories)
    ordered = pa.DictionaryArray.from_arrays(codes, categories, ordered=True)
    return table.set_column(index, table.schema.field(name).with_type(ordered.type), ordered)
