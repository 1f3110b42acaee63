"""The differential measures of a policy or pretrained model, one row per block, component and future."""

from sweep.schemas.columns import COUNT, Schema, integer, number, text

# Quartiles over windows; missing where no window defines the measure.
DIFFERENTIAL = Schema(
    "differential",
    {
        "block": COUNT,
        "component": text("attention", "mlp"),
        "future": text("block", "end"),
        "op_median": number(nullable=True),
        "op_low": number(nullable=True),
        "op_high": number(nullable=True),
        "imp_median": number(-1e-9, nullable=True),
        "imp_low": number(-1e-9, nullable=True),
        "imp_high": number(-1e-9, nullable=True),
        "n_windows": integer(1),
        "n_undefined": COUNT,
        "reason": text(nullable=True),
    },
)
