"""The chains of the sequence."""

import pyarrow as pa

from sweep.schemas.columns import Schema, count, lists

CHAINS = Schema(
    "sequences/chains",
    "one row per chain",
    {
        "chain": count("index of the chain, from 0"),
        "tokens": lists(
            "the tokens of the chain, 0 to 7 at even and 8 to 15 at odd positions", pa.uint8(), section="1.1"
        ),
    },
)
