"""The chains of the sequence."""

import pyarrow as pa

from sweep.schemas.columns import COUNT, Schema, lists

CHAINS = Schema("sequences/chains", {"chain": COUNT, "tokens": lists(pa.uint8())})
