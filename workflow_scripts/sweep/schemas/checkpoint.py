"""The parameters of a policy or pretrained model, one row per tensor."""

import pyarrow as pa

from sweep.schemas.columns import Schema, lists, text

CHECKPOINT = Schema(
    "checkpoint",
    {"name": text(), "shape": lists(pa.int64()), "dtype": text("float32"), "values": lists(pa.float32())},
)
