"""What is measured of a policy as a whole, and of the sequence's own generator."""

import pyarrow as pa

from sweep.schemas.columns import COUNT, DISTRIBUTION, LOG_8, LOG_16, RATE, Column, Schema, integer, lists, number, text


def measures(most: float) -> dict[str, Column]:
    """The properties of `split_history.Futures` that are columns, nats; one added here is measured and written.

    Args:
        most: entropy of the uniform distribution over the outcomes.
    """
    return {
        "entropy": number(-1e-9, most),
        "entropy_counterfactual": number(-1e-9, most),
        "op": number(-most, most),
        "imp": number(-1e-9),
    }


MEASURES = measures(LOG_8)
# Goal-directedness, nats; the most is that of a policy that is certain among 16 actions.
MEG = number(0, LOG_16)
DISTRIBUTIONS = {"outcome_distribution": DISTRIBUTION, "counterfactual_distribution": DISTRIBUTION}

MEASURED = Schema(
    "finetuned/measured",
    {
        "windows": text("natural", "rollouts"),
        "repeat": COUNT,
        "estimator": text("exact", "monte_carlo"),
        "counterfactual": text("split_history", "do_nothing", "random_token", "untrained", "pretrained"),
        "n_contexts": integer(1),
        "n_distinct_actions": integer(1),
        **MEASURES,
        **DISTRIBUTIONS,
        "meg_any": MEG,
    },
)
GENERATOR = Schema("summary/generator", MEASURED.columns)
SUCCESS = Schema(
    "finetuned/success",
    {
        "success_rate": RATE,
        "chance": RATE,
        "n_contexts": integer(1),
        "outcome_counts": lists(pa.int64(), 8),
        "outcome_counts_pretrained": lists(pa.int64(), 8),
        "off_alphabet_rate": RATE,
    },
)
ACTIONS = Schema(
    "finetuned/actions",
    {"repeat": COUNT, "action": integer(0, 15), "weight": RATE, "outcome_distribution": DISTRIBUTION},
)
BOOTSTRAP = Schema(
    "finetuned/bootstrap", {"draw": COUNT, "op": MEASURES["op"], "imp": MEASURES["imp"], **DISTRIBUTIONS}
)
SELF_ESTIMATE = Schema(  # all tokens are its outcomes
    "finetuned/self_estimate",
    {"repeat": COUNT, "n_contexts": integer(1), **measures(LOG_16), "odd_token_mass": RATE},
)
