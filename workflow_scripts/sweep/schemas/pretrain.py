"""The course of a pretraining, one row per evaluation."""

from sweep.schemas.columns import RATE, Schema, integer, number

PRETRAINING = Schema(
    "pretrained/training",
    {
        "step": integer(1),
        "train_loss": number(0),
        "validation_loss": number(0),
        "validation_accuracy": RATE,
        "learning_rate": number(0),
    },
)
