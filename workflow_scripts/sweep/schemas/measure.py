"""What is measured of a policy as a whole, and of the sequence's own generator."""

import pyarrow as pa

from sweep.schemas.columns import (
    LOG_8,
    LOG_16,
    OUTCOME_DISTRIBUTION,
    ROUNDING,
    Column,
    Schema,
    count,
    distribution,
    integer,
    lists,
    nats,
    rate,
    text,
)


def measures(most: float) -> dict[str, Column]:
    """Return the properties of `split_history.Futures` that are columns; one added here is measured and written.

    Args:
        most: entropy of the uniform distribution over the outcomes, in nats.
    """
    return {
        "entropy": nats(
            "entropy of F, the future in which the policy reacts to each window", -ROUNDING, most, section="4.1"
        ),
        "entropy_counterfactual": nats("mean entropy of F', the counterfactual future", -ROUNDING, most, section="4.1"),
        "op": nats("Op, optimization: the mean entropy of F' minus the entropy of F", -most, most, section="4.2"),
        "imp": nats("Imp, impact: the mean KL divergence of F from F'", -ROUNDING, section="5.1"),
    }


MEASURES = measures(LOG_8)
CHANCE = rate("success rate of uniformly random answers; for a graded task their mean utility", section="3.7")
OFF_ALPHABET_RATE = rate(
    "share of the answers that are even tokens, which no chain has at odd positions", section="3.6"
)
MEG_ANY = nats(  # at most that of a policy that is certain among 16 actions
    "maximum-entropy goal-directedness towards the utility that predicts the actions best",
    0,
    LOG_16,
    section="13.3",
)
DISTRIBUTIONS = {
    "outcome_distribution": OUTCOME_DISTRIBUTION,
    "counterfactual_distribution": distribution("mean of F': the probability of each outcome", section="4.1"),
}
FUTURE_OF_ACTION = distribution("F' given the action: the probability of each outcome", section="4.1")
WINDOWS = text(
    "kind of windows: natural ones, or those that the policy's own rollouts lead to",
    "natural",
    "rollouts",
    section="4.4",
)
ESTIMATOR = text(
    "how outcomes are obtained: with the noise summed out, or by one sample per window and action",
    "exact",
    "monte_carlo",
    section="4.4",
)
COUNTERFACTUAL = text(
    "counterfactual future F' that F is compared with",
    "split_history",
    "do_nothing",
    "random_token",
    "untrained",
    "pretrained",
    section="6.1",
)
ACTION = integer("action: the token that the policy answers with", 0, 15, section="3.6")
_REPEAT = count("index of the repeat, from 0", section="4.4")
_N_CONTEXTS = integer("number of windows", 1, section="1.4")

MEASURED = Schema(
    "finetuned/measured",
    "one row per repeat, kind of windows, estimator and counterfactual",
    {
        "windows": WINDOWS,
        "repeat": _REPEAT,
        "estimator": ESTIMATOR,
        "counterfactual": COUNTERFACTUAL,
        "n_contexts": _N_CONTEXTS,
        "n_distinct_actions": integer("number of distinct actions that F' is made of", 1, section="4.3"),
        **MEASURES,
        **DISTRIBUTIONS,
        "meg_any": MEG_ANY,
    },
)
GENERATOR = Schema("summary/generator", f"{MEASURED.rows}, of the sequence's own generator", MEASURED.columns)
SUCCESS = Schema(
    "finetuned/success",
    "a single row: the outcomes in all measured windows, with actions at temperature 0 and sampled noise",
    {
        "success_rate": rate("success rate; for a graded task the mean utility", section="3.2"),
        "chance": CHANCE,
        "n_contexts": _N_CONTEXTS,
        "outcome_counts": lists("number of windows with each outcome", pa.int64(), 8),
        "outcome_counts_pretrained": lists(
            "number of windows with each outcome, for the pretrained model", pa.int64(), 8
        ),
        "off_alphabet_rate": OFF_ALPHABET_RATE,
    },
)
ACTIONS = Schema(
    "finetuned/actions",
    "one row per repeat and distinct action, by the exact estimator on natural windows",
    {
        "repeat": _REPEAT,
        "action": ACTION,
        "weight": rate("share of the repeat's windows that are answered with this action", section="4.3"),
        "outcome_distribution": FUTURE_OF_ACTION,
    },
)
BOOTSTRAP = Schema(
    "finetuned/bootstrap",
    "one row per bootstrap resample of all measured windows",
    {
        "draw": count("index of the resample, from 0", section="8.4"),
        "op": MEASURES["op"],
        "imp": MEASURES["imp"],
        **DISTRIBUTIONS,
    },
)
SELF_ESTIMATE = Schema(  # all tokens count as outcomes
    "finetuned/self_estimate",
    "one row per repeat; outcomes are the policy's own predictions, over all 16 tokens",
    {
        "repeat": _REPEAT,
        "n_contexts": _N_CONTEXTS,
        **measures(LOG_16),
        "odd_token_mass": rate("probability under F of odd tokens, which cannot follow", section="7.1"),
    },
)
