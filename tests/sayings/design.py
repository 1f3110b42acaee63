from math import prod

from sayings import CONFIG
from sayings.scale import MANY
from splithistory.identification import good_set_pairs
from splithistory.policy_measurement import MeasureSettings
from splithistory.sequence import N_OUTCOMES, N_TOKENS


def numbers_of_the_method():
    of = MeasureSettings(**CONFIG["measure"])
    few, many, high = of.n_contexts_monte_carlo, of.n_contexts_exact, N_OUTCOMES - 1
    yield f"too high: {high / many:.4f} nats at {many:,} windows, {high / few:.3f} at the study's {few}."
    yield f"for all {N_TOKENS} actions"
    yield f"the number of distinct actions (at most {N_TOKENS})"
    yield f"They are taken on {of.n_repeats} × {of.n_contexts_self_estimate} windows, as the study's were"
    yield f"so all {len(good_set_pairs(N_OUTCOMES))} pairs of a good set and its complement"
    yield f"a plan of {prod(MANY):,} policies stays small"
