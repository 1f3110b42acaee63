"""The parameters of a policy or pretrained model."""

import pyarrow as pa

from sweep.schemas.columns import Schema, lists, text

CHECKPOINT = Schema(
    "checkpoint",
    "one row per tensor",
    {
        "name": text("name of the tensor in the model", section="2.1"),
        "shape": lists("length of each axis of the tensor", pa.int64()),
        "dtype": text("type of the numbers", "float32"),
        "values": lists("the numbers in the tensor, the last axis changing fastest", pa.float32()),
    },
)
