"""The differential measures of a policy or pretrained model."""

from functools import partial

from sweep.schemas.columns import ROUNDING, Schema, count, integer, nats, text

_op = partial(nats, nullable=True, section="9.1")
_imp = partial(nats, low=-ROUNDING, nullable=True, section="9.1")

DIFFERENTIAL = Schema(
    "differential",
    "one row per block, component and future; quartiles are taken over the windows in which the measures are defined",
    {
        "block": count("index of the block, from 0"),
        "component": text("component whose output is held fixed", "attention", "mlp", section="9.6"),
        "future": text(
            "where the future is taken: after the block, or after the last block", "block", "end", section="9.6"
        ),
        "op_median": _op("median of differential Op"),
        "op_low": _op("lower quartile of differential Op"),
        "op_high": _op("upper quartile of differential Op"),
        "imp_median": _imp("median of differential Imp"),
        "imp_low": _imp("lower quartile of differential Imp"),
        "imp_high": _imp("upper quartile of differential Imp"),
        "n_windows": integer("number of windows", 1),
        "n_undefined": count("number of windows in which the measures are undefined", section="9.5"),
        "reason": text("why the measures are undefined in some windows", nullable=True, section="9.5"),
    },
)
