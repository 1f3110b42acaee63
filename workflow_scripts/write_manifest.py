"""List every table of the sweep with a checksum of its values and columns."""

import argparse
import os
from pathlib import Path

from sweep import script
from sweep.provenance import metadata_of
from sweep.schemas.manifest import MANIFEST
from sweep.stages import all_tables
from sweep.tables import read_table, write_table


def main(arguments: argparse.Namespace) -> None:
    rows = []
    for table in all_tables(arguments.results, arguments.settings["sweep"]):
        content = read_table(table.path, table.schema)
        made_by = metadata_of(content.schema, table.path)
        rows.append(
            {
                "path": os.path.relpath(table.path, arguments.results),
                "rows": content.num_rows,
                "sha256": made_by["checksum"],
                "configuration_hash": made_by["configuration_hash"],
            }
        )
    write_table(rows, MANIFEST, arguments.manifest, provenance=script.made_by(arguments, seconds=script.seconds()))


if __name__ == "__main__":
    options = script.parser(__doc__)
    options.add_argument("--results", required=True, help="folder of the sweep")
    options.add_argument("--manifest", type=Path, required=True, help="table to write")
    script.run(main, options)
