"""The list of all other tables."""

from sweep.schemas.columns import COUNT, Schema, text

MANIFEST = Schema(
    "manifest", {"path": text(), "rows": COUNT, "sha256": text(), "configuration_hash": text(nullable=True)}
)
