"""The list of all other tables."""

from sweep.schemas.columns import Schema, count, text

MANIFEST = Schema(
    "manifest",
    "one row per table of the sweep",
    {
        "path": text("path of the table, relative to the results folder"),
        "rows": count("number of rows in the table"),
        "sha256": text("SHA-256 of the values in the table and of the names and types of its columns, in hexadecimal"),
        "configuration_hash": text("hash of the settings that the table depends on", nullable=True),
    },
)
