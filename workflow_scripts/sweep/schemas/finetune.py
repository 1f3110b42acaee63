"""The course of a reinforcement, one row per evaluation."""

from sweep.schemas.columns import RATE, Schema, integer, number
from sweep.schemas.measure import DISTRIBUTIONS, MEASURES

REINFORCEMENT = Schema(
    "finetuned/training",
    {
        "step": integer(1),
        "sampled_success_rate": RATE,
        "success_rate": RATE,
        "op": MEASURES["op"],
        "imp": MEASURES["imp"],
        **DISTRIBUTIONS,
        "reinforcement_loss": number(0),
        "maintenance_loss": number(0),
        "natural_loss": number(0),
    },
)
