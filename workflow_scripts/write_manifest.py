"""List every table of the sweep with a checksum of its schema and values."""

import argparse
import hashlib
import os
from pathlib import Path

import pyarrow as pa

from sweep import script
from sweep.layout import all_tables
from sweep.provenance import metadata_of, provenance
from sweep.tables import read_table, write_table


def main(arguments: argparse.Namespace) -> None:
    rows = []
    for schema, path in all_tables(arguments.results, arguments.settings):
        table = read_table(path, schema)
        rows.append(
            {
                "path": os.path.relpath(path, arguments.results),
                "rows": table.num_rows,
                "sha256": checksum(table),
                "configuration_hash": metadata_of(table.schema, path)["configuration_hash"],
            }
        )
    write_table(rows, "manifest", arguments.manifest, provenance(arguments.settings))


def checksum(table: pa.Table) -> str:
    """Hexadecimal sha256 of a table's schema and values; its metadata, times and hosts among it, has no part."""
    bare = table.replace_schema_metadata(None).combine_chunks()
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, bare.schema) as stream:
        stream.write_table(bare)
    return hashlib.sha256(sink.getvalue()).hexdigest()


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--results", required=True, help="folder of the sweep")
    options.add_argument("--manifest", type=Path, required=True, help="table to write")
    script.run(main, options)
