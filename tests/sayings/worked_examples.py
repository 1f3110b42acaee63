import numpy as np

from sayings import CONFIG, read
from splithistory.environment import MEMORY


def what_follows_each_answer():
    of = CONFIG["measure"]
    yield f"over {of['n_repeats']} × {of['n_contexts_exact']:,} test windows"
    yield "the same from 200,000 fresh windows"  # as its code says
    yield "not given to, 200,000 of them"
    yield 'such as that "a 13 is more commonly followed by a 2 than a 15 is"'  # the study
    actions = read("sweeps/study/summary/actions.parquet")
    rows = actions.loc[actions.groupby("action")["weight"].idxmax()].set_index("action")["outcome_distribution"]
    assert rows[15][2] > rows[13][2]
    yield "a 2 is more frequent after a 15 than after a 13"
    yield "only noise puts a 2 after either"
    yield f"products that share {MEMORY - 1} of their {MEMORY} factors"


def in_the_ratio_of_85_to_15():
    s, p, ln = 0.85, 0.75, np.log
    good, bad = s * ln(s / p), (1 - s) * ln((1 - s) / (1 - p))
    entropy = -s * ln(s) - (1 - s) * ln(1 - s)
    assert f"{good + bad:.4f}" == "0.0298"  # as the output above says
    yield f"By hand: {s} ln({s}/{p}) + {1 - s:.2f} ln({1 - s:.2f}/{1 - p}) = {good:.4f} − {-bad:.4f} = {good + bad:.4f}"
    yield f"ln 8 − H = {ln(8):.4f} − {entropy:.4f} = {ln(8) - entropy:.4f}"
    yield f"{s} ln 6 among the successes, {1 - s:.2f} ln 2 among the failures"
    yield "Six of eight outcomes are good, 2 among them and 3 not"


def reasons_in_tables():
    yield '"infinite: the success rate under F\' is 0 or 1 in some repeat"'  # test_docs.py finds it in the code
