"""The course of a pretraining."""

from sweep.schemas.columns import Schema, integer, nats, number, rate

PRETRAINING = Schema(
    "pretrained/training",
    "one row per evaluation",
    {
        "step": integer("number of optimizer steps so far", 1),
        "train_loss": nats(
            "cross-entropy of the next token on training batches, averaged since the previous evaluation",
            0,
            section="2.3",
        ),
        "validation_loss": nats("cross-entropy of the next token on validation chains", 0, section="1.5"),
        "validation_accuracy": rate(
            "share of next tokens on validation chains that the model considers likeliest", section="2.3"
        ),
        "learning_rate": number("learning rate of the next step", 0, section="2.3"),
    },
)
