"""The chains of the sequence."""

import pyarrow as pa

from sweep.schemas.columns import Schema, integer, listed

CHAINS = Schema("sequences", {"chain": integer(), "tokens": listed(pa.uint8())})
