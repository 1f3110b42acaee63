from sayings import CONFIG
from splithistory.policy_measurement import MeasureSettings
from splithistory.sequence import N_OUTCOMES
from sweep.claims.estimators import CONFIDENCE


def the_bias_of_few_windows():
    of = MeasureSettings(**CONFIG["measure"])
    few = of.n_contexts_monte_carlo
    yield f"on {few} windows, which alone adds about {(N_OUTCOMES - 1) / few:.3f} nats to Imp. Here Imp is measured on"
    yield f"measured on {of.n_contexts_exact:,}, so the intercept"


def intervals():
    yield f"an interval of 1 − {100 * (1 - CONFIDENCE):.0f} %/k, so that all hold at once"
