"""The course of a reinforcement."""

import pyarrow as pa

from sweep.schemas.columns import OUTCOME_DISTRIBUTION, SUCCESS_RATE, Schema, integer, lists, nats, rate

REINFORCEMENT = Schema(
    "finetuned/training",
    "one row per evaluation on validation windows, at temperature 0 and with the noise summed out unless a column says "
    "otherwise",
    {
        "step": integer("number of optimizer steps so far", 1),
        "sampled_success_rate": rate(
            "success rate of the actions sampled in training, averaged since the previous evaluation; for a graded "
            "task the mean utility",
            section="3.1",
        ),
        "success_rate": SUCCESS_RATE,
        "outcome_distribution": OUTCOME_DISTRIBUTION,
        "action_weights": lists(
            "share of the windows that are answered with each token", pa.float64(), length=16, section="4.3"
        ),
        "reinforcement_loss": nats(
            "loss that reinforcement descends, averaged since the previous evaluation", 0, section="3.3"
        ),
        "maintenance_loss": nats(
            "cross-entropy of the outcomes that follow the policy's own actions, at temperature 1", 0, section="3.5"
        ),
        "natural_loss": nats("cross-entropy of the tokens at even positions of natural chains", 0, section="3.5"),
    },
)
