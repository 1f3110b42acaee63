"""The parameters of a policy or pretrained model, one row per tensor."""

import pyarrow as pa

from sweep.schemas.columns import Schema, listed, text

CHECKPOINT = Schema(
    "checkpoint",
    {"name": text(), "shape": listed(pa.int64()), "dtype": text("float32"), "values": listed(pa.float32())},
)
