"""The list of all other tables."""

from sweep.schemas.columns import Schema, integer, text

MANIFEST = Schema(
    "manifest", {"path": text(), "rows": integer(), "sha256": text(), "configuration_hash": text(nullable=True)}
)
