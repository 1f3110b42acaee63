import tomllib

import numpy as np

from sayings import ROOT, benchmark
from splithistory.identification import MOST_RANKED_OUTCOMES
from splithistory.split_history import compare_futures
from test_own_policy import ANSWERS, ROOM, TEMPERATURES, N, bias, sampled


def limits():
    yield f"which works for at most {MOST_RANKED_OUTCOMES}. Best"
    of = benchmark("windows")
    yield f"memory for {of.N_ACTIONS:,} actions, {of.N_OUTCOMES} outcomes and {of.N_WINDOWS:,} windows"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    yield f"with Python {project['requires-python'].removeprefix('>=')} or later"


def the_bias_of_imp():
    def reacts(x, rng):
        return ANSWERS[x]

    imp, n_outcomes = compare_futures(ANSWERS, ROOM).imp, ROOM.shape[-1]
    as_it_is, _ = bias(reacts, lambda x, rng: ROOM[x], imp=imp)
    yield f"at n = {N}, Imp is on average {as_it_is:.3f} too high"
    yield f"with K outcomes: {(n_outcomes - 1) / N:.3f} for {n_outcomes} outcomes and n = {N}."
    smoothed, _ = bias(reacts, lambda x, rng: sampled(ROOM[x], rng), imp=imp, pseudocount=0.5)
    yield f"and n = {N}, this thermostat's is on average {-smoothed:.2f} too *low*"


def the_figure():
    likeliest = sorted(TEMPERATURES[np.argsort(compare_futures(ANSWERS, ROOM).outcome_distribution)[-2:]])
    yield "narrow about {} and {}, beside wide".format(*likeliest)
    certain = 1.0  # the share of resamples
    yield f"{100 * certain:.0f} % says that other windows would give the same answer"
